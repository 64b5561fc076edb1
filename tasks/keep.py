"""Keeping a restored backup on purpose, for trying suites on it, as a step of a flow."""

from __future__ import annotations

from datetime import datetime

from tasks.drill.kept_backup import keep_backup
from tasks.drill.step import step
from tasks.model.drill import Drill


@step("keep restored backup")
def keep_restored(drill: Drill, until: datetime) -> None:
    """Stop the sandbox of *drill* and keep it, with what a try has to know of it."""
    keep_backup(drill, until)
