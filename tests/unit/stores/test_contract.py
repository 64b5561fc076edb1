"""The contract of stores, held by a folder and by the tests' own memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.model.target import StoreConfig
from tasks.stores import open_store
from tests.unit.stores.contract import Shelf, StoreContract
from tests.unit.stores.fake import BUCKET, FakeStore


class TestFolder(StoreContract):
    way_up = "link-leaves-store"

    @pytest.fixture
    def shelf(self, tmp_path: Path) -> Shelf:
        root = tmp_path / "backups"
        root.mkdir()

        def put(key: str, body: bytes) -> None:
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)

        def remove(uri: str) -> None:
            Path(uri.removeprefix("file://")).unlink()

        return Shelf(open_store(StoreConfig(), f"{root}/x"), f"file://{root}/", put, remove)

    def test_a_folder_knows_nobodys_name(self, shelf: Shelf) -> None:
        assert shelf.store.identity() is None


class TestMemory(StoreContract):
    @pytest.fixture
    def shelf(self) -> Shelf:
        store = FakeStore()
        return Shelf(store, BUCKET, store.put_body, store.remove)
