"""Barman's repositories, barman-cloud's and a Barman server's, read by ourselves: no Barman is run.

Decided here: what Barman's record says of a backup is believed where it speaks against it (not finished, not
kept here, encrypted) and never for it: tablespaces, backup_label, WAL and pages are proven by
the files themselves.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from tasks.discovery.catalogued import from_catalogue
from tasks.model.backup import Discovery, Format
from tasks.model.base_point import BasePoint
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.sandbox import Workspace
from tasks.model.target import BarmanBackup, Selection, Target
from tasks.physical.barman import parts_of
from tasks.physical.barman_info import COPIED, BackupInfo
from tasks.physical.bring_up import Copy, bring
from tasks.physical.chain import NamedBackup
from tasks.physical.layout import BaseBackup
from tasks.physical.target import RecoveryTarget
from tasks.recovery.barman_catalogue import Recorded, catalogue, objects_below, record_of
from tasks.recovery.chain_room import room_for_chain
from tasks.recovery.repository import Tool, start_commands
from tasks.stores import Store, open_store
from tasks.stores.uris import is_s3, normalised
from tasks.wal.listed import ListedWal, listed_wal

_LONGEST_CHAIN = 1000
_NOT_HERE = "Nothing is said about the backup."


class BarmanRepository:
    """See `tasks.recovery.repository.Repository`."""

    format = Format.BARMAN
    proof = "manifest"

    def reach(self, target: Target, *, stranger: bool = False) -> Store:
        """Open the store of the server's folder."""
        return open_store(target.store, _pattern(target), stranger=stranger)

    def points(
        self, target: Target, store: Store, now: datetime, selection: Selection
    ) -> Discovery[BasePoint]:
        """Read Barman's records and choose."""
        points, passed_by = catalogue(target, store, now, selection)
        discovery = from_catalogue(points, target, store, now, selection, passed_by)
        chosen = (replace(point, members=tuple(store.list(point.uri))) for point in discovery.points)
        return replace(discovery, points=tuple(chosen))

    def look_closer(self, point: BasePoint, store: Store, target: Target) -> BasePoint:  # noqa: ARG002
        """Return *point*: Barman's record has told all."""
        return point

    def preflight(self, point: BasePoint, store: Store, target: Target) -> tuple[Finding, ...]:
        """Refuse what Barman did not finish, what is not read here, and what has lost a part of it."""
        chain = chain_to(point, store, target)
        return room_for_chain(chain, store, target) if len(chain) > 1 else ()

    def bring(
        self,
        point: BasePoint,
        store: Store,
        target: Target,
        workspace: Workspace,
        deadline: Deadline,
        progress: Callable[[int, int], None],
    ) -> Copy:
        """Unpack it into the data folder, held against pg_basebackup's manifest where it has one."""
        *priors, newest = chain_to(point, store, target)
        copy = bring(newest.backup, store, workspace, deadline, progress, priors)
        return replace(copy, stop_lsn=copy.stop_lsn or point.stop_lsn)

    def wal_place(self, point: BasePoint, target: Target) -> str | None:  # noqa: ARG002  one for all of them
        """Return the folder that Barman archives into."""
        return f"{target.backup_as(BarmanBackup).root}wals/"

    def wal(
        self,
        place: str,
        target: Target,
        segment_bytes: int,
        deadline: Deadline,
        workspace: Workspace | None = None,  # noqa: ARG002  nothing is run
    ) -> ListedWal:
        """List the WAL, to be read as it lies there: a server compresses it without a suffix."""
        return listed_wal(open_store(target.store, _pattern(target)), place, segment_bytes, deadline)

    def commands(self, point: BasePoint, target: Target, aim: RecoveryTarget) -> tuple[str, ...]:
        """Return Barman's own commands."""
        backup = target.backup_as(BarmanBackup)
        server = shlex.quote(backup.server)
        if is_s3(backup.at):
            place = shlex.quote(backup.at.rstrip("/"))
            return (
                f"barman-cloud-restore {place} {server} {point.label} DATA",
                *start_commands(aim, f"barman-cloud-wal-restore {place} {server} %f %p"),
            )
        return (
            f"barman restore {server} {point.label} DATA",
            *start_commands(aim, f"barman get-wal {server} %f > %p"),
        )

    def tool(self, point: BasePoint, target: Target) -> Tool:  # noqa: ARG002  its version stands nowhere
        """Return the name."""
        return Tool(self.format.value)


def refuse(info: BackupInfo, where: str) -> None:
    """Refuse what Barman's own record speaks against.

    Raises:
        PermanentError: `backup-unfinished`, `format-unsupported`.
    """
    if info.status not in COPIED:
        raise PermanentError(
            f"Barman calls the backup {info.status}: it was not finished. Nothing there can be relied on.",
            where,
            rule="backup-unfinished",
        )
    if info.is_snapshot:
        raise PermanentError(
            f"Barman took this backup as snapshots of disks in a cloud, which hold the data. {_NOT_HERE}",
            where,
            "Drill a backup that Barman copied; restoring snapshots of disks is the provider's.",
            rule="format-unsupported",
        )
    if info.encryption not in {None, "none"}:
        raise PermanentError(
            f"Barman encrypted this backup, and encrypted backups of Barman are not read here. {_NOT_HERE}",
            where,
            "Drill a copy that is encrypted by the store (SSE-KMS), which needs no key here.",
            rule="format-unsupported",
        )


def chain_to(point: BasePoint, store: Store, target: Target) -> tuple[NamedBackup, ...]:
    """Return the backups that *point* is put together of, the full one first, as Barman's records name them.

    Raises:
        DrillError: what stands in the way of one of them; `chain-broken`.
    """
    backup = target.backup_as(BarmanBackup)
    folder = f"{normalised(backup.root)}base/"
    chain: list[NamedBackup] = []
    uri: str | None = point.uri
    while uri is not None:
        recorded = record_of(backup, store, uri)
        if chain and (recorded.info is None or len(chain) > _LONGEST_CHAIN):
            raise _broken(chain[-1], recorded, point)
        info = _info_of(recorded)
        chain.append(NamedBackup(recorded.backup_id, _parts(recorded, info, store)))
        uri = None if info.parent is None else f"{folder}{info.parent}/"
    return tuple(reversed(chain))


def _pattern(target: Target) -> str:
    return target.backup_as(BarmanBackup).pattern


def _info_of(recorded: Recorded) -> BackupInfo:
    """Return Barman's record of a backup that it does not speak against.

    Raises:
        DrillError: why not.
    """
    if recorded.fault is not None:
        raise recorded.fault
    if recorded.info is None:
        raise PermanentError(
            "Barman wrote no backup.info for this backup: it was not finished, or is being deleted.",
            recorded.uri,
            rule="backup-unfinished",
        )
    refuse(recorded.info, recorded.uri)
    return recorded.info


def _parts(recorded: Recorded, info: BackupInfo, store: Store) -> BaseBackup:
    folders = [uri.rstrip("/").rpartition("/")[2] for uri in store.folders(recorded.uri)]
    spaces = (*folders, *info.spaces) if is_s3(recorded.uri) else folders  # a bucket shows no empty folder
    return parts_of(objects_below(store, recorded.uri), spaces, info, recorded.uri)


def _broken(link: NamedBackup, prior: Recorded, point: BasePoint) -> PermanentError:
    return PermanentError(
        f"The incremental backup {link.name} holds what changed since {prior.backup_id}, of which Barman has "
        "no record any more. Nothing that builds on it can come back.",
        point.uri,
        rule="chain-broken",
    )
