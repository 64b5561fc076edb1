"""Which way back a target has: the registry of kinds. A further kind is a further line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.model.target import Target
from tasks.recovery.barman import BarmanRepository
from tasks.recovery.base import Recovery
from tasks.recovery.basebackup import BaseBackupFolders
from tasks.recovery.dump import DumpRecovery
from tasks.recovery.pgbackrest import PgBackRestRepository
from tasks.recovery.physical import PhysicalRecovery
from tasks.recovery.walg import WalgRepository

RECOVERIES: Mapping[str, Recovery[Any, Any, Any]] = {
    "dump": DumpRecovery(),
    "basebackup": PhysicalRecovery(BaseBackupFolders()),
    "pgbackrest": PhysicalRecovery(PgBackRestRepository()),
    "barman": PhysicalRecovery(BarmanRepository()),
    "walg": PhysicalRecovery(WalgRepository()),
}
"""By `backup.kind`; a test holds it against the fleet file's kinds."""


def recovery_of(target: Target) -> Recovery[Any, Any, Any]:
    """Return the way back of *target*'s backups."""
    return RECOVERIES[target.backup.kind]
