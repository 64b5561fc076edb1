"""Step 5: rebuild the database with its own tools, against a deadline, every line of stderr classified."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tasks.drill.step import step
from tasks.engines import restore
from tasks.model.backup import LocalBackup
from tasks.model.deadline import Deadline
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target


@step("restore", overdue="deadline-exceeded")
def restore_backup(
    backup: LocalBackup,
    sandbox: Sandbox,
    target: Target,
    globals_path: Path | None,
    deadline: Deadline,
    progress: Callable[[str], None],
) -> Restored:
    """Rebuild *backup* in *sandbox*; never repeated, since a restore is too dear to repeat on hope."""
    return restore(
        backup,
        sandbox,
        target,
        globals_path=globals_path,
        deadline_s=deadline.check(),
        progress=progress,
    )
