"""The first bad backup in a window, found in as few restores as possible.

Halving needs backups that stay bad once they are: what usually breaks a backup (a changed job, a full disk,
a lost table) lasts. The newest is drilled first, since a good one ends the search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prefect import flow
from prefect.client.schemas.objects import State

from flows.drill import find_points, restore_drill
from tasks.config import read_target
from tasks.model.backup import RecoveryPoint
from tasks.model.clock import utc_now
from tasks.model.findings import Verdict
from tasks.model.target import Selection, Target
from tasks.plan import begin
from tasks.states import Drills, conclude_search, drills_of, verdict_of


@flow(name="bisect", flow_run_name="bisect {database}", persist_result=False)
def bisect(fleet: str, database: str, evidence: str = "") -> State[Drills]:
    """Find the first bad backup of one database in its window.

    Args:
        fleet: path of the fleet file, as this worker sees it.
        database: its name in the fleet file.
        evidence: where evidence goes; empty takes the fleet file's.
    """
    target = read_target(fleet, database, evidence)
    points = sorted(points_in_window(target), key=lambda point: point.at)
    drills: Drills = []

    def drill(point: RecoveryPoint) -> Verdict:
        state = restore_drill(fleet, database, f"key:{point.uri}", evidence, return_state=True)
        drills.extend(drills_of(state))
        return verdict_of(state)

    good, bad, unclear = search(points, drill)
    return conclude_search(database, drills, points, good=good, bad=bad, unclear=unclear)


def points_in_window(target: Target) -> Sequence[RecoveryPoint]:
    """Return every recovery point of the window."""
    ledger = begin(target, Selection(kind="all"), utc_now())
    try:
        return find_points(ledger)
    finally:
        ledger.runner.close()


def search(
    points: Sequence[RecoveryPoint], drill: Callable[[RecoveryPoint], Verdict]
) -> tuple[int | None, int | None, int | None]:
    """Return the indexes of the last good, the first bad and an unclear one of *points*, oldest first.

    The last good is None where all are bad, the first bad None where the newest is good; an inconclusive
    drill ends the search, since either half could be the wrong one.
    """
    good, bad = -1, len(points)
    probe = len(points) - 1
    while bad - good > 1:
        verdict = drill(points[probe])
        if verdict is Verdict.INCONCLUSIVE:
            return _index(good), bad if bad < len(points) else None, probe
        good, bad = (probe, bad) if verdict is Verdict.VERIFIED else (good, probe)
        probe = (good + bad) // 2
    return _index(good), bad if bad < len(points) else None, None


def _index(good: int) -> int | None:
    return None if good < 0 else good
