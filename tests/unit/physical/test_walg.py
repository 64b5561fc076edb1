"""WAL-G's records, and which tars make up a backup."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.model.backup import StoredObject
from tasks.model.errors import PermanentError
from tasks.physical.layout import BaseBackup
from tasks.physical.walg import (
    Sentinel,
    is_backup_name,
    is_delta_name,
    parse_metadata,
    parse_sentinel,
    parts_of,
    tar_names,
)

WHERE = "s3://b/basebackups_005/base_000000010000000000000004/"
WHOLE: dict[str, Any] = {
    "LSN": 0x4000028,
    "FinishLSN": 0x4000120,
    "Timeline": 1,
    "PgVersion": 170011,
    "SystemIdentifier": 7714177134275617651,
    "UncompressedSize": 31457280,
    "CompressedSize": 4194304,
    "Spec": {"base_prefix": "/data", "tablespaces": ["16400"], "16400": {"loc": "/far", "link": "x"}},
    "Version": 2,
    "StartTime": "2026-12-01T03:47:12.123456789Z",
    "FinishTime": "2026-12-01T04:47:27.1+01:00",
}


def parsed(**changes: Any) -> Sentinel:
    return parse_sentinel(json.dumps({**WHOLE, **changes}).encode(), WHERE)


def parts(*names: str, expected: tuple[str, ...] = ()) -> BaseBackup:
    objects = {
        f"tar_partitions/{name}": StoredObject(f"{WHERE}{name}", 10, datetime(2026, 12, 1, tzinfo=UTC))
        for name in names
    }
    return parts_of(objects, Sentinel(spaces=("16400",)), expected, WHERE)


def refused(rule: str, *names: str, expected: tuple[str, ...] = ()) -> PermanentError:
    with pytest.raises(PermanentError) as refusal:
        parts(*names, expected=expected)
    assert refusal.value.rule == rule
    return refusal.value


def test_a_sentinel_is_read() -> None:
    assert parsed() == Sentinel(
        start_lsn=0x4000028,
        stop_lsn=0x4000120,
        timeline=1,
        system_identifier=7714177134275617651,
        major=17,
        began_at=datetime(2026, 12, 1, 3, 47, 12, 123456, UTC),
        ended_at=datetime(2026, 12, 1, 3, 47, 27, 100000, UTC),
        spaces=("16400",),
        stored_bytes=4194304,
        unpacked_bytes=31457280,
    )


def test_what_older_releases_wrote_says_less_and_is_read() -> None:
    assert parse_sentinel(b"{}", WHERE) == Sentinel()
    old = parsed(StartTime="0001-01-01T00:00:00Z", FinishTime=None, Spec=None)
    assert (old.began_at, old.ended_at, old.spaces) == (None, None, ())


def test_a_delta_names_the_full_backup_that_it_goes_back_to() -> None:
    assert parsed(DeltaFrom="base_2", DeltaFullName="base_1").full_name == "base_1"


@pytest.mark.parametrize(
    "changes",
    [
        {"LSN": "0/4000028"},
        {"LSN": -1},
        {"PgVersion": True},
        {"StartTime": "yesterday"},
        {"Spec": {"tablespaces": ["../etc"]}},
        {"Spec": {"tablespaces": "16400"}},
        {"Spec": [1]},
    ],
)
def test_a_value_that_wal_g_does_not_write_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(PermanentError) as refusal:
        parsed(**changes)
    assert refusal.value.rule == "backup-record-corrupt"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"LSN": 1, "LSN": 2}'])
def test_a_record_that_was_cut_is_refused(data: bytes) -> None:
    for read in (parse_sentinel, parse_metadata, tar_names):
        with pytest.raises(PermanentError) as refusal:
            read(data, WHERE)
        assert refusal.value.rule == "backup-record-corrupt"


def test_the_tars_with_files_must_be_there() -> None:
    text = json.dumps({"Files": {}, "TarFileSets": {"part_001.tar.lz4": ["/a"], "part_002.tar.lz4": []}})
    assert tar_names(text.encode(), WHERE) == {"part_001.tar.lz4"}
    assert tar_names(b"{}", WHERE) == frozenset()


@pytest.mark.parametrize(
    ("suffix", "wrapper"), [(".lz4", "lz4"), (".zst", "zstd"), (".br", "brotli"), ("", None)]
)
def test_pg_control_is_unpacked_last_and_names_begin_at_the_data_folder(
    suffix: str, wrapper: str | None
) -> None:
    stems = ("pg_control", "part_002", "backup_label", "part_001")
    backup = parts(*(f"{stem}.tar{suffix}" for stem in stems))
    order = [tar.object.uri.removeprefix(WHERE).partition(".")[0] for _, tar in backup.tars]
    assert order == ["backup_label", "part_001", "part_002", "pg_control"]
    assert {(place, tar.wrapper, tar.rooted) for place, tar in backup.tars} == {("", wrapper, True)}
    assert backup.spaces == ("16400",)


def test_what_is_missing_is_told_apart() -> None:
    refused("backup-unfinished", "part_001.tar.lz4")
    names = ("part_001.tar.lz4", "pg_control.tar.lz4")
    assert "part_002" in refused("archive-truncated", *names, expected=("part_002.tar.lz4",)).what


@pytest.mark.parametrize("suffix", ["lzo", "lzma"])
def test_what_is_not_read_is_named(suffix: str) -> None:
    assert suffix in refused("format-unsupported", f"pg_control.tar.{suffix}").what


def test_names_tell_backups_and_deltas() -> None:
    full, delta = "base_000000010000000000000004", "base_000000010000000000000006_D_000000010000000000000004"
    assert [is_backup_name(name) for name in (full, delta, "base_1", "stream_20260101T000000Z", "")] == [
        *(True, True, False, False, False)
    ]
    assert (is_delta_name(full), is_delta_name(delta)) == (False, True)
