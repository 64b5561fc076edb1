"""`init` on base backups: entries that load, the WAL that lies beside them, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from deployments import repositories
from deployments.commands.init import InitReport, initialise
from deployments.exploring import Explored
from deployments.fleet_text import DraftDatabase
from deployments.repositories import Recognised, Recogniser
from tasks.config import Fleet, load_fleet
from tasks.model.backup import Format
from tasks.model.errors import PermanentError
from tasks.model.target import BaseBackup
from tasks.stores.base import Store
from tests.unit.deployments.buckets import NOW, history, put

TAR = ("base.tar.gz", "backup_manifest")
PLAIN = ("PG_VERSION", "backup_label", "global/pg_control", "base/1/1259", "pg_wal/archive_status/x")


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    root = tmp_path / "acme"
    root.mkdir()
    return root


def look(root: Path) -> tuple[InitReport, Fleet]:
    report = initialise(str(root), root.parent / "fleet.yaml", now=NOW)
    return report, load_fleet(report.fleet_path)


def base_backups(root: Path, folder: str, members: tuple[str, ...] = TAR, count: int = 3) -> None:
    for number in range(count):
        at = NOW - number * timedelta(days=1)
        for member in members:
            put(root, f"{folder}/{at:%Y%m%dT%H%M%SZ}/{member}", b"x", at)


def wal(root: Path, folder: str, suffix: str = ".gz", count: int = 3) -> None:
    for number in range(1, count + 1):
        put(root, f"{folder}/{number:024X}{suffix}", b"x")


def backups(fleet: Fleet) -> Iterator[BaseBackup]:
    for target in fleet.targets:
        assert isinstance(target.backup, BaseBackup)
        yield target.backup


@pytest.mark.parametrize("members", [TAR, PLAIN], ids=["tar", "plain"])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_base_backups_get_the_archive_that_lies_beside_them(
    bucket: Path, members: tuple[str, ...], suffix: str
) -> None:
    base_backups(bucket, "orders/base", members)
    wal(bucket, "orders/wal", suffix)
    put(bucket, "orders/wal/00000002.history", b"x")
    put(bucket, "orders/wal/000000000000000000000001.00000028.backup", b"x")
    report, fleet = look(bucket)
    (backup,) = backups(fleet)
    assert fleet.targets[0].name == "orders"
    assert backup.at == f"file://{bucket}/orders/base/%Y%m%dT%H%M%SZ/"
    assert backup.wal == f"file://{bucket}/orders/wal/"
    assert report.not_understood == ()
    assert any("3 seen, one every 24 h, with an archive of WAL, the newest 0.0 s" in x for x in report.lines)


def test_the_way_of_each_cluster_is_its_own(bucket: Path) -> None:
    for name in ("orders", "stock"):
        base_backups(bucket, f"{name}/base")
        wal(bucket, f"{name}/wal")
    _, fleet = look(bucket)
    assert {target.name for target in fleet.targets} == {"orders", "stock"}
    for target, backup in zip(fleet.targets, backups(fleet), strict=True):
        assert backup.wal == f"file://{bucket}/{target.name}/wal/"


def test_an_archive_that_could_be_anybody_s_is_said_and_nobody_s(bucket: Path) -> None:
    for name in ("orders", "stock"):
        base_backups(bucket, f"{name}/base")
    wal(bucket, "wal")
    report, fleet = look(bucket)
    assert [backup.wal for backup in backups(fleet)] == [None, None]
    assert report.not_understood == (
        f"file://{bucket}/wal/: an archive of WAL, and whose it is could not be told; name it as backup.wal",
    )


@pytest.mark.parametrize(
    ("members", "is_complete"),
    [(TAR, False), ((*TAR, "pg_wal.tar.gz"), True), ((*PLAIN, f"pg_wal/{1:024X}"), True)],
)
def test_a_base_backup_without_its_wal_says_what_is_missing(
    bucket: Path, members: tuple[str, ...], is_complete: bool
) -> None:
    base_backups(bucket, "orders/base", members)
    report, fleet = look(bucket)
    assert [backup.wal for backup in backups(fleet)] == [None]
    assert ("none was found: name the folder" in report.fleet_path.read_text()) is not is_complete
    assert fleet.targets[0].rpo == 26 * 3600


def test_dumps_beside_base_backups_keep_their_own_entries(bucket: Path) -> None:
    history(bucket, lambda at: f"dumps/shop_{at:%Y%m%d_%H%M}.sql")
    base_backups(bucket, "stock/base", PLAIN)
    wal(bucket, "stock/wal")
    _, fleet = look(bucket)
    assert sorted((target.name, target.backup.kind) for target in fleet.targets) == [
        ("shop", "dump"),
        ("stock", "basebackup"),
    ]


def test_parts_of_a_base_backup_are_none_and_are_said(bucket: Path) -> None:
    base_backups(bucket, "good/base")
    put(bucket, "bad/backup_manifest", b"{}")
    report, fleet = look(bucket)
    assert len(fleet.targets) == 1
    assert report.not_understood == (
        f"file://{bucket}/bad/: parts of a base backup, and neither base.tar nor global/pg_control",
    )


def test_a_folder_that_tells_no_time_is_dated_by_its_upload(bucket: Path) -> None:
    for member in TAR:
        put(bucket, f"orders/current/{member}", b"x")
    report, _ = look(bucket)
    assert any("the time of upload counts" in line for line in report.lines)


def test_the_data_folder_of_another_tool_s_repository_is_no_base_backup(bucket: Path) -> None:
    base_backups(bucket, "orders/base")
    put(bucket, "br/backup/main/backup.info", b"[backrest]")
    put(bucket, "br/backup/main/20261122-030000F/pg_data/global/pg_control", b"x")
    put(bucket, "br/archive/main/archive.info", b"[backrest]")
    _, fleet = look(bucket)
    assert [target.name for target in fleet.targets] == ["orders", "main"]
    assert [target.backup.kind for target in fleet.targets] == ["basebackup", "pgbackrest"]


def plug_in(monkeypatch: pytest.MonkeyPatch, recogniser: Recogniser) -> None:
    known: Mapping[Format, Recogniser] = {Format.PGBACKREST: recogniser}
    monkeypatch.setattr(repositories, "RECOGNISERS", known)


def test_a_tool_s_own_recogniser_writes_its_entries(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bucket, "br/backup/main/backup.info", b"[backrest]")
    asked: list[str] = []

    def recogniser(_store: Store, folder: str, _explored: Explored) -> Recognised:
        asked.append(folder)
        draft = DraftDatabase("main", f"{folder}base/", kind="basebackup", keys=(("database", "main"),))
        return Recognised((draft,), (f"{folder}: one more thing",))

    plug_in(monkeypatch, recogniser)
    report, fleet = look(bucket)
    assert asked == [f"file://{bucket}/br/"]
    assert [target.name for target in fleet.targets] == ["main"]
    assert report.not_understood == (f"file://{bucket}/br/: one more thing",)


def test_a_repository_that_cannot_be_read_is_said(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base_backups(bucket, "orders/base")
    put(bucket, "br/backup/main/backup.info", b"[backrest]")

    def recogniser(_store: Store, _folder: str, _explored: Explored) -> Recognised:
        raise PermanentError("it needs a key", rule="decryption-key-missing")

    plug_in(monkeypatch, recogniser)
    report, _ = look(bucket)
    assert report.not_understood == (f"file://{bucket}/br/: a repository of pgBackRest: it needs a key",)
