"""Handing a recovered cluster over, as a step of a flow."""

from __future__ import annotations

from pathlib import Path

from tasks.drill.step import step
from tasks.model.deadline import Deadline
from tasks.model.recovered import HandedOver
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target
from tasks.recovery.kinds import recovery_of


@step("hand over")
def hand_over_cluster(
    sandbox: Sandbox, restored: Restored, target: Target, into: Path, deadline: Deadline
) -> HandedOver:
    """Stop the sandbox's server and leave its cluster in *into*, as a cluster of one's own."""
    return recovery_of(target).hand_over(sandbox, restored, into, deadline)
