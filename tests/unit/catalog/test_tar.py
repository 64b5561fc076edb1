from __future__ import annotations

from pathlib import Path

import pytest

from tasks.catalog import tar
from tasks.catalog.sources import FileSource
from tasks.catalog.toc import parse_toc
from tasks.model.errors import PermanentError
from tasks.model.findings import Severity
from tests.corpus import archives
from tests.corpus.damage import flip_bit
from tests.strategies import write_tar


def verify(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    listed = parse_toc(archives.tar_members()[0][1], "x").toc
    tar.verify(FileSource(path), listed, "x.tar")


def test_a_whole_tar_passes(tmp_path: Path) -> None:
    verify(tmp_path / "x.tar", archives.tar())


def test_a_tar_cut_at_any_place_is_truncated(tmp_path: Path) -> None:
    """Members' borders, the middle of members and headers, the padding, the zero blocks at the end."""
    data = archives.tar()
    borders = [member.at for member in tar.members_of(_source(tmp_path, data), "x")]
    cuts = {
        *borders[1:],
        *(at + 1 for at in borders),
        *(at + 700 for at in borders),
        *range(512, len(data), 333),
    }
    for at in sorted(cuts | {len(data) - 1, len(data) - 512, len(data) - 1024, len(data) - 1025}):
        with pytest.raises(PermanentError, match="The tar ends at byte") as failure:
            verify(tmp_path / "cut.tar", data[:at])
        assert failure.value.rule == "archive-truncated", at


@pytest.mark.parametrize("lost", ["10.dat", "blob_16400.dat", "blobs_12.toc", "restore.sql"])
def test_a_tar_without_a_member_of_its_toc_is_truncated_and_names_it(lost: str, tmp_path: Path) -> None:
    members = [member for member in archives.tar_members() if member[0] != lost]
    with pytest.raises(PermanentError, match=lost.replace("blobs_12", "blobs")) as failure:
        verify(tmp_path / "x.tar", write_tar(members))
    assert failure.value.rule == "archive-truncated"


def test_a_flipped_bit_in_a_header_is_corrupt(tmp_path: Path) -> None:
    second = tar.members_of(_source(tmp_path, archives.tar()), "x")[1]
    for at in (second.at + 1, second.at + 126, second.at + 150):
        with pytest.raises(PermanentError) as failure:
            verify(tmp_path / "x.tar", flip_bit(archives.tar(), at))
        assert failure.value.rule == "archive-corrupt"


def test_sizes_beyond_8_gib_are_read() -> None:
    block = bytearray(write_tar([("toc.dat", b"")])[:512])
    block[124:136] = b"\x80" + (9 << 30).to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    member = tar.read_header(bytes(block), 0, "x")
    assert member is not None
    assert member.size == 9 << 30


def test_long_names_of_gnu_and_pax_are_resolved(tmp_path: Path) -> None:
    long = "d" * 120 + "/toc.dat"
    record = f" path={long}\n"
    length = len(record) + 3
    pax = f"{length}{record}".encode()
    for kind, content in ((b"L", long.encode() + b"\0"), (b"x", pax)):
        data = bytearray(write_tar([("head", content), ("short", b"rows")]))
        data[156:157] = kind
        data[148:156] = b" " * 8
        data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
        (member,) = tar.members_of(_source(tmp_path, bytes(data)), "x")
        assert (member.name, member.size) == (long, 4)


@pytest.mark.parametrize("zeros", [0, 512, 10240, 3 << 20])
def test_zeros_behind_the_end_mean_nothing(zeros: int, tmp_path: Path) -> None:
    """Tar programs fill up to a record of 10 KiB, and tapes further."""
    verify(tmp_path / "x.tar", archives.tar() + b"\0" * zeros)


@pytest.mark.parametrize("zeros", [0, 512, 8192, 3 << 20])
@pytest.mark.parametrize("between", [b"", b"tar: file changed as we read it\n"])
def test_a_second_tar_behind_the_first_is_named_and_fails(zeros: int, between: bytes, tmp_path: Path) -> None:
    first = archives.tar() + b"\0" * zeros + between
    with pytest.raises(PermanentError, match=f"begins at byte {len(first)},") as failure:
        verify(tmp_path / "x.tar", first + archives.tar())
    assert failure.value.rule == "archive-doubled"


def test_other_bytes_behind_the_end_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(archives.tar() + b"uploaded by backup.sh\n")
    (found,) = tar.verify(FileSource(path), parse_toc(archives.tar_members()[0][1], "x").toc, "x.tar")
    assert (found.rule, found.severity) == ("archive-corrupt", Severity.WARNING)
    assert "22 bytes" in found.message


def _source(folder: Path, data: bytes) -> FileSource:
    path = folder / "source.tar"
    path.write_bytes(data)
    return FileSource(path)
