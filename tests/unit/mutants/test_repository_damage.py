"""What becomes of one file of a repository; which are chosen, and what is served in their place."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.model.backup import StoredObject
from tasks.model.deadline import Deadline
from tasks.mutants.damage import Void
from tasks.mutants.repository_damage import (
    Harm,
    Harmed,
    changes_of,
    file_harms,
    folder_harms,
    gone,
    tar_harms,
)
from tasks.mutants.wal_damage import wal_harms
from tests.unit.stores.fake import BUCKET, NOW, FakeStore

SEGMENT_BYTES = 1 << 20
OLD = NOW - timedelta(hours=1)
SYSTEM_ID = 0x1122334455667788


def name(number: int) -> str:
    return f"00000001{0:08X}{number:08X}"


def segment(pages: int = 4) -> bytes:
    """A segment of *pages* full pages and one that is half full; behind it pages of an older segment."""
    header = struct.pack("<HHIQI4xQII", 0xD116, 2, 1, 0, 0, SYSTEM_ID, SEGMENT_BYTES, 8192)
    body = (header + b"r" * 8152) if pages else header + b"r" * 4000 + bytes(4152)
    for number in range(1, pages + 1):
        page = struct.pack("<HHIQII", 0xD116, 0, 1, number * 8192, 0, 0)
        body += (page + b"r" * (8168 if number < pages else 4000)).ljust(8192, b"\0")
    recycled = struct.pack("<HHIQII", 0xD116, 0, 1, 1 << 40, 0, 0) + b"o" * 8168
    return body + recycled * ((SEGMENT_BYTES - len(body)) // 8192)


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore()
    for number in range(1, 8):
        uri = store.put_body(f"wal/{name(number)}.gz", gzip.compress(segment(), mtime=0))
        store.put(uri, store.objects[uri].bytes, OLD)
    return store


def archived(store: FakeStore) -> dict[str, StoredObject]:
    return {uri.rpartition("/")[2].removesuffix(".gz"): obj for uri, obj in store.objects.items()}


def harms(store: FakeStore, first: int = 2, last: int = 7) -> dict[str, Harmed]:
    found = wal_harms(archived(store), name(first), name(last), SEGMENT_BYTES, NOW)
    return {harmed.mutant.kind: harmed for harmed in found}


def served(store: FakeStore, harmed: Harmed, folder: Path) -> dict[str, bytes | None]:
    """Return what stands where in place of the harmed file, by key."""
    assert harmed.harm is not None, harmed.reason
    changes = changes_of(store, harmed.harm, folder, Deadline.within(60))
    assert all(
        path is None or path.stat().st_mtime == harmed.harm.at.timestamp() for path in changes.values()
    )
    return {
        uri.removeprefix(BUCKET): None if path is None else path.read_bytes() for uri, path in changes.items()
    }


def test_a_segment_that_the_recovery_passes_is_gone_cut_turned_or_a_strangers(
    store: FakeStore, tmp_path: Path
) -> None:
    found, middle = harms(store), f"wal/{name(5)}"
    assert served(store, found["wal-segment-missing"], tmp_path) == {f"{middle}.gz": None}
    cut = served(store, found["wal-segment-cut"], tmp_path)[f"{middle}.gz"]
    assert cut is not None
    assert gzip.compress(segment(), mtime=0).startswith(cut)
    for kind in ("wal-byte-turned", "wal-of-another-cluster"):
        files = served(store, found[kind], tmp_path)
        assert files[f"{middle}.gz"] is None  # else it would be found before the one that stands in
        spoilt = files[middle]
        assert spoilt is not None
        differ = [at for at, (a, b) in enumerate(zip(spoilt, segment(), strict=True)) if a != b]
        in_header = kind == "wal-of-another-cluster"
        assert all((24 <= at < 32) if in_header else (40 < at < 36_000) for at in differ)
        assert differ
    assert all(harmed.mutant.must for harmed in found.values())


@pytest.mark.parametrize("pages", [0, 1, 2, 5])
def test_a_turned_byte_lies_in_a_record_and_not_in_what_an_older_segment_left(
    tmp_path: Path, pages: int
) -> None:
    store = FakeStore()
    for number in range(1, 8):
        uri = store.put_body(f"wal/{name(number)}", segment(pages))
        store.put(uri, SEGMENT_BYTES, OLD)
    (spoilt,) = served(store, harms(store)["wal-byte-turned"], tmp_path).values()
    assert spoilt is not None
    differ = [at for at, (a, b) in enumerate(zip(spoilt, segment(pages), strict=True)) if a != b]
    assert len(differ) == 16
    assert {segment(pages)[at] for at in differ} == {ord("r")}


def test_a_bogus_timeline_leaves_the_true_one_in_the_middle(store: FakeStore, tmp_path: Path) -> None:
    files = served(store, harms(store)["timeline-bogus"], tmp_path)
    assert files == {"wal/00000002.history": b"1\t0/500000\tno recovery target specified\n"}


@pytest.mark.parametrize(("first", "last"), [(7, 7), (6, 7), (1, 2)])
def test_wal_that_no_recovery_passes_is_not_damaged(store: FakeStore, first: int, last: int) -> None:
    assert {harmed.harm for harmed in harms(store, first, last).values()} == {None}


def test_young_wal_shows_no_gap_and_is_not_damaged(store: FakeStore) -> None:
    for uri, obj in tuple(store.objects.items()):
        store.put(uri, obj.bytes, NOW - timedelta(minutes=5))
    assert {harmed.harm for harmed in harms(store).values()} == {None}
    assert all("recovery passes" in harmed.reason for harmed in harms(store).values())


def test_a_foreign_cipher_is_not_opened(store: FakeStore) -> None:
    foreign = FakeStore()
    for number in range(1, 8):
        foreign.put(f"wal/{name(number)}.gz.gpg", 100, OLD)
    listing = {uri.rpartition("/")[2].partition(".")[0]: obj for uri, obj in foreign.objects.items()}
    found = {h.mutant.kind: h for h in wal_harms(listing, name(2), name(7), SEGMENT_BYTES, NOW)}
    assert found["wal-segment-missing"].harm is not None
    assert found["wal-byte-turned"].harm is None


# --- base backups


def tar_of(**files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path, body in files.items():
            member = tarfile.TarInfo(path.replace("__", "/"))
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return made.getvalue()


FILES = {
    "backup_label": b"START WAL LOCATION",
    "base__1__1259": b"c" * 9000,
    "base__16389__2619": b"t" * 9000,
    "global__pg_control": b"k" * 8192,
    "PG_VERSION": b"17\n",
}


@pytest.fixture(params=["", ".gz"])
def base(request: pytest.FixtureRequest, store: FakeStore) -> tuple[FakeStore, StoredObject, str | None]:
    body = tar_of(**FILES)
    zipped = request.param == ".gz"
    uri = store.put_body(f"base/base.tar{request.param}", gzip.compress(body) if zipped else body)
    return store, store.objects[uri], "gzip" if zipped else None


def members(tar: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        for member in opened:
            file = opened.extractfile(member)
            assert file is not None
            yield member.name.replace("/", "__"), file.read()


@pytest.mark.parametrize(
    ("kind", "harmed", "lost"),
    [
        ("page-turned", "base__16389__2619", False),
        ("table-file-missing", "base__16389__2619", True),
        ("control-file-turned", "global__pg_control", False),
        ("backup-label-missing", "backup_label", True),
    ],
)
def test_one_member_of_the_tar_is_another_or_gone_and_all_others_are_as_they_were(
    base: tuple[FakeStore, StoredObject, str | None], tmp_path: Path, kind: str, harmed: str, lost: bool
) -> None:
    store, stored, wrapper = base
    found = {each.mutant.kind: each for each in tar_harms(stored, wrapper, {})}
    files = served(store, found[kind], tmp_path)
    tar = files["base/base.tar"]
    assert tar is not None
    assert ("base/base.tar.gz" in files) is (wrapper is not None)
    now = dict(members(tar))
    assert {path for path in FILES if now.get(path) != FILES[path]} == {harmed}
    assert (harmed not in now) is lost


def test_a_tar_without_such_a_member_offers_nothing(tmp_path: Path) -> None:
    store = FakeStore()
    uri = store.put_body("base/base.tar", tar_of(PG_VERSION=b"17\n"))
    found = {each.mutant.kind: each for each in tar_harms(store.objects[uri], None, {})}
    with pytest.raises(Void, match="holds no file"):
        served(store, found["backup-label-missing"], tmp_path)


def test_files_of_a_data_folder_are_damaged_where_they_lie(tmp_path: Path) -> None:
    store = FakeStore()
    files = {path.replace("__", "/"): body for path, body in FILES.items()}
    stored = {path: store.objects[store.put_body(f"b/{path}", body)] for path, body in files.items()}
    found = {each.mutant.kind: each for each in folder_harms(stored, {})}
    for kind, path in {
        "page-turned": "base/16389/2619",
        "table-file-missing": "base/16389/2619",
        "control-file-turned": "global/pg_control",
        "backup-label-missing": "backup_label",
    }.items():
        ((key, body),) = served(store, found[kind], tmp_path).items()
        assert key == f"b/{path}"
        assert body != files[path]
        assert (body is None) is kind.endswith("missing")


def test_what_lies_beside_a_base_backup_is_lost_where_there_is_any() -> None:
    store = FakeStore()
    stored = store.put("b/backup_manifest")
    found = {each.mutant.kind: each for each in gone({"manifest": stored})}
    assert found["manifest-missing"].harm == Harm(stored.uri, stored.modified_at)
    assert not found["manifest-missing"].mutant.must  # page checksums may do
    assert (found["wal-missing"].harm, found["tablespace-missing"].harm) == (None, None)


def test_a_form_that_is_not_known_loses_its_largest_file(tmp_path: Path) -> None:
    store = FakeStore()
    small, large = store.put_body("b/1", b"x"), store.put_body("b/2", b"y" * 100)
    found = list(file_harms([store.objects[small], store.objects[large]]))
    bodies = [served(store, each, tmp_path) for each in found]
    assert bodies[:2] == [{"b/2": None}, {"b/2": b"y" * 50}]
    assert [each.harm for each in file_harms([])] == [None] * 3
