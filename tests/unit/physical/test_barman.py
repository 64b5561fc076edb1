"""Which files of a Barman backup fill which folder."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.model.backup import StoredObject
from tasks.model.errors import PermanentError
from tasks.physical.barman import parts_of
from tasks.physical.barman_info import BackupInfo
from tasks.physical.layout import BaseBackup, Form

WHERE = "s3://b/orders/base/20261201T034712/"


def parts(*names: str, spaces: tuple[str, ...] = (), folders: tuple[str, ...] = ()) -> BaseBackup:
    objects = {name: StoredObject(f"{WHERE}{name}", 10, datetime(2026, 12, 1, tzinfo=UTC)) for name in names}
    return parts_of(objects, folders, BackupInfo("DONE", spaces=spaces), WHERE)


def places(backup: BaseBackup) -> list[tuple[str, str, str | None]]:
    return [(place, tar.object.uri.removeprefix(WHERE), tar.wrapper) for place, tar in backup.tars]


def refused(rule: str, *names: str, **more: tuple[str, ...]) -> PermanentError:
    with pytest.raises(PermanentError) as refusal:
        parts(*names, **more)
    assert refusal.value.rule == rule
    return refusal.value


def test_barman_clouds_tars_fill_the_data_folder_and_the_tablespaces_in_their_order() -> None:
    names = ("backup.info", "16400.tar.lz4", "data_0001.tar.lz4", "data.tar.lz4", "16400_0001.tar.lz4")
    backup = parts(*names, spaces=("16400",))
    assert places(backup) == [
        ("", "data.tar.lz4", "lz4"),
        ("", "data_0001.tar.lz4", "lz4"),
        ("pg_tblspc/16400", "16400.tar.lz4", "lz4"),
        ("pg_tblspc/16400", "16400_0001.tar.lz4", "lz4"),
    ]
    assert backup.bytes == 40


def test_a_servers_files_are_the_data_folders_whichever_way_they_were_listed() -> None:
    backup = parts(
        *("data/PG_VERSION", "data/global/pg_control", "data/backup_manifest", "backup.info"),
        *("16400/PG_17_1/5/1", "data/pg_tblspc/16400/PG_17_1/5/1", "data/pg_tblspc/16401/PG_17_1/5/2"),
        "data/pg_tblspc/16402",
        spaces=("16400", "16401", "16402"),
        folders=("data", "16400", "16401", "16402"),
    )
    assert backup.form is Form.PLAIN
    assert sorted(backup.files) == [
        *("PG_VERSION", "global/pg_control", "pg_tblspc/16400/PG_17_1/5/1", "pg_tblspc/16401/PG_17_1/5/2")
    ]
    assert backup.manifest is not None
    assert backup.spaces == ("16400", "16401", "16402")


def test_a_servers_tars_are_pg_basebackups() -> None:
    backup = parts(
        "data/base.tar.gz", "data/16400.tar.gz", "data/backup_manifest", spaces=("16400",), folders=("data",)
    )
    assert places(backup) == [
        ("", "data/base.tar.gz", "gzip"),
        ("pg_tblspc/16400", "data/16400.tar.gz", "gzip"),
    ]
    assert backup.manifest is not None


@pytest.mark.parametrize(
    "names",
    [("data.tar",), ("data/global/pg_control",), ("data/base.tar",)],
)
def test_a_tablespace_of_which_nothing_is_there_is_missing(names: tuple[str, ...]) -> None:
    assert "16400" in refused("tablespace-missing", *names, spaces=("16400",), folders=("data",)).what


def test_an_empty_folder_is_a_tablespace_too() -> None:
    backup = parts("data/global/pg_control", spaces=("16400",), folders=("data", "16400"))
    assert backup.spaces == ("16400",)


def test_a_part_that_is_missing_between_others_is_named() -> None:
    assert "data_0001.tar" in refused("archive-truncated", "data.tar", "data_0002.tar").what
    assert "data.tar" in refused("archive-truncated", "data_0001.tar").what
    assert "data.tar" in refused("archive-truncated", "16400.tar", spaces=("16400",)).what


@pytest.mark.parametrize("suffix", [".snappy", ".gz.gpg", ".gpg"])
def test_what_is_not_read_is_named(suffix: str) -> None:
    refusal = refused("format-unsupported", f"data.tar{suffix}")
    assert suffix[1:] in refusal.what


def test_a_folder_of_something_else_is_no_backup() -> None:
    refused("not-a-backup", "backup.info")
    refused("not-a-backup", "data/readme", "base.tar")
