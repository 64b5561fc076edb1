"""What a self test works on and with: the bench, and what is planned on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.model.drill import Drill
from tasks.model.history import History
from tasks.model.selftest import Family, Fate, Judged, Mutant
from tasks.model.target import PhysicalBackup
from tasks.mutants.repository_damage import Harm
from tasks.mutants.sampling import Slot
from tasks.selftest.restored import Ground
from tasks.stores.fetch import local_name
from tasks.stores.uris import is_s3


@dataclass(frozen=True, slots=True)
class Bench:
    """What damaged backups are made of, and where.

    Attributes:
        drill: of the healthy backup, as the restore left it.
        history: with the healthy backup as its newest entry.
        limit_s: for each stage of a mutant's drill.
    """

    drill: Drill
    history: History
    limit_s: float

    @classmethod
    def on(cls, ground: Ground) -> Bench:
        """Return the bench on *ground*."""
        return cls(ground.whole, ground.whole_history, ground.limit_s)

    @property
    def folder(self) -> Path:
        """A folder of ours, removed with the sandbox."""
        return self.drill.own_workspace.root / "damaged"

    @property
    def original(self) -> Path:
        """The backup as it was stored."""
        return self.drill.own_workspace.backup_dir / local_name(self.drill.chosen_point.label)

    @property
    def is_physical(self) -> bool:
        """Whether the backup is a copy of a cluster, out of a repository of such."""
        return isinstance(self.drill.target.backup, PhysicalBackup)

    @property
    def apart(self) -> dict[str, object]:
        """What keeps a mutant's drill apart from the healthy one's: its lock, and its own time limit."""
        own = self.drill.target
        return {"fleet": f"{own.fleet}.selftest", "deadline": min(own.deadline, self.limit_s)}

    @property
    def database(self) -> str:
        """The restored database."""
        return self.drill.completed_restore.database


Make = Callable[[Bench, Path], None]
"""Writes a backup to a path; it travels between processes."""


@dataclass(frozen=True, slots=True)
class PlannedBackup:
    """A damage to the backup that can be done.

    Attributes:
        make: None for a denied key, which damages no byte, and for a repository.
        anew: pg_dump makes it, so that it is held against a healthy one that pg_dump made.
        denied: the store is reached with a key that is not valid.
        harm: what becomes of one file of a repository; None: nothing.
    """

    mutant: Mutant
    make: Make | None = None
    anew: bool = False
    denied: bool = False
    harm: Harm | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be damaged: restored data, and the backup.

    Attributes:
        impossible: what the backup and the database offer no place for.
    """

    slots: Sequence[Slot]
    backups: Sequence[PlannedBackup]
    impossible: Sequence[Judged]


def denied(bench: Bench) -> PlannedBackup | Judged:
    """Return the mutant that reaches the store as a stranger; a row, where nobody is one."""
    mutant = Mutant(Family.BACKUP, "denied-key", "the store reached with a key that is not valid", must=True)
    if not is_s3(bench.drill.target.backup.place):
        return Judged(mutant, Fate.NOT_APPLICABLE, why="the backups lie in a folder, which has no keys")
    return PlannedBackup(mutant, denied=True)
