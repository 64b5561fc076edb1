"""A process worker of a work pool, and questions to its Prefect server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.fix_drill import Shell
from tests.fix_prefect import PrefectServer, stop

POOL = "tests-pool"
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

    def pause(self, deployment: str, *slugs: str) -> None:
        """Pause schedules, as a person does in the UI; their planned runs go."""
        found = self.deployments()[deployment]
        for schedule in found.schedules:
            if schedule.slug in slugs:
                self.ask(partial(_pause, deployment_id=found.id, schedule_id=schedule.id))

    def planned(self, deployment: Any) -> list[Any]:
        """The runs that the server's scheduler has planned, by itself."""
        runs = self.ask(lambda client: client.read_flow_runs(limit=200))
        mine = [run for run in runs if run.deployment_id == deployment.id and run.state.is_scheduled()]
        return [run for run in mine if run.auto_scheduled]

    def start(self, deployment: Any) -> UUID:
        run = self.ask(lambda client: client.create_flow_run_from_deployment(deployment.id))
        return UUID(str(run.id))

    def cancel(self, run_id: UUID) -> None:
        """Ask for a run's end as the UI does."""
        from prefect.client.schemas.objects import State, StateType  # noqa: PLC0415

        cancelling = State(type=StateType.CANCELLING, name="Cancelling")
        self.ask(lambda client: client.set_flow_run_state(run_id, cancelling))

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


async def _pause(client: Any, deployment_id: UUID, schedule_id: UUID) -> None:
    await client.update_deployment_schedule(deployment_id, schedule_id, active=False)


@pytest.fixture
def client(on_prefect: PrefectServer) -> Client:
    return Client(on_prefect)


@dataclass(frozen=True)
class Worker:
    """A running process worker."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text()


@pytest.fixture
def worker(prefect_server: PrefectServer, shell: Shell, hostile_folder: Path) -> Iterator[Worker]:
    """A process worker on the fleet's pool, quick to look, that stands in a folder which others fill."""
    environment = {
        **shell.environment,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_PREFETCH_SECONDS": "1",
    }
    with (shell.folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAMS / "prefect"), "worker", "start", "--pool", POOL, "--type", "process"],
            env=environment,
            cwd=hostile_folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        yield Worker(process, shell.folder / "worker.log")
        stop(process)
