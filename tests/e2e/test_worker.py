"""Deployments on a Prefect server, run by a process worker: from registration to a named final state."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.fix_drill import Fleet, Shell, own_shell
from tests.fix_prefect import PrefectServer, stop

RUN_TIMEOUT_S = 120.0
PROGRAMS = Path(sys.executable).parent


class Client:
    """Questions to the server, each in an event loop of its own."""

    def __init__(self, server: PrefectServer) -> None:
        self.server = server

    def ask(self, question: Callable[[Any], Any]) -> Any:
        from prefect.client.orchestration import get_client  # noqa: PLC0415

        async def asked() -> Any:
            async with get_client() as client:
                return await question(client)

        return asyncio.run(asked())

    def deployments(self) -> dict[str, Any]:
        """Every deployment, as the command line and the UI list them: with `"limit": null` in the request."""
        found = self.ask(lambda client: client.read_deployments())
        return {f"{one.entrypoint.rpartition('.')[2]}/{one.name}": one for one in found}

    def start(self, deployment: Any) -> UUID:
        run = self.ask(lambda client: client.create_flow_run_from_deployment(deployment.id))
        return UUID(str(run.id))

    def ended(self, run_id: UUID) -> Any:
        deadline = time.monotonic() + RUN_TIMEOUT_S
        while time.monotonic() < deadline:
            run = self.ask(lambda client: client.read_flow_run(run_id))
            if run.state is not None and run.state.is_final():
                return run
            time.sleep(0.5)
        return pytest.fail(f"the run did not end: {run.state}")

    def artifacts(self, run_ids: set[UUID]) -> list[Any]:
        return [a for a in self.ask(lambda client: client.read_artifacts()) if a.flow_run_id in run_ids]

    def children(self, run_id: UUID) -> list[Any]:
        from prefect.client.schemas.filters import (  # noqa: PLC0415
            FlowRunFilter,
            FlowRunFilterParentFlowRunId,
        )

        chosen = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run_id]))
        return list(self.ask(lambda client: client.read_flow_runs(flow_run_filter=chosen)))


@pytest.fixture
def client(on_prefect: PrefectServer) -> Client:
    return Client(on_prefect)


@pytest.fixture
def worker(prefect_server: PrefectServer, shell: Shell) -> Iterator[None]:
    """A process worker on the fleet's pool, quick to look."""
    environment = {
        **shell.environment,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_PREFETCH_SECONDS": "1",
    }
    with (shell.folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAMS / "prefect"), "worker", "start", "--pool", "tests-pool", "--type", "process"],
            env=environment,
            cwd=shell.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        yield
        stop(process)


@pytest.fixture
def registered(shell: Shell, fleet: Fleet, orders_dump: Path) -> Fleet:
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
    ran = shell("deploy", fleet.path)
    assert ran.exit_code == 0, ran
    return fleet


@pytest.mark.slow
def test_a_worker_runs_deployments_to_named_states_with_their_cause(
    registered: Fleet, client: Client, worker: None, shell: Shell
) -> None:
    deployments = client.deployments()
    each = {f"restore_drill/tests-{name}" for name in ("good", "cut", "unjudged")}
    assert set(deployments) >= {"fleet_drill/tests", "sweep/sweep"} | each
    schedules = {schedule.slug: schedule for schedule in deployments["fleet_drill/tests"].schedules}
    assert {slug: (s.schedule.cron, s.schedule.timezone) for slug, s in schedules.items()} == {
        "tests-nightly": ("0 3 1 1 *", "Europe/Berlin"),
        "tests-quarterly": ("0 3 2 1,4,7,10 *", "UTC"),
    }
    assert schedules["tests-quarterly"].parameters == {"select": "random"}
    assert all(schedule.active for schedule in schedules.values())
    assert [schedule.schedule.cron for schedule in deployments["sweep/sweep"].schedules] == ["17 * * * *"]

    runs = {
        name.partition("/")[2]: client.start(deployments[name])
        for name in ("fleet_drill/tests", "restore_drill/tests-good", "sweep/sweep")
    }
    log = (shell.folder / "worker.log").read_text  # what a failing run says
    fleet_run = client.ended(runs["tests"])
    assert (fleet_run.state.name, fleet_run.state.type.value) == ("Failed", "FAILED"), log()
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

    assert client.ended(runs["tests-good"]).state.name == "Verified", log()
    assert client.ended(runs["sweep"]).state.is_completed()
    assert {document["database"] for document in registered.recorded()} == {"good", "cut", "unjudged"}


def test_deploying_twice_changes_nothing(registered: Fleet, client: Client, shell: Shell) -> None:
    before = client.deployments()
    ran = shell("deploy", registered.path)
    assert ran.exit_code == 0, ran
    after = client.deployments()
    assert {name: d.id for name, d in after.items()} == {name: d.id for name, d in before.items()}
    assert {name: len(d.schedules) for name, d in after.items()} == {
        name: len(d.schedules) for name, d in before.items()
    }


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
