"""What is to be drilled: one ledger per recovery point."""

from __future__ import annotations

import uuid
from datetime import datetime

from tasks.drill.ledger import Ledger
from tasks.drill.options import DrillOptions
from tasks.drill.process import DrillProcess
from tasks.drill.step import Runner
from tasks.model.backup import RecoveryPoint
from tasks.model.drill import Drill
from tasks.model.findings import Stage
from tasks.model.target import Selection, Target
from tasks.policies import TaskRuns


def begin(
    target: Target,
    selection: Selection,
    now: datetime,
    options: DrillOptions | None = None,
    runner: Runner | None = None,
) -> Ledger:
    """Begin a drill: nothing is known yet but what is to be drilled.

    Args:
        target: what is drilled.
        selection: of its backups.
        now: aware UTC.
        options: what sets it apart; None: nothing does.
        runner: of its steps; None: they are task runs, in a process of the drill's own.
    """
    drill = Drill(
        drill_id=uuid.uuid4().hex[:12], target=target, selection=selection, started_at=now, as_of=now
    )
    runner = runner or TaskRuns(DrillProcess(target.name), suite=target.has_suite)
    return Ledger(drill, options or DrillOptions(), runner)


def begin_older(first: Ledger, point: RecoveryPoint, now: datetime) -> Ledger:
    """Begin the drill of a further recovery point of the same discovery, judged at the point's own time."""
    ledger = begin(first.drill.target, Selection(kind="key", key=point.uri), now, first.options)
    ledger.drill.discovery = first.drill.discovery
    ledger.drill.reached = (Stage.DISCOVER,)
    ledger.drill.take_point(point)
    return ledger
