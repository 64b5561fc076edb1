from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.model.errors import PermanentError
from tasks.physical.backup_label import parse_label

LABEL = """START WAL LOCATION: 1A/2000028 (file 000000030000001A00000002)
CHECKPOINT LOCATION: 1A/2000080
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-25 14:09:43 UTC
LABEL: pg_basebackup base backup
START TIMELINE: 3
"""


def test_a_label_says_where_recovery_begins() -> None:
    label = parse_label(LABEL, "here")
    assert label.start_lsn == 0x1A_02000028
    assert label.segment == "000000030000001A00000002"
    assert label.timeline == 3
    assert label.label == "pg_basebackup base backup"
    assert label.started_at == datetime(2026, 11, 25, 14, 9, 43, tzinfo=UTC)
    assert label.incremental_from is None


def test_the_timeline_of_an_old_label_is_its_segments() -> None:
    assert parse_label(LABEL.replace("START TIMELINE: 3\n", ""), "here").timeline == 3


@pytest.mark.parametrize("zone", ["CET", "Europe/Berlin", ""])
def test_a_zone_that_letters_do_not_tell_gives_no_time(zone: str) -> None:
    assert parse_label(LABEL.replace("UTC", zone), "here").started_at is None


def test_an_incremental_label_says_what_it_builds_on() -> None:
    assert parse_label(f"{LABEL}INCREMENTAL FROM LSN: 0/2000028\n", "here").incremental_from == 0x2000028


@pytest.mark.parametrize("text", ["", "LABEL: x\n", LABEL.replace("1A/2000028", "nowhere"), "\0" * 100])
def test_a_label_without_a_start_is_none(text: str) -> None:
    with pytest.raises(PermanentError) as failure:
        parse_label(text, "here")
    assert failure.value.rule == "backup-label-missing"
