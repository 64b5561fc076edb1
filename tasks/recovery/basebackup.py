"""The way back of base backups: unpacked into the data folder, neutralised, recovered to its target.

Decided here: fetch unpacks, since the tar is the data folder; provision reads the control file and starts
nothing; restore takes the copy's settings away, replays, and starts it behind the whole wall. A copy brings
the whole cluster, of which one database is verified.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.checks.preflight import Readiness, worker_findings
from tasks.discovery import discover
from tasks.model.backup import ArchiveHead, Discovery, DumpPoint, Format, Material
from tasks.model.bounded_list import listing
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import ConfigInvalid, PermanentError, StageFailed
from tasks.model.expected import Origin
from tasks.model.findings import Check, Finding, Outcome, Stage
from tasks.model.restored import Checked, RecoveryCommand, Restored
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.target import Backup, DumpBackup, Selection, Target
from tasks.physical.archived import Reach, reach
from tasks.physical.bring_up import Adopted, BroughtUp, Copy, bring, bring_up, take_over, window_base
from tasks.physical.control import read_control
from tasks.physical.extract import spaces_folder
from tasks.physical.layout import BaseBackup, recognise
from tasks.physical.start import adopt, connect_any
from tasks.physical.target import Aim, RecoveryTarget
from tasks.recovery.facts import recoverable_to, recovery_facts
from tasks.sandbox.removal import empty_folder
from tasks.stores import Store, open_store
from tasks.wal.names import parse_lsn

_ROLES = (
    "SELECT rolname FROM pg_roles WHERE oid >= 10 AND rolname <> ALL (%s) AND rolname !~ '^pg_' ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A base backup in the data folder, and how long it took."""

    copy: Copy
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseMaterial(Material):
    """A base backup in the data folder."""

    copy: Copy
    label: str

    @property
    def format(self) -> str:
        """The tool's name."""
        return Format.BASEBACKUP.value


class BaseBackupRecovery:
    """See `tasks.recovery.base.Recovery`."""

    def reach(self, target: Target, *, stranger: bool = False) -> Store:
        """Open the store that the base backups and their WAL lie in."""
        return open_store(target.store, target.base_backup.at, target.base_backup.wal, stranger=stranger)

    def points(
        self, target: Target, store: Store, now: datetime, selection: Selection
    ) -> Discovery[DumpPoint]:
        """Read recovery points out of the folders that match the pattern."""
        return discover(as_folders(target), store, now, selection)

    def preflight(
        self,
        point: DumpPoint,
        store: Store,  # noqa: ARG002  names tell whether it is one
        target: Target,
        last_restored_bytes: int | None,
    ) -> Readiness:
        """Say whether it is a base backup at all and whether this worker has room for it."""
        parts_of(point)
        findings = worker_findings(point, target, last_restored_bytes)
        return Readiness(None, None, Checked((), tuple(findings)))

    def fetch(
        self,
        point: DumpPoint,
        store: Store,
        target: Target,  # noqa: ARG002  the protocol's
        workspace: Workspace,
        deadline: Deadline,
        progress: Callable[[int, int], None],
    ) -> Unpacked:
        """Unpack it into the data folder, held against its manifest."""
        begun_s = time.monotonic()
        empty_folder(workspace.data_dir)
        shutil.rmtree(spaces_folder(workspace), ignore_errors=True)
        backup = parts_of(point)
        copy = bring(backup, store, workspace, deadline, progress)
        return Unpacked(copy, backup.bytes, time.monotonic() - begun_s)

    def prove(
        self,
        download: Unpacked,
        point: DumpPoint,
        target: Target,  # noqa: ARG002  the protocol's
        workspace: Workspace,  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
    ) -> BaseMaterial:
        """Return what the unpacking proved on its way."""
        return BaseMaterial(
            bytes=download.bytes,
            sha256=None,
            integrity="manifest" if download.copy.proven else "none",
            fetch_s=download.seconds,
            copy=download.copy,
            label=point.label,
        )

    def companions(
        self,
        point: DumpPoint,  # noqa: ARG002  it is complete by itself
        store: Store,  # noqa: ARG002
        target: Target,  # noqa: ARG002
        workspace: Workspace,  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
    ) -> tuple[Path, ...]:
        """Return nothing: roles are in the copy."""
        return ()

    def assess(
        self,
        material: BaseMaterial,  # noqa: ARG002  judged while it was unpacked
        head: ArchiveHead | None,  # noqa: ARG002
        point: DumpPoint,  # noqa: ARG002
        target: Target,  # noqa: ARG002
    ) -> tuple[Finding, ...]:
        """Return nothing: what is wrong with it has ended the fetch."""
        return ()

    def major(self, material: BaseMaterial, target: Target) -> int:  # noqa: ARG002  a copy starts under its own
        """Return the major that wrote the copy."""
        return material.copy.major

    def provision(
        self,
        point: DumpPoint,  # noqa: ARG002  it lies in the workspace
        workspace: Workspace,
        install: PostgresInstall,
        target: Target,
        deadline: Deadline,  # noqa: ARG002  nothing is started
    ) -> Sandbox:
        """Adopt the data folder; its control file is read before any server sees it."""
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
        aim = recovery_target(target)
        reached = self._reached(material, adopted, target, deadline)
        if reached is not None and not reached.window.usable:
            raise StageFailed(reached.findings)
        progress(f"replaying WAL to {aim}")
        brought = bring_up(material.copy, adopted, aim, deadline, reached)
        database = database_of(target, brought.facts.databases)
        return Restored(
            database=database,
            findings=(*(() if reached is None else reached.findings), *brought.findings),
            checks=_checks(brought, aim),
            commands=_commands(target, aim, time.monotonic() - begun_s),
            roles=_roles(sandbox),
            other_databases=tuple(name for name in brought.facts.databases if name != database),
            unproven_keys=None,
            origin=Origin(server_version=sandbox.postgres.version, database=database),
            recovery=recovery_facts(material.copy, material.label, brought, aim, reached),
            recoverable_to=recoverable_to(brought, aim, reached),
            neutralised=tuple(sorted(set(brought.neutralised))),
            restore_s=sum(brought.recovered.phases_s.values()),
        )

    def _reached(
        self, material: BaseMaterial, adopted: Adopted, target: Target, deadline: Deadline
    ) -> Reach | None:
        """Return what the archive holds for this copy; None where it brings its own WAL."""
        place, copy = target.base_backup.wal, material.copy
        if place is None:
            return None
        base = window_base(copy, material.label)
        timeline, size = target.base_backup.recover.timeline, adopted.control.segment_bytes
        store = open_store(target.store, place)
        return reach(store, place, base, size, timeline, utc_now(), deadline)


def as_folders(target: Target) -> Target:
    """Return *target* as discovery takes it: folders that match a pattern, of whatever is in them."""
    backup = target.base_backup
    shared: dict[str, Any] = {name: getattr(backup, name) for name in Backup.model_fields}
    # Constructed: what was validated once is no text with units any more.
    folders = DumpBackup.model_construct(**shared, at=backup.at, checksum="none", manifest="none")
    return target.model_copy(update={"backup": folders})


def parts_of(point: DumpPoint) -> BaseBackup:
    """Return the parts of the base backup in the folder of *point*.

    Raises:
        PermanentError: `not-a-backup`.
    """
    names = {member.uri.removeprefix(point.stored.uri): member for member in point.stored.members}
    backup = recognise(names)
    if backup is None:
        raise PermanentError(
            "The folder holds no base backup: neither a base.tar nor a data folder's global/pg_control.",
            point.uri,
            "Was pg_basebackup's whole output stored in this folder, under its own names?",
            rule="not-a-backup",
        )
    return backup


def recovery_target(target: Target) -> RecoveryTarget:
    """Return how far the fleet file wants the recovery to go."""
    recover = target.base_backup.recover
    kind, _, argument = recover.to.partition(":")
    aim = Aim(kind)
    return RecoveryTarget(
        aim,
        time=datetime.fromisoformat(argument) if aim is Aim.TIME else None,
        name=argument if aim is Aim.NAME else "",
        lsn=parse_lsn(argument) if aim is Aim.LSN else 0,
        timeline=recover.timeline,
    )


def database_of(target: Target, databases: tuple[str, ...]) -> str:
    """Return which of the cluster's databases is verified.

    Raises:
        PermanentError: `config-invalid`: it is not there, or it could be several.
    """
    asked = target.base_backup.database
    if asked is None and target.name not in databases and len(databases) == 1:
        return databases[0]
    if (asked or target.name) in databases:
        return asked or target.name
    names = listing(databases, place="") or "of PostgreSQL alone"
    raise ConfigInvalid(
        f"The cluster came back with the databases {names}, and none is {asked or target.name}: which "
        "one is to be verified is not said.",
        hint="Write its name as backup.database; each further one is an entry of its own.",
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


def _commands(target: Target, aim: RecoveryTarget, seconds: float) -> tuple[RecoveryCommand, ...]:
    """Return what a person would type: the copy's own settings must not be obeyed by him either."""
    wal = target.base_backup.wal
    settings = {**aim.settings(), "restore_command": "false" if wal is None else f"fetch %f from {wal} to %p"}
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    return (
        RecoveryCommand("tar -xf base.tar -C DATA; tar -xf pg_wal.tar -C DATA/pg_wal", 0.0),
        RecoveryCommand("mv DATA/postgresql.auto.conf aside; touch DATA/recovery.signal", 0.0),
        RecoveryCommand(f"postgres -D DATA {options}", seconds),
    )


def _roles(sandbox: Sandbox) -> tuple[str, ...]:
    ours = [sandbox.superuser, sandbox.owner, sandbox.reader]
    with connect_any(sandbox) as session:
        return tuple(str(name) for (name,) in session.execute(_ROLES, (ours,)).fetchall())
