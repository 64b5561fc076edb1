"""Listings of WAL without WAL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from tasks.model.backup import StoredObject
from tasks.wal.history import History, Switch
from tasks.wal.names import DEFAULT_SEGMENT_BYTES, Segment, history_name, segment_name
from tasks.wal.windows import Archive, BaseBackup

SIZE = DEFAULT_SEGMENT_BYTES
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)


def stored(name: str, at: datetime = LONG_AGO) -> StoredObject:
    return StoredObject(uri=f"s3://acme/wal/{name}", bytes=SIZE, modified_at=at)


def archive(
    segments: Mapping[int, Iterable[int]],
    histories: Iterable[History] = (),
    at: dict[str, datetime] | None = None,
    size: int = SIZE,
) -> Archive:
    """Return the archive of *segments*, numbers by timeline, each a second newer than the one before."""
    names = [
        segment_name(Segment(timeline, number), size)
        for timeline, numbers in segments.items()
        for number in numbers
    ]
    names += [history_name(history.timeline) for history in histories]
    times = at or {}
    listing = {name: stored(name, times.get(name, LONG_AGO)) for name in names}
    return Archive(listing, size, {history.timeline: history for history in histories})


def base(first: int, last: int, timeline: int = 1, *, size: int = SIZE, own: bool = False) -> BaseBackup:
    """Return a base backup whose WAL lies in the segments from *first* to *last*."""
    return BaseBackup("base", timeline, first * size + 40, last * size + 500, LONG_AGO, own)


def branch(timeline: int, *switches: tuple[int, int]) -> History:
    """Return a history that left each timeline in the middle of a segment."""
    return History(timeline, tuple(Switch(parent, number * SIZE + 4096) for parent, number in switches))
