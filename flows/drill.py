"""One database's drill: the steps in their order, and what a failure of each means.

    discover -> preflight -> fetch -> provision -> restore -> verify -> validate -> measure -> teardown ->
    record

A step that fails ends the drill with its finding; teardown always runs; the record comes last, so that
evidence that claims a sandbox was destroyed is written when it was.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.conclude import Documents, conclude
from tasks.discover import find_recovery_points, open_backup_store
from tasks.fetch import download_backup, download_globals, prove_backup
from tasks.ledger import Ledger
from tasks.measure import measure_objectives
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.model.findings import Stage, Verdict
from tasks.plan import begin, begin_older, choose_selection, read_target
from tasks.policies import surely
from tasks.preflight import preflight_backup
from tasks.progress import count_bytes, say
from tasks.provision import choose_postgres, make_workspace, provision_sandbox
from tasks.record import publish_report, record_drill
from tasks.restore import restore_backup
from tasks.stores import Store
from tasks.teardown import dispose_of_sandbox, sweep_leftovers
from tasks.validate import validate_database, warm_up_validation
from tasks.verify import check_freshness, recall, take_stock, verify_database


@flow(name="restore_drill", flow_run_name="drill {database}", persist_result=False)
def restore_drill(fleet: str, database: str, select: str = "", evidence: str = "") -> State[Documents]:
    """Restore one database's backup, prove what came back, measure it, tear it down, leave evidence.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        database: its name in the fleet file.
        select: newest, random, all, walk_back:N, at:TIME or key:KEY; empty takes the fleet file's.
        evidence: where evidence goes; empty takes the fleet file's.
    """
    target = read_target(fleet, database, evidence)
    sweep_leftovers(utc_now())
    first = begin(target, choose_selection(target, select), utc_now())
    store = discover_points(first)
    documents = drill_points(first, store)
    publish_report(target)
    return conclude(documents, walked_back=first.selection.walks_back)


def discover_points(ledger: Ledger) -> Store | None:
    """Find the recovery points; None, with the reason in *ledger*, where there is nothing to drill."""
    try:
        with ledger.entering(Stage.DISCOVER):
            store = open_backup_store(ledger.target)
            ledger.identify(store)
            ledger.choose(find_recovery_points(ledger.target, store, ledger.selection, ledger.started_at))
    except DrillError as error:
        ledger.note(error)
        return None
    return store


def drill_points(first: Ledger, store: Store | None) -> Documents:
    """Drill the chosen points; return the evidence documents, the one that counts first.

    Walking back stops at the first point that comes back whole; the newest's own evidence is written last,
    since it says what could be recovered instead.
    """
    if store is None or first.discovery is None:
        return [record_drill(first)]
    drill_point(first, store)
    older: list[tuple[Ledger, dict[str, object]]] = []
    for point in first.discovery.points[1:]:
        if first.selection.walks_back and Verdict.VERIFIED in (
            first.verdict,
            *(drill.verdict for drill, _ in older),
        ):
            break
        ledger = begin_older(first, point, utc_now())
        drill_point(ledger, store)
        older.append((ledger, record_drill(ledger)))
    first.note_recoverable(ledger for ledger, _ in older)
    return [record_drill(first), *(document for _, document in older)]


def drill_point(ledger: Ledger, store: Store) -> None:
    """Take one recovery point through the drill; what it shows, also why it ended, is in *ledger*."""
    try:
        rebuild(ledger, store)
        prove(ledger)
    except DrillError as error:
        ledger.note(error)
    except BaseException as error:
        ledger.crashed(error)
        if ledger.interrupted:
            raise
    finally:
        wind_up(ledger)
        if ledger.interrupted:
            record_drill(ledger)


def wind_up(ledger: Ledger) -> None:
    """Measure and tear down, whatever came before; a measure that fails keeps nothing standing."""
    try:
        with ledger.entering(Stage.MEASURE):
            ledger.take(surely(measure_objectives, ledger.facts()))
    except DrillError as error:
        ledger.note(error)
    with ledger.entering(Stage.TEARDOWN):
        dispose_of_sandbox(ledger)


def rebuild(ledger: Ledger, store: Store) -> None:
    """From the store to a restored database."""
    target, point = ledger.target, ledger.chosen_point
    with ledger.entering(Stage.PREFLIGHT):
        ledger.remember(*recall(ledger))
        ledger.get_ready(preflight_backup(point, store, target, ledger.last_restored_bytes))
        ledger.begin_work(make_workspace(target, ledger.drill_id, ledger.started_at))
    with ledger.entering(Stage.FETCH) as deadline:
        fetched = download_backup(
            point, store, target, ledger.own_workspace, deadline, count_bytes(target.name, Stage.FETCH)
        )
        ledger.keep_backup(prove_backup(fetched, point, target, ledger.own_workspace, deadline))
        globals_path = download_globals(point, store, target, ledger.own_workspace, deadline)
    with ledger.entering(Stage.PROVISION) as deadline:
        warm_up_validation(target)
        install = choose_postgres(ledger.wanted_major(), target)
        ledger.keep_sandbox(provision_sandbox(ledger.own_workspace, install, target, deadline))
    with ledger.entering(Stage.RESTORE) as deadline:
        ledger.keep_restored(
            restore_backup(
                ledger.proven_backup,
                ledger.running_sandbox,
                target,
                globals_path,
                deadline,
                say(target.name, Stage.RESTORE),
            )
        )


def prove(ledger: Ledger) -> None:
    """From a restored database to what it is worth."""
    target, sandbox, restored = ledger.target, ledger.running_sandbox, ledger.completed_restore
    with ledger.entering(Stage.VERIFY) as deadline:
        ledger.inventory = take_stock(sandbox, restored, target, deadline)
        ledger.take(
            verify_database(
                sandbox,
                restored,
                ledger.inventory,
                target,
                ledger.history,
                ledger.manifest,
                ledger.as_of,
                deadline,
            )
        )
        ledger.content_age_s, fresh = check_freshness(
            sandbox, restored, target, ledger.history, ledger.as_of, deadline
        )
        ledger.take(fresh)
    with ledger.entering(Stage.VALIDATE) as deadline:
        ledger.keep_suite(
            validate_database(
                sandbox,
                restored,
                ledger.inventory,
                target,
                ledger.history,
                ledger.as_of,
                deadline,
                ledger.run,
            )
        )
