"""Step 2, before the download: may this role read it, is there room, the PostgreSQL and its extensions?"""

from __future__ import annotations

import logging

from tasks.checks.preflight import Readiness
from tasks.checks.suites import read_suite
from tasks.drill.held import Held
from tasks.drill.step import step
from tasks.model.backup import RecoveryPoint
from tasks.model.target import Target
from tasks.recovery.kinds import recovery_of
from tasks.stores import Store

_log = logging.getLogger(__name__)


@step("preflight", retried=True)
def preflight_backup(
    point: RecoveryPoint, store: Held[Store], target: Target, last_restored_bytes: int | None
) -> Readiness:
    """Read the backup's head and say what it needs and whether it is here; a suite of no use ends it now."""
    suite = read_suite(target)
    if suite is not None and suite.notes:
        _log.warning("%s: YAML 1.1 reads %d values otherwise: see suite check", suite.path, len(suite.notes))
    return recovery_of(target).preflight(point, store.value, target, last_restored_bytes)
