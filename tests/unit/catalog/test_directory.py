from __future__ import annotations

from pathlib import Path

import pytest

from tasks.catalog import directory
from tasks.catalog.directory import read_toc, verify_directory
from tasks.catalog.sources import FileSource, files_below
from tasks.model.backup import Toc
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tests.corpus import archives
from tests.corpus.damage import cut_file, cut_in_half, empty_file, flip_in_file
from tests.fix_deep import nested

COMPRESSIONS = ["none", "gzip", "lz4", "zstd"]


def verify(folder: Path) -> None:
    toc = read_toc(FileSource(folder / "toc.dat"), "x/").toc
    verify_directory(folder, toc, "x/", Deadline.within(60))


def failure_of(folder: Path) -> PermanentError:
    with pytest.raises(PermanentError) as failure:
        verify(folder)
    return failure.value


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_whole_directory_passes_though_it_holds_an_empty_table_and_an_empty_large_object(
    compression: str, tmp_path: Path
) -> None:
    verify(archives.directory(tmp_path / "x", compression))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("stem", ["10.dat", "11.dat", "blob_16400.dat", "blobs_12.toc"])
def test_a_file_of_the_toc_that_is_missing_is_named(compression: str, stem: str, tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x", compression)
    next(folder.glob(f"{stem}*")).unlink()
    error = failure_of(folder)
    assert (error.rule, stem in error.what) == ("archive-incomplete", True)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_table_whose_file_is_empty_is_incomplete(compression: str, tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x", compression)
    empty_file(next(folder.glob("11.dat*")))
    error = failure_of(folder)
    assert error.rule == "archive-incomplete"
    assert "TABLE DATA shop.Gift Cards is empty" in error.what


@pytest.mark.parametrize(
    ("older", "newer"), [("gzip", "zstd"), ("none", "gzip"), ("lz4", "zstd"), ("gzip", "lz4")]
)
def test_a_dump_copied_over_one_of_another_compression_is_two_in_one(
    older: str, newer: str, tmp_path: Path
) -> None:
    """pg_restore reads the file whose suffix it tries first, which may be the older dump's."""
    folder = archives.directory(tmp_path / "x", older)
    for name, content in archives.directory_members(newer).items():
        (folder / name).write_bytes(content)
    error = failure_of(folder)
    assert (error.rule, "10.dat" in error.what) == ("archive-doubled", True)


def test_a_dump_copied_over_one_with_more_tables_is_whole(tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x")
    (folder / "99.dat.gz").write_bytes((folder / "10.dat.gz").read_bytes())
    verify(folder)


def test_an_empty_gzip_file_of_a_large_object_is_incomplete(tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x")
    empty_file(folder / "blob_16400.dat.gz")
    assert failure_of(folder).rule == "archive-incomplete"


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_table_whose_file_is_cut_is_truncated(compression: str, tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x", compression)
    cut_in_half(next(folder.glob("10.dat*")))
    assert failure_of(folder).rule == "archive-truncated"


def test_rows_cut_at_a_line_end_are_truncated_and_named(tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x", "none")
    (folder / "10.dat").write_bytes(b"1\torder 1\n")
    assert r"TABLE DATA shop.orders end at byte 10 of 10.dat" in failure_of(folder).what


def test_a_flipped_bit_in_a_gzip_member_is_corrupt(tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x")
    flip_in_file(folder / "10.dat.gz", -6)
    assert failure_of(folder).rule == "archive-corrupt"


@pytest.mark.parametrize("at", [0, 3, 40, 300, -1])
def test_a_cut_toc_is_truncated(at: int, tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x")
    cut_file(folder / "toc.dat", at)
    error = failure_of(folder)
    assert (error.rule, "toc.dat ends at byte" in error.what) == ("archive-truncated", True)


def test_reading_the_files_stops_at_the_deadline(tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x")
    toc = read_toc(FileSource(folder / "toc.dat"), "x/").toc
    with pytest.raises(PermanentError, match="deadline") as failure:
        verify_directory(folder, toc, "x/", Deadline.within(0))
    assert failure.value.rule == "stage-deadline"


def test_a_file_that_many_entries_name_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = archives.directory(tmp_path / "x", "gzip")
    listed = read_toc(FileSource(folder / "toc.dat"), "x/").toc
    read: list[str] = []
    monkeypatch.setattr(directory, "_read_whole", lambda path, _, **__: read.append(path.name))
    verify_directory(folder, Toc(listed.entries * 50), "x/", Deadline.within(60))
    assert sorted(read) == [
        "10.dat.gz",
        "11.dat.gz",
        "blob_16400.dat.gz",
        "blob_16401.dat.gz",
        "blobs_12.toc",
    ]


def test_a_list_whose_line_never_ends_is_damage(tmp_path: Path) -> None:
    folder = archives.directory(tmp_path / "x", "gzip")
    (folder / "blobs_12.toc").write_bytes(b"16400 " + b"x" * 100_000)
    assert failure_of(folder).rule == "archive-corrupt"


def test_files_are_found_however_deep_they_lie(tmp_path: Path) -> None:
    with nested(tmp_path / "deep") as bottom:
        (bottom / "toc.dat").touch()
        (tmp_path / "deep" / "loop").symlink_to(tmp_path / "deep")
        assert list(files_below(tmp_path / "deep")) == [bottom / "toc.dat"]
