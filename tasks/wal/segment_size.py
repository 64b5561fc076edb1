"""How long a cluster's segments are, where nothing but their names tells: the size under which all fits.

With segments of 64 MiB the names of a healthy archive look like gaps to whoever counts in 16 MiB. A name is
two numbers whose second wraps at 4 GiB, and a base backup begins in a segment that must be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.model.backup import StoredObject
from tasks.wal.names import (
    DEFAULT_SEGMENT_BYTES,
    LARGEST_SEGMENT_BYTES,
    SMALLEST_SEGMENT_BYTES,
    Segment,
    is_history_name,
    segment_name,
    segment_of,
)

_WRAPS_AT = 1 << 32
_LOG_DIGITS = 16
_SIZES = tuple(
    1 << power for power in range(SMALLEST_SEGMENT_BYTES.bit_length() - 1, LARGEST_SEGMENT_BYTES.bit_length())
)

Start = tuple[int, int]
"""Where a base backup begins: timeline and LSN."""


def infer_segment_bytes(listing: Mapping[str, StoredObject], starts: Iterable[Start]) -> int | None:
    """Return the size of plain segments, else the one under which all fits best; None where none does.

    Args:
        listing: of segments and histories that are archived, by name.
        starts: of base backups whose first segment should be among them.
    """
    segments = {name: stored.bytes for name, stored in listing.items() if not is_history_name(name)}
    if not segments:
        return None
    plain = set(segments.values()) & set(_SIZES)
    if len(plain) == 1:
        return plain.pop()
    largest = max(int(name[_LOG_DIGITS:], 16) for name in segments)
    wrapped = _WRAPS_AT // (largest + 1) if len({name[:_LOG_DIGITS] for name in segments}) > 1 else 0
    places = tuple(starts)
    fitting = [size for size in _SIZES if largest < _WRAPS_AT // size]
    hits = {size: sum(_first(place, size) in segments for place in places) for size in fitting}
    best = max(
        fitting, key=lambda size: (hits[size], size == wrapped, size == DEFAULT_SEGMENT_BYTES), default=None
    )
    return best if best is not None and hits[best] else None


def _first(place: Start, size: int) -> str:
    timeline, lsn = place
    return segment_name(Segment(timeline, segment_of(lsn, size)), size)
