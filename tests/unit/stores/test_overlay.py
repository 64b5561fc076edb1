"""A store with some files changed or gone: for the rest it is the store beneath, which is never written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.model.errors import DrillError
from tasks.model.overlaid import overlaid
from tasks.model.target import StoreConfig
from tasks.stores import Store, open_store
from tasks.stores.local import LocalStore
from tasks.stores.overlay import OverlayStore
from tests.unit.stores.contract import Shelf, StoreContract, ignore
from tests.unit.stores.fake import BUCKET, NOW, FakeStore


class TestNothingChanged(StoreContract):
    @pytest.fixture
    def shelf(self, tmp_path: Path) -> Shelf:
        store = FakeStore()
        return Shelf(
            OverlayStore(store, LocalStore(f"{tmp_path}/"), {}), BUCKET, store.put_body, store.remove
        )


@pytest.fixture
def beneath() -> FakeStore:
    store = FakeStore()
    for key in ("wal/1.gz", "wal/2.gz", "wal/3.gz", "base/x"):
        store.put_body(key, b"as stored")
    return store


@pytest.fixture
def changed(beneath: FakeStore, tmp_path: Path) -> Store:
    """1.gz is another file, 2.gz is gone, `2` and `4.history` are new."""
    path = tmp_path / "other"
    path.write_bytes(b"of ours")
    os.utime(path, (NOW.timestamp(),) * 2)
    changes = {
        f"{BUCKET}wal/1.gz": path,
        f"{BUCKET}wal/2.gz": None,
        f"{BUCKET}wal/2": path,
        f"{BUCKET}wal/4.history": path,
    }
    return OverlayStore(beneath, LocalStore(f"{tmp_path}/"), changes)


def test_a_listing_shows_what_stands_in_at_its_place_and_not_what_is_gone(changed: Store) -> None:
    listed = {obj.uri.removeprefix(f"{BUCKET}wal/"): obj.bytes for obj in changed.list(f"{BUCKET}wal/")}
    assert list(listed.items()) == [("1.gz", 7), ("2", 7), ("3.gz", 9), ("4.history", 7)]
    assert {obj.modified_at for obj in changed.list(f"{BUCKET}wal/")} == {NOW}
    assert [obj.uri for obj in changed.list(BUCKET, limit=2)] == [f"{BUCKET}base/x", f"{BUCKET}wal/1.gz"]
    later = changed.list(f"{BUCKET}wal/", start_after=f"{BUCKET}wal/2")
    assert [obj.uri.removeprefix(f"{BUCKET}wal/") for obj in later] == ["3.gz", "4.history"]
    assert changed.files(f"{BUCKET}wal/") == tuple(f"{BUCKET}wal/{name}" for name in listed)


def test_what_stands_in_is_read_and_brought_and_the_store_beneath_stays(
    changed: Store, beneath: FakeStore, tmp_path: Path
) -> None:
    stored = changed.head(f"{BUCKET}wal/1.gz")
    assert changed.source(stored).read(0, 100) == b"of ours"
    changed.fetch(stored, tmp_path / "brought", ignore, 60.0)
    assert (tmp_path / "brought").read_bytes() == b"of ours"
    other = changed.head(f"{BUCKET}base/x")
    assert changed.source(other).read(0, 100) == b"as stored"
    assert set(beneath.bodies.values()) == {b"as stored"}


def test_what_is_gone_is_gone_for_whoever_asks(changed: Store, beneath: FakeStore) -> None:
    was = beneath.head(f"{BUCKET}wal/2.gz")
    with pytest.raises(DrillError) as told:
        changed.head(was.uri)
    assert told.value.rule == "object-gone"
    with pytest.raises(DrillError) as told:
        changed.source(was)
    assert told.value.rule == "object-gone"


def test_a_folder_named_by_its_path_is_overlaid_too(tmp_path: Path) -> None:
    wal, ours = tmp_path / "wal", tmp_path / "ours"
    wal.mkdir()
    ours.mkdir()
    (wal / "1").write_bytes(b"as stored")
    (ours / "2").write_bytes(b"of ours")
    config = overlaid(StoreConfig(region="eu-west-1"), ours, {f"file://{wal}/2": ours / "2"})
    assert config.region == "eu-west-1"
    store = open_store(config, f"{wal}/")
    assert [obj.uri for obj in store.list(f"{wal}/")] == [f"file://{wal}/1", f"file://{wal}/2"]
