"""Step 3: bring the backup into the drill's own folder and prove what came, from its own bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.drill.held import Held
from tasks.drill.step import RETRIES, step
from tasks.model.backup import Material, RecoveryPoint
from tasks.model.deadline import Deadline
from tasks.model.sandbox import Workspace
from tasks.model.target import Target
from tasks.recovery.kinds import recovery_of
from tasks.stores import Store
from tasks.stores.transfer import ATTEMPTS

MOST_ASKS = ATTEMPTS * (1 + RETRIES)
"""How often a store is asked for one part of a backup that it never hands out: twelve times."""


@step("fetch", retried=True)
def download_backup(
    point: RecoveryPoint,
    store: Held[Store],
    target: Target,
    workspace: Workspace,
    deadline: Deadline,
    progress: Callable[[int, int], None],
) -> Any:  # noqa: ANN401  each kind's own, for its own `prove_backup`
    """Bring the backup behind *point* into *workspace*; a second attempt replaces what the first left."""
    return recovery_of(target).fetch(point, store.value, target, workspace, deadline, progress)


@step("open backup")
def prove_backup(
    download: Any,  # noqa: ANN401  as `download_backup` returned it
    point: RecoveryPoint,
    target: Target,
    workspace: Workspace,
    deadline: Deadline,
) -> Material:
    """Open what came, and prove as far as its bytes can that it is complete."""
    material: Material = recovery_of(target).prove(download, point, target, workspace, deadline)
    return material


@step("fetch globals", retried=True)
def download_companions(
    point: RecoveryPoint, store: Held[Store], target: Target, workspace: Workspace, deadline: Deadline
) -> tuple[Path, ...]:
    """Bring what belongs to the backup and lies elsewhere, such as the roles of the same time."""
    return recovery_of(target).companions(point, store.value, target, workspace, deadline)
