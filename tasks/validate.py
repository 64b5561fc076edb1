"""Step 7: the data team's suite on the restored tables."""

from __future__ import annotations

from tasks.checks import Context, RunSuite, SuiteOutcome, check_suite
from tasks.drill.step import step


@step("validate", validating=True)
def validate_database(context: Context, run: RunSuite) -> SuiteOutcome:
    """Run the suite and judge its results; without a suite there is nothing to validate."""
    context.deadline.check()
    return check_suite(context, run).within(context.database)
