"""Where a database stands: what needs somebody is never called well, and what is well is left alone."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.config.schema import Exempt, Schedule
from tasks.coverage.past import QUARTER, Past, PastDrill, Way
from tasks.coverage.standing import Standing, State, allowed_gap, longest_gap, standing, unknown
from tasks.model.findings import Verdict
from tests.unit.coverage.records import NOW, days, fleet

VERIFIED, FAILED, UNCLEAR = Verdict.VERIFIED, Verdict.FAILED, Verdict.INCONCLUSIVE
WAL = {"backup": {"kind": "basebackup", "at": "/b/%Y%m%d/", "wal": "/wal"}}


def drill(verdict: Verdict, age: float, way: Way = Way.DUMP) -> PastDrill:
    return PastDrill(NOW - days(age), verdict, "The archive is cut.", way, f"/e/{age}.json")


def stands(folder: Path, *drills: PastDrill, unreadable: tuple[str, ...] = (), **keys: Any) -> Standing:
    keys.setdefault("database", {"verified_within": "8d"})
    ours = fleet(folder, "orders", **keys)
    return standing(ours, ours.targets[0], Past(drills, unreadable), NOW)


@pytest.mark.parametrize(
    ("drills", "state"),
    [
        ((drill(VERIFIED, 1),), State.VERIFIED),
        ((drill(VERIFIED, 5),), State.DUE),
        ((drill(VERIFIED, 9),), State.OVERDUE),
        ((drill(VERIFIED, 146),), State.OVERDUE),
        ((), State.NEVER),
        ((drill(UNCLEAR, 1),), State.NEVER),
        ((drill(FAILED, 1), drill(VERIFIED, 2)), State.FAILED),
        ((drill(VERIFIED, 1), drill(FAILED, 2)), State.VERIFIED),
        ((drill(UNCLEAR, 1), drill(FAILED, 2)), State.FAILED),
        ((drill(UNCLEAR, 1), drill(VERIFIED, 2)), State.DUE),
        ((drill(UNCLEAR, 1), drill(VERIFIED, 9)), State.OVERDUE),
    ],
)
def test_the_last_drill_that_could_judge_counts(
    tmp_path: Path, drills: tuple[PastDrill, ...], state: State
) -> None:
    seen = stands(tmp_path, *drills)
    assert seen.state is state
    assert seen.is_good is (state in {State.VERIFIED, State.DUE})


@pytest.mark.parametrize(
    ("drills", "rule"),
    [
        ((drill(VERIFIED, 9),), "drill-overdue"),
        ((), "never-verified"),
        ((drill(UNCLEAR, 1),), "never-verified"),
    ],
)
def test_what_needs_somebody_is_a_finding(tmp_path: Path, drills: tuple[PastDrill, ...], rule: str) -> None:
    (found,) = stands(tmp_path, *drills).findings
    assert (found.rule, found.where, found.severity.value) == (rule, "orders", "failure")


def test_an_older_backup_does_not_hide_what_the_newest_came_to(tmp_path: Path) -> None:
    older = dataclasses.replace(drill(VERIFIED, 1), is_newest=False)
    seen = stands(tmp_path, older, drill(FAILED, 1.01))
    assert (seen.state, seen.said) == (State.FAILED, "failed on 2026-11-21: The archive is cut.")
    unlucky = dataclasses.replace(drill(FAILED, 1), is_newest=False)
    assert stands(tmp_path, unlucky, drill(VERIFIED, 2)).state is State.FAILED


def test_what_is_verified_in_time_has_no_finding(tmp_path: Path) -> None:
    assert stands(tmp_path, drill(VERIFIED, 1)).findings == ()


def test_a_record_that_cannot_be_read_is_no_proof(tmp_path: Path) -> None:
    seen = stands(tmp_path, drill(VERIFIED, 1), unreadable=("/e/x.json",))
    assert (seen.state, seen.is_good) == (State.UNREADABLE, False)
    assert [item.rule for item in seen.findings] == ["evidence-unreadable"]


def test_a_record_of_tomorrow_is_said_and_proves_nothing(tmp_path: Path) -> None:
    ours = fleet(tmp_path, "orders")
    seen = standing(ours, ours.targets[0], Past(ahead=(drill(VERIFIED, -2),)), NOW)
    assert seen.state is State.NEVER
    assert seen.said == ("never drilled; its newest record lies 2.0 d ahead of this clock and proves nothing")


def test_an_exemption_holds_until_its_day_is_over(tmp_path: Path) -> None:
    entry = {"name": "orders", "why": "moved next month", "by": "team-dba", "until": NOW.date()}
    seen = stands(tmp_path, exempt=[entry])
    assert (seen.state, seen.is_good, seen.findings) == (State.EXEMPT, True, ())
    assert seen.said == "exempt until 2026-11-22: moved next month (team-dba)"


def test_an_exemption_that_is_over_is_a_failure_even_of_a_verified_database(tmp_path: Path) -> None:
    entry = {"name": "orders", "why": "moved", "by": "team-dba", "until": NOW.date() - timedelta(1)}
    seen = stands(tmp_path, drill(VERIFIED, 1), exempt=[entry])
    assert (seen.state, seen.is_good) == (State.VERIFIED, False)
    assert [item.rule for item in seen.findings] == ["exemption-expired"]


def test_a_database_that_no_fleet_file_names_is_never_well() -> None:
    seen = unknown("crm", "cmdb.csv", (), NOW)
    assert (seen.state, seen.is_good) == (State.UNKNOWN, False)
    assert "crm is named by cmdb.csv and by no fleet file" in seen.findings[0].message
    entry = Exempt(name="crm", why="bought", by="it", until=date(2026, 12, 24))
    assert unknown("crm", "cmdb.csv", [entry], NOW).state is State.EXEMPT
    later = datetime(2027, 1, 1, tzinfo=UTC)
    assert [item.rule for item in unknown("crm", "cmdb.csv", [entry], later).findings] == [
        "exemption-expired",
        "never-verified",
    ]


@pytest.mark.parametrize(
    ("cron", "gap"),
    [
        ("0 3 * * *", days(1)),
        ("0 3 * * 1-5", days(3)),
        ("0 3 1 */3 *", days(92)),
        ("0 */6 * * *", days(0.25)),
    ],
)
def test_the_longest_gap_of_a_schedule_is_measured(cron: str, gap: timedelta) -> None:
    assert longest_gap(Schedule(cron=cron), NOW) == gap


def test_a_clock_put_back_does_not_shorten_what_is_allowed() -> None:
    assert longest_gap(Schedule(cron="0 3 * * *", timezone="Europe/Berlin"), NOW) == days(1)


def test_twice_the_densest_schedule_is_allowed_where_nothing_is_said(tmp_path: Path) -> None:
    schedules = [{"name": "nightly", "cron": "0 3 * * *"}, {"name": "quarterly", "cron": "0 3 1 */3 *"}]
    ours = fleet(tmp_path, "orders", schedules=schedules)
    assert allowed_gap(ours.targets[0], ours.schedules, NOW) == days(2)


def test_without_a_schedule_a_quarter_is_allowed(tmp_path: Path) -> None:
    ours = fleet(tmp_path, "orders")
    assert allowed_gap(ours.targets[0], ours.schedules, NOW) == QUARTER


def test_a_moment_that_no_drill_proved_is_said_of_an_archive_of_wal(tmp_path: Path) -> None:
    latest, moment = drill(VERIFIED, 1, Way.LATEST), drill(VERIFIED, 40, Way.MOMENT)
    keys: dict[str, Any] = {"database": {"verified_within": "8d", **WAL}}
    (warning,) = stands(tmp_path, latest, **keys).findings
    assert (warning.rule, warning.severity.value) == ("way-unproven", "warning")
    assert stands(tmp_path, latest, **keys).is_good
    assert stands(tmp_path, latest, moment, **keys).findings == ()
    old = drill(VERIFIED, 100, Way.MOMENT)
    assert [item.rule for item in stands(tmp_path, latest, old, **keys).findings] == ["way-unproven"]


def test_a_dump_promises_no_moment_in_between(tmp_path: Path) -> None:
    assert stands(tmp_path, drill(VERIFIED, 1)).ways == (Way.DUMP,)
