"""Which backup is drilled, and why not the others.

The newest key that matches is the newest backup, usable or not: an empty object is drilled and fails.
Discovery never falls back to one that looks better. Where there is nothing, it says what was there
instead.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from tasks.discovery import nothing_found as absence
from tasks.discovery.candidates import future_names, is_in_future, shortened, with_reason
from tasks.discovery.scan import Look, look_round
from tasks.model.backup import Candidate, Discovery, DumpPoint, RecoveryPoint
from tasks.model.errors import PermanentError, StageFailed
from tasks.model.findings import Finding, Severity
from tasks.model.rules import finding
from tasks.model.target import Selection, Target
from tasks.model.units import format_duration
from tasks.stores.base import Store
from tasks.stores.uris import normalised

P = TypeVar("P", bound=RecoveryPoint)
_SKEW_WARNING_S = 120.0
_SKEW_FAILURE_S = 900.0


def discover(
    target: Target, store: Store, now: datetime, selection: Selection | None = None
) -> Discovery[DumpPoint]:
    """List what the window can reach and choose the recovery points to drill.

    *now* is the worker's clock, aware UTC; without a *selection* the target's own counts.

    Raises:
        StageFailed: nothing is there to drill, with the reason; or the clocks disagree too much.
        PermanentError, TransientError: what the way to the store can show.
    """
    look = look_round(target, store, now, selection or target.backup.select)
    clock = clock_findings(store)
    eligible = _inside(look)
    points, seed = choose(eligible, look.selection)
    if not points:
        raise StageFailed((*absence.explain(look), *clock))
    split_findings = absence.split_into(look, points[0].uri)
    if split_findings:
        raise StageFailed((*split_findings, *clock))
    return Discovery(
        points=points,
        candidates=_candidates(points, eligible, look),
        points_at=tuple(point.at for point in eligible),
        seed=seed,
        findings=(*clock, *_hidden(look, points[0]), *_findings(points, look), *_neighbours(look)),
        eligible=tuple(eligible),
    )


def choose(points: list[P], selection: Selection) -> tuple[tuple[P, ...], int | None]:
    """Return which of *points* (ascending) to drill, as they are tried, and the seed of a random choice."""
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
    uri = point.uri.rstrip("/")
    name = normalised(key).rstrip("/") if "://" in key else key.strip("/")
    return uri == name or uri.endswith(f"/{name}")


def _inside(look: Look) -> list[DumpPoint]:
    """Return the points that can be chosen; the others' reasons go to the rejected."""
    points = []
    for point in look.listing.points:
        reason = _outside(point, look)
        if reason is None:
            points.append(point)
        else:
            look.listing.rejected.append(with_reason(point, reason))
    return points


def _outside(point: RecoveryPoint, look: Look) -> str | None:
    if is_in_future(point, look.now):
        return "its name lies in the future"
    if look.selection.kind == "key" and _is_called(point, look.selection.key or ""):
        return None
    if point.at < look.window.start:
        return "older than the window"
    return "later than the time asked for" if point.at > look.window.end else None


def _candidates(
    points: tuple[DumpPoint, ...], eligible: list[DumpPoint], look: Look
) -> tuple[Candidate, ...]:
    chosen_uris = {point.uri for point in points}
    chosen = [
        with_reason(point, reason_of(point, points, look.selection), taken=point.uri in chosen_uris)
        for point in eligible[::-1]
    ]
    rejected = sorted(
        look.listing.rejected, key=lambda c: (c.at is None, -(c.at.timestamp() if c.at else 0.0), c.uri)
    )
    return (*chosen, *shortened(rejected))


def reason_of(point: RecoveryPoint, points: Sequence[RecoveryPoint], selection: Selection) -> str:
    """Return why *point*, which could be chosen, was or was not among the chosen *points*."""
    if point not in points:
        return _NOT_TAKEN[selection.kind]
    if selection.kind == "newest" and point is not points[0]:
        return "tried if the newer ones fail"
    return _TAKEN[selection.kind]


def clock_findings(store: Store) -> tuple[Finding, ...]:
    """Judge the worker's clock by the store's: with a wrong one no age means anything.

    Raises:
        StageFailed: they differ by more than S3 itself tolerates.
    """
    skew = store.clock_skew_s()
    if skew is None or abs(skew) < _SKEW_WARNING_S:
        return ()
    direction = "ahead of" if skew > 0 else "behind"
    fact = f"This worker's clock is {format_duration(abs(skew))} {direction} the store's"
    if abs(skew) < _SKEW_FAILURE_S:
        return (finding("clock-skew", f"{fact}: ages are off by as much."),)
    meaning = "no age of a backup can be judged."
    raise StageFailed((finding("clock-skew", f"{fact}: {meaning}", severity=Severity.FAILURE),))


def _findings(points: tuple[RecoveryPoint, ...], look: Look) -> list[Finding]:
    findings = future_names(look.listing.points, look.now)
    if points[0].dated_by == "modified":
        findings.append(
            finding(
                "recovery-point-from-modified",
                "The key holds no time, so LastModified was taken as the recovery point: "
                "a copy or a re-sync makes an old backup look new.",
                where=points[0].uri,
            )
        )
    return findings


def _neighbours(look: Look) -> list[Finding]:
    """Name the databases beside this one that no fleet drills; a role that may not look sees none."""
    neighbours = look.listing.neighbours
    with suppress(PermanentError):
        neighbours = {**look.siblings.look(look.store), **neighbours}
    return list(look.siblings.findings(neighbours))


def _hidden(look: Look, newest: RecoveryPoint) -> list[Finding]:
    """Where the newest is too old for the RPO, say whether a newer one was deleted."""
    rpo_s = look.target.rpo
    if look.selection.kind != "newest" or rpo_s is None or look.now - newest.at <= timedelta(seconds=rpo_s):
        return []
    return absence.deleted(look, newest.at + timedelta(seconds=1))


_TAKEN = {
    "newest": "the newest that matches",
    "random": "drawn at random",
    "all": "all of the window are drilled",
    "at": "the newest at the time asked for",
    "key": "the key asked for",
}
_NOT_TAKEN = {
    "newest": "older than the newest",
    "random": "not drawn",
    "all": "a backup of the same time was taken",
    "at": "older than the newest before the time asked for",
    "key": "not the key asked for",
}
