"""A way back: what one kind of backup has to know and do, from a listing to a restored database.

Decisions: the steps of a drill and their order are the same for every kind (`flows/drill.py`) and ask the
recovery of their target's kind (`tasks/recovery/kinds.py`) for what to do. Bringing bytes (`fetch`, tried
again) and judging them (`prove`, never tried again) are two things, since what is broken stays broken. What
is said without any work (`assess`, `major`) is asked where the record of the drill is; everything else runs
in the drill's own process and gets no more than it needs: a table of contents may be long. A recovery holds
no state, so that each step of one drill can run anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from tasks.checks.preflight import Readiness
from tasks.model.backup import ArchiveHead, Discovery, Material, RecoveryPoint
from tasks.model.deadline import Deadline
from tasks.model.findings import Finding
from tasks.model.recovered import HandedOver
from tasks.model.restored import Restored
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.target import Selection, Target
from tasks.stores import Store

Point = TypeVar("Point", bound=RecoveryPoint)
"""What discovery finds."""
Download = TypeVar("Download")
"""What came, not judged yet."""
Proven = TypeVar("Proven", bound=Material)
"""What was judged, and can be restored."""


class Recovery(Protocol[Point, Download, Proven]):
    """One kind's way back, in the order of a drill. Whatever goes wrong is a `DrillError` with a rule."""

    def reach(self, target: Target, *, stranger: bool = False) -> Store:
        """Open the store of the backups, as a real recovery would or as a *stranger*, whose key is void."""
        ...

    def points(self, target: Target, store: Store, now: datetime, selection: Selection) -> Discovery[Point]:
        """List what the window can reach and choose by *selection*."""
        ...

    def preflight(
        self, point: Point, store: Store, target: Target, last_restored_bytes: int | None
    ) -> Readiness:
        """Say whether a drill of *point* can succeed on this worker; nothing has been moved yet."""
        ...

    def fetch(
        self,
        point: Point,
        store: Store,
        target: Target,
        workspace: Workspace,
        deadline: Deadline,
        progress: Callable[[int, int], None],
    ) -> Download:
        """Bring what lies behind *point* into *workspace*; a second attempt replaces what the first left."""
        ...

    def prove(
        self, download: Download, point: Point, target: Target, workspace: Workspace, deadline: Deadline
    ) -> Proven:
        """Open what came, and prove as far as its own bytes can that it is whole."""
        ...

    def companions(
        self, point: Point, store: Store, target: Target, workspace: Workspace, deadline: Deadline
    ) -> tuple[Path, ...]:
        """Bring what belongs to *point* and lies elsewhere; () where a backup is complete by itself."""
        ...

    def assess(
        self, material: Proven, head: ArchiveHead | None, point: Point, target: Target
    ) -> tuple[Finding, ...]:
        """Return what could not be known before it was here; *head* is what the preflight knew."""
        ...

    def major(self, material: Proven, target: Target) -> int:
        """Return the major of the PostgreSQL that it takes."""
        ...

    def provision(
        self,
        point: Point,
        workspace: Workspace,
        install: PostgresInstall,
        target: Target,
        deadline: Deadline,
    ) -> Sandbox:
        """Make the sandbox that *point* is restored into; a second attempt starts afresh."""
        ...

    def restore(
        self,
        material: Proven,
        sandbox: Sandbox,
        target: Target,
        deadline: Deadline,
        progress: Callable[[str], None],
    ) -> Restored:
        """Rebuild the database; never repeated, since a restore is too dear to repeat on hope."""
        ...

    def hand_over(self, sandbox: Sandbox, restored: Restored, into: Path, deadline: Deadline) -> HandedOver:
        """Stop what was restored and leave it in *into*, an empty folder, as a cluster of one's own."""
        ...
