"""One look into a store: what is asked for, where, and what was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from tasks.discovery.candidates import FUTURE_TOLERANCE, Sorted, sort_out
from tasks.discovery.listing import older, reachable
from tasks.discovery.pattern import KeyPattern, moved, utc
from tasks.discovery.undrilled import Siblings
from tasks.model.backup import DumpPoint
from tasks.model.target import Selection, Target
from tasks.stores.base import Store

_MONTH = timedelta(days=31)
_AHEAD = timedelta(hours=27)
"""How far into the future is listed: a name in the wrong time zone is at most so far ahead."""


@dataclass(frozen=True, slots=True)
class Window:
    """From *start* to *end* lie the recovery points that can be chosen; to *listed_to* is looked."""

    start: datetime
    end: datetime
    listed_to: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What discovery knows.

    Attributes:
        now: aware UTC, the worker's clock.
    """

    target: Target
    store: Store
    pattern: KeyPattern
    siblings: Siblings
    selection: Selection
    window: Window
    now: datetime
    listing: Sorted


def look_round(target: Target, store: Store, now: datetime, selection: Selection) -> Look:
    """List what *selection* can reach and tell recovery points from the rest."""
    pattern = KeyPattern(target.dump.at, target.backup.timezone)
    siblings = Siblings(pattern, target.name, target.fleet_databases)
    window = window_of(target, pattern, selection, now)
    listing = sort_out(reachable(store, pattern, window.start, window.listed_to), pattern, siblings)
    return Look(target, store, pattern, siblings, selection, window, now, listing)


def every_point(target: Target, store: Store, around: datetime, now: datetime) -> Iterator[DumpPoint]:
    """Yield what the pattern matches, whatever the window: those not later than *around* first, newest first.

    Ever older stretches are listed as far as they are asked for.
    """
    pattern = KeyPattern(target.dump.at, target.backup.timezone)
    siblings = Siblings(pattern, target.name, target.fleet_databases)
    start, uris = moved(around, -_MONTH), set[str]()
    recent = reachable(store, pattern, start, now + _AHEAD)
    for objects in chain([recent], older(store, pattern, start)):
        points = [point for point in sort_out(objects, pattern, siblings).points if point.uri not in uris]
        uris.update(point.uri for point in points)
        yield from sorted(points, key=lambda point: (point.at > around, -point.at.timestamp()))


def window_of(target: Target, pattern: KeyPattern, selection: Selection, now: datetime) -> Window:
    """Return the stretch of time that *selection* chooses from: up to now, or up to the time asked for."""
    length = timedelta(seconds=target.backup.window)
    if selection.kind in ("at", "all") and selection.at is not None:
        asked = utc(selection.at)
        return Window(min(asked, moved(asked, -length)), asked, asked)
    if selection.kind == "key" and selection.key is not None:
        moment = pattern.time_of(selection.key)
        if moment is not None:
            return Window(min(moment, moved(moment, -length)), moment, moment)
    return Window(moved(now, -length), now + FUTURE_TOLERANCE, now + _AHEAD)
