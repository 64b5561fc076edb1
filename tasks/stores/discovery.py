"""Which backup is drilled, and why not the others.

The newest key that matches is the newest backup, usable or not: an empty object is drilled and fails. Discovery
never falls back to one that looks better. Where there is nothing, it says what was there instead.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tasks.model.backup import Candidate, Discovery, RecoveryPoint
from tasks.model.errors import StageFailed
from tasks.model.findings import Finding, Severity
from tasks.model.rules import finding
from tasks.model.target import Selection, Target
from tasks.model.units import format_duration
from tasks.stores import absence
from tasks.stores.base import Store
from tasks.stores.listing import reachable
from tasks.stores.pattern import KeyPattern, utc
from tasks.stores.siblings import Siblings
from tasks.stores.sorting import FUTURE_TOLERANCE, Sorted, order, shortened, sort_out, with_reason
from tasks.stores.uris import is_s3, normalised

_AHEAD = timedelta(hours=27)
"""How far into the future is listed: a name in the wrong time zone is at most so far ahead."""
_SKEW_WARNING_S = 120.0
_SKEW_FAILURE_S = 900.0


@dataclass(frozen=True, slots=True)
class Window:
    """From *start* to *end* lie the recovery points that can be chosen; *listed_to* is how far is looked."""

    start: datetime
    end: datetime
    listed_to: datetime


def discover(target: Target, store: Store, now: datetime, selection: Selection | None = None) -> Discovery:
    """List what the window can reach and choose the recovery points to drill.

    Args:
        now: aware UTC; the worker's clock, by which the future is told.
        selection: else the target's own.

    Raises:
        StageFailed: nothing is there to drill, with the reason; or the clocks disagree too much to judge ages.
        PermanentError, TransientError: what the way to the store can show.
    """
    chosen = selection or target.backup.select
    pattern = KeyPattern(target.backup.at, target.backup.timezone)
    siblings = Siblings(pattern, target.name, target.fleet_databases)
    window = window_of(target, pattern, chosen, now)
    found = sort_out(reachable(store, pattern, window.start, window.listed_to), pattern, siblings)
    clock = _clock(store)
    inside = _inside(found, window, chosen, now)
    points, seed = choose(inside, chosen)
    if not points:
        raise StageFailed(
            (*absence.explain(target, store, pattern, found, window.start, window.end, chosen, now), *clock)
        )
    hidden = _hidden(target, store, pattern, chosen, window, points[0], now)
    return Discovery(
        points=points,
        candidates=_candidates(points, inside, found, chosen),
        points_at=tuple(point.at for point in inside),
        seed=seed,
        findings=(*clock, *hidden, *_findings(points, found, now), *_neighbours(siblings, store, found)),
    )


def window_of(target: Target, pattern: KeyPattern, selection: Selection, now: datetime) -> Window:
    """Return the stretch of time that *selection* chooses from: up to now, or up to the time asked for."""
    length = timedelta(seconds=target.backup.window)
    if selection.kind == "at" and selection.at is not None:
        asked = utc(selection.at)
        return Window(asked - length, asked, asked)
    if selection.kind == "key" and selection.key is not None:
        moment = pattern.time_of(selection.key)
        if moment is not None:
            return Window(moment - length, moment, moment)
    end = now + FUTURE_TOLERANCE
    return Window(now - length, end, now + _AHEAD)


def choose(points: list[RecoveryPoint], selection: Selection) -> tuple[tuple[RecoveryPoint, ...], int | None]:
    """Return the points to drill, in the order in which they are tried, and the seed of a random choice.

    Args:
        points: of the window, ascending.
    """
    newest_first = points[::-1]
    match selection.kind:
        case "newest":
            return tuple(newest_first[: 1 + selection.walk_back]), None
        case "all":
            return tuple(newest_first), None
        case "random":
            seed = secrets.randbelow(2**32) if selection.seed is None else selection.seed
            return ((random.Random(seed).choice(points),) if points else ()), seed  # noqa: S311  a sample
        case "at":
            return tuple(newest_first[:1]), None
        case "key":
            return tuple(point for point in newest_first if _is_called(point, selection.key or ""))[:1], None


def _is_called(point: RecoveryPoint, key: str) -> bool:
    uri = point.object.uri.rstrip("/")
    wanted = key.strip("/") if not is_s3(key) and "://" not in key else normalised(key).rstrip("/")
    return uri == wanted or uri.endswith(f"/{wanted}")


def _inside(found: Sorted, window: Window, selection: Selection, now: datetime) -> list[RecoveryPoint]:
    """Return the points that can be chosen; the others' reasons go to the rejected."""
    inside = []
    for point in found.points:
        if point.dated_by == "name" and point.at > now + FUTURE_TOLERANCE:
            reason = "its name lies in the future"
        elif selection.kind == "key" and _is_called(point, selection.key or ""):
            reason = ""
        elif point.at < window.start:
            reason = "older than the window"
        elif point.at > window.end:
            reason = "later than the time asked for"
        else:
            reason = ""
        if reason:
            found.rejected.append(with_reason(point, reason))
        else:
            inside.append(point)
    return sorted(inside, key=order)


def _candidates(
    points: tuple[RecoveryPoint, ...],
    inside: list[RecoveryPoint],
    found: Sorted,
    selection: Selection,
) -> tuple[Candidate, ...]:
    taken = {point.object.uri for point in points}
    listed = [
        with_reason(point, _why(point, points, selection), taken=point.object.uri in taken)
        for point in inside[::-1]
    ]
    rejected = sorted(found.rejected, key=lambda c: (c.at is None, -(c.at.timestamp() if c.at else 0), c.uri))
    return (*listed, *shortened(rejected))


def _why(point: RecoveryPoint, points: tuple[RecoveryPoint, ...], selection: Selection) -> str:
    if point not in points:
        older = point.at <= points[0].at
        return {
            "newest": "older than the newest",
            "random": "not drawn",
            "at": "older than the newest before the time asked for",
            "key": "not the key asked for",
            "all": "",
        }[selection.kind] or ("older" if older else "newer")
    if selection.kind == "newest":
        return "the newest that matches" if point is points[0] else "tried if the newer ones fail"
    return {
        "random": "drawn at random",
        "all": "all of the window are drilled",
        "at": "the newest at the time asked for",
        "key": "the key asked for",
    }[selection.kind]


def _clock(store: Store) -> tuple[Finding, ...]:
    """Judge the worker's clock by the store's: with a wrong one no age means anything.

    Raises:
        StageFailed: they differ by more than S3 itself tolerates.
    """
    skew = store.clock_skew_s()
    if skew is None or abs(skew) < _SKEW_WARNING_S:
        return ()
    ahead = "ahead of" if skew > 0 else "behind"
    said = f"This worker's clock is {format_duration(abs(skew))} {ahead} the store's"
    if abs(skew) < _SKEW_FAILURE_S:
        return (finding("clock-skew", f"{said}: ages are off by as much."),)
    meaning = "no age of a backup can be judged."
    raise StageFailed((finding("clock-skew", f"{said}: {meaning}", severity=Severity.FAILURE),))


def _findings(points: tuple[RecoveryPoint, ...], found: Sorted, now: datetime) -> list[Finding]:
    said = []
    ahead = [
        point for point in found.points if point.dated_by == "name" and point.at > now + FUTURE_TOLERANCE
    ]
    if ahead:
        lead = format_duration((ahead[-1].at - now).total_seconds())
        said.append(
            finding(
                "backup-in-future",
                f"{_count(len(ahead), 'name')} in the store lie in the future, the furthest by {lead}: "
                "they were not taken, since their age cannot be known.",
                where=ahead[-1].object.uri,
            )
        )
    if points[0].dated_by == "modified":
        said.append(
            finding(
                "recovery-point-from-modified",
                "The key holds no time, so LastModified was taken as the recovery point: "
                "a copy or a re-sync makes an old backup look new.",
                where=points[0].object.uri,
            )
        )
    return said


def _neighbours(siblings: Siblings, store: Store, found: Sorted) -> list[Finding]:
    return list(siblings.findings({**siblings.look(store), **found.neighbours}))


def _hidden(
    target: Target,
    store: Store,
    pattern: KeyPattern,
    selection: Selection,
    window: Window,
    newest: RecoveryPoint,
    now: datetime,
) -> list[Finding]:
    """Where the newest is too old for the RPO, say whether a newer one was deleted."""
    too_old = target.rpo is not None and now - newest.at > timedelta(seconds=target.rpo)
    if selection.kind != "newest" or not too_old:
        return []
    newer = replace(window, start=newest.at + timedelta(seconds=1))
    return absence.deleted(store, pattern, newer.start, newer.end)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
