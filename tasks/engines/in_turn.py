"""An archive whose rows come back only if its tables are loaded one after the other.

A check may call a function that reads another table: pg_restore alone loads them in the archive's order, and
with parallel jobs in any. Whether that is why rows were refused shows only a restore in turn, from the start:
what follows from rows (keys, views) must see them.
"""

from __future__ import annotations

from tasks.engines.archive import restore_archive
from tasks.engines.context import Job
from tasks.engines.errors.classes import Meaning, meaning_of
from tasks.engines.errors.failure import Failure, label
from tasks.engines.errors.pg_restore_stderr import Transcript
from tasks.engines.roles import Role
from tasks.model.backup import Format, LocalBackup
from tasks.model.bounded_list import beyond, listing
from tasks.model.rules import finding

_AT_ONCE = frozenset({Format.CUSTOM, Format.DIRECTORY})


def restore_tables(job: Job, backup: LocalBackup, roles: tuple[Role, ...]) -> tuple[Job, Transcript]:
    """Restore an archive, with jobs at once and, if rows were refused by that, in turn.

    Returns:
        The job that holds what came of it, and what pg_restore said.
    """
    transcript = restore_archive(job, backup, roles)
    refused = _refused(job, backup, transcript)
    if not refused:
        return job, transcript
    job.progress("restoring again, one table after the other")
    again = Job(job.sandbox, job.target, job.deadline, job.progress, toc=job.toc, serial=True)
    transcript = restore_archive(again, backup, roles)
    lost = {failure.entry.dump_id for failure in transcript.failures if failure.entry is not None}
    names = [
        label(failure.entry) for failure in refused if failure.entry and failure.entry.dump_id not in lost
    ]
    if names and not transcript.is_over:
        again.findings.append(
            finding(
                "parallel-restore-fails",
                f"With parallel jobs a check that reads another table refused rows: {listing(names)}. "
                "Loaded one table after the other, they came back.",
                where=names[0],
                names=beyond(names),
            )
        )
    return again, transcript


def _refused(job: Job, backup: LocalBackup, transcript: Transcript) -> list[Failure]:
    """Return what a function of the backup may have refused for what another table still lacked."""
    is_parallel = job.jobs > 1 and backup.head.format in _AT_ONCE
    if not is_parallel or transcript.is_over or not job.toc.of("FUNCTION"):
        return []
    return [failure for failure in transcript.failures if _may_be_read_elsewhere(failure)]


def _may_be_read_elsewhere(failure: Failure) -> bool:
    if failure.entry is None or failure.entry.desc != "TABLE DATA" or meaning_of(failure) is not Meaning.ROWS:
        return False
    return bool(failure.functions) or failure.raised or "violates check constraint" in failure.refusal.plain
