"""Schedules on a Prefect server: those of the fleet file, no others of ours, and proof that they will fire.

A registered schedule shows green in the UI whether or not the server's scheduler works. Runs that it has
planned are the proof, so `deploy` ends when they are there. What a person paused in Prefect stays paused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound

from tasks.config.cron import next_run
from tasks.model.clock import utc_now
from tasks.model.errors import TransientError

PLANNED_WITHIN_S = 90.0
"""The scheduler looks for what was just deployed every five seconds, and for everything every minute."""
SOON = timedelta(days=30)
"""How far ahead a run must be planned; Prefect's own default is a hundred days."""
_POLL_S = 1.0
_PAGE = 200


@dataclass(frozen=True)
class Registered:
    """A deployment with schedules, as it stands on the server.

    Attributes:
        name: FLOW/DEPLOYMENT.
        paused: whether a person paused all of it.
    """

    name: str
    id: UUID
    schedules: tuple[DeploymentSchedule, ...]
    paused: bool


async def keep_paused(client: PrefectClient, deployment: RunnerDeployment) -> None:
    """Leave a schedule paused that a person paused: registering it anew would start it."""
    try:
        existing = await client.read_deployment_by_name(deployment.full_name)
    except ObjectNotFound:
        return
    paused = {schedule.slug for schedule in existing.schedules if not schedule.active}
    for schedule in deployment.schedules or ():
        schedule.active = schedule.slug not in paused


async def settle(client: PrefectClient, deployment: RunnerDeployment, deployment_id: UUID) -> Registered:
    """Remove schedules that an earlier deploy made and the fleet file no longer has; return what stands."""
    slugs = {schedule.slug for schedule in deployment.schedules or ()}
    for schedule in await client.read_deployment_schedules(deployment_id):
        ours = (schedule.slug or "").startswith(f"{deployment.name}-")
        if ours and schedule.slug not in slugs:
            await client.delete_deployment_schedule(deployment_id, schedule.id)
    answer = await client.read_deployment(deployment_id)
    standing = tuple(schedule for schedule in answer.schedules if schedule.slug in slugs)
    return Registered(deployment.full_name, deployment_id, standing, bool(answer.paused))


async def await_first_runs(client: PrefectClient, deployments: Sequence[Registered]) -> list[str]:
    """Wait until the server has planned a run of each schedule that is due soon; return a line for each.

    Raises:
        TransientError: it plans none.
    """
    ends_at = time.monotonic() + PLANNED_WITHIN_S
    while True:
        planned = [await _first_runs(client, deployment.id) for deployment in deployments]
        missing = [
            f"{deployment.name} ({schedule.slug})"
            for deployment, runs in zip(deployments, planned, strict=True)
            for schedule in _due(deployment)
            if schedule.id not in runs
        ]
        if not missing:
            break
        if time.monotonic() > ends_at:
            raise _unplanned(missing)
        await asyncio.sleep(_POLL_S)
    return [
        line
        for deployment, runs in zip(deployments, planned, strict=True)
        for line in _told(deployment, runs)
    ]


async def _first_runs(client: PrefectClient, deployment_id: UUID) -> dict[UUID, datetime]:
    """Return when the first run is planned that each schedule of a deployment made."""
    first: dict[UUID, datetime] = {}
    for run in await _planned(client, deployment_id):
        made_by = run.created_by.id if run.created_by else None
        if made_by is not None and run.expected_start_time is not None:
            first[made_by] = min(run.expected_start_time, first.get(made_by, run.expected_start_time))
    return first


async def _planned(client: PrefectClient, deployment_id: UUID) -> list[FlowRun]:
    chosen = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
    )
    runs: list[FlowRun] = []
    while True:
        page = await client.read_flow_runs(flow_run_filter=chosen, limit=_PAGE, offset=len(runs))
        runs += page
        if len(page) < _PAGE:
            return runs


def _due(deployment: Registered) -> Iterator[DeploymentSchedule]:
    """Yield the schedules of which the server must have planned a run by now."""
    for schedule in deployment.schedules:
        following = _next(schedule)
        if schedule.active and not deployment.paused and following and following < utc_now() + SOON:
            yield schedule


def _next(schedule: DeploymentSchedule) -> datetime | None:
    if not isinstance(schedule.schedule, CronSchedule):
        return None
    zone = ZoneInfo(schedule.schedule.timezone or "UTC")
    return next_run(schedule.schedule.cron, utc_now().astimezone(zone))


def _told(deployment: Registered, runs: dict[UUID, datetime]) -> Iterator[str]:
    for schedule in deployment.schedules:
        following, start = _next(schedule), f"{deployment.name} ({schedule.slug})"
        if deployment.paused or not schedule.active:
            yield f"{start}: paused in Prefect, and left so; resume it there"
        elif following is None:
            yield f"{start}: no next run"
        else:
            at = runs.get(schedule.id, following).astimezone(following.tzinfo)
            later = "" if schedule.id in runs else ", which Prefect plans when it is nearer"
            yield f"{start}: next run at {at:%Y-%m-%d %H:%M %Z}{later}"


def _unplanned(missing: Sequence[str]) -> TransientError:
    return TransientError(
        f"the deployments are registered, but the Prefect server planned no run of {', '.join(missing)} "
        f"within {PLANNED_WITHIN_S:g} s: on this server they would never fire",
        hint="Look for errors of the scheduler in the server's log. With sqlalchemy 2.1 that of Prefect 3.8 "
        "fails in every loop: install sqlalchemy<2.1 where the server runs, and start it anew.",
    )
