"""What a command line or a flow's parameters choose of a fleet file: a database, a backup, a place."""

from __future__ import annotations

from pathlib import Path

from tasks.config.fleet import load_fleet
from tasks.config.schema import Fleet
from tasks.config.selecting import parse_select
from tasks.model.target import PhysicalBackup, Selection, Target


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


def to_latest(target: Target) -> Target:
    """Return *target* whose recovery goes as far as its WAL does, whatever moment its drills recover to."""
    backup = target.backup
    if not isinstance(backup, PhysicalBackup):
        return target
    recover = backup.recover.model_copy(update={"to": "latest"})
    return target.model_copy(update={"backup": backup.model_copy(update={"recover": recover})})
