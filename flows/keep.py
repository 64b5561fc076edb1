"""A backup restored and kept, for `restore-drill suite try`: a drill's steps, up to the restored database."""

from __future__ import annotations

from datetime import timedelta

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.drill import find_points, rebuild
from tasks.config import read_target
from tasks.drill.entries import add_kept
from tasks.drill.ledger import Ledger
from tasks.keep import keep_restored
from tasks.model.clock import utc_now
from tasks.model.printable import printable
from tasks.model.target import Selection
from tasks.plan import begin
from tasks.teardown import TEARDOWN_S, dispose_of_sandbox, sweep_first


@flow(name="keep", flow_run_name="keep {database}", persist_result=False)
def keep(fleet: str, database: str, keep_s: float) -> State[str]:
    """Restore the newest backup and keep it for trying suites on.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        database: its name in the fleet file.
        keep_s: seconds that it stays.
    """
    target = read_target(fleet, database)
    sweep_first(utc_now())
    ledger = begin(target, Selection(kind="newest"), utc_now())
    try:
        find_points(ledger)
        restore_to_keep(ledger, keep_s)
    finally:
        ledger.runner.close()
    return Completed(
        name="Kept", message=f"{database}: {printable(ledger.drill.chosen_point.label)} is restored and kept"
    )


def restore_to_keep(ledger: Ledger, keep_s: float) -> None:
    """Restore the ledger's point and keep it; whatever goes wrong, nothing is left behind."""
    drill = ledger.drill
    try:
        rebuild(ledger)
        until = utc_now() + timedelta(seconds=keep_s)
        ledger.working(TEARDOWN_S).run(keep_restored, drill, until)
    except BaseException:
        dispose_of_sandbox(ledger)
        raise
    add_kept(drill, until)
