"""Step 9: always, idempotent, and it proves that nothing is left."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from tasks.drill.closing import verdict_of
from tasks.drill.entries import add_error, add_kept, add_teardown
from tasks.drill.ledger import Ledger, StageRun
from tasks.drill.process import DrillProcess
from tasks.drill.step import step
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.drill import Drill
from tasks.model.errors import DrillError
from tasks.model.findings import Verdict
from tasks.model.printable import printable
from tasks.model.sandbox import Workspace
from tasks.policies import TaskRuns
from tasks.sandbox import SweepReport, destroy, keep, sweep

_log = logging.getLogger(__name__)
SWEEP_S = 300.0
TEARDOWN_S = 300.0


@step("teardown")
def destroy_sandbox(workspace: Workspace) -> tuple[str, ...]:
    """Remove everything that the drill made; return what is left behind."""
    return destroy(workspace)


@step("keep sandbox")
def keep_sandbox(workspace: Workspace, until: datetime) -> None:
    """Keep a failed sandbox for a look until its expiry; `sweep` removes it then."""
    keep(workspace, until)


@step("sweep")
def sweep_worker(now: datetime) -> SweepReport:
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


def sweep_leftovers(now: datetime) -> SweepReport:
    """Sweep in a process of its own: what a killed drill left may hold whatever a dump brought."""
    with DrillProcess("sweep") as process:
        return TaskRuns(process).run(sweep_worker, Deadline.within(SWEEP_S), now)


def sweep_first(now: datetime) -> None:
    """Sweep before a drill; that it cannot be done is no reason not to drill."""
    try:
        sweep_leftovers(now)
    except DrillError as error:
        _log.warning("what crashed drills left could not be swept: %s", error)


def dispose_of_sandbox(ledger: Ledger, teardown: StageRun | None = None) -> None:
    """Destroy the drill's sandbox, or keep it where the fleet file asks for that after a failure."""
    if ledger.drill.workspace is None:
        return
    try:
        _dispose(ledger.drill, teardown or ledger.working(TEARDOWN_S), ledger.drill.workspace)
    except DrillError as error:  # a teardown that fails neither hides the verdict nor passes in silence
        add_error(ledger.drill, error)


def _dispose(drill: Drill, teardown: StageRun, workspace: Workspace) -> None:
    keep_s = drill.target.sandbox.keep_on_failure
    if keep_s is not None and drill.sandbox is not None and verdict_of(drill) is not Verdict.VERIFIED:
        until = utc_now() + timedelta(seconds=keep_s)
        teardown.surely(keep_sandbox, workspace, until)
        add_kept(drill, until)
        return
    add_teardown(drill, teardown.surely(destroy_sandbox, workspace), utc_now())
