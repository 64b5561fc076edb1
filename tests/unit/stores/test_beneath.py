"""A store in a folder is read beneath that folder, whatever links, pipes and devices lie in it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.discovery import discover
from tasks.model.backup import StoredObject
from tasks.model.errors import DrillError, PermanentError
from tasks.model.target import StoreConfig
from tasks.stores import Store, fetch_backup, open_store
from tasks.stores.blobs import read_blob
from tasks.stores.uris import constant_folder
from tests.unit.stores.fake import BUCKET, NOW, FakeStore, target

SECRET = b"root only"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a store with one backup in it, and a secret beside it."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "store" / "2026").mkdir(parents=True)
    (tmp_path / "store" / "2026" / "o.dump").write_bytes(b"backup")
    return tmp_path / "store"


def brought(folder: Path, name: str, pattern: str | None = None) -> bytes:
    """Return what a drill would read under *name*: its head and the fetched file, which are the same."""
    store = open_store(StoreConfig(), pattern or f"{folder}/x")
    uri = f"file://{folder}/{name}"
    (listed,) = (obj for obj in store.list(uri) if obj.uri == uri)
    head = store.source(store.head(uri)).read(0, 100)
    for read in (lambda: store.source(listed), lambda: store.fetch(listed, folder.parent / "at", quiet, 60)):
        with contextlib.suppress(FileNotFoundError):
            (folder.parent / "at").unlink()
        read()
    assert (folder.parent / "at").read_bytes() == head
    return head


def quiet(_done: int, _all: int) -> None:
    return None


@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("latest.dump", "2026/o.dump"),
        ("latest.dump", "./2026/../2026/o.dump"),
        ("latest.dump", "{store}/2026/o.dump"),
        ("latest.dump", "hop"),
        ("2026/latest.dump", "../2026/o.dump"),
        ("latest.dump", "current/o.dump"),
    ],
)
def test_links_within_the_store_are_followed(folder: Path, link: str, to: str) -> None:
    (folder / "hop").symlink_to("2026/o.dump")
    (folder / "current").symlink_to("2026")
    (folder / link).symlink_to(to.replace("{store}", str(folder)))
    assert brought(folder, link) == b"backup"


def test_the_folders_that_the_operator_names_may_be_links(folder: Path) -> None:
    (folder.parent / "mounted").symlink_to(folder)
    there = folder.parent / "mounted"
    (folder / "latest.dump").symlink_to(there / "2026" / "o.dump")
    (folder / "last.dump").symlink_to(folder / "2026" / "o.dump")
    assert brought(there, "latest.dump") == brought(there, "last.dump") == b"backup"


@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("o.dump", "../secret"),
        ("o.dump", "{secret}"),
        ("o.dump", "2026/../../secret"),
        ("o.dump", "{store}/../secret"),
        ("o.dump", "hop"),
        ("2026/p.dump", "../../secret"),
        ("o.dump", "out/secret"),
        ("o.dump", "/proc/self/environ"),
        ("o.dump", "/dev/zero"),
    ],
)
def test_links_out_of_the_store_are_not_followed_and_say_so(folder: Path, link: str, to: str) -> None:
    secret = folder.parent / "secret"
    (folder / "hop").symlink_to("../secret")
    (folder / "out").symlink_to("..")
    (folder / link).symlink_to(to.replace("{store}", str(folder)).replace("{secret}", str(secret)))
    with pytest.raises(PermanentError) as caught:
        brought(folder, link)
    assert (caught.value.rule, caught.value.finding().klass.value) == ("link-leaves-store", "drill")
    assert not (folder.parent / "at").exists()


def test_a_folder_s_link_out_of_the_store_is_not_listed(folder: Path) -> None:
    (folder / "out").symlink_to("..")
    store = open_store(StoreConfig(), f"{folder}/%Y/o.dump")
    with pytest.raises(PermanentError) as caught:
        list(store.list(f"file://{folder}/out/"))
    assert caught.value.rule == "link-leaves-store"
    names = [obj.uri.removeprefix(f"file://{folder}/") for obj in store.list(f"file://{folder}/")]
    assert names == ["2026/o.dump", "out"]


def test_the_newest_backup_is_a_link_out_of_the_store_and_is_drilled(folder: Path) -> None:
    (folder / "o_20261121.dump").write_bytes(b"older")
    (folder / "o_20261122.dump").symlink_to("../secret")
    drilled = target(f"{folder}/o_%Y%m%d.dump")
    store = open_store(drilled.store, drilled.backup.at)
    point = discover(drilled, store, NOW).points[0]
    assert point.uri.endswith("o_20261122.dump")
    with pytest.raises(PermanentError) as caught:
        fetch_backup(point, store, drilled, folder.parent / "here", quiet, 60)
    assert caught.value.rule == "link-leaves-store"


@pytest.mark.parametrize("at", ["dd/", "x%Y/", "dd_*/"])
@pytest.mark.parametrize("member", ["toc.dat", "3001.dat"])
def test_a_directory_dump_s_files_are_held_beneath_too(folder: Path, at: str, member: str) -> None:
    name = at.replace("%Y", "2025").replace("*", "x")
    (folder / name).mkdir()
    (folder / name / "3002.dat").write_bytes(b"x")
    (folder / name / member).symlink_to(folder.parent / "secret")
    drilled = target(f"{folder}/{at}", window="3650d")
    store = open_store(drilled.store, drilled.backup.at)
    point = discover(drilled, store, datetime.now(UTC)).points[0]
    with pytest.raises(PermanentError) as caught:
        fetch_backup(point, store, drilled, folder.parent / "here", quiet, 60)
    assert caught.value.rule == "link-leaves-store"
    assert not list((folder.parent / "here").iterdir())


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "linked pipe"])
def test_what_is_no_file_is_not_opened(folder: Path, kind: str) -> None:
    where = folder / "o.dump"
    with contextlib.ExitStack() as stack:
        if kind == "socket":
            stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(where))
        elif kind == "folder":
            where.mkdir()
        elif kind == "pipe":
            os.mkfifo(where)
        else:
            os.mkfifo(folder / "pipe")
            where.symlink_to("pipe")
        store = open_store(StoreConfig(), f"{folder}/x")
        with pytest.raises(PermanentError) as caught:
            store.head(f"file://{where}")
        assert caught.value.rule == "not-a-file"


@pytest.mark.parametrize("to", ["nowhere", "o.dump"])
def test_a_link_that_leads_nowhere_is_a_backup_that_is_gone(folder: Path, to: str) -> None:
    (folder / "o.dump").symlink_to(to)
    with pytest.raises(DrillError) as caught:
        brought(folder, "o.dump")
    assert (caught.value.rule, caught.value.finding().klass.value) == ("object-gone", "path")


def test_a_file_that_becomes_a_link_while_it_is_looked_at_is_not_followed(folder: Path) -> None:
    store = open_store(StoreConfig(), f"{folder}/x")
    where = folder / "o.dump"
    where.write_bytes(b"backup")
    source = store.source(store.head(f"file://{where}"))
    where.unlink()
    where.symlink_to("../secret")
    with pytest.raises(PermanentError) as caught:
        source.read(0, 10)
    assert caught.value.rule == "link-leaves-store"


def test_evidence_is_held_in_its_folder(folder: Path) -> None:
    (folder / "e.json").symlink_to("../secret")
    with pytest.raises(PermanentError) as caught:
        read_blob(StoreConfig(), f"{folder}/e.json")
    assert caught.value.rule == "history-unreadable"
    (folder / "f.json").symlink_to("2026/o.dump")
    assert read_blob(StoreConfig(), f"file://{folder}/f.json") == b"backup"


@pytest.mark.parametrize(
    ("at", "root"),
    [
        ("/b/o_%Y.dump", "/b"),
        ("file:///b/%Y/o.dump", "/b"),
        ("/b/x*/o.dump", "/b"),
        ("/b/dd/", "/b"),
        ("/b/o.dump", "/b"),
        ("/o.dump", "/"),
    ],
)
def test_a_pattern_s_root_is_the_folder_before_anything_varies(at: str, root: str) -> None:
    assert constant_folder(at) == root


PARTS = st.sampled_from(["..", ".", "a", "b", "l", "secret", "{store}", "/", ""])
PATHS = st.lists(PARTS, min_size=1, max_size=6).map("/".join)


@given(links=st.lists(st.tuples(st.sampled_from(["l", "a/l", "b/l"]), PATHS), max_size=3), path=PATHS)
@settings(max_examples=150, deadline=None)
def test_no_chain_of_links_brings_what_lies_outside(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[str, str]], path: str
) -> None:
    base = tmp_path_factory.mktemp("links")
    (base / "secret").write_bytes(SECRET)
    folder = base / "store"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "secret").write_bytes(b"of the store")
    for name, to in links:
        with contextlib.suppress(OSError):
            (folder / name).symlink_to(to.replace("{store}", str(folder)) or ".")
    store = open_store(StoreConfig(), f"{folder}/x")
    for content in contents(store, f"file://{folder}/{path.replace('{store}', '')}"):
        assert content == b"of the store"


def contents(store: Store, uri: str) -> Iterator[bytes]:
    """Yield what can be read under *uri*, and below it."""
    with contextlib.suppress(DrillError):
        yield store.source(store.head(uri)).read(0, 100)
    with contextlib.suppress(DrillError):
        for obj in store.list(uri):
            with contextlib.suppress(DrillError):
                yield store.source(obj).read(0, 100)


class Writing(FakeStore):
    """A bucket whose objects hold their own names."""

    def head(self, uri: str) -> StoredObject:
        return self.objects[uri]

    def fetch(self, obj: StoredObject, dest: Path, *_: object) -> None:
        dest.write_text(obj.uri)


@pytest.mark.parametrize("name", ["../../evil", "a/../../../evil", "..", "/etc/evil", "a//b", "./x", "x\0y"])
def test_no_key_of_a_folder_in_a_bucket_is_written_elsewhere(tmp_path: Path, name: str) -> None:
    store = Writing()
    for key in ("toc.dat", name):
        store.put(f"prod/orders_20261121/{key}")
    drilled = target(f"{BUCKET}prod/orders_%Y%m%d/", checksum="none")
    point = discover(drilled, store, NOW).points[0]
    fetch_backup(point, store, drilled, tmp_path / "a" / "b" / "here", quiet, 60)
    (written,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert written == tmp_path / "a" / "b" / "here" / "orders_20261121" / "toc.dat"
