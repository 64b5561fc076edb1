"""The repository of pg_basebackup: folders that match a pattern, and a folder of WAL, read by ourselves."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from tasks.catalog.compression import BZIP2, GZIP, LZ4, XZ, ZSTD
from tasks.discovery import discover
from tasks.discovery.scan import every_point
from tasks.model.backup import Discovery, DumpPoint, Format, StoredObject
from tasks.model.base_point import BasePoint
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.sandbox import Workspace
from tasks.model.target import Backup, BaseBackup, DumpBackup, Selection, Target
from tasks.physical import layout
from tasks.physical.bring_up import Copy, bring
from tasks.physical.chain import NamedBackup, chain_of
from tasks.physical.first_look import first_look
from tasks.physical.target import RecoveryTarget
from tasks.recovery.chain_room import room_for_chain
from tasks.recovery.repository import Tool, start_commands
from tasks.stores import Store, open_store
from tasks.stores.uris import FILE_SCHEME, is_s3, local_path
from tasks.wal.listed import ListedWal, listed_wal

_UNPACK: dict[str | None, str] = {
    None: "tar -xf {0} -C {1}",
    GZIP: "tar -xzf {0} -C {1}",
    BZIP2: "tar -xjf {0} -C {1}",
    XZ: "tar -xJf {0} -C {1}",
    ZSTD: "zstd -dc {0} | tar -x -C {1}",
    LZ4: "lz4 -dc {0} | tar -x -C {1}",
}


class BaseBackupFolders:
    """See `tasks.recovery.repository.Repository`."""

    format = Format.BASEBACKUP
    proof = "manifest"

    def reach(self, target: Target, *, stranger: bool = False) -> Store:
        """Open the store that the base backups and their WAL lie in."""
        backup = target.backup_as(BaseBackup)
        return open_store(target.store, backup.at, backup.wal, stranger=stranger)

    def points(
        self, target: Target, store: Store, now: datetime, selection: Selection
    ) -> Discovery[BasePoint]:
        """Read recovery points out of the folders that match the pattern."""
        folders = discover(as_folders(target), store, now, selection)
        points = tuple(base_point(folder) for folder in folders.points)
        eligible = tuple(base_point(folder) for folder in folders.eligible)
        return Discovery(
            points, folders.candidates, folders.points_at, folders.seed, folders.findings, eligible
        )

    def look_closer(self, point: BasePoint, store: Store, target: Target) -> BasePoint:  # noqa: ARG002
        """Read where its WAL begins and ends, out of its first kilobytes and its manifest's last."""
        backup = layout.recognise(_names(point.uri, point.members))
        seen = None if backup is None else first_look(backup, store)
        if seen is None:
            return point
        return replace(
            point,
            type="incr" if seen.incremental else "full",
            timeline=seen.timeline,
            start_lsn=seen.start_lsn,
            stop_lsn=seen.stop_lsn,
            started_at=seen.started_at,
            segment_bytes=seen.segment_bytes,
            has_own_wal=seen.has_own_wal,
        )

    def preflight(self, point: BasePoint, store: Store, target: Target) -> tuple[Finding, ...]:
        """Refuse what is no base backup at all, or builds on one that is gone or has no room here."""
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
        """Unpack it into the data folder, held against its manifest; a chain into one for each part."""
        *priors, newest = chain_to(point, store, target)
        return bring(newest.backup, store, workspace, deadline, progress, priors)

    def wal_place(self, point: BasePoint, target: Target) -> str | None:  # noqa: ARG002  one for all of them
        """Return the folder of the WAL, if there is one."""
        return target.backup_as(BaseBackup).wal

    def wal(
        self,
        place: str,
        target: Target,
        segment_bytes: int,
        deadline: Deadline,
        workspace: Workspace | None = None,  # noqa: ARG002  read by ourselves
    ) -> ListedWal:
        """List the WAL, to be read as it lies there."""
        return listed_wal(open_store(target.store, place), place, segment_bytes, deadline)

    def commands(self, point: BasePoint, target: Target, aim: RecoveryTarget) -> tuple[str, ...]:
        """Return what a person would type."""
        wal = target.backup_as(BaseBackup).wal
        return (*_unpacking(point), *start_commands(aim, "false" if wal is None else _fetching(wal)))

    def tool(self, point: BasePoint, target: Target) -> Tool:  # noqa: ARG002  its version stands nowhere
        """Return the name."""
        return Tool(self.format.value)


def chain_to(point: BasePoint, store: Store, target: Target) -> tuple[NamedBackup, ...]:
    """Return the base backups that *point* is put together of, the full one first.

    They are looked for among all that the pattern reaches, whatever the window.

    Raises:
        PermanentError: `not-a-backup`, `chain-broken`.
    """
    newest = NamedBackup(point.label, parts_of(point))
    return chain_of(newest, _others(point, store, target), store)


def _others(point: BasePoint, store: Store, target: Target) -> Iterator[NamedBackup]:
    for folder in every_point(as_folders(target), store, point.at, utc_now()):
        backup = layout.recognise(_names(folder.uri, folder.stored.members))
        if folder.uri != point.uri and backup is not None:
            yield NamedBackup(folder.label, backup)


def _fetching(wal: str) -> str:
    """Return a restore_command; in a folder nothing but an absent file is taken for the end of the WAL.

    Plain and gzipped files are had; one that lies there in any other way stops the recovery.
    """
    if is_s3(wal):
        return f"aws s3 cp {shlex.quote(wal.rstrip('/'))}/%f %p"
    folder = shlex.quote(str(local_path(wal)))
    return (
        f"test -e {folder}/%f && {{ cp {folder}/%f %p && exit 0; exit 255; }}; "
        f"test -e {folder}/%f.gz && {{ gzip -dc {folder}/%f.gz > %p && exit 0; exit 255; }}; "
        f'find {folder} -name "%f*" | grep -q . && exit 255; exit 1'
    )


def _unpacking(point: BasePoint) -> tuple[str, ...]:
    unpack = "tar -xf base.tar -C {0}; tar -xf pg_wal.tar -C {0}/pg_wal"
    if not point.chain:
        backup = layout.recognise(_names(point.uri, point.members))
        if backup is not None and backup.tars:
            return _untarring(backup)
        return (f"cp -a {shlex.quote(point.uri.removeprefix(FILE_SCHEME))}. DATA",)
    parts = (*point.chain, point.label)
    folders = [f"PART{number}" for number in range(1, len(parts) + 1)]
    each = [f"{unpack.format(folder)}  # {name}" for folder, name in zip(folders, parts, strict=True)]
    return (*each, f"pg_combinebackup -o DATA {' '.join(folders)}")


def _untarring(backup: layout.BaseBackup) -> tuple[str, ...]:
    """Return how the tars of *backup* are unpacked; tablespaces not where production has them."""
    commands = []
    for place, tar in backup.tars:
        name = tar.object.uri.rpartition("/")[2]
        is_space = place.startswith("pg_tblspc/")
        folder = f"SPACE{place.rpartition('/')[2]}" if is_space else f"DATA/{place}".rstrip("/")
        unpack = f"mkdir -p {folder}; {_UNPACK[tar.wrapper].format(name, folder)}"
        commands.append(f"{unpack}; ln -sfn $PWD/{folder} DATA/{place}" if is_space else unpack)
    return (*commands, "rm -f DATA/tablespace_map") if backup.tablespaces else tuple(commands)


def base_point(folder: DumpPoint) -> BasePoint:
    """Return *folder*, which a pattern found, as the base backup that it should be."""
    return BasePoint(
        at=folder.at,
        uri=folder.uri,
        bytes=folder.bytes,
        dated_by=folder.dated_by,
        version_id=folder.version_id,
        storage_class=folder.storage_class,
        members=folder.stored.members,
    )


def as_folders(target: Target) -> Target:
    """Return *target* as discovery takes it: folders that match a pattern, of whatever is in them."""
    backup = target.backup_as(BaseBackup)
    shared: dict[str, Any] = {name: getattr(backup, name) for name in Backup.model_fields}
    # Constructed: what was validated once is no text with units any more.
    folders = DumpBackup.model_construct(**shared, at=backup.at, checksum="none", manifest="none")
    return target.model_copy(update={"backup": folders})


def parts_of(point: BasePoint) -> layout.BaseBackup:
    """Return the parts of the base backup in the folder of *point*.

    Raises:
        PermanentError: `not-a-backup`.
    """
    backup = layout.recognise(_names(point.uri, point.members))
    if backup is None:
        raise PermanentError(
            "The folder holds no base backup: neither a base.tar nor a data folder's global/pg_control.",
            point.uri,
            "Was pg_basebackup's whole output stored in this folder, under its own names?",
            rule="not-a-backup",
        )
    return backup


def _names(folder: str, members: Iterable[StoredObject]) -> dict[str, StoredObject]:
    return {member.uri.removeprefix(folder): member for member in members}
