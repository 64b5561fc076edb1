"""Rebuilding a script (plain dump, section of pg_dumpall, SQL written by hand), statement by statement.

The statements go to the server through libpq, as psql would send them, and not through psql: where a COPY
fails, psql takes the rows that follow for SQL and for commands of its own, so that a row can run a program,
and a quote in a row swallows the statements behind it. Here the rows of a failed COPY are passed over,
every error belongs to the statement that met it, and there is no command interpreter to attack. See
docs/decisions.
"""

from __future__ import annotations

import time

from tasks.catalog.opening import open_script, script_wrappers
from tasks.catalog.unpacking import TO_STDOUT
from tasks.engines.context import Job
from tasks.engines.database import MAINTENANCE
from tasks.engines.errors.pg_restore_stderr import Transcript
from tasks.engines.libpq_session import Expired, reading_ahead
from tasks.engines.roles import Role
from tasks.engines.script_runner import ScriptRunner
from tasks.engines.script_stream import LONGEST_STATEMENT_BYTES, ScriptStream
from tasks.engines.sql.splitter import scan
from tasks.engines.ticker import ticking
from tasks.model.backup import Extent, LocalBackup
from tasks.model.bounded_list import listing
from tasks.model.errors import PermanentError
from tasks.model.shell import database_argument, file_argument


def restore_script(job: Job, backup: LocalBackup, globals_roles: tuple[Role, ...]) -> Transcript:
    """Run the script of one database into a new one.

    Raises:
        StageFailed: the script is hostile, or ends in the middle of a statement.
        PermanentError: `database-choice-ambiguous`, `database-not-in-dump`.
    """
    choice = choose_database(backup, job)
    pieces = scan(reading_ahead(open_script(backup)), LONGEST_STATEMENT_BYTES)
    stream = ScriptStream(pieces, backup.head.extent.lines)
    runner = ScriptRunner(job, backup, stream, choice, globals_roles)
    started = time.monotonic()
    job.progress(f"running the script {backup.file_name}")
    try:
        with ticking(job):
            runner.run()
    except Expired:
        runner.finish()
        return Transcript(timed_out=True)
    finally:
        runner.close()
    runner.finish()
    _note_command(job, backup, started, creates=runner.databases.is_created)
    return Transcript()


def choose_database(backup: LocalBackup, job: Job) -> str | None:
    """Return which database of a script with several is to be restored; None for a script of one.

    Raises:
        PermanentError: `database-choice-ambiguous`, `database-not-in-dump`.
    """
    named, file_name = list(dict.fromkeys(backup.head.databases)), backup.file_name
    wanted_database = job.target.dump.database
    if wanted_database is not None and named and wanted_database not in named:
        raise PermanentError(
            f"The dump holds {listing(named, place='')} and not the database {wanted_database}. What was "
            "asked for is not in it.",
            file_name,
            rule="database-not-in-dump",
        )
    own = [name for name in named if name not in MAINTENANCE]
    job.other_databases = ()
    if not named:
        return None
    for choice in (
        wanted_database,
        job.target.name if job.target.name in named else None,
        own[0] if len(own) == 1 else None,
    ):
        if choice is not None:
            job.other_databases = tuple(name for name in own if name != choice)
            return choice
    if not own:
        return "postgres" if "postgres" in named else named[0]
    raise PermanentError(
        f"The dump holds {len(own):,} databases ({listing(own, place='')}) and none is called "
        f"{job.target.name}. The drill cannot know which one is meant.",
        file_name,
        rule="database-choice-ambiguous",
    )


def _note_command(job: Job, backup: LocalBackup, started: float, *, creates: bool) -> None:
    """Record what a person would type; a script that creates its database needs no createdb before it."""
    psql = ["psql", "-X", "-d", "postgres" if creates else database_argument(job.database)]
    if creates:
        job.commands[:] = [command for command in job.commands if not command.command.startswith("createdb ")]
    job.command(started, *given_to(psql, backup))


def given_to(psql: list[str], backup: LocalBackup) -> list[list[str]]:
    """Return the commands that give a script, piped, to *psql*: unpacked, and without what others wrote."""
    file = file_argument(backup.file_name)
    unpacking = [list(TO_STDOUT[wrapper]) for wrapper in script_wrappers(backup)]
    piped = [*unpacking, *_trimming(backup.head.extent)]
    return [[*piped[0], file], *piped[1:], psql] if piped else [[*psql, "-f", file]]


def _trimming(extent: Extent) -> list[list[str]]:
    """Return the commands that leave out what other programs wrote round the script."""
    cuts = [["tail", "-c", f"+{extent.start + 1}"]] if extent.start else []
    return cuts if extent.end is None else [*cuts, ["head", "-c", str(extent.end - extent.start)]]
