"""Step 6: what came back, held against the archive, the history and its own constraints."""

from __future__ import annotations

from datetime import datetime

from tasks.checks import Context, measure_freshness, take_inventory, verify
from tasks.config.rights import own_rights
from tasks.drill.step import step
from tasks.evidence import load_history, unreadable_findings
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, TransientError
from tasks.model.findings import Check, Outcome, Stage
from tasks.model.history import History
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked, Restored
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target


@step("read history", retried=True)
def read_history(target: Target, before: datetime) -> tuple[History, Checked]:
    """Read what the earlier drills of this database found.

    History that cannot be read does not end the drill: without it a loss cannot be seen, and that is said.
    """
    reached_as_ourselves = target.model_copy(update={"store": own_rights(target.store)})
    try:
        history = load_history(reached_as_ourselves, before)
        return history, Checked(findings=unreadable_findings(history))
    except TransientError:
        raise
    except DrillError as error:
        unread = Check("history", Stage.PREFLIGHT, Outcome.NOT_RUN, why=error.what)
        return History(), Checked((unread,), (error.finding(Stage.PREFLIGHT),))


@step("take stock")
def take_stock(sandbox: Sandbox, restored: Restored, target: Target, deadline: Deadline) -> Inventory:
    """List every object and count every table's rows."""
    return take_inventory(
        sandbox, restored.database, counts=target.checks.counts, deadline_s=deadline.check()
    )


@step("verify")
def verify_database(context: Context) -> Checked:
    """Run the structure, drift and deep checks."""
    context.deadline.check()
    return verify(context).within(context.database)


@step("measure freshness")
def check_freshness(context: Context) -> tuple[float | None, Checked]:
    """Measure the age of the newest row at the moment that is judged."""
    context.deadline.check()
    age_s, checked = measure_freshness(context)
    return age_s, checked.within(context.database)
