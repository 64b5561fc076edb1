"""`init` on the folders of Barman and WAL-G: entries that load, and nothing else that is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.commands.init import InitReport, initialise
from tasks.config import Fleet, load_fleet
from tasks.model.target import BarmanBackup, WalgBackup
from tests.unit.deployments.buckets import NOW, put

ID = "20261121T010000"
CLOUD = (
    *(f"base/{ID}/backup.info", f"base/{ID}/data.tar.gz", f"base/{ID}/16400.tar.gz"),
    *("wals/0000000100000000/000000010000000000000002.gz", "wals/00000002.history.gz"),
)
SERVER = (
    *(f"base/{ID}/data/PG_VERSION", f"base/{ID}/data/global/pg_control", f"base/{ID}/data/base/1/1259"),
    *(f"base/{ID}/data/backup_manifest", f"base/{ID}/16400/PG_17_1/5/1", f"meta/{ID}-backup.info"),
    *("wals/0000000100000000/000000010000000000000002", "wals/orders-xlog.db", "identity.json"),
    *("incoming/000000010000000000000003", "streaming/000000010000000000000004.partial", "errors/x.unknown"),
)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    root = tmp_path / "acme"
    root.mkdir()
    return root


def fill(root: Path, folder: str, names: tuple[str, ...]) -> None:
    for name in names:
        put(root, f"{folder}/{name}", b"x", NOW)


def look(root: Path) -> tuple[InitReport, Fleet]:
    report = initialise(str(root), root.parent / "fleet.yaml", now=NOW)
    return report, load_fleet(report.fleet_path)


@pytest.mark.parametrize("names", [CLOUD, SERVER], ids=["cloud", "server"])
def test_a_servers_folder_is_an_entry_and_all_of_it_is_understood(
    bucket: Path, names: tuple[str, ...]
) -> None:
    fill(bucket, "prod/orders", names)
    report, fleet = look(bucket)
    (target,) = fleet.targets
    assert target.name == "orders"
    assert isinstance(target.backup, BarmanBackup)
    assert (target.backup.at, target.backup.server) == (f"file://{bucket}/prod/", "orders")
    assert report.not_understood == ()
    assert any("Barman, 1 seen" in line for line in report.lines)


def test_a_prefix_of_wal_g_is_an_entry(bucket: Path) -> None:
    name = "base_000000010000000000000004"
    fill(bucket, "prod/orders", (f"basebackups_005/{name}_backup_stop_sentinel.json",))
    parts = ("part_001.tar.lz4", "backup_label.tar.lz4", "pg_control.tar.lz4")
    fill(bucket, f"prod/orders/basebackups_005/{name}/tar_partitions", parts)
    fill(bucket, "prod/orders", (f"basebackups_005/{name}/metadata.json", f"wal_005/{name[5:]}.lz4"))
    report, fleet = look(bucket)
    (target,) = fleet.targets
    assert isinstance(target.backup, WalgBackup)
    assert (target.name, target.backup.at) == ("orders", f"file://{bucket}/prod/orders/")
    assert report.not_understood == ()


def test_each_server_is_an_entry(bucket: Path) -> None:
    fill(bucket, "prod/orders", CLOUD)
    fill(bucket, "prod/stock", SERVER)
    _, fleet = look(bucket)
    assert {target.name for target in fleet.targets} == {"orders", "stock"}
