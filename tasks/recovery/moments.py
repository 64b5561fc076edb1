"""The moment that a recovery is asked for, and which base backup it begins with.

Decided here: with WAL, `--select at:TIME`, `recover.to: {time: ...}` and a random moment all mean the
recovery's target, and the base backup is the newest that was consistent by then. A random moment is drawn
evenly out of all moments that can be recovered, by a seed that the evidence holds: the same seed over the
same windows is the same moment.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate

from tasks.model.backup import Candidate, Discovery
from tasks.model.base_point import BasePoint
from tasks.model.findings import Finding, Severity
from tasks.model.printable import printable
from tasks.model.reach import RecoverableWindow
from tasks.model.rules import finding
from tasks.model.target import RandomMoment, Selection, Target
from tasks.model.units import format_duration

Span = tuple[datetime, datetime]
_SEEDS = 2**32


def moment_of(target: Target, selection: Selection) -> datetime | None:
    """Return the moment that is asked for, aware UTC; None for another target, or one yet to be drawn."""
    backup = target.physical
    if selection.kind == "at" and backup.goes_by_wal:
        return selection.at
    return backup.recover.moment


def catalogue_selection(target: Target, selection: Selection) -> Selection:
    """Return what is asked of the catalogue: the newest by the moment, where a moment is asked for."""
    moment = moment_of(target, selection)
    return Selection(kind="at", at=moment) if moment is not None and selection.kind == "newest" else selection


def aim(
    discovery: Discovery[BasePoint], target: Target, selection: Selection, now: datetime
) -> Discovery[BasePoint]:
    """Return *discovery* with the moment to recover to in its points, and the base backups that reach it.

    Args:
        discovery: with its windows.
        target: whose recovery is asked for.
        selection: as the run was asked for.
        now: aware UTC.
    """
    drawn = target.physical.recover.random
    if drawn is not None and selection.kind == "newest":
        return _at_random(discovery, drawn, now)
    moment = moment_of(target, selection)
    if moment is None:
        return discovery
    if selection.kind in {"newest", "at"}:
        discovery = _from_newest_by(discovery, moment)
    return _with_moment(discovery, moment)


def beyond(
    findings: Iterable[Finding], moment: datetime | None, end_at: datetime | None
) -> tuple[Finding, ...]:
    """Return *findings* as they weigh for a recovery to *moment*: a gap behind it is a warning there.

    Args:
        findings: of a listing of the WAL.
        moment: None: the recovery goes as far as it can.
        end_at: how far it can go; None where that is not known.
    """
    if moment is None or end_at is None or moment > end_at:
        return tuple(findings)
    return tuple(
        replace(item, severity=Severity.WARNING)
        if item.rule == "wal-gap" and item.severity is Severity.FAILURE
        else item
        for item in findings
    )


def draw(spans: Iterable[Span], seed: int) -> datetime | None:
    """Return a moment out of *spans*, to the second, each as likely; None where there is none."""
    merged = _merged(spans)
    lengths = [(end - start).total_seconds() for start, end in merged]
    if not merged:
        return None
    at_s = random.Random(seed).uniform(0, sum(lengths))  # noqa: S311  a sample
    for (start, _), length, until in zip(merged, lengths, accumulate(lengths), strict=True):
        if at_s <= until:
            return start + timedelta(seconds=int(length - (until - at_s)))
    return merged[-1][1]


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _at_random(discovery: Discovery[BasePoint], drawn: RandomMoment, now: datetime) -> Discovery[BasePoint]:
    seed = secrets.randbelow(_SEEDS) if drawn.seed is None else drawn.seed
    earliest = now - timedelta(seconds=drawn.within)
    windows = [window for window in discovery.windows if window.usable]
    spans = [(max(window.start_at, earliest), min(window.end_at, now)) for window in windows]
    moment = draw((span for span in spans if span[0] < span[1]), seed)
    if moment is None:
        return _nothing_to_draw(discovery, drawn, seed)
    bases = {point.uri: point for point in (*discovery.eligible, *discovery.points)}
    base = next(bases[window.uri] for window in windows if window.holds(moment))
    return replace(_with_moment(_chosen(discovery, base), moment), seed=seed)


def _from_newest_by(discovery: Discovery[BasePoint], moment: datetime) -> Discovery[BasePoint]:
    """Choose the newest base backup that was consistent by *moment*; the catalogue's where none is known."""
    bases = {point.uri: point for point in (*discovery.eligible, *discovery.points)}
    consistent = (window for window in discovery.windows if window.start_at <= moment)
    window = max(consistent, key=_begun, default=None)
    return discovery if window is None else _chosen(discovery, bases[window.uri])


def _with_moment(discovery: Discovery[BasePoint], moment: datetime) -> Discovery[BasePoint]:
    """Return *discovery* with its points to be recovered to *moment*."""
    ends = {window.uri: window.end_at for window in discovery.windows}
    points = []
    for point in discovery.points:
        standing = beyond(point.foreseen.standing, moment, ends.get(point.uri))
        foreseen = replace(point.foreseen, standing=standing)
        points.append(replace(point, recover_to=moment, foreseen=foreseen))
    return replace(discovery, points=tuple(points))


def _begun(window: RecoverableWindow) -> datetime:
    return window.start_at


def _chosen(discovery: Discovery[BasePoint], base: BasePoint) -> Discovery[BasePoint]:
    candidates = tuple(_candidate(item, base) for item in discovery.candidates)
    return replace(discovery, points=(base,), candidates=candidates)


def _candidate(item: Candidate, base: BasePoint) -> Candidate:
    if item.uri == printable(base.uri):
        return replace(item, taken=True, reason="the newest that was consistent at the moment asked for")
    return (
        replace(item, taken=False, reason="not the base backup of the moment asked for")
        if item.taken
        else item
    )


def _nothing_to_draw(discovery: Discovery[BasePoint], drawn: RandomMoment, seed: int) -> Discovery[BasePoint]:
    message = (
        f"No moment of the last {format_duration(drawn.within)} can be recovered: the windows of the base "
        "backups, by one listing of the WAL, hold none."
    )
    refusal = finding("pitr-target-not-reached", message)
    newest = discovery.points[0]
    if newest.foreseen.blocking:
        return replace(discovery, seed=seed, points=(newest,))
    foreseen = replace(newest.foreseen, blocking=(*newest.foreseen.blocking, refusal))
    return replace(discovery, seed=seed, points=(replace(newest, foreseen=foreseen),))
