"""Step 4: a throwaway cluster, version-matched, without network or privileges, its expiry stamped on disk."""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.drill.step import step
from tasks.model.backup import RecoveryPoint
from tasks.model.deadline import Deadline
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.target import Target
from tasks.recovery.kinds import recovery_of
from tasks.sandbox import find_postgres, open_workspace

STAGES_IN_A_DRILL = 10
"""A drill's folder expires when each of its stages may have used its whole deadline."""


@step("open workspace")
def make_workspace(target: Target, drill_id: str, now: datetime) -> Workspace:
    """Make the folder that everything of this drill lives in, stamped and locked."""
    expires_at = now + timedelta(seconds=target.deadline * STAGES_IN_A_DRILL)
    config = target.sandbox
    return open_workspace(
        target.fleet,
        target.name,
        drill_id,
        config.isolation,
        expires_at,
        memory_bytes=0 if config.memory == "auto" else config.memory,
    )


@step("find PostgreSQL")
def choose_postgres(major: int, target: Target) -> PostgresInstall:
    """Find the wanted major on this worker, or fetch its pinned build."""
    return find_postgres(major, target.sandbox.postgres_source)


@step("provision")
def provision_sandbox(
    point: RecoveryPoint, workspace: Workspace, install: PostgresInstall, target: Target, deadline: Deadline
) -> Sandbox:
    """Make what *point* is restored into, in *workspace*."""
    return recovery_of(target).provision(point, workspace, install, target, deadline)
