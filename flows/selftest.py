"""Whether a drill can fail: the user's healthy backup, damaged in many ways, each judged as a drill would.

    discover -> ... -> restore -> verify -> validate     once, on the healthy backup
    damage restored data                                 copies of the restored database, two at a time
    damage the backup                                    copies of the backup, each a whole drill of its own
    teardown -> record

A healthy backup that is not verified proves nothing, and the self test is inconclusive. A mutant's drill is
the drill, run in a lane: a process that is ended with the mutant that hangs, and started anew for the next.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from expectations.results import SuiteResult
from flows.drill import discover_points, measure, prove, rebuild, wind_up
from tasks.config import read_target
from tasks.discover import find_recovery_points
from tasks.drill.closing import verdict_of
from tasks.drill.entries import add_crash, add_error
from tasks.drill.lanes import Lane, each_in_a_lane
from tasks.drill.ledger import Ledger
from tasks.drill.process import Stopped
from tasks.drill.progress import Progress, tell
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.drill import Drill
from tasks.model.errors import DrillError
from tasks.model.findings import Stage, Verdict
from tasks.model.selftest import Fate, Judged, Mutant
from tasks.model.target import Selection
from tasks.mutants.judging import DrillOutcome
from tasks.mutants.sampling import Slot
from tasks.plan import begin
from tasks.record import publish_report
from tasks.sandbox import url
from tasks.selftest.backups import (
    CANNOT_MISS,
    healthy_backup,
    held_against,
    ledger_of_served,
    ledger_of_stranger,
    not_comparable,
)
from tasks.selftest.bench import Bench, Plan, PlannedBackup
from tasks.selftest.one_database import largest_of, of_one
from tasks.selftest.restored import (
    SIDE_BY_SIDE,
    Damaged,
    Ground,
    Request,
    for_selftest,
    history_with,
    judged_copy,
    ledger_of_copy,
    ledger_of_damaged,
    limit_s,
    mutant_of,
    not_judged,
    outcome_of,
    remedied,
    tables_of,
)
from tasks.selftest.steps import (
    damage_copy,
    drop_copy,
    find_remedy,
    make_twin,
    plan_damage,
    record_selftest,
    serve_backup,
)
from tasks.states import conclude_selftest
from tasks.teardown import dispose_of_sandbox, sweep_first

Document = dict[str, Any]


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
    target, request = for_selftest(read_target(fleet, database, evidence)), Request(seed, mutants, quick)
    sweep_first(utc_now())
    base = begin(target, Selection(kind="newest"), utc_now())
    rows: list[Judged] = []
    try:
        ground = break_ground(base) if discover_points(base) else None
        if ground is not None:
            rows = break_everything(base, ground, request)
    finally:
        dispose_of_sandbox(base)
        base.runner.close()
    document = record_selftest(base, rows, request)
    publish_report(target)
    return conclude_selftest(document)


def break_ground(base: Ledger) -> Ground | None:
    """Drill the healthy backup; None, with the reason in *base*, where it or a copy of it is not verified."""
    try:
        rebuild(base)
        fresh = replace(base.drill)
        prove(base)
        if verdict_of(base.drill) is not Verdict.VERIFIED:
            return None
        (ground,) = each_in_a_lane(
            fresh.target.name, 1, lambda lane, proven: prove_twin(lane, fresh, proven), [base.drill]
        )
    except DrillError as error:
        add_error(base.drill, error)
        return None
    except Exception as error:  # noqa: BLE001  as in a drill: told by its class, and never a pass
        add_crash(base.drill, error)
        return None
    if ground.outcome.verdict is not Verdict.VERIFIED:
        base.drill.add(*ground.outcome.findings)
        return None
    return ground


def prove_twin(lane: Lane, fresh: Drill, proven: Drill) -> Ground:
    """Copy the healthy database once, and judge the copy as every mutant will be.

    Args:
        lane: to do it in.
        fresh: the drill as its restore left it; of a cluster's several databases the largest is copied.
        proven: the same after its checks, verified.
    """
    whole, database = fresh, largest_of(proven)
    fresh = of_one(whole, database)
    target, sandbox, restored = fresh.target, fresh.running_sandbox, fresh.completed_restore
    history, name = history_with(of_one(proven, database)), f"selftest_{fresh.drill_id}_twin"
    twin = lane.run(
        make_twin,
        Deadline.within(target.deadline),
        sandbox,
        restored.database,
        name,
        tables_of(history),
        target.expect.suite,
    )
    ledger = ledger_of_copy(fresh, history, target.deadline, lane)
    ledger.drill.restored = replace(restored, database=name)
    started = time.monotonic()
    suite = prove_copy(ledger)
    limit = limit_s(target, time.monotonic() - started)
    outcome = outcome_of(ledger.drill)
    return Ground(whole, history_with(proven), fresh, history, twin, outcome, suite, limit)


def break_everything(base: Ledger, ground: Ground, request: Request) -> list[Judged]:
    """Make every mutant and judge it; what could not be damaged, or not be judged, is listed too."""
    try:
        plan = plan_everything(base, ground, request)
    except DrillError as error:
        add_error(base.drill, error)
        return []
    return [*judge_copies(ground, plan.slots), *judge_backups(ground, plan.backups), *plan.impossible]


def plan_everything(base: Ledger, ground: Ground, request: Request) -> Plan:
    """Choose what is damaged; a backup of the same window may stand in for the newest."""
    work, target = base.working(ground.limit_s), base.drill.target
    window = work.run(find_recovery_points, target, base.reached_store, Selection(kind="all"), utc_now())
    return work.run(plan_damage, Bench.on(ground), ground.twin.schema, window.points, request)


# --- restored data


def judge_copies(ground: Ground, slots: Sequence[Slot]) -> list[Judged]:
    """Judge a mutant of the restored data for each of *slots*; the result is in their order."""
    news = news_of(ground, "restored data", len(slots))

    def judge(lane: Lane, numbered: tuple[int, Slot]) -> Judged:
        number, slot = numbered
        row = surely_judged(lambda: judge_copy(lane, ground, number, slot), mutant_of(slot[0]))
        return tell_row(row, next(news))

    return each_in_a_lane(ground.drill.target.name, SIDE_BY_SIDE, judge, enumerate(slots))


def judge_copy(lane: Lane, ground: Ground, number: int, slot: Slot) -> Judged:
    """Damage a copy of the restored database, prove it as a drill does, and drop it."""
    drill, name = ground.drill, f"selftest_{ground.drill.drill_id}_{number}"
    sandbox, deadline = drill.running_sandbox, Deadline.within(ground.limit_s)
    try:
        damaged = lane.run(damage_copy, deadline, sandbox, drill.completed_restore, name, slot, deadline)
        if isinstance(damaged, Judged):
            return damaged
        ledger = ledger_of_damaged(ground, damaged, lane)
        prove_copy(ledger)
        row = judged_copy(ground, damaged, ledger.drill)
        return look_for_remedy(lane, ground, damaged, row) if row.fate is Fate.SURVIVED else row
    finally:
        lane.surely(drop_copy, Deadline.within(ground.limit_s), sandbox, name)


def prove_copy(ledger: Ledger) -> SuiteResult | None:
    """Do what a drill does after its restore; return how the suite came out, if it did."""
    try:
        suite = prove(ledger)
        measure(ledger)
    except Stopped:
        raise
    except DrillError as error:
        add_error(ledger.drill, error)
        return None
    return suite


def look_for_remedy(lane: Lane, ground: Ground, damaged: Damaged, row: Judged) -> Judged:
    """Look for the expectation that would have caught a survivor; that none can be had is no error."""
    sandbox, deadline = ground.drill.running_sandbox, Deadline.within(ground.limit_s)
    place = url(sandbox, damaged.restored.database, sandbox.reader)
    try:
        return remedied(row, lane.run(find_remedy, deadline, ground.healthy, row.mutant, place))
    except Stopped:
        raise
    except DrillError as error:
        return replace(row, why=f"no expectation was looked for: {error.what}")


# --- the backup


def judge_backups(ground: Ground, backups: Sequence[PlannedBackup]) -> list[Judged]:
    """Take each of *backups* through a whole drill, one after the other."""
    bench, news = Bench.on(ground), news_of(ground, "the backup", len(backups))
    healthy: dict[bool, DrillOutcome] = {}

    def judge(lane: Lane, planned: PlannedBackup) -> Judged:
        row = surely_judged(lambda: judge_backup(lane, bench, planned, healthy), planned.mutant)
        return tell_row(row, next(news))

    return each_in_a_lane(ground.drill.target.name, 1, judge, backups)


def judge_backup(
    lane: Lane, bench: Bench, planned: PlannedBackup, healthy: dict[bool, DrillOutcome]
) -> Judged:
    """Drill a damaged backup; *healthy* has what drills of undamaged ones came to, by whether made anew."""
    if planned.denied:
        return held_against(planned, drill_mutant(ledger_of_stranger(bench, lane)), CANNOT_MISS)
    if planned.anew not in healthy:
        undamaged = drill_served(lane, bench, healthy_backup(anew=planned.anew))
        if isinstance(undamaged, Judged):
            return replace(undamaged, mutant=planned.mutant)
        healthy[planned.anew] = outcome_of(undamaged)
    row = not_comparable(planned, healthy[planned.anew])
    if row is not None:
        return row
    damaged = drill_served(lane, bench, planned)
    if isinstance(damaged, Judged):
        return damaged
    return held_against(planned, damaged, healthy[planned.anew])


def drill_served(lane: Lane, bench: Bench, planned: PlannedBackup) -> Drill | Judged:
    """Make a backup and drill it; a row, where there is nothing to be made."""
    served = lane.run(serve_backup, Deadline.within(bench.limit_s), bench, planned)
    return served if isinstance(served, Judged) else drill_mutant(ledger_of_served(bench, served, lane))


def drill_mutant(ledger: Ledger) -> Drill:
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
    return ledger.drill


# --- both


def surely_judged(judge: Callable[[], Judged], mutant: Mutant) -> Judged:
    """Return what *judge* says of *mutant*, timed; whatever it meets, it has its row."""
    started = time.monotonic()
    try:
        row = judge()
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001  told in the matrix
        row = not_judged(mutant, error)
    return replace(row, seconds=time.monotonic() - started)


def news_of(ground: Ground, of: str, count: int) -> Iterator[Progress]:
    """Yield the beginning of each line on a mutant that has been judged."""
    for number in itertools.count(1):
        yield Progress(
            ground.drill.target.name, Stage.VALIDATE, "news", f"mutant {number} of {count} of {of}"
        )


def tell_row(row: Judged, progress: Progress) -> Judged:
    """Tell what became of a mutant."""
    tell(replace(progress, text=f"{progress.text}: {row.mutant.kind} {row.fate.value}"))
    return row
