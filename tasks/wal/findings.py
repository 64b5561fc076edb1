"""What a WAL archive and a recovery through it mean, as findings.

A gap that was noticed minutes ago is none yet: archivers that push in parallel finish out of order. A fork is
held against the backup only where its parent lives on: after a failover the old primary's last segments are
left behind for good, and all is well.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.model.findings import Finding, FindingClass, Severity
from tasks.model.rules import RULES, finding
from tasks.wal.answers import Answers, Trouble
from tasks.wal.names import Segment, format_lsn, history_name, segment_before, segment_name
from tasks.wal.windows import Fork, Gap, Window

GAP_AGE = timedelta(minutes=10)
"""An archiver may be out of order for so long."""


def window_findings(window: Window, now: datetime) -> tuple[Finding, ...]:
    """Return what is wrong with what can be recovered from one base backup.

    Args:
        window: along the timeline that a recovery is to follow.
        now: aware UTC.
    """
    findings = [_fork(window, fork) for fork in window.forks if fork.left_behind]
    if not window.usable:
        return (*findings, _unusable(window))
    old = [gap for gap in window.gaps if gap.noticed_at is None or now - gap.noticed_at >= GAP_AGE]
    return (*findings, *(_gap(window, gap) for gap in old[:1]))


def relay_findings(answers: Answers) -> tuple[Finding, ...]:
    """Return what kept the relay from handing WAL over, each thing once."""
    return tuple(_trouble(trouble) for trouble in answers.troubles)


def end_findings(
    answers: Answers, reached_lsn: int, window: Window, segment_bytes: int
) -> tuple[Finding, ...]:
    """Return what is wrong with where a recovery to `latest` ended; nothing where it is the archive's end.

    Args:
        answers: of its relay.
        reached_lsn: the end of the last record that came back.
        window: of its base backup, along the timeline that it followed.
        segment_bytes: of the cluster.
    """
    if answers.troubles:
        return relay_findings(answers)
    if answers.last is not None and not answers.ran_out(segment_bytes):
        return (_unreadable(answers.last, reached_lsn, window),)
    number = segment_before(reached_lsn, segment_bytes)
    if window.last is None or number >= segment_before(window.end_lsn, segment_bytes):
        return ()
    return (_early(segment_name(Segment(window.timeline, number), segment_bytes), reached_lsn, window),)


def _early(name: str, reached_lsn: int, window: Window) -> Finding:
    return finding(
        "recovery-ended-early",
        f"The server promoted at {format_lsn(reached_lsn)} and said that all is well; the archive reaches "
        f"{format_lsn(window.end_lsn)}. What was written in between is lost to whoever recovers from it.",
        where=name,
    )


def _unreadable(name: str, reached_lsn: int, window: Window) -> Finding:
    return finding(
        "wal-corrupt",
        f"Recovery ended inside {name}, at {format_lsn(reached_lsn)}: the next record cannot be read. "
        f"PostgreSQL promoted there without an error, and the archive reaches {format_lsn(window.end_lsn)}.",
        where=name,
    )


def _trouble(trouble: Trouble) -> Finding:
    """Return the finding of one file; what keeps a real recovery from it is `wal-denied`, whatever it is."""
    known = RULES[trouble.rule]
    if trouble.rule == "wal-corrupt":
        message = f"{trouble.message} Recovery ends before it, and PostgreSQL would not say so."
        return finding("wal-corrupt", message, where=trouble.uri or trouble.name)
    if known.klass is FindingClass.PATH:
        message = f"{trouble.message} The database comes back as of {trouble.name} at most."
        return finding("wal-denied", message, where=trouble.uri or trouble.name, hint=known.hint)
    return finding(trouble.rule, trouble.message, where=trouble.uri or trouble.name)


def _gap(window: Window, gap: Gap) -> Finding:
    absent = f"Segment {gap.first} is" if gap.count == 1 else f"{gap.count} segments from {gap.first} on are"
    newer = "1 newer one is" if gap.newer == 1 else f"{gap.newer} newer ones are"
    until = "" if window.last_at is None else f" ({window.last_at:%Y-%m-%d %H:%M:%S} UTC)"
    return finding(
        "wal-gap",
        f"{absent} not in the archive; {newer}. From base backup {window.base.label} nothing after "
        f"{format_lsn(window.end_lsn)}{until} can be recovered.",
        where=gap.first,
    )


def _unusable(window: Window) -> Finding:
    if window.missing is None and not window.why.endswith("is not consistent"):
        return finding(
            "timeline-fork",
            f"Base backup {window.base.label} cannot be recovered along the timeline that was asked for: "
            f"{window.why}. PostgreSQL refuses it.",
            where=window.base.label,
        )
    return finding(
        "wal-missing-for-backup",
        f"Base backup {window.base.label} needs its WAL from {format_lsn(window.base.start_lsn)} to "
        f"{format_lsn(window.base.stop_lsn)}, and {window.why}. It cannot be recovered at all.",
        where=window.missing or window.base.label,
    )


def _fork(window: Window, fork: Fork) -> Finding:
    segments = "1 segment" if fork.left_behind == 1 else f"{fork.left_behind} segments"
    alive = " and was archived on after it" if fork.alive else ""
    return finding(
        "timeline-fork",
        f"A person who restores {window.base.label} today gets timeline {fork.child}, which left timeline "
        f"{fork.parent} at {format_lsn(fork.switch_lsn)}; {segments} of timeline {fork.parent}, up to "
        f"{fork.newest_left}, lie behind that{alive}.",
        where=history_name(fork.child),
        severity=Severity.FAILURE if fork.alive else Severity.INFO,
        hint=None
        if fork.alive
        else "Nothing to do after a failover: the old primary's last WAL is left behind.",
    )
