"""Which base backup of a catalogue is drilled, and why not the others: as for names, without a pattern.

The newest is the newest, usable or not: one that is unfinished or marked as broken stays in the catalogue and
is drilled and fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from tasks.discovery.candidates import future_names, is_in_future, shortened, with_reason
from tasks.discovery.discover import choose, clock_findings, reason_of
from tasks.discovery.pattern import moved, utc
from tasks.model.backup import Candidate, Discovery, RecoveryPoint
from tasks.model.errors import StageFailed
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.target import Selection, Target
from tasks.model.units import format_duration
from tasks.stores.base import Store

P = TypeVar("P", bound=RecoveryPoint)
_SHOWN = 3


def from_catalogue(
    points: Iterable[P],
    target: Target,
    store: Store,
    now: datetime,
    selection: Selection,
    rejected: Iterable[Candidate] = (),
) -> Discovery[P]:
    """Choose the base backups to drill out of a catalogue's.

    Args:
        points: all of the catalogue, in any order.
        target: whose window counts.
        store: whose clock this worker's is held against.
        now: the worker's clock, aware UTC.
        selection: what is to be drilled.
        rejected: what the catalogue holds besides, with its reasons.

    Raises:
        StageFailed: nothing is there to drill, with the reason; or the clocks disagree too much.
    """
    clock = clock_findings(store)
    ascending = sorted(points, key=lambda point: (point.at, point.uri))
    outside = {
        point.uri: reason for point in ascending if (reason := _outside(point, target, now, selection))
    }
    eligible = [point for point in ascending if point.uri not in outside]
    chosen, seed = choose(eligible, selection)
    if not chosen:
        raise StageFailed((_nothing(ascending, target, now, selection), *clock))
    chosen_uris = {point.uri for point in chosen}
    candidates = [
        with_reason(point, reason_of(point, chosen, selection), taken=point.uri in chosen_uris)
        for point in eligible[::-1]
    ]
    others = [with_reason(point, outside[point.uri]) for point in ascending[::-1] if point.uri in outside]
    return Discovery(
        points=chosen,
        candidates=(*candidates, *shortened([*others, *rejected])),
        points_at=tuple(point.at for point in eligible),
        seed=seed,
        findings=(*clock, *future_names(ascending, now)),
        eligible=tuple(eligible),
    )


def _outside(point: RecoveryPoint, target: Target, now: datetime, selection: Selection) -> str | None:
    if is_in_future(point, now):
        return "its time lies in the future"
    if selection.kind == "key":
        return None
    end = now if selection.at is None else utc(selection.at)
    if selection.at is not None and point.at > end:
        return "later than the time asked for"
    return (
        "older than the window" if point.at < moved(end, -timedelta(seconds=target.backup.window)) else None
    )


def _nothing(points: list[P], target: Target, now: datetime, selection: Selection) -> Finding:
    """Return why there is nothing to drill."""
    place, window = target.backup.place, format_duration(target.backup.window)
    if selection.kind == "key":
        labels = ", ".join(point.label for point in points[: -_SHOWN - 1 : -1]) or "none"
        return finding(
            "no-backup-found",
            f'No base backup is called "{selection.key}" (the newest there: {labels}): there is nothing to '
            "restore.",
            where=place,
            hint="Take a key from `restore-drill list`.",
        )
    past = [point for point in points if not is_in_future(point, now)]
    end = now if selection.at is None else utc(selection.at)
    before = [point for point in past if point.at <= end]
    if before:
        age = format_duration((now - before[-1].at).total_seconds())
        return finding(
            "backup-too-old",
            f"The newest base backup{'' if selection.at is None else ' before the time asked for'} is of "
            f"{before[-1].at.isoformat()}, {age} ago, outside the window of {window}: the backup job has not "
            "produced anything since.",
            where=before[-1].uri,
        )
    return finding(
        "no-backup-found",
        f"The catalogue holds no base backup of the last {window}: there is nothing to restore.",
        where=place,
    )
