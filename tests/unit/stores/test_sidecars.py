"""What lies beside a backup and inside a directory dump: checksums, and which files are a part of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.model.target import StoreConfig
from tasks.stores.folders import as_folder
from tasks.stores.local import LocalStore
from tasks.stores.open import open_store
from tasks.stores.sidecars import is_sidecar, sidecar_of_file, sidecars_of_folder
from tests.unit.stores.fake import BUCKET, NOW, FakeStore

SHA = hashlib.sha256(b"dump").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


def store_of(**bodies: str) -> FakeStore:
    store = FakeStore()
    for name, body in bodies.items():
        store.put_body(name.replace("__", "/"), body.encode())
    return store


@pytest.mark.parametrize("suffix", [".sha256", ".sha256sum"])
@pytest.mark.parametrize("line", [f"{SHA}  x.dump\n", f"SHA256 (x.dump) = {SHA}\n", SHA.upper()])
def test_the_checksum_beside_a_file_is_found_however_it_is_written(suffix: str, line: str) -> None:
    store = FakeStore()
    dump = store.put("x.dump")
    store.put_body(f"x.dump{suffix}", line.encode())
    assert sidecar_of_file(store, dump) == SHA


def test_a_neighbours_checksum_is_not_taken() -> None:
    store = FakeStore()
    dump = store.put("x.dump")
    for name in ("x.dump2.sha256", "x.dump.gz.sha256", "x.sha256"):
        store.put_body(name, SHA.encode())
    assert sidecar_of_file(store, dump) is None


def test_a_checksum_file_without_a_checksum_proves_nothing_and_says_so() -> None:
    store = FakeStore()
    dump = store.put("x.dump")
    store.put_body("x.dump.sha256", b"not computed\n")
    with pytest.raises(PermanentError) as refused:
        sidecar_of_file(store, dump)
    assert (refused.value.rule, refused.value.where) == ("checksum-unreadable", f"{BUCKET}x.dump.sha256")


def test_a_folders_checksums_come_from_within_and_from_beside_it() -> None:
    store = FakeStore()
    inside = [store.put("d/toc.dat"), store.put("d/1.dat")]
    store.put_body("d/SHA256SUMS", f"{SHA}  toc.dat\n".encode())
    store.put_body("d.sha256", f"{OTHER}  ./1.dat\n".encode())
    folder = as_folder(f"{BUCKET}d/", store.list(f"{BUCKET}d/"))
    told = sidecars_of_folder(store, folder, [*inside, store.head(f"{BUCKET}d/SHA256SUMS")])
    assert told == {"toc.dat": SHA, "1.dat": OTHER}


@pytest.mark.parametrize(
    ("name", "aside"),
    [("SHA256SUMS", True), ("1.dat.sha256", True), ("inventory.json", True), ("x.inventory.json", True)]
    + [(name, False) for name in ("toc.dat", "1.dat", "1.dat.gz", "blobs.toc", "sha256")],
)
def test_what_is_no_part_of_a_directory_dump(name: str, aside: bool) -> None:
    assert is_sidecar(name) is aside


def test_a_folder_is_as_large_as_its_members_and_as_new_as_the_newest() -> None:
    store = FakeStore()
    for name, size in (("d/b", 2), ("d/a", 3), ("d/../etc/passwd", 50), ("d//x", 50), ("d/./y", 50)):
        store.put(name, size)
    folder = as_folder(f"{BUCKET}d/", store.objects.values())
    assert [member.uri for member in folder.members] == [f"{BUCKET}d/a", f"{BUCKET}d/b"]
    assert (folder.bytes, folder.modified_at) == (5, NOW)


def test_a_folder_of_strange_names_alone_has_no_members() -> None:
    store = FakeStore()
    store.put("d/../x", 9)
    folder = as_folder(f"{BUCKET}d/", store.objects.values())
    assert (folder.members, folder.bytes) == ((), 0)


def test_a_place_says_which_store_it_lies_in(tmp_path: Path, aws_env: None) -> None:
    assert isinstance(open_store(StoreConfig(), f"{tmp_path}/x_%Y.dump"), LocalStore)
    assert isinstance(open_store(StoreConfig(), f"file://{tmp_path}/x", "s3://b/globals"), LocalStore)
    assert type(open_store(StoreConfig(region="eu-west-1"), "s3://bucket/x")).__name__ == "S3Store"
