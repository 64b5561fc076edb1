"""One database's drill: the steps in their order, and what a failure of each means.

    discover -> preflight -> fetch -> provision -> restore -> verify -> validate -> measure -> teardown ->
    record

A step that fails ends the drill with its finding; teardown always runs; the record comes last, so that
evidence that claims a sandbox was destroyed is written when it was. Each step is a task run of the flow's;
its work is done in the drill's own process, which the drill may lose and nobody else misses.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from prefect.client.schemas.objects import State

from expectations.results import SuiteResult
from tasks.checks import Context, check_databases
from tasks.config import choose_selection, read_target
from tasks.discover import find_recovery_points, open_backup_store
from tasks.drill.closing import closed, verdict_of
from tasks.drill.entries import (
    add_ages,
    add_companions,
    add_crash,
    add_discovery,
    add_error,
    add_material,
    add_readiness,
    add_recoverable,
    add_restored,
    add_sandbox,
    add_stock,
    add_suite,
)
from tasks.drill.ledger import Ledger, StageRun
from tasks.drill.process import prepare_validation
from tasks.fetch import download_backup, download_companions, prove_backup
from tasks.measure import measure_objectives
from tasks.model.backup import RecoveryPoint
from tasks.model.clock import utc_now
from tasks.model.drill import Drill
from tasks.model.errors import DrillError
from tasks.model.findings import Stage, Verdict
from tasks.model.recorded import Recorded
from tasks.plan import begin, begin_older
from tasks.preflight import preflight_backup
from tasks.provision import choose_postgres, make_workspace, provision_sandbox
from tasks.record import publish_report, record_drill
from tasks.recovery.kinds import recovery_of
from tasks.restore import restore_backup
from tasks.states import Drills, conclude
from tasks.teardown import TEARDOWN_S, dispose_of_sandbox, sweep_first
from tasks.validate import how_to_run, reading_ahead, validate_database
from tasks.verify import check_freshness, read_history, take_stock, verify_database


@flow(name="restore_drill", flow_run_name="drill {database}", persist_result=False)
def restore_drill(
    fleet: str, database: str, select: str = "", evidence: str = "", report: bool = True
) -> State[Drills]:
    """Restore one database's backup, prove what came back, measure it, tear it down, leave evidence.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        database: its name in the fleet file.
        select: newest, random, all, walk_back:N, at:TIME or key:KEY; empty takes the fleet file's.
        evidence: where evidence goes; empty takes the fleet file's.
        report: whether the fleet's report is written anew at the end; a fleet's own run does so once.
    """
    target = read_target(fleet, database, evidence)
    sweep_first(utc_now())
    first = begin(target, choose_selection(target, select), utc_now())
    discover_points(first)
    drills = drill_points(first)
    if report:
        publish_report(target)
    return conclude(drills, walked_back=first.drill.selected.walks_back)


def discover_points(ledger: Ledger) -> bool:
    """Find the recovery points; False, with the reason in the record, where there is nothing to drill."""
    try:
        find_points(ledger)
    except DrillError as error:
        add_error(ledger.drill, error)
        return False
    return True


def find_points(ledger: Ledger) -> tuple[RecoveryPoint, ...]:
    """Reach the store and return the recovery points that the drill's selection takes."""
    drill = ledger.drill
    with ledger.entering(Stage.DISCOVER) as stage:
        reach_store(ledger, stage)
        discovery = stage.run(
            find_recovery_points, drill.target, ledger.reached_store, drill.selected, drill.started_at
        )
        add_discovery(drill, discovery)
        return discovery.points


def reach_store(ledger: Ledger, stage: StageRun) -> None:
    """Open the store in the drill's process."""
    reached = stage.run(open_backup_store, ledger.drill.target, stranger=ledger.options.stranger)
    ledger.store, ledger.drill.identity = reached.store, reached.identity
    ledger.drill.add(*reached.findings)


def drill_points(first: Ledger) -> Drills:
    """Drill the chosen points; return what they came to, the one that counts first.

    Walking back stops at the first point that comes back whole; the newest's own evidence is written last,
    since it says what could be recovered instead.
    """
    newest = first.drill
    if newest.discovery is None:
        return [record_drill(first)]
    drill_point(first)
    older: list[tuple[Drill, Recorded]] = []
    for point in newest.discovery.points[1:]:
        if newest.interrupted or (newest.selected.walks_back and _any_verified(newest, older)):
            break
        ledger = begin_older(first, point, utc_now())
        drill_point(ledger)
        older.append((ledger.drill, record_drill(ledger)))
    add_recoverable(newest, (drill for drill, _ in older))
    return [record_drill(first), *(recorded for _, recorded in older)]


def _any_verified(newest: Drill, older: Sequence[tuple[Drill, Recorded]]) -> bool:
    return any(verdict_of(drill) is Verdict.VERIFIED for drill in (newest, *(drill for drill, _ in older)))


def drill_point(ledger: Ledger) -> None:
    """Take one recovery point through the drill; what it shows, also why it ended, is in the record."""
    try:
        bring_back(ledger)
        wind_up(ledger)
    except BaseException as error:  # stopped from outside
        add_crash(ledger.drill, error)
        wind_up(ledger)
        record_drill(ledger)
        raise


def bring_back(ledger: Ledger) -> None:
    """Restore the drill's point and prove what came back; only an interruption gets out."""
    try:
        rebuild(ledger, ahead=True)
        prove(ledger)
    except DrillError as error:
        add_error(ledger.drill, error)
    except Exception as error:  # noqa: BLE001  whatever it was, it says nothing about the backup
        add_crash(ledger.drill, error)


def wind_up(ledger: Ledger) -> None:
    """Measure and tear down, whatever came before; a measure that fails keeps nothing standing."""
    try:
        if Stage.MEASURE not in ledger.drill.reached:
            measure(ledger)
    except DrillError as error:
        add_error(ledger.drill, error)
    with ledger.entering(Stage.TEARDOWN, TEARDOWN_S) as stage:
        if ledger.ahead is not None:
            ledger.ahead.close()
        dispose_of_sandbox(ledger, stage)


def measure(ledger: Ledger) -> None:
    """Hold ages and times against the objectives."""
    with ledger.entering(Stage.MEASURE) as stage:
        ledger.drill.take(stage.surely(measure_objectives, closed(ledger.drill)))


def rebuild(ledger: Ledger, *, ahead: bool = False) -> None:
    """From the store to a restored database; *ahead*: the suite is asked of finished tables meanwhile."""
    drill, target, point = ledger.drill, ledger.drill.target, ledger.drill.chosen_point
    if ledger.store is None:  # of another process: each drill has its own
        with ledger.entering(Stage.DISCOVER) as stage:
            reach_store(ledger, stage)
    store = ledger.reached_store
    with ledger.entering(Stage.PREFLIGHT) as stage:
        recall(ledger, stage)
        add_readiness(drill, stage.run(preflight_backup, point, store, target, drill.last_restored_bytes))
        drill.workspace = workspace = stage.run(make_workspace, target, drill.drill_id, drill.started_at)
    with ledger.entering(Stage.FETCH) as stage:
        count, deadline = ledger.reporter(Stage.FETCH).count, stage.deadline
        download = stage.run(download_backup, point, store, target, workspace, deadline, count)
        add_material(drill, stage.run(prove_backup, download, point, target, workspace, deadline))
        add_companions(drill, stage.run(download_companions, point, store, target, workspace, deadline))
    with ledger.entering(Stage.PROVISION) as stage:
        if target.has_suite:
            prepare_validation()
        install = stage.run(choose_postgres, recovery_of(target).major(drill.material, target), target)
        add_sandbox(drill, stage.run(provision_sandbox, point, workspace, install, target, stage.deadline))
    with ledger.entering(Stage.RESTORE) as stage, reading_ahead(ledger, stage, wanted=ahead):
        material, sandbox, say = drill.material, drill.running_sandbox, ledger.reporter(Stage.RESTORE).say
        add_restored(drill, stage.run(restore_backup, material, sandbox, target, stage.deadline, say))


def recall(ledger: Ledger, stage: StageRun) -> None:
    """Add the history that the drill is judged by: the one it was given, else what earlier drills left."""
    drill = ledger.drill
    if ledger.options.history is not None:
        drill.history = ledger.options.history
        return
    drill.history, seen = stage.run(read_history, drill.target, drill.started_at)
    drill.take(seen)


def prove(ledger: Ledger) -> SuiteResult | None:
    """From restored databases to what they are worth; return how the last one's suite came out, if any."""
    drill = ledger.drill
    sandbox, restored, target = drill.running_sandbox, drill.completed_restore, drill.target
    with ledger.entering(Stage.VERIFY) as stage:
        ages_s = []
        for name in drill.databases:
            add_stock(drill, name, stage.run(take_stock, sandbox, restored.of(name), target, stage.deadline))
            context = Context.of(drill, name, stage.deadline)
            drill.take(stage.run(verify_database, context))
            age_s, fresh = stage.run(check_freshness, context)
            drill.take(fresh)
            ages_s += [age_s] if context.target.asks_freshness else []
        add_ages(drill, ages_s)
        drill.take(check_databases(drill))
    with ledger.entering(Stage.VALIDATE) as stage:
        for name in drill.databases:
            context = Context.of(drill, name, stage.deadline)
            outcome = stage.run(validate_database, context, how_to_run(ledger))
            add_suite(drill, outcome)
    return outcome.ran
