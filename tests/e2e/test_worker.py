"""Deployments on a Prefect server, run by a process worker: from registration to a named final state."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from deployments import schedules
from tests.fix_drill import Fleet, Here, Shell, own_shell
from tests.fix_prefect import running_server
from tests.fix_worker import Client, Worker

PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def registered(shell: Shell, client: Client, hostile_folder: Path, fleet: Fleet, orders_dump: Path) -> Fleet:
    fleet.keys |= {
        "work_pool": "tests-pool",
        "schedules": [
            {"name": "nightly", "cron": "0 3 1 1 *", "timezone": "Europe/Berlin"},
            {"name": "quarterly", "cron": "0 3 2 1,4,7,10 *", "timezone": "UTC", "select": "random"},
        ],
        "defaults": {"rpo": "26h"},
    }
    fleet.add("good", orders_dump)
    fleet.add("cut", orders_dump.read_bytes()[: orders_dump.stat().st_size // 2])
    fleet.add("unjudged", orders_dump, sandbox={"postgres": 99})
    ran = replace(shell, folder=hostile_folder)("deploy", fleet.path)
    assert ran.exit_code == 0, ran
    client.pause("sweep/sweep", "sweep")  # it would come between at 17 past
    return fleet


@pytest.mark.slow
@pytest.mark.essential
def test_a_worker_runs_deployments_to_named_states_with_their_cause(
    registered: Fleet, client: Client, worker: Worker, shell: Shell
) -> None:
    deployments = client.deployments()
    each = {
        f"{flow}/tests-{name}"
        for flow in ("restore_drill", "selftest")
        for name in ("good", "cut", "unjudged")
    }
    assert set(deployments) >= {"fleet_drill/tests", "sweep/sweep"} | each
    registered_schedules = {
        schedule.slug: schedule for schedule in deployments["fleet_drill/tests"].schedules
    }
    assert {slug: (s.schedule.cron, s.schedule.timezone) for slug, s in registered_schedules.items()} == {
        "tests-nightly": ("0 3 1 1 *", "Europe/Berlin"),
        "tests-quarterly": ("0 3 2 1,4,7,10 *", "UTC"),
    }
    assert registered_schedules["tests-quarterly"].parameters == {"select": "random"}
    assert all(schedule.active for schedule in registered_schedules.values())
    assert [schedule.schedule.cron for schedule in deployments["sweep/sweep"].schedules] == ["17 * * * *"]

    runs = {
        name.partition("/")[2]: client.start(deployments[name])
        for name in ("fleet_drill/tests", "restore_drill/tests-good", "sweep/sweep")
    }
    fleet_run = client.ended(runs["tests"])
    assert (fleet_run.state.name, fleet_run.state.type.value) == ("Failed", "FAILED"), worker.said()
    assert fleet_run.state.message == (
        "tests: 1 verified, 1 inconclusive, 1 failed of 3 databases: cut, unjudged"
    )
    children = {child.parameters["database"]: child for child in client.children(runs["tests"])}
    states = {name: (child.state.name, child.state.type.value) for name, child in children.items()}
    assert states == {
        "good": ("Verified", "COMPLETED"),
        "cut": ("Failed", "FAILED"),
        "unjudged": ("Inconclusive", "FAILED"),
    }
    assert "ends" in children["cut"].state.message
    assert "99" in children["unjudged"].state.message

    keys = {(a.key, a.type) for a in client.artifacts({child.id for child in children.values()})}
    for database in ("good", "cut", "unjudged"):
        assert {(f"drill-tests-{database}", "markdown"), (f"checks-tests-{database}", "table")} <= keys

    assert client.ended(runs["tests-good"]).state.name == "Verified", worker.said()
    assert client.ended(runs["sweep"]).state.is_completed()
    assert {document["database"] for document in registered.recorded()} == {"good", "cut", "unjudged"}


def test_deploying_again_follows_the_fleet_file_and_leaves_paused_what_a_person_paused(
    registered: Fleet, client: Client, shell: Shell
) -> None:
    before = client.deployments()
    client.pause("fleet_drill/tests", "tests-quarterly")
    _nightly, quarterly = registered.keys["schedules"]
    registered.keys["schedules"] = [quarterly, {"name": "daily", "cron": "@daily", "timezone": "Asia/Tokyo"}]
    registered.write()
    ran = shell("deploy", registered.path)
    assert ran.exit_code == 0, ran
    after = client.deployments()
    assert {name: d.id for name, d in after.items()} == {name: d.id for name, d in before.items()}
    fleet = after["fleet_drill/tests"]
    assert {schedule.slug: schedule.active for schedule in fleet.schedules} == {
        "tests-quarterly": False,
        "tests-daily": True,
    }
    assert "(tests-quarterly): paused in Prefect" in ran.out
    assert "(sweep): paused in Prefect" in ran.out
    assert {run.created_by.display_value for run in client.planned(fleet)} == {"tests-daily"}
    (told,) = re.findall(r"\(tests-daily\): next run at (.* 00:00) JST$", ran.out, re.MULTILINE)
    first = min(run.expected_start_time for run in client.planned(fleet))
    assert f"{first.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M}" == told


@pytest.mark.slow
def test_a_server_whose_scheduler_plans_nothing_is_told_at_once(
    here: Here, fleet: Fleet, orders_dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

    monkeypatch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED", "false")
    monkeypatch.setattr(schedules, "PLANNED_WITHIN_S", 3.0)
    fleet.keys["schedule"] = {"cron": "0 3 * * *"}
    fleet.add("good", orders_dump)
    with running_server(tmp_path) as server, temporary_settings(updates={PREFECT_API_URL: server.url}):
        ran = here("deploy", fleet.path)
    assert ran.exit_code == 2, ran
    assert "planned no run of fleet_drill/tests (tests-drill), sweep/sweep (sweep)" in ran.err
    assert "sqlalchemy<2.1" in ran.err


def test_prefect_itself_lists_the_deployments(registered: Fleet, shell: Shell) -> None:
    listed = subprocess.run(
        [str(PROGRAMS / "prefect"), "deployment", "ls"],
        env={**shell.environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert "fleet_drill/tests" in listed.stdout


def test_deploying_needs_a_configured_server(fleet: Fleet, tmp_path: Path, drill_folder: Path) -> None:
    fleet.add("orders", b"")
    ran = own_shell(None, tmp_path, drill_folder)("deploy", fleet.path)
    assert ran.exit_code == 3
    assert "PREFECT_API_URL" in ran.err
