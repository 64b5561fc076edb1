"""Single files of an archive in a folder: there, proven absent, out of reach, broken."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest

from tasks.model.backup import StoredObject
from tasks.model.errors import PermanentError, TransientError
from tasks.stores.local import LocalStore
from tasks.wal.archive import Absent, Broken, Denied, Present, StoredWal, archived_file, list_wal

SIZE = 1 << 20
NAME = "000000010000000000000006"
BODY = bytes(range(256)) * (SIZE // 256)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wal").mkdir()
    return tmp_path / "wal"


def put(folder: Path, key: str, body: bytes, age_s: float = 3600) -> Path:
    path = folder / key
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)
    written_at = path.stat().st_mtime - age_s
    os.utime(path, (written_at, written_at))
    return path


def wal(folder: Path, store: Any = None, **more: Any) -> StoredWal:
    return StoredWal(store or LocalStore(f"{folder}/x"), folder.as_uri(), SIZE, **more)


@pytest.mark.parametrize("key", [NAME, f"{NAME}.gz", f"{NAME[:16]}/{NAME}", f"{NAME[:16]}/{NAME}.gz"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_segment_is_found_in_either_layout_and_unpacked_by_its_bytes(
    folder: Path, tmp_path: Path, key: str, packed: bool
) -> None:
    put(folder, key, gzip.compress(BODY) if packed else BODY)
    answer = wal(folder).open(NAME, tmp_path / "into")
    assert isinstance(answer, Present)
    assert (tmp_path / "into").read_bytes() == BODY
    assert answer.uri.endswith(key)


def test_a_history_is_found(folder: Path, tmp_path: Path) -> None:
    put(folder, "00000002.history.gz", gzip.compress(b"1\t0/3000110\twhy\n"))
    assert isinstance(wal(folder).open("00000002.history", tmp_path / "into"), Present)
    assert (tmp_path / "into").read_bytes() == b"1\t0/3000110\twhy\n"


@pytest.mark.parametrize(
    "beside",
    [f"{NAME}.partial", f"{NAME}.00000028.backup", f"{NAME}.gz.sha256", f"{NAME}.part", f"{NAME}.gz.tmp"],
)
def test_what_merely_begins_with_the_name_is_not_it(folder: Path, tmp_path: Path, beside: str) -> None:
    put(folder, beside, BODY)
    assert wal(folder).open(NAME, tmp_path / "into") == Absent()
    assert not (tmp_path / "into").exists()


class Seen:
    """A store that fails as it is told to, before it asks a real one."""

    def __init__(self, store: LocalStore, **errors: Exception) -> None:
        self._store, self._errors = store, errors
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.asked.append(name)
            if name in self._errors:
                raise self._errors[name]
            return getattr(self._store, name)(*arguments, **more)

        return call


@pytest.mark.parametrize("action", ["list", "head"])
@pytest.mark.parametrize("rule", ["list-denied", "get-denied", "store-unreachable", "bucket-missing"])
def test_no_error_is_an_absence(folder: Path, tmp_path: Path, action: str, rule: str) -> None:
    kind = TransientError if rule == "store-unreachable" else PermanentError
    store = Seen(LocalStore(f"{folder}/x"), **{action: kind("no", rule=rule)})
    answer = wal(folder, store).open(NAME, tmp_path / "into")
    assert isinstance(answer, Denied)
    assert answer.error.rule == rule
    assert store.asked.count(action) == (3 if kind is TransientError else 1)


def test_what_was_listed_and_is_gone_is_absent_once_it_was_looked_for_again(
    folder: Path, tmp_path: Path
) -> None:
    path = put(folder, NAME, BODY)
    archive = wal(folder, listing=list_wal(LocalStore(f"{folder}/x"), folder.as_uri()))
    path.unlink()
    assert archive.open(NAME, tmp_path / "into") == Absent()
    put(folder, f"{NAME}.gz", gzip.compress(BODY))
    assert isinstance(archive.open(NAME, tmp_path / "into"), Present)


def test_what_came_after_the_listing_is_found(folder: Path, tmp_path: Path) -> None:
    archive = wal(folder, listing={})
    put(folder, NAME, BODY)
    assert isinstance(archive.open(NAME, tmp_path / "into"), Present)


def test_brotli_which_only_a_name_tells_is_unpacked(folder: Path, tmp_path: Path) -> None:
    path = put(folder, f"{NAME}.br", brotli.compress(BODY, quality=1))
    assert isinstance(wal(folder).open(NAME, tmp_path / "into"), Present)
    assert (tmp_path / "into").read_bytes() == BODY
    path.write_bytes(path.read_bytes()[:-9])
    answer = wal(folder).open(NAME, tmp_path / "again")
    assert isinstance(answer, Broken)
    assert "ends at byte" in answer.why


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (BODY[:-1], "is cut: it holds 1048575 of 1048576"),
        (b"", "is cut: it holds 0"),
        (BODY + b"\0", "holds more than 1048576"),
        (BODY * 3, "much longer"),
        (gzip.compress(BODY)[:-9], "ends at byte"),
        (gzip.compress(BODY)[:-8] + bytes(8), "checksum does not match"),
        (gzip.compress(BODY + BODY), "holds more than"),
        (gzip.compress(BODY) + b"more", "damaged after the end"),
    ],
)
def test_what_is_broken_says_why(folder: Path, tmp_path: Path, body: bytes, why: str) -> None:
    put(folder, NAME, body)
    answer = wal(folder).open(NAME, tmp_path / "into")
    assert isinstance(answer, Broken)
    assert why in answer.why
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize(
    ("key", "body"),
    [
        (f"{NAME}.br", bytes.fromhex("85020c03") + BODY),  # encrypted after it was compressed
        (f"{NAME}.lzo", BODY),
        (f"{NAME}.gpg", BODY),
        (NAME, b"age-encryption.org/v1\n" + BODY),
        (NAME, b"Salted__" + BODY),
        (NAME, b"\xff\x06\x00\x00sNaPpY" + BODY),
    ],
)
def test_what_cannot_be_read_here_says_nothing_about_the_backup(
    folder: Path, tmp_path: Path, key: str, body: bytes
) -> None:
    put(folder, key, body)
    answer = wal(folder).open(NAME, tmp_path / "into")
    assert isinstance(answer, Denied)
    assert answer.error.rule == "format-unsupported"


def test_a_segment_that_is_still_being_copied_is_waited_for(folder: Path, tmp_path: Path) -> None:
    path = put(folder, NAME, BODY[:1000], age_s=0)
    copying = threading.Timer(1.0, lambda: path.write_bytes(BODY))
    copying.start()
    assert isinstance(wal(folder, settle_s=60).open(NAME, tmp_path / "into"), Present)
    copying.join()


def test_a_segment_that_stays_cut_is_not_waited_for_for_ever(folder: Path, tmp_path: Path) -> None:
    put(folder, NAME, BODY[:1000], age_s=0)
    assert isinstance(wal(folder, settle_s=1).open(NAME, tmp_path / "into"), Broken)


def test_of_two_files_of_a_name_the_first_one_is_taken(folder: Path) -> None:
    put(folder, NAME, BODY, age_s=10)
    put(folder, f"{NAME}.gz", gzip.compress(BODY), age_s=20)
    listing = list_wal(LocalStore(f"{folder}/x"), folder.as_uri())
    assert [obj.uri.rpartition("/")[2] for obj in listing.values()] == [f"{NAME}.gz"]


def test_names_of_every_tool_are_recognised() -> None:
    sha = "-" + "0123456789abcdef0123" * 2
    for suffix in (
        "",
        ".gz",
        ".zst",
        ".lz4",
        ".bz2",
        ".xz",
        ".br",
        ".lzma",
        f"{sha}",
        f"{sha}.gz",
        ".zst.age",
    ):
        file = archived_file(NAME + suffix)
        assert file is not None
        assert file.name == NAME
    for other in ("archive.info", NAME + ".partial", NAME[:-1], NAME + ".gz.md5", "x" + NAME):
        assert archived_file(other) is None


def test_another_name_is_a_mistake_of_ours(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no name of WAL"):
        wal(folder).open("../x", tmp_path / "into")


class Shadowed:
    """A store whose listing shows nothing: the file is there all the same."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    def list(self, *_: Any, **__: Any) -> Iterator[StoredObject]:
        return iter(())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_what_is_not_listed_and_can_be_read_is_no_absence(folder: Path, tmp_path: Path) -> None:
    put(folder, NAME, BODY)
    store = Shadowed(LocalStore(f"{folder}/x"))
    assert isinstance(wal(folder, store).open(NAME, tmp_path / "into"), Present)
