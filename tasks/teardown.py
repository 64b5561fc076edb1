"""Step 9: always, idempotent, and it proves that nothing is left."""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.ledger import Ledger
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.model.findings import Verdict
from tasks.model.printable import printable
from tasks.model.sandbox import Workspace
from tasks.policies import step, surely
from tasks.sandbox import SweepReport, destroy, keep, sweep


@step("teardown")
def destroy_sandbox(workspace: Workspace) -> tuple[str, ...]:
    """Remove everything that the drill made; return what is left behind."""
    return destroy(workspace)


@step("keep sandbox")
def keep_sandbox(workspace: Workspace, until: datetime) -> None:
    """Keep a failed sandbox for a look until its expiry; `sweep` removes it then."""
    keep(workspace, until)


@step("sweep")
def sweep_leftovers(now: datetime) -> SweepReport:
    """Remove what crashed drills left: only what carries our stamp and has expired or lost its owner."""
    return sweep(now)


def describe_sweep(report: SweepReport) -> str:
    """Return what a sweep did, in a sentence."""
    parts = [
        f"{len(report.removed)} removed",
        f"{len(report.living)} alive",
        f"{len(report.kept)} kept on purpose",
    ]
    parts += [f"{len(report.unknown)} without our stamp and untouched"] if report.unknown else []
    parts += [f"could not be removed: {', '.join(map(printable, report.left))}"] if report.left else []
    return f"sandboxes: {'; '.join(parts)}"


def dispose_of_sandbox(ledger: Ledger) -> None:
    """Destroy the drill's sandbox, or keep it where the fleet file asks for that after a failure."""
    workspace = ledger.workspace
    if workspace is None:
        return
    try:
        _dispose(ledger, workspace)
    except DrillError as error:  # a teardown that fails neither hides the verdict nor passes in silence
        ledger.note(error)


def _dispose(ledger: Ledger, workspace: Workspace) -> None:
    keep_s = ledger.target.sandbox.keep_on_failure
    if keep_s is not None and ledger.sandbox is not None and ledger.verdict is not Verdict.VERIFIED:
        until = utc_now() + timedelta(seconds=keep_s)
        surely(keep_sandbox, workspace, until)
        ledger.kept_until(until)
        return
    ledger.kept_nothing(surely(destroy_sandbox, workspace), utc_now())
