"""Why a file is not the segment that its name says."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.wal.names import Segment
from tasks.wal.page_header import HEADER_BYTES, MAGIC, Cluster, fault_of, parse_header

SIZE = 16 << 20
CLUSTER = Cluster(7_000_000_000_000_000_001, SIZE, 17)
SEGMENT = Segment(2, 6)


def header(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "magic": MAGIC[17],
        "info": 0x0006,
        "timeline": 2,
        "at": 6 * SIZE,
        "system_id": CLUSTER.system_id,
        "segment_bytes": SIZE,
    } | changes
    return struct.pack(
        "<HHIQI4xQII",
        fields["magic"],
        fields["info"],
        fields["timeline"],
        fields["at"],
        0,
        fields["system_id"],
        fields["segment_bytes"],
        8192,
    )


def test_a_whole_segment_has_no_fault() -> None:
    assert fault_of(SEGMENT, header(), SIZE, CLUSTER) is None


def test_the_first_segment_of_a_timeline_may_begin_with_its_parents_pages() -> None:
    assert fault_of(SEGMENT, header(timeline=1), SIZE, CLUSTER) is None


def test_what_is_not_known_is_not_compared() -> None:
    unknown = Cluster(None, SIZE)
    assert fault_of(SEGMENT, header(system_id=5, magic=MAGIC[14]), SIZE, unknown) is None


@pytest.mark.parametrize(
    ("head", "size", "why"),
    [
        (b"", 0, "empty"),
        (bytes(HEADER_BYTES), SIZE, "zeroes"),
        (b"\x1f\x8b" + bytes(38), SIZE, "does not begin as WAL"),
        (header()[:20], 20, "does not begin as WAL"),
        (header(info=0), SIZE, "does not begin as WAL"),
        (header(segment_bytes=12345), SIZE, "does not begin as WAL"),
        (header(system_id=5), SIZE, "another cluster"),
        (header(magic=MAGIC[15]), SIZE, "written by PostgreSQL 15, not 17"),
        (header(magic=0xD199), SIZE, "another PostgreSQL"),
        (header(segment_bytes=1 << 20), SIZE, "segments of 1 MiB"),
        (header(at=7 * SIZE), SIZE, "0/7000000"),
        (header(timeline=3), SIZE, "timeline 3"),
        (header(timeline=0), SIZE, "timeline 0"),
        (header(), SIZE // 2, "cut: 8388608 of 16777216"),
        (header(), SIZE + 1, "longer"),
    ],
)
def test_each_fault_is_told(head: bytes, size: int, why: str) -> None:
    fault = fault_of(SEGMENT, head, size, CLUSTER)
    assert fault is not None
    assert why in fault


@given(st.binary(max_size=64))
def test_whatever_a_file_begins_with_is_judged(head: bytes) -> None:
    assert fault_of(SEGMENT, head, len(head), CLUSTER) is not None
    parsed = parse_header(head)
    assert parsed is None or len(head) >= HEADER_BYTES
