"""What is to be drilled: the target out of the fleet file, the selection, one ledger per recovery point."""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path

from tasks.config import Fleet, load_fleet, parse_select
from tasks.drill.ledger import Ledger
from tasks.drill.options import DrillOptions
from tasks.drill.process import DrillProcess
from tasks.drill.step import Runner
from tasks.model.backup import RecoveryPoint
from tasks.model.drill import Drill
from tasks.model.findings import Stage
from tasks.model.target import Selection, Target
from tasks.policies import TaskRuns


def read_fleet(fleet: str, evidence: str = "") -> Fleet:
    """Load the fleet file; *evidence*, where given, replaces the place that it names.

    Raises:
        ConfigInvalid: it cannot be used.
    """
    loaded = load_fleet(Path(fleet))
    if not evidence:
        return loaded
    place = evidence if "://" in evidence else str(Path(evidence).absolute())
    targets = tuple(target.model_copy(update={"evidence": place}) for target in loaded.targets)
    return loaded.model_copy(update={"evidence": place, "targets": targets})


def read_target(fleet: str, database: str, evidence: str = "") -> Target:
    """Return one database of the fleet file.

    Raises:
        ConfigInvalid: the file cannot be used or has no such database.
    """
    return read_fleet(fleet, evidence).target(database)


def suite_file(target: Target, fleet_file: Path) -> Path:
    """Return where the suite of *target* is drafted to: the one it names, else one beside the fleet file."""
    folder = fleet_file.absolute().parent / "expectations" / "suites"
    return target.expect.suite or folder / f"{target.name}.yaml"


def choose_selection(target: Target, select: str) -> Selection:
    """Return the selection that the run asks for, else the fleet file's."""
    return parse_select(select, target.backup.timezone) if select else target.backup.select


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
    runner = runner or TaskRuns(DrillProcess(target.name), suite=target.expect.suite is not None)
    return Ledger(drill, options or DrillOptions(), runner)


def begin_older(first: Ledger, point: RecoveryPoint, now: datetime) -> Ledger:
    """Begin the drill of a further recovery point of the same discovery, judged at the point's own time."""
    ledger = begin(first.drill.target, Selection(kind="key", key=point.uri), now, first.options)
    ledger.drill.discovery = first.drill.discovery
    ledger.drill.reached = (Stage.DISCOVER,)
    ledger.drill.take_point(point)
    return ledger
