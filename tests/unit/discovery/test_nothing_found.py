from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tasks.discovery import discover
from tasks.model.errors import DrillError, PermanentError, StageFailed
from tasks.model.target import Selection
from tasks.stores import open_store
from tests.unit.stores.fake import BUCKET, NOW, FakeStore, key_of, nightly, target


def why(store: FakeStore, at: str | None = None, selection: Selection | None = None) -> StageFailed:
    drilled = target() if at is None else target(at)
    with pytest.raises(StageFailed) as caught:
        discover(drilled, store, NOW, selection)
    return caught.value


def rules(error: StageFailed) -> list[str]:
    return [one.rule for one in error.findings]


def test_empty_bucket_has_no_backup() -> None:
    error = why(FakeStore())
    assert rules(error) == ["no-backup-found"]
    assert error.finding().klass.value == "stale"
    assert "Nothing lies under" in error.what


def test_only_strangers_are_counted_by_their_reason() -> None:
    store = FakeStore()
    store.put_all(["prod/orders/2026/11/22/readme.txt", "prod/orders/2026/11/22/orders_20261122T0300.dump"])
    error = why(store)
    assert rules(error) == ["no-backup-found"]
    assert "2: does not match the pattern" in error.what


def test_stopped_job_is_named_with_its_last_backup_however_long_ago() -> None:
    for months in (2, 7, 40):
        store = FakeStore()
        store.put_all(nightly(3, newest=NOW - timedelta(days=30 * months)))
        error = why(store)
        assert rules(error) == ["backup-too-old"]
        assert error.where == BUCKET + nightly(1, newest=NOW - timedelta(days=30 * months))[0]
        assert store.pages < 60


def test_fixed_key_older_than_the_window_is_too_old() -> None:
    store = FakeStore()
    store.put("latest/orders.dump", modified_at=NOW - timedelta(days=90))
    assert rules(why(store, BUCKET + "latest/orders.dump")) == ["backup-too-old"]


def test_unfinished_uploads_only() -> None:
    store = FakeStore()
    store.put_all(f"{key}.partial" for key in nightly(3))
    error = why(store)
    assert rules(error) == ["only-partial-backups"]
    assert error.where == f"{BUCKET}{nightly(1)[0]}.partial"


@pytest.mark.parametrize(
    "name", [".orders_20261122.dump", "tmp.orders_20261122.dump", "orders_20261122.dump~"]
)
def test_temporary_names_are_unfinished_uploads(name: str) -> None:
    store = FakeStore()
    store.put(f"nightly/{name}")
    assert rules(why(store, BUCKET + "nightly/*orders_%Y%m%d.dump*")) == ["only-partial-backups"]


def test_deleted_backups_are_named_before_older_ones() -> None:
    store = FakeStore()
    store.put_all(nightly(3, newest=NOW - timedelta(days=60)))
    store.hidden.append(FakeStore().put(key_of(NOW - timedelta(hours=9))))
    error = why(store)
    assert rules(error) == ["newest-deleted"]
    assert "somebody or something deleted" in error.what


def test_only_names_in_the_future_fail_and_say_so() -> None:
    store = FakeStore()
    store.put(key_of(NOW + timedelta(hours=5)))
    assert rules(why(store)) == ["no-backup-found", "backup-in-future"]


@pytest.mark.parametrize(
    ("keys", "tool"),
    [
        (["prod/archive/main/archive.info", "prod/backup/main/backup.info"], "pgBackRest"),
        (["pgbackrest/archive/main/archive.info", "pgbackrest/backup/main/backup.info"], "pgBackRest"),
        (["prod/orders/base/20261122T030000/backup.info", "prod/orders/wals/0000000100000000/x"], "Barman"),
        (["prod/orders/basebackups_005/base_1_backup_stop_sentinel.json", "prod/orders/wal_005/x"], "WAL-G"),
        (["prod/orders/base.tar.gz", "prod/orders/pg_wal.tar.gz"], "pg_basebackup"),
        (["prod/orders/2026/11/22/base.tar.gz", "prod/orders/2026/11/22/backup_manifest"], "pg_basebackup"),
        (["prod/orders/export_info_orders.json"], "an RDS snapshot export"),
    ],
)
def test_repository_of_another_tool_is_called_by_its_name(keys: list[str], tool: str) -> None:
    store = FakeStore()
    store.put_all(keys)
    error = why(store)
    assert rules(error) == ["physical-layout-found"]
    assert error.finding().klass.value == "drill"
    assert f"written by {tool}:" in error.what


def test_folders_that_merely_sound_alike_are_no_repository() -> None:
    store = FakeStore()
    store.put_all(["prod/backup/readme", "prod/base/readme", "prod/orders/archive/old.txt"])
    assert rules(why(store)) == ["no-backup-found"]


def test_local_folder_that_is_not_there_is_a_broken_path(tmp_path: Path) -> None:
    drilled = target(f"{tmp_path}/not-mounted/dumps/%Y%m%d.dump")
    with pytest.raises(PermanentError) as caught:
        discover(drilled, open_store(drilled.store, drilled.backup.at), NOW)
    assert caught.value.rule == "path-missing"


def test_local_folder_of_a_database_that_was_never_backed_up_is_stale(tmp_path: Path) -> None:
    drilled = target(f"{tmp_path}/orders/%Y%m%d.dump")
    with pytest.raises(DrillError) as caught:
        discover(drilled, open_store(drilled.store, drilled.backup.at), NOW)
    assert caught.value.rule == "no-backup-found"
