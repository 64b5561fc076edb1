"""One database's drill: the steps in their order, and what a failure of each means.

    discover -> preflight -> fetch -> provision -> restore -> verify -> validate -> measure -> teardown ->
    record

A step that fails ends the drill with its finding; teardown always runs; the record comes last, so that
evidence that claims a sandbox was destroyed is written when it was. Each step is a task run of the flow's;
its work is done in the drill's own process, which the drill may lose and nobody else misses.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.conclude import Drills, conclude
from tasks.discover import find_recovery_points, open_backup_store
from tasks.drill.process import prepare_validation
from tasks.fetch import download_backup, download_globals, prove_backup
from tasks.ledger import Ledger, StageRun
from tasks.measure import measure_objectives
from tasks.model.backup import RecoveryPoint
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.model.findings import Stage, Verdict
from tasks.model.history import History
from tasks.model.recorded import Recorded
from tasks.model.restored import Checked
from tasks.plan import begin, begin_older, choose_selection, read_target
from tasks.preflight import preflight_backup
from tasks.provision import choose_postgres, make_workspace, provision_sandbox
from tasks.record import publish_report, record_drill
from tasks.restore import restore_backup
from tasks.teardown import TEARDOWN_S, dispose_of_sandbox, sweep_first
from tasks.validate import validate_database
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
    return conclude(drills, walked_back=first.selection.walks_back)


def discover_points(ledger: Ledger) -> bool:
    """Find the recovery points; False, with the reason in *ledger*, where there is nothing to drill."""
    try:
        find_points(ledger)
    except DrillError as error:
        ledger.note(error)
        return False
    return True


def find_points(ledger: Ledger) -> tuple[RecoveryPoint, ...]:
    """Reach the store and return the recovery points that the ledger's selection takes."""
    with ledger.entering(Stage.DISCOVER) as stage:
        target, selection, now = ledger.target, ledger.selection, ledger.started_at
        ledger.identify(stage.run(open_backup_store, target))
        discovery = stage.run(find_recovery_points, target, ledger.reached_store, selection, now)
        ledger.choose(discovery)
        return discovery.points


def drill_points(first: Ledger) -> Drills:
    """Drill the chosen points; return what they came to, the one that counts first.

    Walking back stops at the first point that comes back whole; the newest's own evidence is written last,
    since it says what could be recovered instead.
    """
    if first.discovery is None:
        return [record_drill(first)]
    drill_point(first)
    older: list[tuple[Ledger, Recorded]] = []
    for point in first.discovery.points[1:]:
        if first.interrupted or (
            first.selection.walks_back
            and Verdict.VERIFIED
            in (
                first.verdict,
                *(drill.verdict for drill, _ in older),
            )
        ):
            break
        ledger = begin_older(first, point, utc_now())
        drill_point(ledger)
        older.append((ledger, record_drill(ledger)))
    first.note_recoverable(ledger for ledger, _ in older)
    return [record_drill(first), *(recorded for _, recorded in older)]


def drill_point(ledger: Ledger) -> None:
    """Take one recovery point through the drill; what it shows, also why it ended, is in *ledger*."""
    try:
        bring_back(ledger)
        wind_up(ledger)
    except BaseException as error:  # stopped from outside
        ledger.crashed(error)
        wind_up(ledger)
        record_drill(ledger)
        raise


def bring_back(ledger: Ledger) -> None:
    """Restore the ledger's point and prove what came back; only an interruption gets out."""
    try:
        rebuild(ledger)
        prove(ledger)
    except DrillError as error:
        ledger.note(error)
    except Exception as error:  # noqa: BLE001  whatever it was, it says nothing about the backup
        ledger.crashed(error)


def wind_up(ledger: Ledger) -> None:
    """Measure and tear down, whatever came before; a measure that fails keeps nothing standing."""
    try:
        if Stage.MEASURE not in ledger.reached:
            with ledger.entering(Stage.MEASURE) as stage:
                ledger.take(stage.surely(measure_objectives, ledger.facts()))
    except DrillError as error:
        ledger.note(error)
    with ledger.entering(Stage.TEARDOWN, TEARDOWN_S) as stage:
        dispose_of_sandbox(ledger, stage)


def rebuild(ledger: Ledger) -> None:
    """From the store to a restored database."""
    if ledger.store is None:  # of another process: each drill has its own
        with ledger.entering(Stage.DISCOVER) as stage:
            ledger.identify(stage.run(open_backup_store, ledger.target))
    target, store, point = ledger.target, ledger.reached_store, ledger.chosen_point
    with ledger.entering(Stage.PREFLIGHT) as stage:
        ledger.remember(*recall(ledger, stage))
        ledger.get_ready(stage.run(preflight_backup, point, store, target, ledger.last_restored_bytes))
        ledger.begin_work(stage.run(make_workspace, target, ledger.drill_id, ledger.started_at))
    with ledger.entering(Stage.FETCH) as stage:
        workspace, deadline = ledger.own_workspace, stage.deadline
        count = ledger.reporter(Stage.FETCH).count
        fetched = stage.run(download_backup, point, store, target, workspace, deadline, count)
        ledger.keep_backup(stage.run(prove_backup, fetched, point, target, workspace, deadline))
        globals_path = stage.run(download_globals, point, store, target, workspace, deadline)
    with ledger.entering(Stage.PROVISION) as stage:
        if target.expect.suite is not None:
            prepare_validation()
        install = stage.run(choose_postgres, ledger.wanted_major(), target)
        ledger.keep_sandbox(stage.run(provision_sandbox, workspace, install, target, stage.deadline))
    with ledger.entering(Stage.RESTORE) as stage:
        backup, sandbox, say = (
            ledger.proven_backup,
            ledger.running_sandbox,
            ledger.reporter(Stage.RESTORE).say,
        )
        ledger.keep_restored(
            stage.run(restore_backup, backup, sandbox, target, globals_path, stage.deadline, say)
        )


def recall(ledger: Ledger, stage: StageRun) -> tuple[History, Checked]:
    """Return the history that *ledger* is judged by: the one it was given, else what earlier drills left."""
    if ledger.options.history is not None:
        return ledger.options.history, Checked()
    return stage.run(read_history, ledger.target, ledger.started_at)


def prove(ledger: Ledger) -> None:
    """From a restored database to what it is worth."""
    target, sandbox, restored = ledger.target, ledger.running_sandbox, ledger.completed_restore
    history, as_of = ledger.history, ledger.as_of
    with ledger.entering(Stage.VERIFY) as stage:
        deadline = stage.deadline
        ledger.inventory = inventory = stage.run(take_stock, sandbox, restored, target, deadline)
        ledger.take(
            stage.run(
                verify_database,
                sandbox,
                restored,
                inventory,
                target,
                history,
                ledger.manifest,
                as_of,
                deadline,
            )
        )
        ledger.content_age_s, fresh = stage.run(
            check_freshness, sandbox, restored, target, history, as_of, deadline
        )
        ledger.take(fresh)
    with ledger.entering(Stage.VALIDATE) as stage:
        ledger.keep_suite(
            stage.run(
                validate_database,
                sandbox,
                restored,
                inventory,
                target,
                history,
                as_of,
                stage.deadline,
                ledger.options.run_suite,
            )
        )
