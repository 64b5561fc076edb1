"""The same database by two ways: both restored side by side, compared table by table, both torn down.

Agreeing proves both ways: a fault that one of them hides would have to be in the other too. Where they
differ, nobody but the reader can say which is right: two backups of different moments differ by what was
written in between. With `at:TIME` a physical copy comes back as of that moment, and a dump is the newest
before it: taken just before the moment, they agree.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.drill import find_points, rebuild
from tasks.checks.agreement import Side
from tasks.checks.pairing import merged, pairs_of
from tasks.compare import compare_restored
from tasks.config import choose_selection, read_target
from tasks.drill.ledger import Ledger
from tasks.model.agreement import Agreement
from tasks.model.clock import iso, utc_now
from tasks.model.errors import PermanentError
from tasks.plan import begin
from tasks.states import conclude_comparison
from tasks.teardown import dispose_of_sandbox, sweep_first


@flow(name="compare", flow_run_name="compare {first} with {second}", persist_result=False)
def compare(fleet: str, first: str, second: str, select: str = "") -> State[dict[str, Any]]:
    """Restore a backup of each of two databases of a fleet file and compare what came back.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        first: a database in the fleet file.
        second: the other, which brings back the same data in another way.
        select: newest, at:TIME (of WAL the moment that comes back) or key:KEY; empty takes each one's own
            from the fleet file.
    """
    targets = [read_target(fleet, name) for name in (first, second)]
    sweep_first(utc_now())
    with ExitStack() as leaving:
        ledgers = []
        for target in targets:
            ledger = begin(target, choose_selection(target, select), utc_now())
            leaving.callback(leave, ledger)
            ledgers.append(ledger)
        for ledger in ledgers:
            find_points(ledger)
        for ledger in ledgers:
            rebuild(ledger)
        agreement = hold_together(*ledgers)
    return conclude_comparison(document_of(agreement, ledgers))


def hold_together(first: Ledger, second: Ledger) -> Agreement:
    """Compare the restored databases, namesakes where there are several, in the process of the first."""
    working = first.working(max(first.drill.target.deadline, second.drill.target.deadline))
    came, other = first.drill.completed_restore, second.drill.completed_restore
    agreements: dict[str | None, Agreement] = {}
    for name, (mine, theirs) in pairs_of(came, other).items():
        sides = Side(first.drill.running_sandbox, mine), Side(second.drill.running_sandbox, theirs)
        agreements[name] = working.run(compare_restored, *sides, working.deadline)
    return merged(agreements, came, other)


def leave(ledger: Ledger) -> None:
    """Tear down what was restored for the comparison.

    Raises:
        PermanentError: `teardown-incomplete`: something of it is left.
    """
    try:
        dispose_of_sandbox(ledger)
    finally:
        ledger.runner.close()
    if ledger.drill.left_behind:
        raise PermanentError(
            f"Something of the comparison's sandbox is left: {', '.join(ledger.drill.left_behind)}.",
            rule="teardown-incomplete",
        )


def document_of(agreement: Agreement, ledgers: list[Ledger]) -> dict[str, Any]:
    """Return what the comparison came to, with what was compared."""
    names = ("first", "second")
    return {
        "schema": "restore-drill/compare/v1",
        "fleet": ledgers[0].drill.target.fleet,
        **{name: _described(ledger) for name, ledger in zip(names, ledgers, strict=True)},
        **agreement.as_dict(),
    }


def _described(ledger: Ledger) -> dict[str, Any]:
    drill = ledger.drill
    point = drill.chosen_point
    refused = [finding.message for finding in drill.findings if finding.severity.value == "failure"]
    return {
        "database": drill.target.name,
        "uri": point.uri,
        "at": iso(point.at),
        "recovery": drill.completed_restore.recovery,
        "not_restored": len(drill.completed_restore.not_restored),
        "failures": refused,
    }
