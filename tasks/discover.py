"""Step 1: list the store, read recovery points out of it, keep why each candidate was or was not taken."""

from __future__ import annotations

from datetime import datetime

from tasks.drill.held import Held
from tasks.drill.reached_store import ReachedStore
from tasks.drill.step import step
from tasks.model.backup import Discovery, RecoveryPoint
from tasks.model.target import Selection, Target
from tasks.recovery.kinds import recovery_of
from tasks.stores import Store


@step("open store", retried=True)
def open_backup_store(target: Target, *, stranger: bool = False) -> ReachedStore:
    """Reach the store as a real recovery would, or as a *stranger*, whose key is not valid."""
    store = recovery_of(target).reach(target, stranger=stranger)
    return ReachedStore(Held(store), store.identity(), store.findings())


@step("discover", retried=True)
def find_recovery_points(
    target: Target, store: Held[Store], selection: Selection, now: datetime
) -> Discovery[RecoveryPoint]:
    """List what the window can reach and choose by *selection*."""
    return recovery_of(target).points(target, store.value, now, selection)
