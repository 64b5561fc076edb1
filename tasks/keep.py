"""Keeping a restored backup on purpose, for trying suites on it, as a step of a flow."""

from __future__ import annotations

from datetime import datetime

from tasks.drill.kept_backup import keep_backup
from tasks.drill.step import step
from tasks.model.backup import RecoveryPoint
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target


@step("keep restored backup")
def keep_restored(
    sandbox: Sandbox,
    restored: Restored,
    point: RecoveryPoint,
    target: Target,
    as_of: datetime,
    until: datetime,
) -> None:
    """Stop the sandbox and keep it, with what a try has to know of it."""
    keep_backup(sandbox, restored, point, target, as_of, until)
