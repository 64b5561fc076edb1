"""How PostgreSQL names its WAL: segments by timeline and number, histories by timeline, places by LSN.

A segment's name holds no size: with segments other than 16 MiB the same number has another name, so that all
of this needs the cluster's wal_segment_size. Names are checked before use: who asks for one is the sandbox.
"""

from __future__ import annotations

import re
from typing import NamedTuple

DEFAULT_SEGMENT_BYTES = 16 << 20
SMALLEST_SEGMENT_BYTES, LARGEST_SEGMENT_BYTES = 1 << 20, 1 << 30
_PER_LOG = 1 << 32  # bytes that share the middle eight digits

_SEGMENT = re.compile(r"[0-9A-F]{24}")
_HISTORY = re.compile(r"([0-9A-F]{8})\.history")
_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


class Segment(NamedTuple):
    """One segment: its timeline, and its number counted from the first byte of all WAL."""

    timeline: int
    number: int


def is_segment_bytes(size: int) -> bool:
    """Say whether *size* is one that a cluster's segments can have."""
    return SMALLEST_SEGMENT_BYTES <= size <= LARGEST_SEGMENT_BYTES and size & (size - 1) == 0


def is_wal_name(name: str) -> bool:
    """Say whether *name* is a segment's or a timeline history's, and nothing else."""
    return bool(_SEGMENT.fullmatch(name) or _HISTORY.fullmatch(name))


def is_history_name(name: str) -> bool:
    """Say whether *name* is a timeline history's."""
    return _HISTORY.fullmatch(name) is not None


def segment_name(segment: Segment, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> str:
    """Return the file name of *segment*."""
    high, low = divmod(segment.number, _PER_LOG // segment_bytes)
    return f"{segment.timeline:08X}{high:08X}{low:08X}"


def parse_segment(name: str, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> Segment | None:
    """Return the segment that *name* names; None for any other name, one of another segment size too."""
    if not _SEGMENT.fullmatch(name):
        return None
    timeline, high, low = int(name[:8], 16), int(name[8:16], 16), int(name[16:], 16)  # of 100,000: no loop
    per_log = _PER_LOG // segment_bytes
    return Segment(timeline, high * per_log + low) if timeline and low < per_log else None


def history_name(timeline: int) -> str:
    """Return the file name of the history of *timeline*."""
    return f"{timeline:08X}.history"


def parse_history(name: str) -> int | None:
    """Return the timeline whose history *name* is; None for any other name."""
    match = _HISTORY.fullmatch(name)
    return int(match[1], 16) or None if match else None


def parse_lsn(text: str) -> int:
    """Return the place that *text*, such as `0/16B3748`, names: bytes from the first of all WAL.

    Raises:
        ValueError: it is no LSN.
    """
    match = _LSN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"no LSN: {text[:40]!r}")
    return int(match[1], 16) << 32 | int(match[2], 16)


def format_lsn(lsn: int) -> str:
    """Return *lsn* as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def segment_of(lsn: int, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> int:
    """Return the number of the segment that holds the byte at *lsn*."""
    return lsn // segment_bytes


def segment_before(lsn: int, segment_bytes: int = DEFAULT_SEGMENT_BYTES) -> int:
    """Return the number of the segment that holds the last byte before *lsn*."""
    return (lsn - 1) // segment_bytes if lsn else 0
