"""What a physical copy's recovery came to, as the evidence holds it: from what, how far, by which WAL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tasks.model.base_point import BasePoint
from tasks.model.clock import iso
from tasks.model.target import Target
from tasks.physical.archived import Reach
from tasks.physical.bring_up import Adopted, BroughtUp, Copy
from tasks.physical.recover import Recovered
from tasks.physical.target import Aim, RecoveryTarget
from tasks.wal.answers import Answers
from tasks.wal.names import format_lsn
from tasks.wal.windows import Archive, Fork, Gap, Window


def recovery_facts(
    copy: Copy, label: str, brought: BroughtUp, target: RecoveryTarget, reach: Reach | None
) -> Mapping[str, Any]:
    """Return the evidence's `recovery`.

    Args:
        copy: the base backup.
        label: what it is called by.
        brought: what came of it.
        target: how far it was to go.
        reach: what its archive holds; None where it brought its own WAL.
    """
    return {
        "target": str(target),
        "base": _base(copy, label, brought.adopted),
        "reached": _reached(brought.recovered),
        "wal": None
        if reach is None or brought.answers is None
        else _wal(reach.window, reach.archive, brought.answers),
        "phases_s": {name: round(seconds, 3) for name, seconds in brought.recovered.phases_s.items()},
    }


def recovery_before(point: BasePoint, archive: Archive, reached: Window, target: Target) -> Mapping[str, Any]:
    """Return the evidence's `recovery` of a drill that has not recovered anything: what a listing shows.

    Args:
        point: the base backup.
        archive: of its WAL.
        reached: what can be reached through it.
        target: whose recovery was meant.
    """
    return {
        "target": target.physical.recover.to if point.recover_to is None else f"time {point.recover_to}",
        "base": {
            "label": point.label,
            "system_identifier": None if point.system_identifier is None else str(point.system_identifier),
            "timeline": point.timeline or 0,
            "start_lsn": None if point.start_lsn is None else format_lsn(point.start_lsn),
            "stop_lsn": None if point.stop_lsn is None else format_lsn(point.stop_lsn),
            "started_at": iso(point.started_at),
        },
        "reached": None,
        "wal": _wal(reached, archive, Answers()),
        "phases_s": {},
    }


def recoverable_to(brought: BroughtUp, target: RecoveryTarget, reach: Reach | None) -> datetime | None:
    """Return the newest moment that comes back through the archive, aware UTC; None if that was not tried.

    That is when the newest segment was archived that can be reached: in a quiet night nothing is committed,
    and nothing lost.
    """
    if reach is None or target.aim is not Aim.LATEST:
        return None
    moments = [at for at in (reach.window.last_at, brought.recovered.last_commit_at) if at is not None]
    return max(moments, default=None)


def _base(copy: Copy, label: str, adopted: Adopted) -> dict[str, Any]:
    return {
        "label": label,
        "system_identifier": str(adopted.control.system_identifier),
        "timeline": copy.label.timeline,
        "start_lsn": format_lsn(copy.label.start_lsn),
        "stop_lsn": None if copy.stop_lsn is None else format_lsn(copy.stop_lsn),
        "started_at": iso(copy.label.started_at),
        "chain": list(copy.chain),
    }


def _reached(recovered: Recovered) -> dict[str, Any]:
    return {
        "lsn": format_lsn(recovered.end_lsn),
        "timeline": recovered.timeline,
        "last_commit_at": iso(recovered.last_commit_at),
        "next_commit_at": iso(recovered.next_commit_at),
        "stopped": recovered.stopped,
    }


def _wal(window: Window, archive: Archive, answers: Answers) -> dict[str, Any]:
    newest = archive.newest()
    return {
        "first": answers.first,
        "last": answers.last,
        "segments": answers.segments,
        "bytes": answers.bytes,
        "waited_s": round(answers.waited_s, 3),
        "newest_archived": None if newest is None else newest[0],
        "newest_archived_at": None if newest is None else iso(newest[1]),
        "ends_because": window.why,
        "gaps": [_gap(gap) for gap in window.gaps],
        "forks": [_fork(fork) for fork in window.forks],
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "timeline": gap.timeline,
        "first": gap.first,
        "last": gap.last,
        "count": gap.count,
        "newer": gap.newer,
    }


def _fork(fork: Fork) -> dict[str, Any]:
    return {
        "parent": fork.parent,
        "child": fork.child,
        "switch_lsn": format_lsn(fork.switch_lsn),
        "left_behind": fork.left_behind,
        "alive": fork.alive,
    }
