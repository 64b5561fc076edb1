"""Names of WAL, for every size of segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.wal.names import (
    Segment,
    format_lsn,
    history_name,
    is_segment_bytes,
    is_wal_name,
    parse_history,
    parse_lsn,
    parse_segment,
    segment_before,
    segment_name,
    segment_of,
)

SIZES = [1 << bits for bits in range(20, 31)]
lsns = st.integers(0, (1 << 64) - 1)


@given(st.integers(1, (1 << 32) - 1), lsns, st.sampled_from(SIZES))
def test_a_segment_comes_back_from_its_name(timeline: int, lsn: int, size: int) -> None:
    segment = Segment(timeline, segment_of(lsn, size))
    name = segment_name(segment, size)
    assert is_wal_name(name)
    assert parse_segment(name, size) == segment


@given(lsns)
def test_an_lsn_comes_back_from_its_text(lsn: int) -> None:
    assert parse_lsn(format_lsn(lsn)) == lsn


@given(st.integers(1, (1 << 32) - 1))
def test_a_timeline_comes_back_from_its_historys_name(timeline: int) -> None:
    assert parse_history(history_name(timeline)) == timeline


def test_names_are_postgresqls_own() -> None:
    assert segment_name(Segment(1, 6)) == "000000010000000000000006"
    assert segment_name(Segment(0x1A, 256)) == "0000001A0000000100000000"
    assert segment_name(Segment(1, 4096), 1 << 20) == "000000010000000100000000"
    assert segment_name(Segment(1, 4), 1 << 30) == "000000010000000100000000"
    assert format_lsn(0x1_016B3748) == "1/16B3748"


def test_a_name_of_another_segment_size_is_none() -> None:
    assert parse_segment("000000010000000000000100") is None  # with 16 MiB the last digits end at FF
    assert parse_segment("000000010000000000000100", 1 << 20) == Segment(1, 256)
    assert parse_segment("000000000000000000000001") is None  # there is no timeline 0


@pytest.mark.parametrize(
    "name",
    [
        "",
        "00000001000000000000000",
        "0000000100000000000000060",
        "00000001000000000000000a",
        "000000010000000000000006.partial",
        "000000010000000000000006.00000028.backup",
        "000000010000000000000006\n",
        "../000000010000000000000006",
        "00000002.history.gz",
        "0000002.history",
        "\u0660" * 7 + "\u0661" + "0" * 15 + "A",
    ],
)
def test_what_is_no_name_is_none(name: str) -> None:
    assert not is_wal_name(name)
    assert parse_segment(name) is None
    assert parse_history(name) is None


@pytest.mark.parametrize("text", ["", "0", "0/", "/0", "0/123456789", "0/G", "0/1 2", "-0/1", "0x1/2"])
def test_what_is_no_lsn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no LSN"):
        parse_lsn(text)


def test_the_end_of_a_segment_belongs_to_the_next_and_what_is_before_it_does_not() -> None:
    size = 1 << 24
    assert segment_of(size, size) == 1
    assert segment_before(size, size) == 0
    assert segment_before(size + 1, size) == 1
    assert segment_before(0, size) == 0


def test_sizes_are_powers_of_two_from_1_mib_to_1_gib() -> None:
    assert all(map(is_segment_bytes, SIZES))
    assert not any(map(is_segment_bytes, (0, 1 << 19, (1 << 24) + 1, 1 << 31, -(1 << 24))))
