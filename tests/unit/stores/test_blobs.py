from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.model.errors import DrillError
from tasks.model.target import StoreConfig
from tasks.stores.blobs import BlobMissing, NoBlob, list_blobs, read_blob, write_blob
from tests.fix_deep import nested

CONFIG = StoreConfig()


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_written_blob_is_listed_and_read_back(tmp_path: Path, scheme: str) -> None:
    uri = f"{scheme}{tmp_path}/shop/orders/x.json"
    write_blob(CONFIG, uri, b"{}", "application/json")
    write_blob(CONFIG, uri, b"{1}")
    assert list_blobs(CONFIG, f"{scheme}{tmp_path}/") == [uri]
    assert list_blobs(CONFIG, f"{scheme}{tmp_path}/shop/ord") == [uri]
    assert read_blob(CONFIG, uri) == b"{1}"


def test_missing_blob_and_empty_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(BlobMissing):
        read_blob(CONFIG, f"{tmp_path}/none.json")
    assert list_blobs(CONFIG, f"{tmp_path}/none/") == []


def test_a_pipe_is_no_blob_and_of_a_large_one_a_byte_too_many_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "link.json").symlink_to("/etc/hostname")
    for name in ("pipe", "link"):
        with pytest.raises(NoBlob):
            read_blob(CONFIG, f"{tmp_path}/{name}.json")
    (tmp_path / "large.json").write_bytes(b"x" * 100)
    assert read_blob(CONFIG, f"{tmp_path}/large.json", most_bytes=10) == b"x" * 11


def test_folders_however_deep_are_listed(tmp_path: Path) -> None:
    with nested(tmp_path / "deep") as bottom:
        (bottom / "x.json").touch()
        (tmp_path / "y.json").touch()
        assert len(list_blobs(CONFIG, f"{tmp_path}/")) == 2


def test_a_folder_that_may_not_be_read_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(DrillError) as caught:
        list_blobs(CONFIG, f"{tmp_path}/")
    assert caught.value.rule == "history-unreadable"


def test_failed_write_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"{tmp_path}/x.json"
    write_blob(CONFIG, uri, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DrillError) as caught:
        write_blob(CONFIG, uri, b"new")
    assert caught.value.rule == "evidence-unwritable"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert read_blob(CONFIG, uri) == b"old"


def test_folder_that_is_a_file_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DrillError) as caught:
        write_blob(CONFIG, f"{tmp_path}/file/x.json", b"")
    assert caught.value.rule == "evidence-unwritable"
