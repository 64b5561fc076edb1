"""Step 5: rebuild the database the way its kind of backup comes back, against a deadline."""

from __future__ import annotations

from collections.abc import Callable

from tasks.drill.step import step
from tasks.model.backup import Material
from tasks.model.deadline import Deadline
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target
from tasks.recovery.kinds import recovery_of


@step("restore", overdue="deadline-exceeded")
def restore_backup(
    material: Material,
    sandbox: Sandbox,
    target: Target,
    deadline: Deadline,
    progress: Callable[[str], None],
) -> Restored:
    """Rebuild the database in *sandbox*; never repeated, since a restore is too dear to repeat on hope."""
    return recovery_of(target).restore(material, sandbox, target, deadline, progress)
