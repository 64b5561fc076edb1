"""Repositories of physical tools are known by their folders, and only by them."""

from __future__ import annotations

import pytest

from tasks.discovery.repositories import find_repository, tool_of_key
from tests.unit.stores.fake import BUCKET, FakeStore

LAYOUTS = {
    "pgBackRest": ("repo/archive/main/archive.info", "repo/backup/main/backup.info"),
    "Barman": ("repo/base/20260101T000000/backup.info", "repo/wals/0000000100000000/x"),
    "WAL-G": ("repo/basebackups_005/base_0001_backup_stop_sentinel.json",),
    "pg_basebackup": ("repo/backup_manifest", "repo/base.tar.gz"),
    "an RDS snapshot export": ("repo/export_info_x.json",),
}


@pytest.mark.parametrize("tool", LAYOUTS)
@pytest.mark.parametrize("constant", ["repo/orders_", "repo/deeper/orders_", "orders_"])
def test_a_repository_on_the_way_or_beside_it_is_named(tool: str, constant: str) -> None:
    store = FakeStore()
    store.put_all(LAYOUTS[tool])
    assert find_repository(store, BUCKET + constant) == (tool, f"{BUCKET}repo/")


def test_half_a_layout_is_none() -> None:
    store = FakeStore()
    store.put_all(["repo/archive/x", "repo/base/y", "repo/orders.dump"])
    assert find_repository(store, f"{BUCKET}repo/orders_") is None


@pytest.mark.parametrize(
    ("key", "tool"),
    [
        ("s3://b/archive/main/archive.info.copy", "pgBackRest"),
        ("s3://b/basebackups_005/x", "WAL-G"),
        ("s3://b/base/20260101T000000/data.tar", "Barman"),
        ("s3://b/x/global/pg_control", "pg_basebackup"),
        ("s3://b/prod/orders_20260101.dump", None),
        ("s3://b/base/orders.dump", None),
    ],
)
def test_a_key_tells_the_tool_that_writes_such(key: str, tool: str | None) -> None:
    assert tool_of_key(key) == tool
