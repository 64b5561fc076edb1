"""Rebuilding an archive (custom, directory, tar) with pg_restore of its own major.

pg_restore runs as a role without power and gets a list of entries: what only a superuser may do is left out
of it and done by `privileged`; owners and grants follow in `ownership` and `grants`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from tasks.engines.comments import LATE
from tasks.engines.context import Connection, Job
from tasks.engines.database import (
    collations_named,
    create_database,
    database_name,
    has_icu,
    is_icu,
    read_options,
    substitute_collation,
    supply_collations,
)
from tasks.engines.errors.causes import Omission
from tasks.engines.errors.failure import Failure
from tasks.engines.errors.pg_restore_stderr import Reader, Transcript
from tasks.engines.errors.tool_failures import raise_if_dead
from tasks.engines.extensions import create_extensions, note_members
from tasks.engines.keys import lend_for
from tasks.engines.meanwhile import finishing
from tasks.engines.privileged import create_wrapper, lend_extension_objects, prepare, publishes_by_superuser
from tasks.engines.roles import Role, create_roles, roles_referred
from tasks.engines.sql.tokens import quoted
from tasks.engines.superuser_statements import Privileged, libraries_here, loads
from tasks.engines.ticker import ticking
from tasks.engines.vetting import reaches_out
from tasks.engines.waves import waves
from tasks.model.backup import Format, LocalBackup, Toc, TocEntry
from tasks.model.errors import PermanentError, StageFailed
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.model.server_words import Refusal
from tasks.model.shell import database_argument, file_argument
from tasks.sandbox import ToolResult, dsn, run_tool

OURS = frozenset({"EXTENSION", "EVENT TRIGGER", "FOREIGN DATA WRAPPER", "ACL", "DEFAULT ACL"})
"""Done by us, before or after pg_restore."""
NEVER = frozenset({"SUBSCRIPTION", "SUBSCRIPTION TABLE", "USER MAPPING", "DATABASE PROPERTIES"})
"""Never done: they hold passwords, reach other servers or change more than the content."""
SILENT = frozenset({"DATABASE", "ENCODING", "STDSTRINGS", "SEARCHPATH"})
_WORDS_ONLY = frozenset({"ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL"})
"""They run nothing, whatever they speak of."""
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_WORKER_DIED = "worker process died unexpectedly"
_PARALLEL = frozenset({Format.CUSTOM, Format.DIRECTORY})
_ABOUT_OURS = (*LATE, "DATABASE ", "SUBSCRIPTION ")


def restore_archive(job: Job, backup: LocalBackup, globals_roles: tuple[Role, ...]) -> Transcript:
    """Restore pre-data, data and post-data of *backup* into a new database.

    Returns:
        What pg_restore said; *job* holds the rest.

    Raises:
        StageFailed: extensions that are not here or not allowed; a hostile dump that asks for a superuser.
    """
    if not job.is_owner:
        _vet(job.toc)
    own = next(iter(job.toc.of("DATABASE")), None)
    create_database(
        job,
        database_name(job.toc.database or ("" if own is None else own.tag)),
        read_options("" if own is None else own.defn, job.toc.encoding),
    )
    with job.superuser() as session:
        done_ids = _before(job, session, globals_roles)
        chosen = [
            entry for entry in job.toc.entries if _goes_to_tool(entry) and entry.dump_id not in done_ids
        ]
        started = time.monotonic()
        transcript = _restore(job, backup, session, chosen)
    _note_command(job, backup, started)
    return transcript


def _restore(job: Job, backup: LocalBackup, session: Connection, entries: list[TocEntry]) -> Transcript:
    """Restore *entries* with pg_restore; behind the wall, those that only a superuser may create by ours."""
    if not job.is_walled:
        return _run(job, backup, _without_libraries(job, session, entries))
    transcript = Transcript()
    with ArchiveOwner(job) as owner:
        privileged = Privileged(job, session, owner)
        ours = {entry.dump_id for entry in entries if privileged.wants(entry.desc, entry.defn)}
        for wave in waves(entries, ours):
            if wave.tools:
                transcript += _run(job, backup, wave.tools)
            if transcript.is_over:
                return transcript
            for entry in wave.ours:
                privileged.create(entry, entry.defn)
        if ours:
            privileged.finish()
    return transcript


def _without_libraries(job: Job, session: Connection, entries: list[TocEntry]) -> list[TocEntry]:
    """Leave out functions in C of libraries that are no extension's: to create one runs the library."""
    libraries = libraries_here(session) if not job.is_owner else frozenset()
    foreign = {
        entry.dump_id for entry in entries if entry.desc == "FUNCTION" and loads(entry.defn, libraries)
    }
    job.omissions += [Omission(entry, vital=True) for entry in entries if entry.dump_id in foreign]
    return [entry for entry in entries if entry.dump_id not in foreign]


class ArchiveOwner:
    """A session of the restoring role, set up as pg_restore sets up its own."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._session: Connection | None = None
        self._is_qualified = bool(job.toc.of("SEARCHPATH"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._session.close()

    def search_path(self, entry: TocEntry) -> str:
        """Return where a definition finds its names: since pg_dump 10.3 each bears its schema."""
        return "" if self._is_qualified else f"{quoted(entry.namespace)}, pg_catalog"

    def run(self, entry: TocEntry, text: str) -> Failure | None:
        """Run one statement; what was said against it, or None."""
        if self._session is None:
            self._session = self._job.owner()
            self._session.execute("SET check_function_bodies = false")
        try:
            path = self.search_path(entry)
            self._session.execute("SELECT pg_catalog.set_config('search_path', %s, false)", (path,))
            self._session.execute(text.encode("utf-8", "surrogateescape"))
        except psycopg.Error as error:
            if self._session.broken:
                raise
            return Failure.of(entry, Refusal.of(error))
        return None


def _before(job: Job, session: Connection, globals_roles: tuple[Role, ...]) -> set[int]:
    """Do what has to be there before the dump; return the entries that are done with."""
    job.referred |= roles_referred(job.toc)
    job.roles |= {role.name for role in globals_roles}
    job.superusers |= {role.name for role in globals_roles if role.is_superuser}
    create_roles(job, session, job.referred, globals_roles)
    prepare(job, session)
    lend_for(job, session, job.toc)
    note_members(job, session)
    schemas = {entry.tag: entry.dump_id for entry in job.toc.of("SCHEMA")}
    created = create_extensions(job, session, job.toc.of("EXTENSION"), schemas)
    done_ids = {schemas[name] for name in created}
    for entry in job.toc.of("FOREIGN DATA WRAPPER"):
        if not create_wrapper(job, session, entry):
            job.omissions.append(Omission(entry))
    lend_extension_objects(job, session)
    supply_collations(job, collations_named(entry.defn for entry in job.toc.entries), session)
    done_ids |= _collations(job, session)
    job.omissions += [Omission(entry) for entry in job.toc.of(*NEVER)]
    return done_ids


def _collations(job: Job, session: Connection) -> set[int]:
    """Put C in the place of ICU collations where the server was built without ICU."""
    schemas = {name for (name,) in session.execute("SELECT nspname FROM pg_namespace")}
    may_be = schemas | {entry.tag for entry in job.toc.of("SCHEMA")}
    icu = [entry for entry in job.toc.of("COLLATION") if is_icu(entry.defn)]
    replaced = [entry for entry in icu if entry.namespace in may_be]  # what the backup lacks stays lacking
    if not replaced or has_icu(session):
        return set()
    for entry in replaced:
        if entry.namespace not in schemas:
            make_schema(job, session, entry.namespace)
            schemas.add(entry.namespace)
        substitute_collation(job, entry.namespace, entry.tag, session)
    return {entry.dump_id for entry in replaced}


def make_schema(job: Job, session: Connection, name: str) -> None:
    """Create a schema before the archive does, for what we have to put into it."""
    session.execute(
        sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(
            sql.Identifier(name), sql.Identifier(job.sandbox.owner)
        )
    )


def _goes_to_tool(entry: TocEntry) -> bool:
    if entry.desc in OURS or entry.desc in NEVER or entry.desc in SILENT or publishes_by_superuser(entry):
        return False
    about_ours = entry.desc in ("COMMENT", "SECURITY LABEL") and entry.tag.startswith(_ABOUT_OURS)
    return not about_ours


def _vet(toc: Toc) -> None:
    """Refuse, before anything runs as superuser, a dump that speaks of files or programs."""
    run = [entry for entry in toc.entries if entry.desc not in _WORDS_ONLY]
    hostile = [entry for entry in run if reaches_out(entry.defn) or reaches_out(entry.copy_stmt)]
    if hostile:
        names = ", ".join(f"{entry.desc} {entry.tag}" for entry in hostile[:5])
        raise StageFailed(
            (
                finding(
                    "hostile-content",
                    f"{len(hostile)} entries could run a program or reach files as superuser: {names}. "
                    f"Nothing was "
                    "restored.",
                    where=f"{hostile[0].desc} {hostile[0].tag}",
                ),
            )
        )


def _run(job: Job, backup: LocalBackup, entries: list[TocEntry]) -> Transcript:
    listing = job.sandbox.workspace.backup_dir / "restore.list"
    listing.write_text("".join(f"{entry.dump_id};\n" for entry in entries), encoding="utf-8")
    reader = Reader(job.toc)
    argv = tool_arguments(job, backup.head.format, listing, backup.path, entries)
    job.progress(f"pg_restore of {len(entries)} entries into {job.database}")
    with ticking(job), finishing(job, entries):
        result = run_tool(job.sandbox, argv, env={}, deadline_s=job.deadline.left_s, on_stderr=reader.feed)
    return _ended(job.sandbox, reader.transcript(), result)


def tool_arguments(
    job: Job, form: Format, listing: Path, path: Path, entries: Iterable[TocEntry]
) -> list[str]:
    """Return pg_restore's argument list; parallel where the format allows and there is anything to share."""
    parallel = form in _PARALLEL and any(entry.section != "pre-data" for entry in entries)
    jobs = ["-j", str(job.jobs)] if parallel and job.jobs > 1 else []
    target = dsn(job.sandbox, job.database, job.sandbox.owner)
    options = ["--no-owner", "--no-tablespaces", *jobs, "--use-list", str(listing)]
    return ["pg_restore", *options, "-d", target, str(path)]


def _note_command(job: Job, backup: LocalBackup, started: float) -> None:
    jobs = ["-j", str(job.jobs)] if backup.head.format in _PARALLEL and not job.serial else []
    database, file = database_argument(job.database), file_argument(backup.file_name)
    job.command(started, ["pg_restore", *jobs, "-d", database, file])


def _ended(sandbox: Sandbox, transcript: Transcript, result: ToolResult) -> Transcript:
    """Add to what was said how the tool ended.

    Raises:
        PermanentError: it, or one of its workers, was killed from outside.
    """
    if result.timed_out:
        return Transcript(
            transcript.failures, transcript.tool, transcript.server, transcript.reported, timed_out=True
        )
    if _was_killed(transcript, result):
        raise_if_dead(sandbox)
        raise PermanentError(
            "pg_restore was killed during the restore, most likely for want of memory. "
            "Nothing is said about the backup.",
            rule="tool-killed",
        )
    if result.exit_code not in (0, 1):
        tool = (*transcript.tool, f"pg_restore ended with {result.exit_code}")
        return Transcript(transcript.failures, tool, transcript.server, transcript.reported)
    return transcript


def _was_killed(transcript: Transcript, result: ToolResult) -> bool:
    """Say whether somebody else ended the tool or one of its workers.

    A tool that crashes on what it reads ends by another signal; a worker that meets a damaged block says so
    before it ends, and is then reported dead just as one that was killed.
    """
    worker_killed = bool(transcript.tool) and all(_WORKER_DIED in line for line in transcript.tool)
    return -result.exit_code in _FROM_OUTSIDE or worker_killed
