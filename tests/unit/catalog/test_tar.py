from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.catalog import tar
from tasks.catalog.sources import FileSource
from tasks.catalog.toc import parse_toc
from tasks.model.backup import Toc
from tasks.model.errors import PermanentError
from tasks.model.findings import Severity
from tests.corpus import archives
from tests.corpus.damage import flip_bit
from tests.growth import assert_linear
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


@pytest.mark.parametrize("second", [archives.custom(), archives.script().encode()])
def test_a_dump_of_another_kind_behind_the_first_is_one_too(second: bytes, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="Another") as failure:
        verify(tmp_path / "x.tar", archives.tar() + b"\0" * 512 + second)
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


def header(name: str, size: int, kind: str) -> bytes:
    block = bytearray(write_tar([(name, b"")])[:512])
    block[124:136] = f"{size:011o} ".encode()
    block[156] = ord(kind)
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


def with_pax(records: bytes) -> bytes:
    content = records + b"\0" * (-len(records) % 512)
    return header("pax", len(records), tar.PAX) + content + write_tar([("x.dump", b"abc")])


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + len(str(len(body) + 2))
    return str(length).encode() + body


def test_pax_records_are_read_to_the_first_whose_length_is_none(tmp_path: Path) -> None:
    data = with_pax(record("comment", "x") + record("path", "orders.dump") + b"nonsense")
    assert [member.name for member in tar.members_of(_source(tmp_path, data), "x")] == ["orders.dump"]


@pytest.mark.parametrize(
    "records",
    [
        b"9" * 5000 + b" path=x\n",
        b"0 path=x\n",
        b"5 path=x\n",
        b"-7 path=x\n",
        b" path=x\n",
        b"\xb2 path=x\n",
    ],
)
def test_a_pax_length_that_is_none_is_passed_over(records: bytes, tmp_path: Path) -> None:
    assert [member.name for member in tar.members_of(_source(tmp_path, with_pax(records)), "x")] == ["x.dump"]


def test_a_pax_size_of_thousands_of_digits_is_no_size(tmp_path: Path) -> None:
    (member,) = tar.members_of(_source(tmp_path, with_pax(record("size", "9" * 5000))), "x")
    assert member.size == 3


@pytest.mark.parametrize("unit", [record("comment", ""), record("a", "b" * 90), b"3 =", b"1"])
def test_the_time_for_pax_records_grows_with_their_length_only(unit: bytes) -> None:
    assert_linear(lambda count: list(tar._pax_records(unit * count)), 20_000)


def test_a_size_beyond_any_files_ends_as_an_archive_that_was_cut(tmp_path: Path) -> None:
    block = bytearray(header("pax", 0, tar.PAX_GLOBAL))
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    with pytest.raises(PermanentError) as error:
        tar.members_of(_source(tmp_path, bytes(block) + archives.tar()), "x")
    assert error.value.rule == "archive-truncated"


def test_more_members_than_any_dump_has_are_not_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _source(tmp_path, write_tar([(f"{number}.dat", b"") for number in range(101)]))
    assert len(tar.members_of(source, "x")) == 101
    monkeypatch.setattr(tar, "MOST_FILES", 100)
    with pytest.raises(PermanentError) as error:
        tar.members_of(source, "x")
    assert error.value.rule == "archive-contents-too-large"


def test_a_name_longer_than_any_files_is_damage(tmp_path: Path) -> None:
    data = with_pax(record("path", "x/" * 3000))
    with pytest.raises(PermanentError) as error:
        tar.members_of(_source(tmp_path, data), "x")
    assert error.value.rule == "archive-corrupt"


def test_the_time_for_members_grows_with_their_number_only(tmp_path: Path) -> None:
    def read(count: int) -> None:
        tar.members_of(_source(tmp_path, write_tar([("a.dat", b"")] * count)), "x")

    assert_linear(read, 2000)


def test_a_list_of_large_objects_that_many_entries_share_is_read_once(tmp_path: Path) -> None:
    listed = parse_toc(archives.tar_members()[0][1], "x").toc
    blobs = next(entry for entry in listed.entries if entry.desc == "BLOBS")
    many = Toc((*listed.entries, *[replace(blobs, dump_id=100 + number) for number in range(50)]))
    members = [*archives.tar_members()]
    listing = next(at for at, (name, _) in enumerate(members) if name == "blobs_12.toc")
    members[listing] = ("blobs.toc", members[listing][1])
    source = CountingSource(_source(tmp_path, write_tar(members)))
    tar.verify(source, many, "x")
    assert source.reads[members_at(source, "blobs.toc")] == 1


class CountingSource:
    """A source that counts the reads at each offset."""

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self.uri, self.size = source.uri, source.size
        self.reads: Counter[int] = Counter()

    def read(self, offset: int, length: int) -> bytes:
        self.reads[offset] += 1
        return self._source.read(offset, length)


def members_at(source: CountingSource, name: str) -> int:
    walked = tar.members_of(FileSource(Path(source.uri)), "x")
    return next(member.offset for member in walked if member.name == name)
