"""The way back of logical dumps: downloaded whole, opened, restored by PostgreSQL's own tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tasks import engines
from tasks.catalog import Wanted, open_backup
from tasks.checks.preflight import Readiness, assess, assess_opened, major_to_use
from tasks.discovery import discover, fetch_globals
from tasks.model.backup import ArchiveHead, Discovery, DumpPoint, LocalBackup
from tasks.model.deadline import Deadline
from tasks.model.findings import Finding
from tasks.model.recovered import HandedOver
from tasks.model.restored import Restored
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.target import Selection, Target
from tasks.recovery.handover import hand_over
from tasks.sandbox import start_sandbox
from tasks.stores import Fetched, Store, fetch_backup, open_store


class DumpRecovery:
    """See `tasks.recovery.base.Recovery`."""

    def reach(self, target: Target, *, stranger: bool = False) -> Store:
        """Open the store that the dumps and their globals lie in."""
        return open_store(target.store, target.dump.at, target.dump.globals, stranger=stranger)

    def points(
        self, target: Target, store: Store, now: datetime, selection: Selection
    ) -> Discovery[DumpPoint]:
        """Read recovery points out of the names that match the pattern."""
        return replace(discover(target, store, now, selection), eligible=())

    def preflight(
        self, point: DumpPoint, store: Store, target: Target, last_restored_bytes: int | None
    ) -> Readiness:
        """Read the dump's first bytes and say what it needs and whether it is here."""
        return assess(point, store, target, last_restored_bytes)

    def fetch(
        self,
        point: DumpPoint,
        store: Store,
        target: Target,
        workspace: Workspace,
        deadline: Deadline,
        progress: Callable[[int, int], None],
    ) -> Fetched:
        """Download it, held against whatever checksum is stored."""
        return fetch_backup(point, store, target, workspace.backup_dir, progress, deadline.check())

    def prove(
        self, download: Fetched, point: DumpPoint, target: Target, workspace: Workspace, deadline: Deadline
    ) -> LocalBackup:
        """Decrypt and unwrap it, and read it to its end."""
        return open_backup(
            download.path,
            name=point.label,
            sha256=download.sha256,
            bytes=download.bytes,
            integrity=download.integrity,
            fetch_s=download.seconds,
            decrypt=target.dump.decrypt,
            workdir=workspace.backup_dir,
            deadline_s=deadline.check(),
            wanted=Wanted(target.dump.database, target.name),
        )

    def companions(
        self, point: DumpPoint, store: Store, target: Target, workspace: Workspace, deadline: Deadline
    ) -> tuple[Path, ...]:
        """Download the pg_dumpall --globals-only file of the same time, if one is configured."""
        path = fetch_globals(point, store, target, workspace.backup_dir, deadline.check())
        return () if path is None else (path,)

    def assess(
        self, material: LocalBackup, head: ArchiveHead | None, point: DumpPoint, target: Target
    ) -> tuple[Finding, ...]:
        """Return what the opened dump's head says that the first bytes could not."""
        return assess_opened(material.head, head, point, target)

    def major(self, material: LocalBackup, target: Target) -> int:
        """Return the major that was dumped, or the one that the fleet file wants."""
        return major_to_use(material.head, target)

    def provision(
        self,
        point: DumpPoint,  # noqa: ARG002  an empty cluster is the same for every dump
        workspace: Workspace,
        install: PostgresInstall,
        target: Target,
        deadline: Deadline,
    ) -> Sandbox:
        """Make an empty cluster and start it."""
        return start_sandbox(workspace, install, target.sandbox, deadline.check())

    def restore(
        self,
        material: LocalBackup,
        sandbox: Sandbox,
        target: Target,
        deadline: Deadline,
        progress: Callable[[str], None],
    ) -> Restored:
        """Restore the roles, then the dump, as a role without power."""
        return engines.restore(
            material,
            sandbox,
            target,
            globals_path=next(iter(material.companions), None),
            deadline_s=deadline.check(),
            progress=progress,
        )

    def hand_over(self, sandbox: Sandbox, restored: Restored, into: Path, deadline: Deadline) -> HandedOver:
        """Leave the restored cluster in *into*."""
        return hand_over(sandbox, restored, into, deadline)
