"""Two restored databases held against each other, as a step of a flow."""

from __future__ import annotations

from tasks.checks.agreement import Side, compare_databases
from tasks.drill.step import step
from tasks.model.agreement import Agreement
from tasks.model.deadline import Deadline


@step("compare")
def compare_restored(first: Side, second: Side, deadline: Deadline) -> Agreement:
    """Compare what two restores brought back."""
    return compare_databases(first, second, deadline)
