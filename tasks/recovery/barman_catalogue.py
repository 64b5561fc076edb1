"""Barman's catalogue: which backups its folders hold, and what its records say of each.

A folder below `base/` is a backup, whatever its record says: one that failed or was never finished is the
newest all the same, and a drill of it says so. Only what is being taken right now is passed by. Names begin
with the month, so that the months of the window are listed and nothing older.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from tasks.model.backup import Candidate, StoredObject
from tasks.model.base_point import BasePoint
from tasks.model.errors import DrillError
from tasks.model.target import BarmanBackup, Selection, Target
from tasks.physical.barman_info import (
    LARGEST_BYTES,
    UNDER_WAY,
    BackupInfo,
    is_backup_id,
    parse_backup_info,
)
from tasks.physical.extract import read_small
from tasks.recovery.under_way import passed_by, still_written
from tasks.stores.base import Store
from tasks.stores.uris import normalised

_CLOCKS_APART = timedelta(days=2)
"""Names tell the time on Barman's clock, in a zone that they do not name."""
_ID = "%Y%m%dT%H%M%S"
_MONTH = re.compile(r"(\d{6})\d\dT\d{6}")
_INFO = "backup.info"
_META_SUFFIX = f"-{_INFO}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A backup of the catalogue.

    Attributes:
        uri: of its folder.
        info: None where Barman wrote no record of it.
        fault: why its record cannot be read.
    """

    backup_id: str
    uri: str
    info: BackupInfo | None
    fault: DrillError | None = None

    def at(self, zone: tzinfo) -> datetime:
        """Return the moment that it brings back: when it ended, else when it began."""
        info = self.info
        moment = None if info is None else info.ended_at or info.began_at
        return (moment or named_at(self.backup_id, zone)).astimezone(UTC)


def named_at(backup_id: str, zone: tzinfo) -> datetime:
    """Return the time that an id names; the first of all for one that is no time."""
    try:
        return datetime.strptime(backup_id, _ID).replace(tzinfo=zone)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def catalogue(
    target: Target, store: Store, now: datetime, selection: Selection
) -> tuple[list[BasePoint], list[Candidate]]:
    """Return the backups of the window, and those that are being taken right now.

    Raises:
        DrillError: what the way to the store can show.
    """
    backup = target.backup_as(BarmanBackup)
    zone = ZoneInfo(backup.timezone)
    points: list[BasePoint] = []
    others: list[Candidate] = []
    for uri in _folders(backup, store, now, selection):
        recorded = record_of(backup, store, uri)
        point = _point(recorded, zone, store)
        since = _under_way_since(recorded, store, now)
        if since is None:
            points.append(point)
        else:
            others.append(passed_by(point, since))
    return points, others


def record_of(backup: BarmanBackup, store: Store, uri: str) -> Recorded:
    """Return the backup in the folder *uri* with what Barman's record says of it.

    Raises:
        DrillError: the store cannot be read.
    """
    backup_id = uri.rstrip("/").rpartition("/")[2]
    for place in (f"{uri}{_INFO}", f"{normalised(backup.root)}meta/{backup_id}{_META_SUFFIX}"):
        stored = _head(store, place)
        if stored is None:
            continue
        try:
            data = read_small(store.source(stored), LARGEST_BYTES)
            return Recorded(backup_id, uri, parse_backup_info(data, ZoneInfo(backup.timezone), place))
        except DrillError as error:
            if error.rule not in {"backup-record-corrupt", "archive-hostile"}:
                raise
            return Recorded(backup_id, uri, None, error)
    return Recorded(backup_id, uri, None)


def objects_below(store: Store, uri: str) -> Mapping[str, StoredObject]:
    """Return what is stored below the folder *uri*, by the names in it."""
    return {stored.uri.removeprefix(uri): stored for stored in store.list(uri)}


def _folders(backup: BarmanBackup, store: Store, now: datetime, selection: Selection) -> Iterator[str]:
    """Yield the folders of backups, the window's months; all there are where those hold none."""
    if selection.kind == "key":
        named = _MONTH.search(selection.key or "")
        yield from _backups_at(store, f"{normalised(backup.root)}base/{named[1] if named else ''}")
        return
    end = (now if selection.at is None else selection.at.astimezone(UTC)) + _CLOCKS_APART
    begin = end - timedelta(seconds=backup.window) - 2 * _CLOCKS_APART
    months = dict.fromkeys(f"{begin + timedelta(days=day):%Y%m}" for day in range((end - begin).days + 2))
    folders = [
        uri for month in months for uri in _backups_at(store, f"{normalised(backup.root)}base/{month}")
    ]
    yield from folders or _backups_at(store, f"{normalised(backup.root)}base/")


def _backups_at(store: Store, prefix: str) -> list[str]:
    return [uri for uri in store.folders(prefix) if is_backup_id(uri.rstrip("/").rpartition("/")[2])]


def _point(recorded: Recorded, zone: tzinfo, store: Store) -> BasePoint:
    """Return the backup as drills know it; of barman-cloud's few objects the sizes are added up."""
    info = recorded.info or BackupInfo("EMPTY")
    size = info.size if info.size is not None else sum(obj.bytes for obj in store.list(recorded.uri))
    return BasePoint(
        at=recorded.at(zone),
        uri=recorded.uri,
        bytes=size,
        dated_by="name" if recorded.info is None else "catalogue",
        type="full" if info.parent is None else "incr",
        timeline=info.timeline,
        start_lsn=info.begin_lsn,
        stop_lsn=info.end_lsn,
        started_at=info.began_at,
        stopped_at=info.ended_at,
        system_identifier=info.system_identifier,
        chain=() if info.parent is None else (info.parent,),
        major=info.major,
        segment_bytes=info.segment_bytes,
        unpacked_bytes=info.cluster_bytes,
    )


def _under_way_since(recorded: Recorded, store: Store, now: datetime) -> datetime | None:
    """Return when a backup that is being taken was last written to; None for one that is not."""
    if recorded.fault is not None or (recorded.info is not None and recorded.info.status not in UNDER_WAY):
        return None
    newest = max((stored.modified_at for stored in store.list(recorded.uri)), default=None)
    return newest if newest is not None and still_written(newest, now) else None


def _head(store: Store, uri: str) -> StoredObject | None:
    try:
        return store.head(uri)
    except DrillError as error:
        if error.rule != "object-gone":
            raise
        return None
