"""Step 7: the data team's suite on the restored tables; on finished ones while others are restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from tasks.checks import Context, RunSuite, SuiteOutcome, check_suite
from tasks.checks.ahead import Ahead, read_tables_ahead
from tasks.drill.ledger import Ledger, StageRun
from tasks.drill.step import step
from tasks.model.deadline import Deadline
from tasks.model.history import History
from tasks.model.sandbox import Sandbox
from tasks.model.target import DumpBackup, Target
from tasks.sandbox.settled import tell_over


@step("validate", validating=True)
def validate_database(context: Context, run: RunSuite) -> SuiteOutcome:
    """Run the suite and judge its results; without a suite there is nothing to validate."""
    context.deadline.check()
    return check_suite(context, run).within(context.database)


@step("read ahead", validating=True)
def read_ahead(
    target: Target, sandbox: Sandbox, history: History, as_of: datetime, deadline: Deadline
) -> Ahead:
    """Ask the suite of tables that are finished, until the restore is over."""
    return read_tables_ahead(target, sandbox, history, as_of, deadline)


@contextmanager
def reading_ahead(ledger: Ledger, restore: StageRun, *, wanted: bool) -> Iterator[None]:
    """Ask the suite, if *wanted*, of tables that are finished while the block restores the others."""
    drill, sandbox = ledger.drill, ledger.drill.running_sandbox
    if not (wanted and drill.target.expect.suite and isinstance(drill.target.backup, DumpBackup)):
        yield
        return
    about = (drill.target, sandbox, drill.history, drill.judged_at, restore.deadline)
    ledger.ahead = ledger.runner.beside(read_ahead, restore.deadline, *about)
    try:
        yield
    finally:
        tell_over(sandbox.workspace)


def how_to_run(ledger: Ledger) -> RunSuite:
    """Return what runs the suite: where tables were read ahead, it takes their answers over."""
    ahead = None if ledger.ahead is None else ledger.ahead.wait()
    return ledger.options.run_suite if ahead is None else ahead
