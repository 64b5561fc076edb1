"""What lies beside a backup: the roles of the same night, and the inventory that was taken with the dump."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from tasks.model.backup import RecoveryPoint, StoredObject
from tasks.model.errors import PermanentError
from tasks.model.target import Target
from tasks.stores.base import Store
from tasks.stores.fetch import fetch_backup
from tasks.stores.listing import reachable
from tasks.stores.pattern import KeyPattern
from tasks.stores.sidecars import read_text
from tasks.stores.siblings import Siblings
from tasks.stores.sorting import sort_out

MANIFEST_SUFFIX = ".inventory.json"
_SAME_TIME = timedelta(hours=12)


def find_globals(point: RecoveryPoint, store: Store, target: Target) -> RecoveryPoint | None:
    """Return the globals file of the same time as *point*; None where none is configured.

    It is the one whose name is nearest in time, at most twelve hours away: the two are written one after the other.

    Raises:
        PermanentError: `globals-missing`.
    """
    if target.backup.globals is None:
        return None
    pattern = KeyPattern(target.backup.globals, target.backup.timezone)
    around = reachable(store, pattern, point.at - _SAME_TIME, point.at + _SAME_TIME)
    found = sort_out(around, pattern, Siblings(pattern, target.name, target.fleet_databases)).points
    near = [one for one in found if not pattern.has_time or abs(one.at - point.at) <= _SAME_TIME]
    if not near:
        raise PermanentError(
            "No globals file of the backup's time is there: roles, memberships and passwords would not come back.",
            pattern.uri,
            rule="globals-missing",
        )
    return min(near, key=lambda one: abs(one.at - point.at))


def fetch_globals(
    point: RecoveryPoint, store: Store, target: Target, dest: Path, deadline_s: float
) -> Path | None:
    """Download the globals file of the same time as *point* into *dest*; None where none is configured.

    Raises:
        PermanentError: `globals-missing`, and as `fetch_backup`.
        TransientError: as `fetch_backup`.
    """
    found = find_globals(point, store, target)
    if found is None:
        return None
    into = dest / "globals"
    return fetch_backup(found, store, target, into, lambda _done, _all: None, deadline_s).path


def read_manifest(point: RecoveryPoint, store: Store, target: Target) -> dict[str, Any] | None:
    """Return the inventory that lies beside the backup, or None where there is none or `manifest: none`.

    Raises:
        PermanentError: `manifest-missing` if one is required; `manifest-unreadable`.
    """
    if target.backup.manifest == "none":
        return None
    uri = point.object.uri.rstrip("/") + MANIFEST_SUFFIX
    found = next((obj for obj in store.list(uri, limit=1) if obj.uri == uri), None)
    if found is not None:
        return _parsed(read_text(store, found), found)
    if target.backup.manifest == "required":
        raise PermanentError(
            "A manifest is required and none lies beside the backup.", uri, rule="manifest-missing"
        )
    return None


def _parsed(text: str, obj: StoredObject) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as exc:
        raise _unreadable(obj) from exc
    if not isinstance(document, dict):
        raise _unreadable(obj)
    return document


def _unreadable(obj: StoredObject) -> PermanentError:
    return PermanentError(
        "The inventory beside the backup is no JSON document: what the source held cannot be compared.",
        obj.uri,
        rule="manifest-unreadable",
    )
