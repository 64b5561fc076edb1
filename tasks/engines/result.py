"""From everything that a restore met to its result: the cause first, nothing twice, nothing unsaid."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.engines.analyze import analyze, forget_settings
from tasks.engines.comments import comment_late
from tasks.engines.completeness import missing
from tasks.engines.context import Job
from tasks.engines.errors.classes import DRILLS_OWN, Meaning, meaning_of
from tasks.engines.errors.failure import Failure, label
from tasks.engines.errors.pg_restore_stderr import Transcript
from tasks.engines.errors.root_causes import Judged, judge, worst
from tasks.engines.errors.tool_failures import raise_if_dead, tool_finding
from tasks.engines.expected import expected_of, origin_of
from tasks.engines.grants import grant_entries, run_grants
from tasks.engines.kept_out import kept_out
from tasks.engines.keys import unproven_keys
from tasks.engines.left_out import left_out, never_tried
from tasks.engines.objects_present import list_objects
from tasks.engines.ownership import set_owners
from tasks.engines.privileged import create_privileged
from tasks.engines.proof import prove
from tasks.engines.refresh_rights import denied_refreshes
from tasks.engines.roles import note_missing_roles
from tasks.engines.same_names import tell_apart
from tasks.engines.stand_ins import excused
from tasks.engines.ticker import so_far
from tasks.model.backup import Toc, TocEntry
from tasks.model.bounded_list import beyond, listing
from tasks.model.errors import StageFailed
from tasks.model.findings import Check, Finding, Outcome, Severity, Stage
from tasks.model.restored import Restored
from tasks.model.rules import finding
from tasks.model.units import format_duration
from tasks.model.user_objects import USER_RELATION

_TABLES = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "  # noqa: S608  ours
    f"WHERE c.relkind IN ('r', 'p') AND {USER_RELATION}"
)


def conclude(job: Job, said: Transcript, where: str, started: float, deadline_s: float) -> Restored:
    """Finish a restore whose data are in, and say what it came to.

    Args:
        job: what was collected on the way.
        said: of the tool, or of our own reading of a script.
        where: the backup, for messages.
        started: monotonic seconds.
        deadline_s: for the message of one that passed.

    Raises:
        StageFailed: the backup ended early, is hostile, creates no table for its rows, or the deadline
            passed.
        PermanentError: the server gave up.
    """
    job.failures += said.failures
    _stop_on_environment(job, said)
    _stop_on_archive(job, said, where)
    _stop_on_hostile(job)
    if said.timed_out or job.deadline.passed:
        raise StageFailed(too_late(job, where, deadline_s))
    job.failures = _told_apart(job)
    tables = _count_tables(job, where)
    analyze(job)
    settled = _settle(job)
    note_missing_roles(job)
    _note_version(job)
    job.omissions += never_tried(job.toc, job.omissions)
    judged = judge(job.failures, job.omissions, job.toc)
    silent = lost_silently(settled.lacking, judged)
    findings = [
        *([] if tables else _nothing(job, judged, where)),
        *job.findings,
        *_by_superuser(job),
        *judged.findings,
        *uncounted(job, said, judged),
        *incomplete(silent, job.toc),
    ]
    _stop_on_environment(job, Transcript())
    return Restored(
        database=job.database,
        findings=tuple(findings),
        checks=_checks(job, judged, settled, silent),
        commands=tuple(job.commands),
        not_restored=judged.not_restored,
        left_out=left_out(judged.causes, job.toc, silent),
        roles=tuple(sorted(job.roles)),
        other_databases=job.other_databases,
        kept_out=kept_out(judged.causes, job.toc),
        unproven_keys=settled.unproven_keys,
        expected=expected_of(job.toc),
        origin=origin_of(job.toc),
        restore_s=time.monotonic() - started - job.analyze_s,
        analyze_s=job.analyze_s,
    )


def _stop_on_environment(job: Job, transcript: Transcript) -> None:
    met = [failure.message for failure in job.failures if meaning_of(failure) is Meaning.ENVIRONMENT]
    if not transcript.timed_out:
        raise_if_dead(job.sandbox, (*met, *transcript.server))


def _stop_on_archive(job: Job, transcript: Transcript, file_name: str) -> None:
    if transcript.tool and not transcript.timed_out:
        raise StageFailed((tool_finding(transcript.tool, file_name), *_so_far(job)))


def _stop_on_hostile(job: Job) -> None:
    judged = judge(job.failures, job.omissions, job.toc)
    hostile = [issue for issue in (*job.findings, *judged.findings) if issue.rule == "hostile-content"]
    if hostile:
        raise StageFailed(
            (*hostile, *(issue for issue in judged.findings if issue.rule != "hostile-content"))
        )


def _told_apart(job: Job) -> list[Failure]:
    if not job.failures:
        return []
    with job.superuser() as session:
        if job.toc.archive_version is not None:  # of a script each statement is known
            job.failures = tell_apart(job.failures, job.toc, session)
        return excused(job, session) if job.stand_ins else job.failures


def _count_tables(job: Job, file_name: str) -> int:
    """Return how many tables came back.

    Raises:
        StageFailed: none, and the backup never creates any.
    """
    with job.superuser() as session:
        forget_settings(job, session)
        (tables,) = session.execute(_TABLES).fetchone() or (0,)
    rows = len(job.toc.of("TABLE DATA"))
    if not tables and rows and not job.toc.of("TABLE"):
        message = (
            f"The backup holds the rows of {rows} tables and creates none of them: nothing could be loaded."
        )
        raise StageFailed((finding("data-only", message, where=file_name, stage=Stage.RESTORE),))
    return int(tables)


def _nothing(job: Job, judged: Judged, file_name: str) -> list[Finding]:
    """Return the finding that not one table came back, unless this host or policy kept them all out."""
    tables = job.toc.of("TABLE")
    own = [cause for cause in judged.causes if cause.meaning in DRILLS_OWN]
    entries = [entry for cause in own for entry in (cause.entry, *cause.followers) if entry is not None]
    kept_out = {entry.dump_id for entry in entries if entry.desc == "TABLE"}
    if kept_out and kept_out >= {entry.dump_id for entry in tables} and worst(judged.findings):
        return []
    lead = f"{len(tables)} tables are listed and not one came back" if tables else "The backup holds no table"
    return [finding("nothing-restored", f"{lead}: nothing was recovered.", where=file_name)]


def _so_far(job: Job) -> tuple[Finding, ...]:
    """Return what is known besides the reason to stop."""
    return (*job.findings, *judge(job.failures, job.omissions, job.toc).findings)


def too_late(job: Job, where: str, deadline_s: float) -> tuple[Finding, ...]:
    """Return the finding of a passed deadline, unless something has already named the cause."""
    findings = _so_far(job)
    if worst(issue for issue in findings if issue.klass.value != "drill"):
        return findings
    far = so_far(job)
    return (
        finding(
            "deadline-exceeded",
            f"The restore did not end within {format_duration(deadline_s)} and was stopped"
            f"{f'; it had got to {far}' if far else ''}. A real recovery would take longer than that.",
            where=where,
        ),
        *findings,
    )


@dataclass(frozen=True, slots=True)
class _Settled:
    """What the steps after the data came to.

    Attributes:
        owned: objects that were given to their owners.
        granted: entries of grants that were done whole.
        lacking: entries whose objects are not there.
        unproven_keys: as `Restored` has them.
    """

    owned: int
    granted: int
    lacking: list[TocEntry]
    unproven_keys: frozenset[str] | None


def _settle(job: Job) -> _Settled:
    """Set owners, grants and what only a superuser may create, and prove that nobody got more than that.

    Raises:
        StageFailed: the dump has got at rights that the restore did not give it.
    """
    job.progress("setting owners and grants")
    with job.superuser() as session:
        create_privileged(job, session)
        comment_late(job, session)
        owned = set_owners(job, session)
        with job.owner() as owner:
            granted = run_grants(job, owner, grant_entries(job.toc))
        job.findings += denied_refreshes(job, session)
        powers = prove(job, session) if job.is_owner else ()
        if powers:
            raise StageFailed((*powers, *_so_far(job)))
        lacking = missing(job.toc, list_objects(session))
        return _Settled(owned, granted, lacking, unproven_keys(job, session))


def _by_superuser(job: Job) -> list[Finding]:
    """Say what our superuser made behind the wall."""
    names = list(dict.fromkeys(job.by_superuser))
    if not names:
        return []
    count = "1 entry was" if len(names) == 1 else f"{len(names)} entries were"
    message = f"{count} made by the drill's superuser, behind the sandbox's wall: {listing(names)}."
    return [finding("restored-by-superuser", message, names=beyond(names))]


def _note_version(job: Job) -> None:
    source, server = job.toc.major, job.sandbox.postgres.major
    if source is not None and source != server:
        message = f"The dump of a PostgreSQL {source} was restored with the tools and server of {server}."
        job.findings.append(finding("source-version-old", message))


def uncounted(job: Job, said: Transcript, judged: Judged) -> list[Finding]:
    """Return a failure where the tool counted errors that we did not understand."""
    understood = sum(failure.count for failure in said.failures)
    reported = said.reported or 0
    if understood >= reported or (understood and job.jobs > 1) or worst(judged.findings):
        return []
    return [
        finding(
            "restore-error",
            f"pg_restore counts {reported} errors, of which {understood} are understood. Some of the "
            f"archive may be "
            "missing.",
        )
    ]


def incomplete(silent: list[TocEntry], toc: Toc) -> list[Finding]:
    """Return what is missing without anybody having said so."""
    if not silent:
        return []
    names = [label(entry) for entry in silent]
    return [
        finding(
            "restore-incomplete",
            f"{len(silent)} of {len(toc.entries)} entries that the archive lists are not in the restored "
            f"database: "
            f"{listing(names)}. No tool said so.",
            where=names[0],
            names=beyond(names),
        )
    ]


def lost_silently(lacking: Iterable[TocEntry], judged: Judged) -> list[TocEntry]:
    """Return what is missing for no reason that was told: not broken, and all that it needs is there."""
    explained_ids = set(judged.broken)
    silent = []
    for entry in lacking:  # in archive order: what is needed comes first
        if entry.dump_id in explained_ids or not explained_ids.isdisjoint(entry.dependencies):
            explained_ids.add(entry.dump_id)
        else:
            silent.append(entry)
    return silent


def _checks(job: Job, judged: Judged, settled: _Settled, unexplained: list[TocEntry]) -> tuple[Check, ...]:
    failed = sum(cause.failure is not None for cause in judged.causes)
    bad = worst(judged.findings)
    minor = sum(issue.severity is Severity.WARNING for issue in judged.findings)
    note = f"{minor} warnings" if minor else None
    entry_count, grants = len(job.toc.entries), len(grant_entries(job.toc))
    return (
        _check("restore-errors", f"{failed} entries failed", "0", failed=bad, why=note),
        _check(
            "archive-entries",
            f"{entry_count - len(unexplained)} of {entry_count}",
            "all",
            failed=bool(unexplained),
        ),
        _check(
            "owners-and-grants",
            f"{settled.owned} objects given to their owners, {settled.granted} of {grants} grants made",
            "all",
            failed=False,
        ),
    )


def _check(name: str, observed: str, expected: str, *, failed: bool, why: str | None = None) -> Check:
    outcome = Outcome.FAILED if failed else Outcome.PASSED
    return Check(name, Stage.RESTORE, outcome, observed=observed, expected=expected, why=why)
