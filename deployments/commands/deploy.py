"""`restore-drill deploy`: a Prefect deployment per database, one per fleet with its schedules, and the sweep.

Flows are named by dotted entrypoint: a path would load their files a second time under another module name.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.runner.storage import LocalStorage

from deployments.prefect_api import OUR_LOGGERS, configured_url, require_api
from deployments.schedules import Registered, await_first_runs, keep_paused, settle
from tasks.config import Fleet, read_fleet, suite_file
from tasks.model.errors import ConfigInvalid, TransientError
from tasks.model.target import Selection

SWEEP_CRON = "17 * * * *"
_TAG = "restore-drill"
_RUN_IN = "/"
"""Where runs start. Without it a worker copies its whole working directory anew for every run; the flows are
installed and the fleet file has an absolute path."""


def register_fleets(fleets: Sequence[Path]) -> list[str]:
    """Register every fleet's deployments on the configured Prefect server; return what was done, a line each.

    Raises:
        ConfigInvalid: a fleet file cannot be used, or no server is configured.
        TransientError: the server does not answer, or refuses.
    """
    plans = [read_fleet(str(path)) for path in fleets]
    url = configured_url()
    if url is None:
        raise ConfigInvalid(
            "no Prefect server is configured to deploy to",
            hint="Start one with `prefect server start` and set PREFECT_API_URL, such as http://127.0.0.1:4200/api.",
        )
    require_api(url)
    try:
        with contextlib.chdir(_RUN_IN):  # Prefect imports flows from the current folder first
            return asyncio.run(_register(plans))
    except httpx.HTTPError as error:
        raise TransientError(
            f"the Prefect server did not take the deployments: {type(error).__name__}",
            url.rsplit("@", maxsplit=1)[-1],
            "Look at the server's log, then deploy again: what is registered already is replaced.",
        ) from error


async def _register(plans: Sequence[Fleet]) -> list[str]:
    async with get_client() as client:
        lines = [
            line for pool in sorted({plan.work_pool for plan in plans}) for line in await _pool(client, pool)
        ]
        scheduled: dict[str, Registered] = {}
        for plan in plans:
            for deployment in deployments_of(plan):
                await keep_paused(client, deployment)
                deployment_id = await deployment.aapply(work_pool_name=plan.work_pool)
                scheduled[deployment.full_name] = await settle(client, deployment, deployment_id)
                lines.append(deployment.full_name)
        return lines + await await_first_runs(client, list(scheduled.values()))


async def _pool(client: PrefectClient, name: str) -> list[str]:
    """Make the work pool where it is not there; say so."""
    try:
        await client.read_work_pool(name)
    except ObjectNotFound:
        await client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        return [f"work pool {name} created; start a worker with: prefect worker start --pool {name}"]
    return []


def deployments_of(plan: Fleet) -> Iterator[RunnerDeployment]:
    """Yield the deployments of one fleet, not yet applied."""
    fleet = str(plan.path)
    yield _deployment(
        "flows.fleet_drill.fleet_drill",
        plan.name,
        {"fleet": fleet},
        f"Drills every database of the fleet {plan.name}.",
        schedules=[
            _schedule(schedule.cron, schedule.timezone, f"{plan.name}-{schedule.name}", schedule.select)
            for schedule in plan.schedules
        ],
    )
    for target in plan.targets:
        yield _deployment(
            "flows.drill.restore_drill",
            f"{plan.name}-{target.name}",
            {"fleet": fleet, "database": target.name},
            f"Drills {target.name} of the fleet {plan.name}, ad hoc.",
        )
        yield _deployment(
            "flows.draft.draft",
            f"{plan.name}-{target.name}",
            {"fleet": fleet, "database": target.name, "out": str(suite_file(target, plan.path))},
            f"Drafts the suite of {target.name} from its newest backups, for review.",
        )
        yield _deployment(
            "flows.selftest.selftest",
            f"{plan.name}-{target.name}",
            {"fleet": fleet, "database": target.name},
            f"Damages copies of the newest backup of {target.name} and shows what its drill catches.",
        )
    yield _deployment(
        "flows.sweep.sweep",
        "sweep",
        {},
        "Removes what crashed drills left on the worker.",
        schedules=[_schedule(SWEEP_CRON, "UTC", "sweep", None)],
    )


def _deployment(
    entrypoint: str,
    name: str,
    parameters: dict[str, Any],
    description: str,
    schedules: Iterable[DeploymentScheduleCreate] = (),
) -> RunnerDeployment:
    deployment = RunnerDeployment.from_entrypoint(
        entrypoint,
        name=name,
        parameters=parameters,
        description=description,
        schedules=list(schedules),
        tags=[_TAG],
        job_variables={"env": {"PREFECT_LOGGING_EXTRA_LOGGERS": OUR_LOGGERS, "PYTHONSAFEPATH": "1"}},
    )
    deployment.storage = LocalStorage(_RUN_IN)
    return deployment


def _schedule(cron: str, timezone: str, slug: str, select: Selection | None) -> DeploymentScheduleCreate:

    parameters = {} if select is None else {"select": str(select)}
    return DeploymentScheduleCreate(
        schedule=CronSchedule(cron=cron, timezone=timezone), active=True, slug=slug, parameters=parameters
    )
