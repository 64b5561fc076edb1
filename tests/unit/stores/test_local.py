from __future__ import annotations

import errno
import hashlib
import os
import random
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.discovery import discover, fetch_globals
from tasks.model.backup import DumpPoint, StoredObject
from tasks.model.errors import DrillError, PermanentError, TransientError
from tasks.stores import Store, fetch_backup, open_store
from tasks.stores import local as local_module
from tasks.stores.fetch import Fetched, local_name
from tests.unit.stores.fake import NOW, target

BODY = random.Random(7).randbytes(300_000)  # the same in every worker of a parallel run
SHA = hashlib.sha256(BODY).hexdigest()


def quiet(_done: int, _all: int) -> None:
    return None


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


def store_at(folder: Path) -> Store:
    return open_store(target().store, f"{folder}/x")


def listed(folder: Path, prefix: str = "") -> list[str]:
    found = store_at(folder).list(f"file://{folder}/{prefix}")
    return [obj.uri.removeprefix(f"file://{folder}/") for obj in found]


def fetched(folder: Path, name: str, dest: Path, **backup: Any) -> Fetched:
    drilled = target(f"{folder}/{name}", **backup)
    store = store_at(folder)
    point = discover(drilled, store, datetime.now(UTC)).points[0]
    return fetch_backup(point, store, drilled, dest, quiet, 60)


class TestListing:
    def test_prefix_may_end_within_a_name(self, tmp_path: Path) -> None:
        write(tmp_path, {"a/o1": b"", "a/o2": b"", "a/p": b"", "ab": b"", "b/o1": b""})
        assert listed(tmp_path, "a/o") == ["a/o1", "a/o2"]
        assert listed(tmp_path, "a") == ["a/o1", "a/o2", "a/p", "ab"]

    def test_missing_folder_lists_nothing(self, tmp_path: Path) -> None:
        assert listed(tmp_path, "none/x") == []

    def test_folders_links_are_followed_once(self, tmp_path: Path) -> None:
        write(tmp_path, {"real/o1": b"x"})
        (tmp_path / "linked").symlink_to(tmp_path / "real")
        (tmp_path / "real" / "loop").symlink_to(tmp_path)
        names = listed(tmp_path)
        assert {"real/o1", "linked/o1"} <= set(names)
        assert len(names) < 20

    def test_folders_that_link_to_one_another_are_listed_in_no_time(self, tmp_path: Path) -> None:
        folders = [tmp_path / f"d{number}" for number in range(12)]
        for folder in folders:
            folder.mkdir()
            for other in folders:
                (folder / f"to_{other.name}").symlink_to(f"../{other.name}")
            (folder / "o").write_bytes(b"x")
        assert len(listed(tmp_path)) < 5000

    def test_deeply_nested_folders_are_listed_down_to_what_no_job_makes(self, tmp_path: Path) -> None:
        handle = os.open(tmp_path, os.O_RDONLY)
        for _ in range(1100):
            os.mkdir("a", dir_fd=handle)  # a path this deep has no name
            below = os.open("a", os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle = below
        os.close(handle)
        write(tmp_path, {"a/a/o1": b"", "b": b""})
        assert listed(tmp_path) == ["a/a/o1", "b"]
        subprocess.run(["/bin/rm", "-rf", tmp_path / "a"], check=True)

    def test_a_link_or_pipe_is_a_name_like_any_other(self, tmp_path: Path) -> None:
        write(tmp_path / "s", {"o": b"x"})
        (tmp_path / "s" / "gone").symlink_to("nowhere")
        (tmp_path / "s" / "out").symlink_to("../secret")
        os.mkfifo(tmp_path / "s" / "pipe")
        assert listed(tmp_path / "s") == ["gone", "o", "out", "pipe"]

    def test_start_after_and_limit_page_through(self, tmp_path: Path) -> None:
        write(tmp_path, {f"o{i}": b"" for i in range(5)})
        store = store_at(tmp_path)
        found = store.list(f"file://{tmp_path}/o", start_after=f"file://{tmp_path}/o1", limit=2)
        assert [obj.uri[-2:] for obj in found] == ["o2", "o3"]

    def test_folders_and_files_of_one_level(self, tmp_path: Path) -> None:
        write(tmp_path, {"a/x": b"", "b/y": b"", "c": b""})
        store = store_at(tmp_path)
        assert store.folders(f"file://{tmp_path}/") == (f"file://{tmp_path}/a/", f"file://{tmp_path}/b/")
        assert store.files(f"file://{tmp_path}/") == (f"file://{tmp_path}/c",)

    def test_new_file_is_seen_by_the_next_listing(self, tmp_path: Path) -> None:
        store = store_at(write(tmp_path, {"o1": b""}))
        assert len(list(store.list(f"file://{tmp_path}/"))) == 1
        os.utime(tmp_path, ns=(1, 1))
        write(tmp_path, {"o2": b""})
        assert len(list(store.list(f"file://{tmp_path}/"))) == 2

    def test_folder_that_may_not_be_read_is_denied(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, {"a/o1": b""})

        def denied(_: object) -> list[str]:
            raise PermissionError(errno.EACCES, "Permission denied")  # root may read everything

        monkeypatch.setattr(os, "scandir", denied)
        with pytest.raises(PermanentError) as caught:
            listed(tmp_path, "a/")
        assert caught.value.rule == "list-denied"


class TestFetching:
    def test_file_is_copied_and_hashed(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "store", {"orders.dump": BODY})
        got = fetched(folder, "orders.dump", tmp_path / "here")
        assert (got.path.read_bytes(), got.sha256, got.bytes, got.integrity) == (BODY, SHA, len(BODY), "none")
        assert got.path.stat().st_ino != (folder / "orders.dump").stat().st_ino

    def test_empty_file_is_brought_as_it_is(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "store", {"orders.dump": b""})
        assert fetched(folder, "orders.dump", tmp_path / "here").path.read_bytes() == b""

    def test_what_an_earlier_attempt_left_is_replaced(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "store", {"orders.dump": BODY})
        write(tmp_path / "here", {"orders.dump": b"half"})
        assert fetched(folder, "orders.dump", tmp_path / "here").path.read_bytes() == BODY

    def test_sidecar_proves_the_file(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s", {"o.dump": BODY, "o.dump.sha256": f"{SHA}  o.dump\n".encode()})
        assert fetched(folder, "o.dump", tmp_path / "here").integrity == "sidecar"

    def test_sidecar_that_differs_twice_is_a_damaged_object(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s", {"o.dump": BODY, "o.dump.sha256": b"0" * 64})
        with pytest.raises(PermanentError) as caught:
            fetched(folder, "o.dump", tmp_path / "here")
        assert (caught.value.rule, caught.value.finding().klass.value) == ("checksum-mismatch", "data")
        assert not list((tmp_path / "here").iterdir())

    def test_sidecar_that_says_nothing_cannot_be_judged(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s", {"o.dump": BODY, "o.dump.sha256": b""})
        with pytest.raises(PermanentError) as caught:
            fetched(folder, "o.dump", tmp_path / "here")
        assert caught.value.rule == "checksum-unreadable"
        assert fetched(folder, "o.dump", tmp_path / "here", checksum="none").integrity == "none"

    def test_required_checksum_that_is_missing_is_a_broken_path(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s", {"o.dump": BODY})
        with pytest.raises(PermanentError) as caught:
            fetched(folder, "o.dump", tmp_path / "here", checksum="required")
        assert caught.value.rule == "checksum-missing"

    def test_file_that_vanished_is_looked_for_once_more(self, tmp_path: Path) -> None:
        store = store_at(write(tmp_path / "s", {"o.dump": BODY}))
        obj = StoredObject(f"file://{tmp_path}/s/gone.dump", 1, NOW)
        with pytest.raises(PermanentError) as caught:
            fetch_backup(DumpPoint.of(obj, NOW), store, target(), tmp_path / "here", quiet, 60)
        assert caught.value.rule == "object-gone"

    def test_file_that_is_still_written_is_no_backup_yet(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = write(tmp_path / "s", {"o.dump": BODY})
        monkeypatch.setattr(local_module, "_clone", lambda *_: _append(folder / "o.dump"))
        with pytest.raises(TransientError) as caught:
            fetched(folder, "o.dump", tmp_path / "here")
        assert caught.value.rule == "object-changed"

    def test_deadline_ends_the_copy(self, tmp_path: Path) -> None:
        store = store_at(write(tmp_path / "s", {"o.dump": BODY}))
        point = DumpPoint.of(store.head(f"file://{tmp_path}/s/o.dump"), NOW)
        with pytest.raises(PermanentError) as caught:
            fetch_backup(point, store, target(), tmp_path / "here", quiet, -1)
        assert caught.value.rule == "stage-deadline"

    def test_full_disk_is_the_worker_not_the_backup(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = write(tmp_path / "s", {"o.dump": BODY})

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(local_module, "_clone", lambda *_: False)
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(PermanentError) as caught:
            fetched(folder, "o.dump", tmp_path / "here")
        assert (caught.value.rule, caught.value.finding().klass.value) == ("disk-full", "drill")


class TestDirectoryDumps:
    FILES = {"toc.dat": b"toc" * 100, "3001.dat.gz": BODY, "3002.dat.gz": b""}  # noqa: RUF012

    def test_every_file_is_brought_and_hashed_as_one(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s/o-20261122", self.FILES)
        got = fetched(folder.parent, "o-%Y%m%d/", tmp_path / "here", window="3650d")
        lines = sorted(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in self.FILES.items())
        assert got.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
        assert {path.name: path.read_bytes() for path in got.path.iterdir()} == self.FILES
        assert got.bytes == sum(map(len, self.FILES.values()))

    @pytest.mark.parametrize("where", ["o-20261122/SHA256SUMS", "o-20261122.sha256"])
    def test_sums_prove_every_file_and_are_no_part_of_the_dump(self, tmp_path: Path, where: str) -> None:
        sums = "".join(f"{hashlib.sha256(body).hexdigest()}  ./{name}\n" for name, body in self.FILES.items())
        folder = write(tmp_path / "s/o-20261122", self.FILES)
        write(tmp_path / "s", {where: sums.encode()})
        got = fetched(folder.parent, "o-%Y%m%d/", tmp_path / "here", window="3650d", checksum="required")
        assert got.integrity == "sidecar"
        assert sorted(path.name for path in got.path.iterdir()) == sorted(self.FILES)

    def test_sidecar_of_each_file_proves_it_and_the_rest_stays_unproven(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s/o-20261122", self.FILES)
        write(folder, {"toc.dat.sha256": hashlib.sha256(self.FILES["toc.dat"]).hexdigest().encode()})
        assert fetched(folder.parent, "o-%Y%m%d/", tmp_path / "here", window="3650d").integrity == "none"

    @pytest.mark.parametrize(("name", "digest"), [("toc.dat", "0" * 64), ("3009.dat.gz", SHA)])
    def test_file_that_differs_or_is_missing_is_damage(self, tmp_path: Path, name: str, digest: str) -> None:
        folder = write(tmp_path / "s/o-20261122", self.FILES)
        write(folder, {"SHA256SUMS": f"{digest}  {name}\n".encode()})
        with pytest.raises(PermanentError) as caught:
            fetched(folder.parent, "o-%Y%m%d/", tmp_path / "here", window="3650d")
        assert (caught.value.rule, caught.value.where) == ("checksum-mismatch", f"file://{folder}/{name}")

    def test_file_that_vanished_from_the_folder_is_gone(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s/o-20261122", self.FILES)
        drilled = target(f"{tmp_path}/s/o-%Y%m%d/", window="3650d")
        store = store_at(tmp_path)
        point = discover(drilled, store, datetime.now(UTC)).points[0]
        (folder / "3001.dat.gz").unlink()
        with pytest.raises(DrillError) as caught:
            fetch_backup(point, store, drilled, tmp_path / "here", quiet, 60)
        assert caught.value.rule == "object-gone"

    def test_progress_counts_the_folder_as_one(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s/o-20261122", self.FILES)
        drilled = target(f"{folder.parent}/o-%Y%m%d/", window="3650d")
        store = store_at(tmp_path)
        seen: list[tuple[int, int]] = []
        lock = threading.Lock()

        def progress(done: int, total: int) -> None:
            with lock:
                seen.append((done, total))

        point = discover(drilled, store, datetime.now(UTC)).points[0]
        fetch_backup(point, store, drilled, tmp_path / "here", progress, 60)
        size = sum(map(len, self.FILES.values()))
        assert max(done for done, _ in seen) == size
        assert {total for _, total in seen} == {size}


class TestGlobals:
    def test_file_of_the_same_night_is_brought(self, tmp_path: Path) -> None:
        names = ["globals_20261121T0300.sql", "globals_20261122T0301.sql", "globals_20261122T1500.sql"]
        write(tmp_path / "s", {name: name.encode() for name in names})
        got = self.bring(tmp_path, "globals_%Y%m%dT%H%M.sql")
        assert got is not None
        assert got.read_bytes() == names[1].encode()

    def test_none_is_asked_for(self, tmp_path: Path) -> None:
        assert self.bring(tmp_path, None) is None

    def test_globals_of_another_day_only_are_missing(self, tmp_path: Path) -> None:
        write(tmp_path / "s", {"globals_20261120T0300.sql": b""})
        with pytest.raises(PermanentError) as caught:
            self.bring(tmp_path, "globals_%Y%m%dT%H%M.sql")
        assert (caught.value.rule, caught.value.finding().klass.value) == ("globals-missing", "path")

    def bring(self, tmp_path: Path, pattern: str | None) -> Path | None:
        write(tmp_path / "s", {"orders_20261122T0300.dump": b"x"})
        given = None if pattern is None else f"{tmp_path}/s/{pattern}"
        drilled = target(f"{tmp_path}/s/orders_%Y%m%dT%H%M.dump", globals=given)
        store = store_at(tmp_path)
        point = discover(drilled, store, NOW).points[0]
        return fetch_globals(point, store, drilled, tmp_path / "here", 60)


def test_source_reads_ranges(tmp_path: Path) -> None:
    write(tmp_path, {"o": BODY})
    store = store_at(tmp_path)
    source = store.source(store.head(f"file://{tmp_path}/o"))
    assert source.size == len(BODY)
    assert source.read(100, 50) == BODY[100:150]
    assert source.read(131_000, 200) == BODY[131_000:131_200]
    assert source.read(len(BODY) - 10, 100) == BODY[-10:]
    assert source.read(len(BODY), 10) == b""
    assert source.read(0, len(BODY) * 2) == BODY


@pytest.mark.parametrize(
    ("label", "name"), [("o.dump", "o.dump"), ("..", "backup"), ("-rf", "rf"), (".x", "x")]
)
def test_local_name_is_harmless(label: str, name: str) -> None:
    assert local_name(label) == name


def test_local_name_fits_the_file_system() -> None:
    assert len(local_name("ü" * 500 + ".dump").encode()) <= 200


def _append(path: Path) -> bool:
    with path.open("ab") as file:
        file.write(b"more")
    return False
