"""The way back of physical backups: brought into the data folder, neutralised, recovered to their target.

Decided here: fetch brings the data folder itself; provision reads the control file and starts nothing;
restore takes the copy's settings away, replays, and starts it behind the whole wall. A copy brings the whole
cluster, of which one database is verified. Where backups and WAL lie, and how they are read, is the
repository's (`repository`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tasks.checks.preflight import Readiness, worker_findings
from tasks.model.backup import ArchiveHead, Discovery, Format, Material
from tasks.model.base_point import BasePoint
from tasks.model.bounded_list import listing
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import ConfigInvalid, PermanentError, StageFailed
from tasks.model.expected import Origin
from tasks.model.findings import Check, Finding, Outcome, Stage
from tasks.model.recovered import HandedOver
from tasks.model.restored import Checked, RecoveryCommand, Restored
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.target import Selection, Target
from tasks.physical.archived import Reach, reach
from tasks.physical.bring_up import Adopted, BroughtUp, Copy, bring_up, take_over, window_base
from tasks.physical.combine import combine, remove_parts
from tasks.physical.control import read_control
from tasks.physical.extract import spaces_folder
from tasks.physical.start import adopt, connect_any
from tasks.physical.target import Aim, RecoveryTarget
from tasks.recovery.facts import recoverable_to, recovery_facts
from tasks.recovery.foresight import foresee
from tasks.recovery.handover_copy import hand_over_copy
from tasks.recovery.moments import aim, beyond, catalogue_selection
from tasks.recovery.repository import Repository
from tasks.sandbox.removal import empty_folder
from tasks.stores import Store
from tasks.wal.names import parse_lsn

_FEW = 64
_ROLES = (
    "SELECT rolname FROM pg_roles WHERE oid >= 10 AND rolname <> ALL (%s) AND rolname !~ '^pg_' ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Brought:
    """A base backup in the data folder, and how long it took."""

    copy: Copy
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseMaterial(Material):
    """A base backup in the data folder.

    Attributes:
        point: which it is; its members only where they are few, as tars are.
        layout: how it was stored.
    """

    copy: Copy
    point: BasePoint
    layout: Format

    @property
    def format(self) -> str:
        """The layout's name."""
        return self.layout.value


class PhysicalRecovery:
    """See `tasks.recovery.base.Recovery`.

    Args:
        repository: where the backups and their WAL lie.
    """

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def reach(self, target: Target, *, stranger: bool = False) -> Store:
        """Open the store that the base backups lie in."""
        return self.repository.reach(target, stranger=stranger)

    def points(
        self, target: Target, store: Store, now: datetime, selection: Selection
    ) -> Discovery[BasePoint]:
        """Read the catalogue and choose; say from one listing of the WAL how far each reaches."""
        discovery = self.repository.points(target, store, now, catalogue_selection(target, selection))
        seen = foresee(self.repository, discovery, target, store, now, selection)
        return replace(aim(seen, target, selection, now), eligible=())

    def preflight(
        self, point: BasePoint, store: Store, target: Target, last_restored_bytes: int | None
    ) -> Readiness:
        """Say whether it can be brought, and whether this worker has room for it."""
        findings = (*point.foreseen.blocking, *self.repository.preflight(point, store, target))
        room = worker_findings(point, target, point.unpacked_bytes or last_restored_bytes)
        told = {item.rule for item in findings}
        seen = Checked((), (*findings, *(item for item in room if item.rule not in told)))
        return Readiness(None, None, seen, point.foreseen.standing)

    def fetch(
        self,
        point: BasePoint,
        store: Store,
        target: Target,
        workspace: Workspace,
        deadline: Deadline,
        progress: Callable[[int, int], None],
    ) -> Brought:
        """Bring it into the data folder."""
        begun_s = time.monotonic()
        empty_folder(workspace.data_dir)
        shutil.rmtree(spaces_folder(workspace), ignore_errors=True)
        remove_parts(workspace)
        copy = self.repository.bring(point, store, target, workspace, deadline, progress)
        return Brought(copy, time.monotonic() - begun_s)

    def prove(
        self,
        download: Brought,
        point: BasePoint,
        target: Target,  # noqa: ARG002  the protocol's
        workspace: Workspace,  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
    ) -> BaseMaterial:
        """Return what was proved while it was brought."""
        return BaseMaterial(
            bytes=point.bytes,
            sha256=None,
            integrity=self.repository.proof if download.copy.proven else "none",
            fetch_s=download.seconds,
            copy=download.copy,
            point=replace(
                point,
                members=point.members if len(point.members) <= _FEW else (),
                chain=download.copy.chain or point.chain,
            ),
            layout=self.repository.format,
        )

    def companions(
        self,
        point: BasePoint,  # noqa: ARG002  it is complete by itself
        store: Store,  # noqa: ARG002
        target: Target,  # noqa: ARG002
        workspace: Workspace,  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
    ) -> tuple[Path, ...]:
        """Return nothing: roles are in the copy."""
        return ()

    def assess(
        self,
        material: BaseMaterial,  # noqa: ARG002  judged while it was brought
        head: ArchiveHead | None,  # noqa: ARG002
        point: BasePoint,  # noqa: ARG002
        target: Target,  # noqa: ARG002
    ) -> tuple[Finding, ...]:
        """Return nothing: what is wrong with it has ended the fetch."""
        return ()

    def major(self, material: BaseMaterial, target: Target) -> int:  # noqa: ARG002  a copy starts under its own
        """Return the major that wrote the copy."""
        return material.copy.major

    def provision(
        self,
        point: BasePoint,  # noqa: ARG002  it lies in the workspace
        workspace: Workspace,
        install: PostgresInstall,
        target: Target,
        deadline: Deadline,
    ) -> Sandbox:
        """Adopt the data folder; its control file is read before any server sees it.

        What lies there in parts, of a chain of incremental backups, is put together first.
        """
        combine(workspace, install, deadline)
        sandbox = adopt(workspace, install, target.sandbox.profile)
        read_control(sandbox)
        return sandbox

    def restore(
        self,
        material: BaseMaterial,
        sandbox: Sandbox,
        target: Target,
        deadline: Deadline,
        progress: Callable[[str], None],
    ) -> Restored:
        """Neutralise the copy, replay its WAL to the target, start it, choose the database to verify."""
        begun_s = time.monotonic()
        adopted = take_over(sandbox)
        aim_at = recovery_target(target, material.point.recover_to)
        reached = self._reached(material, adopted, target, deadline)
        if reached is not None and not reached.window.usable:
            raise StageFailed(reached.findings)
        progress(f"replaying WAL to {aim_at}")
        brought = bring_up(material.copy, adopted, aim_at, deadline, reached)
        databases = databases_of(target, brought.facts.databases)
        database = databases[0] if databases else database_of(target, brought.facts.databases)
        return Restored(
            database=database,
            findings=(*_unforeseen(reached, material.point), *brought.findings),
            checks=_checks(brought, aim_at),
            commands=self._commands(material.point, target, aim_at, time.monotonic() - begun_s),
            roles=_roles(sandbox),
            other_databases=tuple(
                name
                for name in (*brought.facts.databases, *brought.facts.closed)
                if name not in (databases or (database,))
            ),
            databases=databases,
            unproven_keys=None,
            origin=Origin(server_version=sandbox.postgres.version, database=database),
            recovery={
                **recovery_facts(material.copy, material.point.label, brought, aim_at, reached),
                "tool": self.repository.tool(material.point, target).as_dict(),
            },
            recoverable_to=recoverable_to(brought, aim_at, reached),
            neutralised=tuple(sorted(set(brought.neutralised))),
            restore_s=sum(brought.recovered.phases_s.values()),
        )

    def hand_over(self, sandbox: Sandbox, restored: Restored, into: Path, deadline: Deadline) -> HandedOver:
        """Leave the recovered copy in *into*."""
        return hand_over_copy(sandbox, restored, into, deadline)

    def _reached(
        self, material: BaseMaterial, adopted: Adopted, target: Target, deadline: Deadline
    ) -> Reach | None:
        """Return what the archive holds for this copy; None where it brings its own WAL."""
        place = self.repository.wal_place(material.point, target)
        if place is None:
            return None
        size = adopted.control.segment_bytes
        wal = self.repository.wal(place, target, size, deadline, adopted.sandbox.workspace)
        base = window_base(material.copy, material.point.label)
        return reach(wal, base, size, target.physical.recover.timeline, utc_now())

    def _commands(
        self, point: BasePoint, target: Target, aim: RecoveryTarget, seconds: float
    ) -> tuple[RecoveryCommand, ...]:
        *before, last = self.repository.commands(point, target, aim)
        return (*(RecoveryCommand(command, 0.0) for command in before), RecoveryCommand(last, seconds))


def _unforeseen(reached: Reach | None, point: BasePoint) -> tuple[Finding, ...]:
    """Return what the archive shows now and did not before the download."""
    foreseen = {(item.rule, item.where) for item in point.foreseen.standing}
    if reached is None:
        return ()
    findings = beyond(reached.findings, point.recover_to, reached.window.last_at)
    return tuple(item for item in findings if (item.rule, item.where) not in foreseen)


def recovery_target(target: Target, moment: datetime | None = None) -> RecoveryTarget:
    """Return how far the recovery is to go: to *moment*, else as the fleet file wants it."""
    recover = target.physical.recover
    if moment is not None:
        return RecoveryTarget(Aim.TIME, time=moment, timeline=recover.timeline)
    kind, _, argument = recover.to.partition(":")
    goal = Aim.LATEST if recover.random is not None else Aim(kind)
    return RecoveryTarget(
        goal,
        time=recover.moment,
        name=argument if goal is Aim.NAME else "",
        lsn=parse_lsn(argument) if goal is Aim.LSN else 0,
        timeline=recover.timeline,
    )


def databases_of(target: Target, databases: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of a cluster's several databases are verified; () where the fleet file means one.

    Those that are named and absent are told by the check `databases`.

    Raises:
        PermanentError: `required-database-missing`, `nothing-restored`: none is there.
    """
    several = target.several
    if several is None:
        return ()
    present = databases if several == "all" else tuple(name for name in several if name in databases)
    if not present:
        raise PermanentError(
            f"The cluster came back with {listing(databases, place='') or 'no database besides its own'}: "
            "none of the databases that are to be verified is there.",
            rule="nothing-restored" if several == "all" else "required-database-missing",
        )
    return present


def database_of(target: Target, databases: tuple[str, ...]) -> str:
    """Return which of the cluster's databases is verified.

    Raises:
        PermanentError: `config-invalid`: it is not there, or it could be several.
    """
    asked = target.physical.database
    if asked is None and target.name not in databases and len(databases) == 1:
        return databases[0]
    if (asked or target.name) in databases:
        return asked or target.name
    names = listing(databases, place="") or "of PostgreSQL alone"
    raise ConfigInvalid(
        f"The cluster came back with the databases {names}, and none is {asked or target.name}: which "
        "one is to be verified is not said.",
        hint="Write its name as backup.database, or backup.databases: all to verify every one.",
    )


def _checks(brought: BroughtUp, aim: RecoveryTarget) -> tuple[Check, ...]:
    pages, words = "page-checksums", _reached_words(brought)
    checksums = brought.adopted.control.checksum_version > 0
    return (
        Check(
            "recovery-target",
            Stage.RESTORE,
            Outcome.PASSED,
            observed=words,
            expected=str(aim),
        ),
        Check(pages, Stage.RESTORE, Outcome.PASSED)
        if checksums
        else Check(pages, Stage.RESTORE, Outcome.NOT_CONFIGURED, why="the cluster has no page checksums"),
    )


def _reached_words(brought: BroughtUp) -> str:
    last = brought.recovered.last_commit_at
    return "no transaction after the backup" if last is None else f"the transaction of {last.isoformat()}"


def _roles(sandbox: Sandbox) -> tuple[str, ...]:
    ours = [sandbox.superuser, sandbox.owner, sandbox.reader]
    with connect_any(sandbox) as session:
        return tuple(str(name) for (name,) in session.execute(_ROLES, (ours,)).fetchall())
