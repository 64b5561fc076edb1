"""How long segments are, by names alone: a healthy archive never looks like one with gaps."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tasks.model.backup import StoredObject
from tasks.wal.names import Segment, history_name, segment_name
from tasks.wal.segment_size import infer_segment_bytes
from tests.unit.wal.listings import NOW

MIB = 1 << 20
SIZES = [1 << power for power in range(20, 31)]
PACKED = 7_000_001


def listing(size: int, numbers: Iterable[int], stored: int = PACKED) -> dict[str, StoredObject]:
    """Return what a listing shows of segments of *size*, each *stored* bytes long."""
    names = [segment_name(Segment(1, number), size) for number in numbers]
    return {name: StoredObject(f"s3://b/wal/{name}", stored, NOW) for name in names}


@pytest.mark.parametrize("size", SIZES)
def test_names_that_wrap_and_base_backups_that_begin_among_them_tell_the_size(size: int) -> None:
    numbers = range(5, 5 + 2 * ((1 << 32) // size))
    archived = listing(size, numbers)
    archived |= {history_name(2): StoredObject("s3://b/wal/h", 50, NOW)}
    starts = [(1, number * size + 40) for number in (numbers[3], numbers[-2])]
    assert infer_segment_bytes(archived, starts) == size


@pytest.mark.parametrize("size", SIZES)
def test_plain_segments_tell_it_by_their_length(size: int) -> None:
    assert infer_segment_bytes(listing(size, [1], stored=size), []) == size


def test_where_two_sizes_fit_the_usual_one_is_taken() -> None:
    assert infer_segment_bytes(listing(16 * MIB, range(10)), [(1, 40)]) == 16 * MIB


def test_a_gap_before_the_wrap_is_not_taken_for_one_where_segments_are_plain() -> None:
    numbers = [*range(0x40), *range(0x100, 0x110)]
    archived = listing(16 * MIB, numbers, stored=16 * MIB)
    assert infer_segment_bytes(archived, [(1, 0x108 * 16 * MIB + 40)]) == 16 * MIB


def test_where_no_start_is_archived_nothing_is_known() -> None:
    assert infer_segment_bytes(listing(16 * MIB, range(0x50, 0x60)), [(1, 0x20 * 16 * MIB)]) is None
    assert infer_segment_bytes({}, [(1, 40)]) is None
    assert infer_segment_bytes({history_name(2): StoredObject("s3://b/h", 50, NOW)}, []) is None
