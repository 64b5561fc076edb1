"""One base backup of a catalogue: what is known of a physical backup before anything of it is brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tasks.model.backup import RecoveryPoint, StoredObject
from tasks.model.reach import Foreseen

BaseType = Literal["full", "incr", "diff"]
"""Complete, or what changed since the last backup, or since the last full one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePoint(RecoveryPoint):
    """A base backup; *at* is when it stopped: the earliest moment that it can bring back.

    None is what a catalogue does not tell before the download. Times are aware UTC.

    Attributes:
        type: `full`, `incr` or `diff`.
        timeline: on which it was taken.
        start_lsn, stop_lsn: of its WAL: from the redo point to where it is consistent.
        system_identifier: of its cluster.
        chain: labels of the backups that it needs, the oldest first, its own left out.
        major: of the PostgreSQL that wrote it.
        segment_bytes: of its cluster's WAL.
        unpacked_bytes: what it takes on disk.
        has_own_wal: it brings the WAL from start to stop itself; None where only its bytes tell.
        recover_to: the moment that it is to be recovered to; None: as the fleet file says.
        foreseen: what a listing of its WAL says of it.
        members: its files, where they are read one by one: below its uri.
    """

    type: BaseType = "full"
    timeline: int | None = None
    start_lsn: int | None = None
    stop_lsn: int | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    system_identifier: int | None = None
    chain: tuple[str, ...] = ()
    major: int | None = None
    segment_bytes: int | None = None
    unpacked_bytes: int | None = None
    has_own_wal: bool | None = False
    recover_to: datetime | None = None
    foreseen: Foreseen = field(default_factory=Foreseen)
    members: tuple[StoredObject, ...] = ()
