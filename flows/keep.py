"""A backup restored and kept, for `restore-drill suite try`: a drill's steps, up to the restored database."""

from __future__ import annotations

from datetime import timedelta

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.drill import rebuild
from tasks.discover import find_recovery_points, open_backup_store
from tasks.keep import keep_restored
from tasks.ledger import Ledger
from tasks.model.clock import utc_now
from tasks.model.printable import printable
from tasks.model.target import Selection
from tasks.plan import begin, read_target
from tasks.stores import Store
from tasks.teardown import dispose_of_sandbox, sweep_leftovers


@flow(name="keep", flow_run_name="keep {database}", persist_result=False)
def keep(fleet: str, database: str, keep_s: float) -> State[str]:
    """Restore the newest backup and keep it for trying suites on.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        database: its name in the fleet file.
        keep_s: seconds that it stays.
    """
    target = read_target(fleet, database)
    sweep_leftovers(utc_now())
    ledger = begin(target, Selection(kind="newest"), utc_now())
    store = open_backup_store(target)
    ledger.choose(find_recovery_points(target, store, ledger.selection, ledger.started_at))
    restore_to_keep(ledger, store, keep_s)
    return Completed(
        name="Kept", message=f"{database}: {printable(ledger.chosen_point.label)} is restored and kept"
    )


def restore_to_keep(ledger: Ledger, store: Store, keep_s: float) -> None:
    """Restore the ledger's point and keep it; whatever goes wrong, nothing is left behind."""
    try:
        rebuild(ledger, store)
        until = utc_now() + timedelta(seconds=keep_s)
        keep_restored(
            ledger.running_sandbox,
            ledger.completed_restore,
            ledger.chosen_point,
            ledger.target,
            ledger.as_of,
            until,
        )
    except BaseException:
        dispose_of_sandbox(ledger)
        raise
    ledger.kept_until(until)
