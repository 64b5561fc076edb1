"""The record of one drill: everything that it came to know, at whatever stage it ended.

Made field by field as the drill goes on, and the one thing that its verdict, its evidence and its report are
made from. Only the identity is certain: a drill that found nothing has no backup, one that was refused has no
sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from tasks.model.backup import ArchiveHead, Discovery, LocalBackup, Material, RecoveryPoint
from tasks.model.base_point import BasePoint
from tasks.model.clock import iso
from tasks.model.errors import PermanentError, StageFailed
from tasks.model.findings import Check, Finding, Outcome, Severity, Stage
from tasks.model.history import History
from tasks.model.inventory import Inventory
from tasks.model.restored import Checked, Restored
from tasks.model.sandbox import Sandbox, Workspace
from tasks.model.target import Selection, Target

T = TypeVar("T")


@dataclass(slots=True)
class Drill:
    """See the module. Times are aware UTC.

    Attributes:
        as_of: the moment that the data is judged at; derived from the selection when None.
        selection: what this drill took; the target's own when None.
        actor: who ran it, `user@host` or a flow run's id.
        stage: where it is, or where it ended.
        reached: every stage that it came to, in order.
        interrupted: it was stopped from outside.
        phases_s: wall seconds by phase: `discover`, `preflight`, `fetch`, `provision`, `restore`, `verify`,
            `validate`, `measure`, `teardown`; of a drill that is over also `decrypt` and `analyze`, which are
            taken out of the phase that they were timed in.
        accepted: the exceptions that were used, `{rule, where, until, why, who, at}` as far as they have it.
        identity: the ARN that read the store.
        head: what the backup's first bytes tell.
        manifest: the inventory that was taken at the source, if one lies beside the backup.
        history: what earlier drills found.
        content_age_s: seconds from the newest row to `as_of`; None where it was not measured. Of several
            databases the oldest counts, and one whose age could not be measured leaves none to say.
        suites_sha256: of the suites' files, by the database that they ran in, None for the only one.
        suite_results: suite name to its results, as they are stored beside the evidence.
        newest_recoverable: `{uri, at, drill_id}` of the newest point that is known to come back.
        destroyed_at, left_behind: the teardown's receipt.
        host, tool: this worker's and this program's own when None.
    """

    drill_id: str
    target: Target
    started_at: datetime
    finished_at: datetime | None = None
    as_of: datetime | None = None
    selection: Selection | None = None
    actor: str | None = None
    stage: Stage = Stage.DISCOVER
    reached: tuple[Stage, ...] = ()
    interrupted: bool = False
    phases_s: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()
    accepted: tuple[Mapping[str, Any], ...] = ()
    identity: str | None = None
    discovery: Discovery[RecoveryPoint] | None = None
    point: RecoveryPoint | None = None
    head: ArchiveHead | None = None
    manifest: dict[str, Any] | None = None
    history: History = field(default_factory=History)
    workspace: Workspace | None = None
    backup: Material | None = None
    sandbox: Sandbox | None = None
    restored: Restored | None = None
    inventory: Inventory | None = None
    content_age_s: float | None = None
    suites_sha256: Mapping[str | None, str] = field(default_factory=dict)
    suite_results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    newest_recoverable: Mapping[str, Any] | None = None
    destroyed_at: datetime | None = None
    left_behind: tuple[str, ...] = ()
    host: Mapping[str, Any] | None = None
    tool: Mapping[str, str] | None = None

    # --- adding to it

    def add(self, *findings: Finding) -> None:
        """Add findings."""
        self.findings += findings

    def take(self, seen: Checked) -> None:
        """Add what a group of checks saw."""
        self.checks += seen.checks
        self.findings += seen.findings

    def passed(
        self, name: str, observed: str | float | None = None, expected: str | float | None = None
    ) -> None:
        """Add a check of the current stage that passed."""
        self.checks += (Check(name, self.stage, Outcome.PASSED, observed, expected),)

    def add_or_stop(self, *findings: Finding) -> None:
        """Add findings, but leave it to the error to add the failures among them.

        Raises:
            StageFailed: one of them is a failure.
        """
        failures = tuple(finding for finding in findings if finding.severity is Severity.FAILURE)
        self.add(*(finding for finding in findings if finding not in failures))
        if failures:
            raise StageFailed(failures)

    def take_point(self, point: RecoveryPoint) -> None:
        """Be the drill of *point*: any but the newest is judged at its own time, or the one recovered to."""
        self.point = point
        if self.recovers_to is not None:
            self.as_of = self.recovers_to
        elif not self.is_newest:
            self.as_of = point.at
        self.passed("recovery-point", point.label)

    # --- asking it

    @property
    def selected(self) -> Selection:
        """How the recovery point was chosen."""
        return self.selection or self.target.backup.select

    @property
    def is_newest(self) -> bool:
        """Whether the drill took the newest backup: only then is the RPO judged."""
        return self.selected.kind == "newest"

    @property
    def recovers_to(self) -> datetime | None:
        """The moment that a recovery is asked for; None where it is the backup's own, or the newest."""
        return self.point.recover_to if isinstance(self.point, BasePoint) else None

    @property
    def judged_at(self) -> datetime:
        """The moment that the data is judged at: now for the newest, else the recovery point's own time."""
        if self.as_of is not None:
            return self.as_of
        return self.started_at if self.is_newest or self.point is None else self.point.at

    def came_back_to(self) -> dict[str, Any]:
        """Return the moment that a drill has shown to come back, as `newest_recoverable` holds it.

        With WAL that is the newest that its archive brings back, else the backup's own.
        """
        point = self.chosen_point
        reached = None if self.restored is None else self.restored.recoverable_to
        moment = reached or self.recovers_to
        return {"uri": point.uri, "at": iso(max(moment or point.at, point.at)), "drill_id": self.drill_id}

    @property
    def archive_head(self) -> ArchiveHead | None:
        """What is known of the archive: from the whole backup, else from its first bytes."""
        return self.backup.head if isinstance(self.backup, LocalBackup) else self.head

    @property
    def chosen_point(self) -> RecoveryPoint:
        """The recovery point; discovery has run."""
        return _present(self.point, "a recovery point")

    @property
    def own_workspace(self) -> Workspace:
        """The drill's own folder; the preflight has passed."""
        return _present(self.workspace, "a workspace")

    @property
    def material(self) -> Material:
        """What the fetch brought and proved; it has run."""
        return _present(self.backup, "a backup")

    @property
    def proven_dump(self) -> LocalBackup:
        """The same where only dumps come; the self test damages those."""
        return _present(self.backup if isinstance(self.backup, LocalBackup) else None, "a dump")

    @property
    def running_sandbox(self) -> Sandbox:
        """The cluster; provision has run."""
        return _present(self.sandbox, "a sandbox")

    @property
    def completed_restore(self) -> Restored:
        """The restored database; restore has run."""
        return _present(self.restored, "a restored database")

    def counted_in(self, database: str | None) -> Inventory:
        """What *database* holds, None the only one; stock has been taken."""
        inventory = _present(self.inventory, "an inventory")
        return _present(inventory.of(database), "an inventory of it")

    @property
    def databases(self) -> tuple[str | None, ...]:
        """The databases that are verified, None for the only one; restore has run."""
        return self.completed_restore.each

    @property
    def last_restored_bytes(self) -> int | None:
        """What the last verified drill needed on disk."""
        verified = self.history.verified
        if not verified:
            return None
        tables = (table for held in verified[-1].inventory.each for table in held.tables.values())
        return sum(table.bytes or 0 for table in tables if not table.partition_of)


def _present(value: T | None, what: str) -> T:
    if value is None:
        raise PermanentError(f"a step asked for {what} before there is one", rule="drill-crashed")
    return value
