"""The newest drills are read back from evidence, as few as can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.coverage import past
from tasks.coverage.past import Past, Way, read_past
from tasks.model.findings import Verdict
from tasks.model.target import Selection
from tests.unit.coverage.records import NOW, days, fleet, left

WAL = {"backup": {"kind": "basebackup", "at": "/b/%Y%m%d/", "wal": "/wal"}}
RECOVERED = {
    "base": {
        "label": "b",
        "start_lsn": "0/2000028",
        "stop_lsn": None,
        "system_identifier": "7",
        "timeline": 1,
        "started_at": None,
    },
    "reached": {
        "lsn": "0/3000000",
        "stopped": "",
        "timeline": 2,
        "last_commit_at": None,
        "next_commit_at": None,
    },
    "wal": None,
    "phases_s": {},
}


def read(folder: Path, **keys: object) -> Past:
    return read_past(fleet(folder, "orders", database=keys).targets[0], NOW)


def test_a_database_without_evidence_has_no_past(tmp_path: Path) -> None:
    assert read(tmp_path) == Past()


def test_reading_ends_at_the_drill_that_verified(tmp_path: Path) -> None:
    left(tmp_path, "orders", "verified", days(3))
    left(tmp_path, "orders", "verified", days(2))
    left(tmp_path, "orders", "truncated", days(1))
    seen = read(tmp_path)
    assert [drill.verdict for drill in seen.drills] == [Verdict.FAILED, Verdict.VERIFIED]
    assert seen.last is not None
    assert seen.last.cause.startswith("The archive ends at byte")
    assert seen.verified is not None
    assert seen.verified.started_at == NOW - days(2)


def test_reading_goes_on_to_what_the_newest_backup_came_to(tmp_path: Path) -> None:
    left(tmp_path, "orders", "verified", days(3))
    left(tmp_path, "orders", "truncated", days(1.01), Selection(walk_back=3))
    left(tmp_path, "orders", "verified", days(1), Selection(kind="key", key="s3://b/older"))
    seen = read(tmp_path)
    assert [(drill.verdict, drill.is_newest) for drill in seen.drills] == [
        (Verdict.VERIFIED, False),
        (Verdict.FAILED, True),
    ]


def test_a_drill_that_found_no_backup_counts(tmp_path: Path) -> None:
    left(tmp_path, "orders", "verified", days(2))
    left(tmp_path, "orders", "truncated", days(1), recovery_point=None)
    assert [drill.verdict for drill in read(tmp_path).drills] == [Verdict.FAILED, Verdict.VERIFIED]


def test_a_damaged_record_is_told_where_it_is_newer_than_the_proof(tmp_path: Path) -> None:
    left(tmp_path, "orders", "verified", days(2))
    damaged = left(tmp_path, "orders", "verified", days(1))
    damaged.write_text("{}")
    assert [uri.rpartition("/")[2] for uri in read(tmp_path).unreadable] == [damaged.name]


def test_an_older_damaged_record_is_not_even_read(tmp_path: Path) -> None:
    left(tmp_path, "orders", "verified", days(2)).write_text("{}")
    left(tmp_path, "orders", "verified", days(1))
    assert read(tmp_path).unreadable == ()


def test_with_wal_the_moment_in_between_is_looked_for(tmp_path: Path) -> None:
    left(tmp_path, "orders", "verified", days(30), recovery={"target": "time: 2026-10-01", **RECOVERED})
    left(tmp_path, "orders", "verified", days(1), recovery={"target": "latest", **RECOVERED})
    seen = read(tmp_path, **WAL)
    assert seen.proven(NOW - days(92)) == (Way.LATEST, Way.MOMENT)
    assert seen.proven(NOW - days(7)) == (Way.LATEST,)


def test_it_is_not_looked_for_beyond_a_quarter(tmp_path: Path) -> None:
    for age in (1, 95, 96):
        left(tmp_path, "orders", "verified", days(age), recovery={"target": "latest", **RECOVERED})
    assert len(read(tmp_path, **WAL).drills) == 2


def test_a_record_of_tomorrow_is_kept_apart(tmp_path: Path) -> None:
    left(tmp_path, "orders", "verified", days(1))
    left(tmp_path, "orders", "verified", days(-0.5))
    left(tmp_path, "orders", "verified", days(-2))
    seen = read(tmp_path)
    assert [drill.started_at for drill in seen.ahead] == [NOW + days(2)]
    assert [drill.started_at for drill in seen.drills] == [NOW + days(0.5)]


def test_months_of_failures_end_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MOST_READ", 3)
    for age in range(1, 6):
        left(tmp_path, "orders", "truncated", days(age))
    assert len(read(tmp_path).drills) == 3
