"""Rebuilding a backup: one module per way to restore, and one way to say what it came to."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from tasks.engines.completeness import missing_entries
from tasks.engines.context import Job
from tasks.engines.errors.tool_failures import raise_if_dead
from tasks.engines.globals import read_globals
from tasks.engines.in_turn import restore_tables
from tasks.engines.result import conclude, too_late
from tasks.engines.roles import Role
from tasks.engines.script import given_to, restore_script
from tasks.model.backup import Format, LocalBackup, Toc
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError, StageFailed
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.model.server_words import of_error
from tasks.model.target import Target

ARCHIVES = frozenset({Format.CUSTOM, Format.DIRECTORY, Format.TAR})
SCRIPTS = frozenset({Format.PLAIN, Format.CLUSTER})

__all__ = ["missing_entries", "restore"]


def restore(
    backup: LocalBackup,
    sandbox: Sandbox,
    target: Target,
    *,
    globals_path: Path | None,
    deadline_s: float,
    progress: Callable[[str], None],
) -> Restored:
    """Rebuild *backup* in *sandbox*, as a role without power, and say what that came to.

    Args:
        backup: opened, with what its head tells.
        sandbox: running, and empty or left by an earlier attempt.
        target: what may be created, and which database is wanted.
        globals_path: the `pg_dumpall --globals-only` file of the same time.
        deadline_s: seconds for all of it.
        progress: told in words how far it is.

    Returns:
        The restored database with everything that was observed; findings of severity failure among them.

    Raises:
        StageFailed: what was restored cannot be checked: the backup ends early, holds nothing or is hostile,
            needs an extension that cannot be had, or took too long.
        PermanentError: `postgres-failed`, `disk-full`, `out-of-memory`, `globals-missing`,
            `format-unsupported`, `database-choice-ambiguous`, `database-not-in-dump`, `invalid-encoding`.
    """
    started = time.monotonic()
    job = Job(sandbox, target, Deadline.within(deadline_s), progress, toc=backup.head.toc or Toc(()))
    roles = () if globals_path is None else _globals(job, globals_path)
    job.commands[:0] = backup.unpacking
    file_name = backup.file_name
    try:
        if backup.head.format in ARCHIVES:
            job, transcript = restore_tables(job, backup, roles)
        elif backup.head.format in SCRIPTS:
            transcript = restore_script(job, backup, roles)
        else:
            raise PermanentError(
                f"A backup of the kind {backup.head.format} is recognised and cannot be restored here.",
                file_name,
                rule="format-unsupported",
            )
        return conclude(job, transcript, file_name, started, deadline_s)
    except UnicodeEncodeError as error:
        raise PermanentError(
            "A name in the backup is no text in its encoding. PostgreSQL takes no such name.",
            file_name,
            rule="invalid-encoding",
        ) from error
    except (psycopg.errors.CharacterNotInRepertoire, psycopg.errors.UntranslatableCharacter) as error:
        raise PermanentError(
            "Names in the database are bytes that are no text: its encoding, SQL_ASCII, checks nothing. The "
            "drill cannot name, and so not check, what it restored. Nothing is said about the backup.",
            file_name,
            rule="format-unsupported",
        ) from error
    except psycopg.errors.QueryCanceled as error:
        if not job.deadline.passed:
            raise
        raise StageFailed(too_late(job, file_name, deadline_s)) from error
    except psycopg.Error as error:
        raise_if_dead(sandbox, (of_error(error),))
        raise


def _globals(job: Job, path: Path) -> tuple[Role, ...]:
    started = time.monotonic()
    roles, backup = read_globals(path, job.target.dump.decrypt, job.sandbox.workspace.backup_dir)
    job.commands += backup.unpacking
    job.command(started, *given_to(["psql", "-X", "-d", "postgres"], backup))
    return roles
