"""Recoverable windows: from which base backup one can come how far, by one listing of the WAL.

Pure functions, and linear: names become runs of numbers, one pass each. The way along timelines is the one
that PostgreSQL takes: `latest` is probed upwards from the base's own timeline until a history is absent
(findNewestTimeLine), and a segment is read from the newest timeline that has begun by then
(XLogFileReadAnyTLI). Whether a fork is a failover or somebody's test restore the numbers do not say; the
times in the listing do: a parent that was archived on after its child was born is alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tasks.model.backup import StoredObject
from tasks.wal.history import History, Switch
from tasks.wal.names import (
    Segment,
    history_name,
    parse_history,
    parse_segment,
    segment_before,
    segment_name,
    segment_of,
)

GAPS_KEPT = 100
_NO_END = 1 << 62
Timeline = int | str
"""`latest`, `current` or a number."""


@dataclass(frozen=True, slots=True)
class BaseBackup:
    """What a window begins with.

    Attributes:
        label: what it is called by.
        start_lsn, stop_lsn: of its WAL: from the redo point to where it is consistent.
        stopped_at: aware UTC; the moment that it alone brings back.
        has_own_wal: it brings the WAL from start to stop itself (-X stream or fetch).
    """

    label: str
    timeline: int
    start_lsn: int
    stop_lsn: int
    stopped_at: datetime | None = None
    has_own_wal: bool = False


class Run(NamedTuple):
    """Segments of one timeline without a gap, by number, both ends included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Segments that are absent while newer ones of the timeline are there.

    Attributes:
        first, last: names of the first and the last that are absent.
        count: how many.
        newer: segments of the timeline that lie behind it.
        noticed_at: when the first one behind it was archived, aware UTC: before it there was no gap to see.
    """

    timeline: int
    first: str
    last: str
    count: int
    newer: int
    noticed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fork:
    """A timeline that was left for another one.

    Attributes:
        switch_lsn: where.
        left_behind: segments of the parent that lie behind the switch, whole.
        newest_left: the newest of them; None where there is none.
        alive: the parent was archived on after the child's history was: it is no failover's old primary.
    """

    parent: int
    child: int
    switch_lsn: int
    left_behind: int
    newest_left: str | None
    alive: bool


@dataclass(frozen=True, slots=True)
class Window:
    """What can be recovered from one base backup.

    Attributes:
        start_lsn: the earliest moment, where the base is consistent.
        end_lsn: the latest, exclusive: the end of the last segment reached.
        last: the name of that segment; None where no archived one is reached.
        last_at: when it was archived, aware UTC.
        segments: how many must be replayed.
        timeline: on which it ends.
        usable: the base can become consistent at all.
        why: why it is not usable, or why the window ends where it does, in a few words.
        gaps: those on the way, the first `GAPS_KEPT`.
        forks: the branches that were taken on the way.
        missing: the first segment that stops it, where one is missing.
    """

    base: BaseBackup
    start_lsn: int
    end_lsn: int
    last: str | None
    last_at: datetime | None
    segments: int
    timeline: int
    usable: bool
    why: str
    gaps: tuple[Gap, ...] = ()
    forks: tuple[Fork, ...] = ()
    missing: str | None = None


class Archive:
    """A listing of WAL, put in order once.

    Args:
        listing: of `list_wal`: names to objects.
        segment_bytes: of the cluster.
        histories: the content of the histories that are listed, by timeline.
    """

    def __init__(
        self,
        listing: Mapping[str, StoredObject],
        segment_bytes: int,
        histories: Mapping[int, History] | None = None,
    ) -> None:
        self._listing, self.segment_bytes = listing, segment_bytes
        self.histories = dict(histories or {})
        numbers: dict[int, list[int]] = {}
        for name in listing:
            segment = parse_segment(name, segment_bytes)
            if segment is not None:
                numbers.setdefault(segment.timeline, []).append(segment.number)
        self.runs = {timeline: tuple(_runs(sorted(of_it))) for timeline, of_it in numbers.items()}
        self.listed_histories = frozenset(filter(None, map(parse_history, listing)))

    def name(self, timeline: int, number: int) -> str:
        """Return the name of a segment."""
        return segment_name(Segment(timeline, number), self.segment_bytes)

    def archived_at(self, name: str) -> datetime | None:
        """Return when *name* was archived; None for what is not there."""
        stored = self._listing.get(name)
        return None if stored is None else stored.modified_at

    def newest(self) -> tuple[str, datetime] | None:
        """Return the segment that was archived last, and when; None where there is none."""
        ends = (self.name(timeline, run.last) for timeline, runs in self.runs.items() for run in runs)
        dated = [(at, name) for name in ends if (at := self.archived_at(name)) is not None]
        return max(dated)[::-1] if dated else None


def newest_timeline(start: int, listed: Iterable[int]) -> int:
    """Return the timeline that `latest` comes to from *start*: the last before the first history absent."""
    present = set(listed)
    timeline = start
    while timeline + 1 in present:
        timeline += 1
    return timeline


def windows(
    archive: Archive, bases: Iterable[BaseBackup], timeline: Timeline = "latest"
) -> tuple[Window, ...]:
    """Return the window of each of *bases*, in their order, along *timeline*."""
    return tuple(window(archive, base, timeline) for base in bases)


def window(archive: Archive, base: BaseBackup, timeline: Timeline = "latest") -> Window:
    """Return what can be recovered from *base* along *timeline*."""
    target = _target(archive, base, timeline)
    history = archive.histories.get(target)
    if history is None:
        if target != base.timeline and target not in archive.listed_histories:
            return _unusable(base, target, f"the history of timeline {target} is not in the archive")
        if target != base.timeline:
            return _unusable(base, target, f"the history of timeline {target} cannot be read")
        history = History(target)
    if history.timeline_at(max(base.start_lsn, base.stop_lsn - 1)) != base.timeline:
        why = f"timeline {target} left timeline {base.timeline} before this backup was complete"
        return _unusable(base, target, why)
    return _walk(archive, base, history)


class _Stretch(NamedTuple):
    """Segments to be read from one timeline, both ends included."""

    timeline: int
    first: int
    end: int


def _target(archive: Archive, base: BaseBackup, timeline: Timeline) -> int:
    if timeline == "current":
        return base.timeline
    if isinstance(timeline, int):
        return timeline
    return newest_timeline(base.timeline, archive.listed_histories)


def _walk(archive: Archive, base: BaseBackup, history: History) -> Window:
    """Follow the segments from the base's start along its timelines for as long as they are there."""
    size = archive.segment_bytes
    needed = segment_before(base.stop_lsn, size)
    first = needed if base.has_own_wal else segment_of(base.start_lsn, size)
    way = _Way(archive, tuple(_stretches(history, base.timeline, first, size)))
    gaps, reached = way.gaps(), way.reached()
    usable = base.has_own_wal or (reached is not None and reached.number >= needed)
    last = None if reached is None else segment_name(reached, size)
    missing = gaps[0].first if gaps else None
    return Window(
        base=base,
        start_lsn=base.stop_lsn,
        end_lsn=base.stop_lsn if reached is None or not usable else (reached.number + 1) * size,
        last=last,
        last_at=None if last is None else archive.archived_at(last),
        segments=0 if reached is None else reached.number - first + 1,
        timeline=base.timeline if reached is None else reached.timeline,
        usable=usable,
        why=_why(missing or way.name_after(reached), usable=usable, has_gaps=bool(gaps)),
        gaps=gaps,
        forks=tuple(_forks(archive, history, base)),
        missing=missing,
    )


def _why(name: str, *, usable: bool, has_gaps: bool) -> str:
    if not usable:
        return f"{name} is absent, without which the backup is not consistent"
    return f"{name} is absent, and newer ones are there" if has_gaps else "the archive ends there"


class _Way:
    """What is to be read in a row, and what of it is there: runs in order, each with its timeline."""

    def __init__(self, archive: Archive, stretches: tuple[_Stretch, ...]) -> None:
        self._archive, self._stretches = archive, stretches
        self._first = stretches[0].first
        self._covered = [
            (stretch.timeline, Run(max(run.first, stretch.first), min(run.last, stretch.end)))
            for stretch in stretches
            for run in archive.runs.get(stretch.timeline, ())
            if run.last >= stretch.first and run.first <= stretch.end
        ]

    def reached(self) -> Segment | None:
        """Return the last segment before the first one absent; None where that is the first of all."""
        reached: Segment | None = None
        expected = self._first
        for timeline, run in self._covered:
            if run.first != expected:
                break
            reached, expected = Segment(timeline, run.last), run.last + 1
        return reached

    def gaps(self) -> tuple[Gap, ...]:
        """Return what is absent before something that is there, the first `GAPS_KEPT`."""
        gaps: list[Gap] = []
        newer = sum(run.last - run.first + 1 for _, run in self._covered)
        expected = self._first
        for timeline, run in self._covered:
            if run.first > expected and len(gaps) < GAPS_KEPT:
                gaps.append(self._gap(expected, Segment(timeline, run.first), newer))
            newer -= run.last - run.first + 1
            expected = run.last + 1
        return tuple(gaps)

    def name_after(self, reached: Segment | None) -> str:
        """Return the name of the segment that would follow."""
        return self._name(self._first if reached is None else reached.number + 1)

    def _gap(self, first: int, behind: Segment, newer: int) -> Gap:
        return Gap(
            self._timeline_of(first),
            self._name(first),
            self._name(behind.number - 1),
            behind.number - first,
            newer,
            self._archive.archived_at(segment_name(behind, self._archive.segment_bytes)),
        )

    def _name(self, number: int) -> str:
        return self._archive.name(self._timeline_of(number), number)

    def _timeline_of(self, number: int) -> int:
        return next(stretch.timeline for stretch in self._stretches if number <= stretch.end)


def _stretches(history: History, timeline: int, first: int, size: int) -> Iterator[_Stretch]:
    """Yield what is to be read, timeline by timeline, from segment *first* on."""
    ends = {switch.timeline: segment_of(switch.lsn, size) - 1 for switch in history.switches}
    for number in history.timelines[history.timelines.index(timeline) :]:
        end = ends.get(number, _NO_END)
        if end >= first:
            yield _Stretch(number, first, end)
            first = end + 1


def _forks(archive: Archive, history: History, base: BaseBackup) -> Iterator[Fork]:
    """Yield the branches that were taken from the base's timeline on."""
    for switch, child in zip(history.switches, history.timelines[1:], strict=True):
        if switch.timeline < base.timeline:
            continue
        first = _first_left(archive, switch, child)
        behind = [run for run in archive.runs.get(switch.timeline, ()) if run.last >= first]
        newest = archive.name(switch.timeline, behind[-1].last) if behind else None
        born_at = archive.archived_at(history_name(child))
        newest_at = None if newest is None else archive.archived_at(newest)
        yield Fork(
            parent=switch.timeline,
            child=child,
            switch_lsn=switch.lsn,
            left_behind=sum(run.last - max(run.first, first) + 1 for run in behind),
            newest_left=newest,
            alive=born_at is not None and newest_at is not None and newest_at > born_at,
        )


def _first_left(archive: Archive, switch: Switch, child: int) -> int:
    """Return the first of the parent's segments that holds what the child does not.

    The segment in which they part is one if they part at its very start, or if the parent finished it after
    the child was born; else a failover's old primary had written little more into it than the child has.
    """
    number, offset = divmod(switch.lsn, archive.segment_bytes)
    born_at = archive.archived_at(history_name(child))
    finished_at = archive.archived_at(archive.name(switch.timeline, number))
    went_on = born_at is not None and finished_at is not None and finished_at > born_at
    return number if offset == 0 or went_on else number + 1


def _unusable(base: BaseBackup, timeline: int, why: str) -> Window:
    return Window(base, base.stop_lsn, base.stop_lsn, None, None, 0, timeline, usable=False, why=why)


def _runs(numbers: Sequence[int]) -> Iterator[Run]:
    first = previous = None
    for number in numbers:
        if first is None or previous is None:
            first = number
        elif number > previous + 1:
            yield Run(first, previous)
            first = number
        previous = number
    if first is not None and previous is not None:
        yield Run(first, previous)
