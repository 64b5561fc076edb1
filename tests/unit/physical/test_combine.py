"""What a chain comes to on disk is known before it is written, whatever its parts claim."""

from __future__ import annotations

import array
import struct
from pathlib import Path

import pytest

from tasks.physical.combine import result_bytes

BLOCK = 8192
LARGEST = 1 << 30


def changed(shortest: int, *numbers: int, count: int | None = None) -> bytes:
    """Return an incremental file of the blocks *numbers*, as its head says, without their pages."""
    head = struct.pack("=III", 0xD3AE1F0D, len(numbers) if count is None else count, shortest)
    return head + array.array("I", numbers).tobytes()


@pytest.mark.parametrize(
    ("body", "blocks"),
    [
        (changed(3), 3),
        (changed(3, 7, 1), 8),
        (changed(131_072), 131_072),
        (changed(4_000_000_000), 131_072),
        (changed(1, 4_000_000_000), 131_072),
        (changed(2, 5, count=4_000_000_000), 6),
    ],
)
def test_an_incremental_file_becomes_as_long_as_it_says_and_no_longer_than_a_segment(
    body: bytes, blocks: int, tmp_path: Path
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/INCREMENTAL.16384").write_bytes(body)
    assert result_bytes(tmp_path) == min(blocks * BLOCK, LARGEST)


def test_whole_files_count_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_bytes(b"17\n")
    (tmp_path / "INCREMENTAL.1").write_bytes(b"short")
    assert result_bytes(tmp_path) == 8
