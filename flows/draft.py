"""A suite drafted from real backups: restored, profiled, torn down; the newest also proves the draft."""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from expectations.drafting import Drafted
from expectations.profile import Profile
from flows.drill import find_points, rebuild
from tasks.config import read_target
from tasks.draft import profile_restored, propose_suite, show_proposal, write_suite
from tasks.drill.ledger import Ledger
from tasks.model.clock import utc_now
from tasks.model.findings import Stage
from tasks.model.target import Selection, Target
from tasks.plan import begin, begin_older
from tasks.teardown import dispose_of_sandbox, sweep_first


@flow(name="draft", flow_run_name="draft {database}", persist_result=False)
def draft(fleet: str, database: str, out: str, points: int = 1) -> State[str]:
    """Restore the newest backups, profile every table, write a suite for review.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        database: its name in the fleet file.
        out: the suite's file; what people wrote in it is kept.
        points: how many recovery points are profiled, so that bands come from how the data moves.
    """
    target = read_target(fleet, database)
    sweep_first(utc_now())
    drafted = draft_from(target, Path(out), points)
    write_suite(drafted, Path(out))
    return Completed(name="Drafted", message=show_proposal(drafted, out), data=drafted.proposal.diff)


def draft_from(target: Target, out: Path, points: int) -> Drafted:
    """Return what is proposed from the newest *points* backups, the newest taken last."""
    first = begin(target, Selection(kind="newest", walk_back=points - 1), utc_now())
    try:
        older = [begin_older(first, point, utc_now()) for point in find_points(first)[1:points]]
        profiles = [profile_point(ledger) for ledger in reversed(older)]
        return propose_from(first, profiles, out)
    finally:
        first.runner.close()


def profile_point(ledger: Ledger) -> Profile:
    """Restore one recovery point, profile it and tear it down."""
    try:
        rebuild(ledger)
        return profile(ledger)
    finally:
        dispose_of_sandbox(ledger)
        ledger.runner.close()


def profile(ledger: Ledger) -> Profile:
    """Profile what the ledger's drill restored."""
    drill = ledger.drill
    with ledger.entering(Stage.VALIDATE) as stage:
        sandbox, restored = drill.running_sandbox, drill.completed_restore
        return stage.run(profile_restored, sandbox, restored, drill.judged_at, stage.deadline)


def propose_from(ledger: Ledger, older: list[Profile], out: Path) -> Drafted:
    """Restore the newest point, and draft from its profile and the *older* ones; the draft is run there."""
    try:
        rebuild(ledger)
        newest = profile(ledger)
        with ledger.entering(Stage.VALIDATE) as stage:
            sandbox, restored = ledger.drill.running_sandbox, ledger.drill.completed_restore
            return stage.run(propose_suite, sandbox, restored, [*older, newest], out, stage.deadline)
    finally:
        dispose_of_sandbox(ledger)
