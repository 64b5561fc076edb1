"""backup.info as Barman 3.19.1 writes it, and what it did not write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from tasks.model.errors import PermanentError
from tasks.physical.barman_info import BackupInfo, parse_backup_info

WHOLE = """backup_label='START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\\nLABEL: x = y\\n'
begin_offset=40
begin_time=2026-12-01 03:47:12.406015+00:00
begin_wal=000000010000000000000002
begin_xlog=0/2000028
children_backup_ids=None
cluster_size=30438340
compression=None
copy_stats={'total_time': 17.29, 'number_of_workers': 2}
data_checksums=on
encryption=None
end_time=2026-12-01 04:47:27.809647+01:00
end_wal=000000010000000000000002
end_xlog=0/2000158
error=None
mode=postgres
parent_backup_id=None
server_name=cloud
size=4134721
status=DONE
systemid=7714177134275617651
tablespaces=[('far', 16400, '/srv/far'), ("o'neil", 16401, '/srv/a, (b)')]
timeline=1
version=170011
xlog_segment_size=16777216
"""


def parsed(text: str) -> BackupInfo:
    return parse_backup_info(text.encode(), UTC, "s3://b/backup.info")


def without(key: str) -> str:
    return "".join(line for line in WHOLE.splitlines(keepends=True) if not line.startswith(f"{key}="))


def with_value(key: str, value: str) -> str:
    return f"{without(key)}{key}={value}\n"


def refused(text: str) -> PermanentError:
    with pytest.raises(PermanentError) as refusal:
        parsed(text)
    assert refusal.value.rule == "backup-record-corrupt"
    return refusal.value


def test_what_barman_writes_is_read() -> None:
    assert parsed(WHOLE) == BackupInfo(
        status="DONE",
        begin_lsn=0x2000028,
        end_lsn=0x2000158,
        began_at=datetime(2026, 12, 1, 3, 47, 12, 406015, UTC),
        ended_at=datetime(2026, 12, 1, 4, 47, 27, 809647, timezone(timedelta(hours=1))),
        timeline=1,
        system_identifier=7714177134275617651,
        major=17,
        segment_bytes=16 << 20,
        spaces=("16400", "16401"),
        mode="postgres",
        size=4134721,
        cluster_bytes=30438340,
    )


def test_a_time_without_an_offset_is_of_the_fleet_files_zone() -> None:
    text = with_value("begin_time", "2026-07-01 12:00:00")
    info = parse_backup_info(text.encode(), ZoneInfo("Europe/Berlin"), "x")
    assert info.began_at == datetime(2026, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("status", ["STARTED", "FAILED", "EMPTY", "SYNCING", "WAITING_FOR_WALS"])
def test_each_status_is_barmans_word(status: str) -> None:
    assert parsed(with_value("status", status)).status == status


def test_what_is_not_copied_here_is_told() -> None:
    assert parsed(with_value("snapshots_info", "{'provider': 'gcp'}")).is_snapshot
    assert parsed(with_value("encryption", "gpg")).encryption == "gpg"
    assert parsed(with_value("parent_backup_id", "20261130T034712")).parent == "20261130T034712"


def test_what_an_error_says_may_take_several_lines() -> None:
    assert parsed(with_value("status", "FAILED") + "error=no\nspace\n left = none\n").status == "FAILED"


def test_lines_of_later_versions_and_comments_are_passed_over() -> None:
    assert parsed(f"# by hand\n\nnew_key=1\n{WHOLE}") == parsed(WHOLE)


@pytest.mark.parametrize("key", ["status", "tablespaces", "timeline", "version"])
def test_a_record_that_was_cut_is_none(key: str) -> None:
    assert key in refused(without(key)).what


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status", "DONE; rm"),
        ("begin_xlog", "2000028"),
        ("end_time", "yesterday"),
        ("systemid", "7714177134275617651x"),
        ("systemid", "9" * 40),
        ("xlog_segment_size", "16777215"),
        ("version", "90624"),
        ("parent_backup_id", "../20261130T034712"),
        ("tablespaces", "[('far', 16400, '/srv/far')"),
        ("tablespaces", "[('far', '16400', '/srv/far')]"),
        ("tablespaces", "__import__('os').abort()"),
        ("tablespaces", f"[{'(' * 4000}]"),
    ],
)
def test_a_value_that_barman_does_not_write_is_refused(key: str, value: str) -> None:
    assert key in refused(with_value(key, value)).what


def test_a_key_twice_and_a_line_without_one_are_refused() -> None:
    refused(f"{WHOLE}status=FAILED\n")
    refused(f"{WHOLE}not a line of it\n")
    refused("\0" * 1000)


def test_a_long_hostile_value_takes_no_time() -> None:
    refused(with_value("tablespaces", "[" + "('a', 1, '\\" * 100_000 + "]"))
