"""Where a base backup's WAL begins and ends, out of its first kilobytes and its manifest's last ones.

Read by range and bounded, so that it is known before the download. Whatever makes no sense here is left to
the drill, which reads all of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from tasks.model.errors import DrillError
from tasks.physical.backup_label import BackupLabel
from tasks.physical.chain import label_of
from tasks.physical.layout import BaseBackup
from tasks.stores.base import Store
from tasks.wal.names import DEFAULT_SEGMENT_BYTES, parse_lsn, parse_segment, segment_of

_TAIL_BYTES = 4 << 10
_RANGE = re.compile(
    rb'\{ "Timeline": (?P<timeline>\d{1,10}), "Start-LSN": "(?P<start>[0-9A-F]{1,8}/[0-9A-F]{1,8})", '
    rb'"End-LSN": "(?P<end>[0-9A-F]{1,8}/[0-9A-F]{1,8})" \}'
)
_SIZES = tuple(1 << power for power in range(20, 31))


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What is known of a base backup's WAL.

    Attributes:
        stop_lsn: None without a manifest.
        segment_bytes: of its cluster.
        has_own_wal: None where only the tar's end tells: `-X fetch` puts it there.
        incremental: it holds what changed since another one.
    """

    start_lsn: int
    stop_lsn: int | None
    timeline: int
    segment_bytes: int
    started_at: datetime | None
    has_own_wal: bool | None
    incremental: bool


def first_look(backup: BaseBackup, store: Store) -> FirstLook | None:
    """Return what *backup* says of its WAL; None where its first bytes do not tell."""
    try:
        label = label_of(backup, store)
        if label is None:
            return None
        stop_lsn = _stop_lsn(backup, store, label)
    except DrillError:
        return None  # the fetch says what is wrong with it
    return FirstLook(
        start_lsn=label.start_lsn,
        stop_lsn=stop_lsn,
        timeline=label.timeline,
        segment_bytes=segment_bytes_of(label),
        started_at=label.started_at,
        has_own_wal=_has_own_wal(backup, label),
        incremental=label.incremental_from is not None,
    )


def segment_bytes_of(label: BackupLabel) -> int:
    """Return the size of segments: the one under which the label's LSN lies in the label's segment."""
    for size in (DEFAULT_SEGMENT_BYTES, *_SIZES):
        segment = parse_segment(label.segment, size)
        if segment is not None and segment.number == segment_of(label.start_lsn, size):
            return size
    return DEFAULT_SEGMENT_BYTES


def _stop_lsn(backup: BaseBackup, store: Store, label: BackupLabel) -> int | None:
    """Return where the manifest's last kilobytes say that the backup is consistent."""
    if backup.manifest is None:
        return None
    size = backup.manifest.bytes
    tail = store.source(backup.manifest).read(max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    ranges = list(_RANGE.finditer(tail))
    if len(ranges) != 1 or int(ranges[0]["timeline"]) != label.timeline:
        return None
    stop_lsn = parse_lsn(ranges[0]["end"].decode())
    return stop_lsn if stop_lsn > label.start_lsn else None


def _has_own_wal(backup: BaseBackup, label: BackupLabel) -> bool | None:
    if backup.base is None:
        return f"pg_wal/{label.segment}" in backup.files
    return True if backup.wal is not None else None
