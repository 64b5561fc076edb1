"""Step 7: the data team's suite on the restored tables."""

from __future__ import annotations

from datetime import datetime

from tasks.checks import RunSuite, SuiteOutcome, check_suite
from tasks.drill.step import step
from tasks.model.deadline import Deadline
from tasks.model.history import History
from tasks.model.inventory import Inventory
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target


@step("validate", validating=True)
def validate_database(
    sandbox: Sandbox,
    restored: Restored,
    inventory: Inventory,
    target: Target,
    history: History,
    as_of: datetime,
    deadline: Deadline,
    run: RunSuite,
) -> SuiteOutcome:
    """Run the suite and judge its results; without a suite there is nothing to validate."""
    return check_suite(
        sandbox,
        restored.database,
        inventory,
        target,
        history,
        as_of=as_of,
        deadline_s=deadline.check(),
        run=run,
        kept_out=restored.kept_out,
    )
