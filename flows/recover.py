"""The path that is drilled, on the night when it counts: the same steps, and the cluster stays.

In which respects it differs from a drill: no stage has a deadline that ends it, nothing is validated, no
evidence is written; at the end the drill's roles go and the cluster is handed over, whatever the restore's
own failures were: they are told, and the person decides. A physical copy that did not come as far as its WAL
goes is no such failure: it ends the recovery, as it ends the drill, and leaves nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.drill import find_points, rebuild
from tasks.config import choose_selection, read_target, to_latest
from tasks.drill.ledger import Ledger
from tasks.model.clock import iso, utc_now
from tasks.model.findings import Severity
from tasks.model.printable import printable
from tasks.model.recovered import HandedOver
from tasks.model.target import Target
from tasks.plan import begin
from tasks.recover import hand_over_cluster
from tasks.teardown import dispose_of_sandbox

NO_DEADLINE_S = 90 * 86400.0


@flow(name="recover", flow_run_name="recover {database}", persist_result=False)
def recover(fleet: str, database: str, select: str, into: str) -> State[dict[str, Any]]:
    """Restore a backup for good: a stopped cluster in a folder.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        database: its name in the fleet file.
        select: newest, at:TIME or key:KEY; empty takes the fleet file's. With WAL a time is the moment that
            comes back, and without one it is the newest that can, whatever the drills recover to.
        into: an empty folder.
    """
    target = unhurried(to_latest(read_target(fleet, database)))
    ledger = begin(target, choose_selection(target, select), utc_now())
    try:
        find_points(ledger)
        rebuild(ledger)
        document = document_of(ledger, leave(ledger, Path(into)))
    finally:
        dispose_of_sandbox(ledger)
        ledger.runner.close()
    label = printable(ledger.drill.chosen_point.label)
    return Completed(name="Recovered", message=f"{database}: {label} is recovered", data=document)


def unhurried(target: Target) -> Target:
    """Return *target* without the limits that a drill keeps to, and without a sandbox kept on failure."""
    sandbox = target.sandbox.model_copy(update={"keep_on_failure": None})
    return target.model_copy(update={"deadline": NO_DEADLINE_S, "sandbox": sandbox})


def leave(ledger: Ledger, into: Path) -> HandedOver:
    """Hand the restored cluster over."""
    drill = ledger.drill
    working = ledger.working(drill.target.deadline)
    return working.run(
        hand_over_cluster,
        drill.running_sandbox,
        drill.completed_restore,
        drill.target,
        into,
        working.deadline,
    )


def document_of(ledger: Ledger, cluster: HandedOver) -> dict[str, Any]:
    """Return what was recovered, from what, in which time, and what was wrong with it."""
    drill = ledger.drill
    point, restored = drill.chosen_point, drill.completed_restore
    return {
        "schema": "restore-drill/recovered/v1",
        "fleet": drill.target.fleet,
        "database": drill.target.name,
        "in_database": restored.database,
        "uri": point.uri,
        "at": iso(point.at),
        "phases_s": {name: round(seconds, 3) for name, seconds in drill.phases_s.items()},
        "findings": [
            finding.as_dict() for finding in drill.findings if finding.severity is not Severity.INFO
        ],
        "recovery": restored.recovery,
        "whole": not any(finding.severity is Severity.FAILURE for finding in drill.findings),
        **cluster.as_dict(),
    }
