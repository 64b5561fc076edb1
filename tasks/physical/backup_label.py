"""backup_label: where a copy's recovery must begin. Without it a torn copy cannot be told from a good one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.model.errors import PermanentError
from tasks.wal.names import parse_lsn

LARGEST_BYTES = 64 << 10
_LINE = re.compile(r"(?P<name>[A-Z][A-Z ]+): (?P<value>.*)")
_START = re.compile(r"(?P<lsn>[0-9A-F]+/[0-9A-F]+) \(file (?P<segment>[0-9A-F]{24})\)")
_TIME = re.compile(r"(?P<moment>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:UTC|GMT|Etc/UTC|[+]00)")


@dataclass(frozen=True, slots=True)
class BackupLabel:
    """What the server wrote when the backup began.

    Attributes:
        start_lsn: where recovery begins.
        segment: the WAL file that holds it.
        started_at: aware UTC; None where it was written in a zone that its letters do not tell.
        incremental_from: the LSN where the backup begins that this one builds on; None for a full one.
        incremental_timeline: the timeline of that place; None where it is not said.
    """

    start_lsn: int
    segment: str
    timeline: int
    label: str = ""
    started_at: datetime | None = None
    incremental_from: int | None = None
    incremental_timeline: int | None = None


def missing(where: str) -> PermanentError:
    """Return the error of a copy that has no backup_label."""
    return PermanentError(
        "The copy has no backup_label. A server started on it looks fine, but nothing tells where recovery "
        "must begin: a torn copy cannot be told from a good one.",
        where,
        rule="backup-label-missing",
    )


def parse_label(text: str, where: str) -> BackupLabel:
    """Return what the backup_label *text* says.

    Raises:
        PermanentError: `backup-label-missing`: it does not say where recovery begins.
    """
    values = {match["name"]: match["value"] for match in map(_LINE.fullmatch, text.splitlines()) if match}
    start = _START.fullmatch(values.get("START WAL LOCATION", ""))
    if start is None:
        raise PermanentError(
            "The copy's backup_label does not say where recovery begins. It was cut or written by hand.",
            where,
            rule="backup-label-missing",
        )
    timeline = values.get("START TIMELINE", "")
    incremental = values.get("INCREMENTAL FROM LSN")
    prior_timeline = values.get("INCREMENTAL FROM TLI", "")
    return BackupLabel(
        start_lsn=parse_lsn(start["lsn"]),
        segment=start["segment"],
        timeline=int(timeline) if timeline.isdecimal() else int(start["segment"][:8], 16),
        label=values.get("LABEL", ""),
        started_at=_moment(values.get("START TIME", "")),
        incremental_from=None if incremental is None else parse_lsn(incremental),
        incremental_timeline=int(prior_timeline) if prior_timeline.isdecimal() else None,
    )


def _moment(text: str) -> datetime | None:
    match = _TIME.fullmatch(text)
    return None if match is None else datetime.fromisoformat(match["moment"]).replace(tzinfo=UTC)
