from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.catalog.compression import GZIP, LZ4, ZSTD
from tasks.model.backup import StoredObject
from tasks.physical.layout import BaseBackup, Form, recognise


def test_tars_are_told_apart_by_name() -> None:
    backup = of("base.tar.gz", "16385.tar.gz", "pg_wal.tar.gz", "backup_manifest", "README")
    assert backup is not None
    assert backup.form is Form.TAR
    assert [place for place, _ in backup.tars] == ["", "pg_tblspc/16385", "pg_wal"]
    assert {tar.wrapper for _, tar in backup.tars} == {GZIP}
    assert backup.manifest is not None
    assert backup.bytes == 3


@pytest.mark.parametrize(("suffix", "wrapper"), [("", None), (".gz", GZIP), (".zst", ZSTD), (".lz4", LZ4)])
def test_each_compression_of_pg_basebackup_is_known(suffix: str, wrapper: str | None) -> None:
    backup = of(f"base.tar{suffix}", "pg_wal.tar")
    assert backup is not None
    assert [tar.wrapper for _, tar in backup.tars] == [wrapper, None]


def test_a_data_folder_is_known_by_its_control_file() -> None:
    backup = of("PG_VERSION", "global/pg_control", "backup_label", "backup_manifest", "base/1/1259")
    assert backup is not None
    assert backup.form is Form.PLAIN
    assert set(backup.files) == {"PG_VERSION", "global/pg_control", "backup_label", "base/1/1259"}
    assert not backup.incremental


@pytest.mark.parametrize("name", ["base/16384/INCREMENTAL.2619", "base/5/INCREMENTAL.2619.1"])
def test_an_incremental_data_folder_is_known_by_its_files(name: str) -> None:
    backup = of("global/pg_control", name)
    assert backup is not None
    assert backup.incremental


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("pg_wal.tar",),
        ("16385.tar",),
        ("orders.dump",),
        ("base.tar.gpg",),
        ("x/base.tar",),
        ("base.tar.part",),
    ],
)
def test_anything_else_is_no_base_backup(names: tuple[str, ...]) -> None:
    assert of(*names) is None


def of(*names: str) -> BaseBackup | None:
    at = datetime(2026, 11, 25, tzinfo=UTC)
    return recognise({name: StoredObject(f"file:///b/{name}", 1, at) for name in names})
