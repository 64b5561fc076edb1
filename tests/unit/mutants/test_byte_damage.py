"""Damage to the stored bytes: one respect each, the original left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.model.backup import ArchiveHead, Format, LocalBackup, Toc
from tasks.mutants.byte_damage import Spoilt, spoils
from tests.fix_checks import entry

SIZE = 10_000


def backup_of(path: Path, format_: Format = Format.CUSTOM) -> LocalBackup:
    toc = Toc(
        (entry("TABLE DATA", "public.t", data_offset=2000), entry("TABLE DATA", "public.u", data_offset=6000))
    )
    return LocalBackup(path=path, head=ArchiveHead(format_, toc=toc), bytes=SIZE, sha256="", integrity="none")


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "orders.dump"
    path.write_bytes(bytes(range(250)) * 40)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "orders"
    path.mkdir()
    for name, size in (("toc.dat", 400), ("2001.dat.gz", 900), ("2002.dat.gz", 50)):
        (path / name).write_bytes(b"x" * size)
    return path


def made(spoilt: Spoilt, original: Path, to: Path) -> Path:
    assert spoilt.make is not None
    spoilt.make(original, to)
    return to


def of(kind: str, original: Path, format_: Format = Format.CUSTOM, seed: int = 1) -> list[Spoilt]:
    return [one for one in spoils(original, backup_of(original, format_), seed) if one.mutant.kind == kind]


def test_a_file_is_cut_in_head_contents_data_and_end(dump: Path, tmp_path: Path) -> None:
    sizes = {
        kind: made(of(kind, dump)[0], dump, tmp_path / kind).stat().st_size
        for kind in (
            "truncated-head",
            "truncated-contents",
            "truncated-data",
            "truncated-end",
            "empty-object",
        )
    }
    assert sizes["empty-object"] == 0
    assert sizes["truncated-head"] == 100
    assert sizes["truncated-contents"] == 1000
    assert 2000 < sizes["truncated-data"] < SIZE
    assert sizes["truncated-end"] == SIZE - 8


def test_a_turned_byte_is_the_only_difference(dump: Path, tmp_path: Path) -> None:
    for number, spoilt in enumerate(of("flipped-byte-data", dump)):
        broken = made(spoilt, dump, tmp_path / str(number)).read_bytes()
        different = [
            at for at, (was, now) in enumerate(zip(dump.read_bytes(), broken, strict=True)) if was != now
        ]
        assert len(different) == 1
        assert different[0] >= 2000
        assert not spoilt.mutant.must, "a format without checksums cannot show it"


def test_the_same_seed_cuts_at_the_same_byte(dump: Path) -> None:
    def words(seed: int) -> list[str]:
        return [one.mutant.what for one in spoils(dump, backup_of(dump), seed)]

    assert words(4) == words(4) != words(5)


def test_a_script_has_no_contents_to_cut_and_that_is_said(dump: Path) -> None:
    (nothing,) = of("truncated-contents", dump, Format.PLAIN)
    assert nothing.make is None
    assert "no table of contents" in nothing.reason


def test_a_folders_files_are_spoilt_one_at_a_time(folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.stat().st_size for path in folder.iterdir()}
    results = {}
    for kind in ("file-missing", "file-empty", "file-truncated", "truncated-contents", "empty-object"):
        copy = made(of(kind, folder, Format.DIRECTORY)[0], folder, tmp_path / kind)
        results[kind] = {path.name: path.stat().st_size for path in copy.iterdir()}
    small = {"2002.dat.gz": 50}
    assert results["file-missing"] == {"toc.dat": 400, **small}
    assert results["file-empty"] == {"toc.dat": 400, "2001.dat.gz": 0, **small}
    assert results["file-truncated"] == {"toc.dat": 400, "2001.dat.gz": 450, **small}
    assert results["truncated-contents"] == {"toc.dat": 200, "2001.dat.gz": 900, **small}
    assert results["empty-object"] == {"toc.dat": 0, "2001.dat.gz": 900, **small}
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == before
