"""What one tool's repository has to know, so that its base backups come back: the seam of all physical kinds.

Decided here: a repository says which base backups there are, brings one into the data folder, and says where
its WAL lies. All that follows (nothing of the copy's settings runs, recovery's end is held against the
archive's, pages are read) is the same for every tool and stands in `physical`. A repository holds no state:
each step of a drill may run in another process.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tasks.model.backup import Discovery, Format
from tasks.model.base_point import BasePoint
from tasks.model.deadline import Deadline
from tasks.model.findings import Finding
from tasks.model.sandbox import Workspace
from tasks.model.target import Selection, Target
from tasks.physical.bring_up import Copy
from tasks.physical.target import RecoveryTarget
from tasks.stores import Store
from tasks.wal.listed import ListedWal


@dataclass(frozen=True, slots=True)
class Tool:
    """The program that a base backup is of, or that brought it.

    Attributes:
        version: None where nothing tells.
    """

    name: str
    version: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return the tool as the evidence holds it."""
        return {"name": self.name, "version": self.version}


class Repository(Protocol):
    """One tool's base backups and WAL. Whatever goes wrong is a `DrillError` with a rule."""

    @property
    def format(self) -> Format:
        """How its backups are laid out."""
        ...

    @property
    def proof(self) -> str:
        """What proves a copy that is `Copy.proven`, in the evidence's word, such as `manifest`."""
        ...

    def reach(self, target: Target, *, stranger: bool = False) -> Store:
        """Open the store of the base backups, as a real recovery would or as a *stranger*."""
        ...

    def points(
        self, target: Target, store: Store, now: datetime, selection: Selection
    ) -> Discovery[BasePoint]:
        """Read the catalogue and choose by *selection*; `from_catalogue` does the choosing."""
        ...

    def look_closer(self, point: BasePoint, store: Store, target: Target) -> BasePoint:
        """Fill in what the catalogue left open and a bounded read tells; else return *point* itself.

        Called from several threads at once.
        """
        ...

    def preflight(self, point: BasePoint, store: Store, target: Target) -> tuple[Finding, ...]:
        """Return what of its own stands in the way of a drill of *point*: its tool, its chain, its key."""
        ...

    def bring(
        self,
        point: BasePoint,
        store: Store,
        target: Target,
        workspace: Workspace,
        deadline: Deadline,
        progress: Callable[[int, int], None],
    ) -> Copy:
        """Bring *point* into the workspace's data folder, which is empty; touch no settings of it."""
        ...

    def wal_place(self, point: BasePoint, target: Target) -> str | None:
        """Return the folder or prefix of *point*'s WAL; None where each base backup brings its own.

        Base backups with the same place share one listing.
        """
        ...

    def wal(
        self,
        place: str,
        target: Target,
        segment_bytes: int,
        deadline: Deadline,
        workspace: Workspace | None = None,
    ) -> ListedWal:
        """List the WAL at *place*, once, and say how single files of it are had.

        *workspace* is that of the copy which is to recover by it; without one histories alone are read.

        It opens its own store: at this stage of a drill the base backups' is gone.
        """
        ...

    def commands(self, point: BasePoint, target: Target, aim: RecoveryTarget) -> tuple[str, ...]:
        """Return what a person would type, in order: the last of them recovers to *aim*."""
        ...

    def tool(self, point: BasePoint, target: Target) -> Tool:
        """Return the tool of *point*; nothing is run for it that a recovery would not run."""
        ...


_BY_HAND = {"archive_mode": "off", "hot_standby": "off", "max_prepared_transactions": "1000"}
"""Nothing goes into production's archive, and no setting of the source's can be too low here."""


def start_commands(aim: RecoveryTarget, restore_command: str) -> tuple[str, str]:
    """Return how a copy is recovered by hand: its own settings must not be obeyed by a person either."""
    settings = {**_BY_HAND, **aim.settings(), "restore_command": restore_command}
    options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    return ("mv DATA/postgresql.auto.conf aside; touch DATA/recovery.signal", f"postgres -D DATA {options}")
