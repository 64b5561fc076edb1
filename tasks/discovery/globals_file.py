"""What belongs to a backup and lies elsewhere: the roles of the same night."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tasks.discovery.candidates import sort_out
from tasks.discovery.listing import reachable
from tasks.discovery.pattern import KeyPattern, moved
from tasks.discovery.undrilled import Siblings
from tasks.model.backup import DumpPoint, RecoveryPoint
from tasks.model.errors import PermanentError
from tasks.model.target import Target
from tasks.stores.base import Store
from tasks.stores.fetch import fetch_backup

_SAME_TIME = timedelta(hours=12)


def find_globals(point: RecoveryPoint, store: Store, target: Target) -> DumpPoint | None:
    """Return the globals file of the same time as *point*; None where none is configured.

    It is the one whose name is nearest in time, at most twelve hours away: one is written after the other.

    Raises:
        PermanentError: `globals-missing`.
    """
    if target.dump.globals is None:
        return None
    pattern = KeyPattern(target.dump.globals, target.backup.timezone)
    around = reachable(store, pattern, moved(point.at, -_SAME_TIME), moved(point.at, _SAME_TIME))
    points = sort_out(around, pattern, Siblings(pattern, target.name, target.fleet_databases)).points
    same_night = [
        candidate
        for candidate in points
        if not pattern.has_time or abs(candidate.at - point.at) <= _SAME_TIME
    ]
    if not same_night:
        raise PermanentError(
            "No globals file of the backup's time is there: roles and memberships would not come back.",
            pattern.uri,
            rule="globals-missing",
        )
    return min(same_night, key=lambda candidate: abs(candidate.at - point.at))


def fetch_globals(
    point: RecoveryPoint, store: Store, target: Target, dest: Path, deadline_s: float
) -> Path | None:
    """Download the globals file of the same time as *point* into *dest*; None where none is configured.

    Raises:
        PermanentError: `globals-missing`, and as `fetch_backup`.
        TransientError: as `fetch_backup`.
    """
    candidate = find_globals(point, store, target)
    if candidate is None:
        return None
    into = dest / "globals"
    return fetch_backup(candidate, store, target, into, lambda _done, _all: None, deadline_s).path
