"""WAL-G's repositories, full backups and WAL, read by ourselves: no WAL-G is run.

Decided here: one listing of the base backups is the catalogue. A folder without a sentinel is a backup that
was not finished, and is passed by only while it is being written. Deltas and what is encrypted are named and
say nothing about the backup.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tasks.catalog.compression import unwrap
from tasks.catalog.sniff import ENCRYPTIONS, SNIFF_BYTES, sniff
from tasks.catalog.tar import BLOCK, is_header
from tasks.discovery.catalogued import from_catalogue
from tasks.model.backup import Candidate, Discovery, Format, StoredObject
from tasks.model.base_point import BasePoint
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.sandbox import Workspace
from tasks.model.target import Selection, Target, WalgBackup
from tasks.physical.bring_up import Copy, bring
from tasks.physical.extract import read_small
from tasks.physical.layout import BaseBackup, StoredTar
from tasks.physical.target import RecoveryTarget
from tasks.physical.walg import (
    LARGEST_SENTINEL_BYTES,
    Sentinel,
    is_backup_name,
    is_delta_name,
    parse_metadata,
    parse_sentinel,
    parts_of,
    tar_names,
)
from tasks.recovery.repository import Tool, start_commands
from tasks.recovery.under_way import passed_by, still_written
from tasks.stores import Store, open_store
from tasks.stores.uris import is_s3, normalised
from tasks.wal.listed import ListedWal, listed_wal

_SENTINEL = "_backup_stop_sentinel.json"
_CLOCKS_APART = timedelta(days=1)
_LOOKED_AT = 3
_HEAD_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing shows of one backup.

    Attributes:
        objects: what is stored in its folder, by the names in it.
        sentinel: None for one that was not finished.
    """

    name: str
    uri: str
    objects: Mapping[str, StoredObject]
    sentinel: StoredObject | None

    @property
    def written_at(self) -> datetime:
        """When it was last written to."""
        stored = (
            [*self.objects.values()] if self.sentinel is None else [*self.objects.values(), self.sentinel]
        )
        return max(obj.modified_at for obj in stored)  # one of them made it known


class WalgRepository:
    """See `tasks.recovery.repository.Repository`."""

    format = Format.WALG
    proof = "none"

    def reach(self, target: Target, *, stranger: bool = False) -> Store:
        """Open the store of the prefix."""
        return open_store(target.store, target.backup_as(WalgBackup).pattern, stranger=stranger)

    def points(
        self, target: Target, store: Store, now: datetime, selection: Selection
    ) -> Discovery[BasePoint]:
        """Read the sentinels of the window and choose."""
        points: list[BasePoint] = []
        others: list[Candidate] = []
        for listed in _in_window(target, store, now, selection):
            point = replace(_point(listed, store), members=tuple(listed.objects.values()))
            if listed.sentinel is None and still_written(listed.written_at, now):
                others.append(passed_by(point, listed.written_at))
            else:
                points.append(point)
        return from_catalogue(points, target, store, now, selection, others)

    def look_closer(self, point: BasePoint, store: Store, target: Target) -> BasePoint:  # noqa: ARG002
        """Return *point*: WAL-G's sentinel has told all."""
        return point

    def preflight(self, point: BasePoint, store: Store, target: Target) -> tuple[Finding, ...]:
        """Refuse what WAL-G did not finish, what is not read here, and what has lost a tar."""
        backup = _parts(point, store, target)
        _require_readable(backup, store)
        return ()

    def bring(
        self,
        point: BasePoint,
        store: Store,
        target: Target,
        workspace: Workspace,
        deadline: Deadline,
        progress: Callable[[int, int], None],
    ) -> Copy:
        """Unpack its tars into the data folder, pg_control last as WAL-G does."""
        copy = bring(_parts(point, store, target), store, workspace, deadline, progress)
        return replace(copy, stop_lsn=copy.stop_lsn or point.stop_lsn)

    def wal_place(self, point: BasePoint, target: Target) -> str | None:  # noqa: ARG002  one for all of them
        """Return the folder that WAL-G archives into."""
        return f"{target.backup_as(WalgBackup).at}wal_005/"

    def wal(
        self,
        place: str,
        target: Target,
        segment_bytes: int,
        deadline: Deadline,
        workspace: Workspace | None = None,  # noqa: ARG002  nothing is run
    ) -> ListedWal:
        """List the WAL, to be read as it lies there."""
        store = open_store(target.store, target.backup_as(WalgBackup).pattern)
        return listed_wal(store, place, segment_bytes, deadline)

    def commands(self, point: BasePoint, target: Target, aim: RecoveryTarget) -> tuple[str, ...]:
        """Return WAL-G's own commands."""
        at = target.backup_as(WalgBackup).at
        variable = "WALG_S3_PREFIX" if is_s3(at) else "WALG_FILE_PREFIX"
        setting = f"export {variable}={shlex.quote(at.rstrip('/'))}"
        return (
            f"{setting}; wal-g backup-fetch DATA {point.label}",
            *start_commands(aim, "wal-g wal-fetch %f %p"),
        )

    def tool(self, point: BasePoint, target: Target) -> Tool:  # noqa: ARG002  its version stands nowhere
        """Return the name."""
        return Tool(self.format.value)


def catalogue(at: str, store: Store) -> Iterator[Listed]:
    """Yield the backups below the prefix *at*, with a sentinel or without.

    Raises:
        DrillError: it cannot be listed.
    """
    folder = f"{normalised(at)}basebackups_005/"
    sentinels: dict[str, StoredObject] = {}
    objects: dict[str, dict[str, StoredObject]] = defaultdict(dict)
    for stored in store.list(folder):
        name, slash, rest = stored.uri.removeprefix(folder).partition("/")
        if slash:
            objects[name][rest] = stored
        elif name.endswith(_SENTINEL):
            sentinels[name.removesuffix(_SENTINEL)] = stored
    for name in sorted(filter(is_backup_name, {*objects, *sentinels})):
        yield Listed(name, f"{folder}{name}/", objects[name], sentinels.get(name))


def _in_window(target: Target, store: Store, now: datetime, selection: Selection) -> list[Listed]:
    """Return the backups whose records must be read: those of the window, and the newest of all."""
    backup = target.backup_as(WalgBackup)
    listed = sorted(catalogue(backup.at, store), key=lambda one: one.written_at)
    if selection.kind == "key":
        return [one for one in listed if one.name in (selection.key or "")]
    end = now if selection.at is None else selection.at.astimezone(UTC)
    since = end - timedelta(seconds=backup.window) - _CLOCKS_APART
    return [one for one in listed[:-1] if one.written_at >= since] + listed[-1:]


def _point(listed: Listed, store: Store) -> BasePoint:
    """Return the backup as drills know it; what its record says wrongly is said when it is drilled."""
    try:
        sentinel = _record_of(listed, store)
    except PermanentError as error:
        if error.rule != "backup-record-corrupt":
            raise
        sentinel = Sentinel()
    moment = sentinel.ended_at or sentinel.began_at
    stored_bytes = sum(obj.bytes for obj in listed.objects.values())
    return BasePoint(
        at=moment or listed.written_at,
        uri=listed.uri,
        bytes=stored_bytes,
        dated_by="modified" if moment is None else "catalogue",
        type="incr" if is_delta_name(listed.name) or sentinel.full_name else "full",
        timeline=sentinel.timeline or int(listed.name[5:13], 16),
        start_lsn=sentinel.start_lsn,
        stop_lsn=sentinel.stop_lsn,
        started_at=sentinel.began_at,
        stopped_at=sentinel.ended_at,
        system_identifier=sentinel.system_identifier,
        chain=() if sentinel.full_name is None else (sentinel.full_name,),
        major=sentinel.major,
        unpacked_bytes=sentinel.unpacked_bytes,
    )


def _record_of(listed: Listed, store: Store) -> Sentinel:
    if listed.sentinel is None:
        return Sentinel()
    data = read_small(store.source(listed.sentinel), LARGEST_SENTINEL_BYTES)
    sentinel = parse_sentinel(data, listed.sentinel.uri)
    metadata = listed.objects.get("metadata.json")
    if sentinel.ended_at is not None or metadata is None:
        return sentinel
    data = read_small(store.source(metadata), LARGEST_SENTINEL_BYTES)
    began_at, ended_at = parse_metadata(data, metadata.uri)
    return replace(sentinel, began_at=began_at, ended_at=ended_at)


def _parts(point: BasePoint, store: Store, target: Target) -> BaseBackup:
    """Return the parts of *point*.

    Raises:
        DrillError: what stands in the way of it.
    """
    at = target.backup_as(WalgBackup).at
    listed = next((one for one in catalogue(at, store) if one.uri == point.uri), None)
    if listed is None or listed.sentinel is None:
        raise PermanentError(
            "WAL-G wrote no sentinel for this backup: it was not finished, or is being deleted.",
            point.uri,
            rule="backup-unfinished",
        )
    sentinel = _record_of(listed, store)
    if is_delta_name(listed.name) or sentinel.full_name is not None:
        full = "" if sentinel.full_name is None else f": --select key:{sentinel.full_name}"
        raise PermanentError(
            "This is a delta backup of WAL-G, and deltas are not put together here. Nothing is said about "
            "the backup.",
            point.uri,
            f"Drill the full backup with its WAL{full}.",
            rule="format-unsupported",
        )
    return parts_of(listed.objects, sentinel, _expected(listed, store), point.uri)


def _expected(listed: Listed, store: Store) -> frozenset[str]:
    """Return the tars that must be there, as far as WAL-G says it in a file that can be read."""
    metadata = listed.objects.get("files_metadata.json")
    if metadata is None or metadata.bytes > LARGEST_SENTINEL_BYTES:
        return frozenset()
    return tar_names(read_small(store.source(metadata), LARGEST_SENTINEL_BYTES), metadata.uri)


def _require_readable(backup: BaseBackup, store: Store) -> None:
    """Refuse what is encrypted: WAL-G names it as if it were not, and libsodium leaves no mark.

    Raises:
        PermanentError: `format-unsupported`.
    """
    looked_at = [tar for _, tar in backup.tars[-1 : -1 - _LOOKED_AT : -1]]
    heads = [store.source(tar.object).read(0, _HEAD_BYTES) for tar in looked_at]
    if any(_is_tar(head, tar) for head, tar in zip(heads, looked_at, strict=True)):
        return
    sniffed = sniff(heads[0][:SNIFF_BYTES]).kind
    how = sniffed if sniffed in ENCRYPTIONS else "libsodium or another cipher"
    raise PermanentError(
        f"No tar of the backup is what its name says: WAL-G encrypted them ({how}), which is not read here. "
        "Nothing is said about the backup.",
        looked_at[0].object.uri,
        "Drill a copy that is encrypted by the store (SSE-KMS), which needs no key here.",
        rule="format-unsupported",
    )


def _is_tar(head: bytes, tar: StoredTar) -> bool:
    """Say whether the first bytes of a tar are a tar's, compressed as its name says."""
    if tar.wrapper is None:
        return is_header(head[:BLOCK])
    try:
        return is_header(next(unwrap(tar.wrapper, [head], tar.object.uri), b"")[:BLOCK])
    except PermanentError:
        return False
