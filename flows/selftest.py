"""Whether a drill can fail: the user's healthy backup, damaged in many ways, each judged as a drill would.

    discover -> ... -> restore -> verify -> validate     once, on the healthy backup
    damage restored data                                 copies of the restored database, two at a time
    damage the backup                                    copies of the backup, each a whole drill of its own
    teardown -> record

A healthy backup that is not verified proves nothing, and the self test is inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.drill import discover_points, prove, rebuild, wind_up
from tasks.drill.closing import verdict_of
from tasks.drill.entries import add_crash, add_error
from tasks.drill.ledger import Ledger
from tasks.drill.process import Stopped
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.model.findings import Verdict
from tasks.model.selftest import Judged, Mutant
from tasks.model.target import Selection
from tasks.plan import begin, read_target
from tasks.record import publish_report
from tasks.selftest.backups import judge_backup, plan_damage
from tasks.selftest.record import record_selftest
from tasks.selftest.restored import Prepared, Wish, for_selftest, judge_mutants, not_judged, prepare
from tasks.states import conclude_selftest
from tasks.teardown import dispose_of_sandbox, sweep_first

Document = dict[str, Any]
_STAGES = 10
"""Each stage of a mutant's drill may use its whole limit."""
_BATCH = 20
"""Mutants judged in one step: if the drill's process is lost, the earlier ones' rows are kept."""


@flow(name="selftest", flow_run_name="selftest {database}", persist_result=False)
def selftest(
    fleet: str, database: str, seed: int = 1, mutants: int = 100, quick: bool = False, evidence: str = ""
) -> State[Document]:
    """Damage the newest healthy backup in many ways and show which damage the drill catches.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        database: its name in the fleet file.
        seed: of the damage: the same seed on the same backup damages it in the same way.
        mutants: how many damages are tried.
        quick: only the ten that matter most.
        evidence: where the result goes; empty takes the fleet file's.
    """
    target = for_selftest(read_target(fleet, database, evidence))
    sweep_first(utc_now())
    base = begin(target, Selection(kind="newest"), utc_now())
    wish = Wish(seed, mutants, quick)
    rows: list[Judged] = []
    try:
        prepared = break_ground(base) if discover_points(base) else None
        if prepared is not None:
            rows = break_everything(base, prepared, wish)
    finally:
        dispose_of_sandbox(base)
        base.runner.close()
    document = record_selftest(base, rows, seed=seed, wanted=mutants, quick=quick)
    publish_report(target)
    return conclude_selftest(document)


def break_ground(base: Ledger) -> Prepared | None:
    """Drill the healthy backup; None, with the reason in *base*, where it or a copy of it is not verified."""
    try:
        rebuild(base)
        fresh = base.copy_within(base.options)
        prove(base)
        if verdict_of(base.drill) is not Verdict.VERIFIED:
            return None
        preparing = base.working(_STAGES * base.drill.target.deadline)
        prepared = preparing.run(prepare, fresh, base.drill, prove)
    except DrillError as error:
        add_error(base.drill, error)
        return None
    except Exception as error:  # noqa: BLE001  as in a drill: told by its class, and never a pass
        add_crash(base.drill, error)
        return None
    if prepared.healthy.verdict is not Verdict.VERIFIED:
        base.drill.add(*prepared.healthy.findings)
        return None
    return prepared


def break_everything(base: Ledger, prepared: Prepared, wish: Wish) -> list[Judged]:
    """Make every mutant and judge it; what could not be damaged, or not be judged, is listed too."""
    ground, limit_s = prepared.ground, _STAGES * prepared.limit_s
    try:
        plan = base.working(limit_s).run(plan_damage, ground, base.reached_store, wish, drill_mutant)
    except DrillError as error:
        add_error(base.drill, error)
        return []
    rows: list[Judged] = []
    for start in range(0, len(plan.mutants), _BATCH):
        batch = range(start, min(start + _BATCH, len(plan.mutants)))
        step = partial(base.working(limit_s * (1 + len(batch))).run, judge_mutants, ground, plan.slots, batch)
        rows += surely_judged(step, [plan.mutants[at] for at in batch])
    for at, mutant in enumerate(plan.copies):
        step = partial(base.working(3 * limit_s).run, judge_backup, plan.bench, plan.planned, at)
        rows += surely_judged(step, [mutant])
    return [*rows, *plan.impossible]


def surely_judged(step: Callable[[], list[Judged]], mutants: list[Mutant]) -> list[Judged]:
    """Return what *step* says of *mutants*; whatever it meets, each has its row: the matrix always comes."""
    try:
        return step()
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001  told in the matrix
        return [not_judged(mutant, error) for mutant in mutants]


def drill_mutant(ledger: Ledger) -> None:
    """Take a damaged backup through a whole drill; it leaves no evidence of its own."""
    try:
        if discover_points(ledger):
            rebuild(ledger)
            prove(ledger)
    except DrillError as error:
        add_error(ledger.drill, error)
    except Exception as error:  # noqa: BLE001  as in a drill: told by its class, and never a pass
        add_crash(ledger.drill, error)
    finally:
        wind_up(ledger)
