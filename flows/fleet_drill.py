"""A whole fleet: its databases side by side, one's failure never stopping the others."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.drill import restore_drill
from tasks.config import choose_selection, read_fleet
from tasks.drill.process import open_again, stopping_drills
from tasks.model.clock import utc_now
from tasks.model.printable import printable
from tasks.plan import begin
from tasks.record import publish_report, record_unbegun
from tasks.states import Drills, conclude_fleet, crashed, drills_of, verdict_of
from tasks.teardown import sweep_first

_log = logging.getLogger(__name__)


@flow(name="fleet_drill", flow_run_name="drill fleet {fleet}", persist_result=False)
def fleet_drill(
    fleet: str, databases: list[str] | None = None, select: str = "", evidence: str = ""
) -> State[Drills]:
    """Drill every database of a fleet, `max_parallel` at a time.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        databases: names in the fleet file; empty takes all.
        select: newest, random, all, walk_back:N, at:TIME or key:KEY; empty takes the fleet file's.
        evidence: where evidence goes; empty takes the fleet file's.
    """
    plan = read_fleet(fleet, evidence)
    targets = plan.chosen(databases or [])
    sweep_first(utc_now())
    runs: dict[str, Future[State[Any]]] = {}
    try:
        with open_again(), ThreadPoolExecutor(plan.max_parallel) as pool, stopping_drills(pool):
            for target in targets:
                runs[target.name] = pool.submit(
                    copy_context().run, drill_database, fleet, target.name, select, evidence
                )
            states = {name: run.result() for name, run in runs.items()}
    except BaseException:
        for target in targets:
            if target.name not in runs or runs[target.name].cancelled():
                record_unbegun(begin(target, choose_selection(target, select), utc_now()))
        raise
    publish_report(targets[0])
    drills = [drill for state in states.values() for drill in drills_of(state)]
    return conclude_fleet(plan.name, drills, {name: verdict_of(state) for name, state in states.items()})


def drill_database(fleet: str, database: str, select: str, evidence: str) -> State[Any]:
    """Run one drill as a child run; whatever becomes of it or of Prefect comes back as its state.

    A run that left nothing behind, since Prefect's API was not to be had in the moment, is begun once more: a
    database that nobody drilled is worse than a drill that comes late.
    """
    state = _try_drill(fleet, database, select, evidence)
    if drills_of(state) or state.is_cancelled():
        return state
    _log.warning(
        "%s: the run left no evidence and is begun again: %s", database, printable(state.message or "")
    )
    return _try_drill(fleet, database, select, evidence)


def _try_drill(fleet: str, database: str, select: str, evidence: str) -> State[Any]:
    try:
        return restore_drill(fleet, database, select, evidence, report=False, return_state=True)
    except Exception as error:  # noqa: BLE001  one database's trouble never stops the others
        return crashed(database, error)
