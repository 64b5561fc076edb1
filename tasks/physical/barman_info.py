"""backup.info: what Barman and barman-cloud write down of one backup, `key=value` a line.

Read strictly and within bounds, since whoever can write backups can write it: nothing in it is evaluated as
Barman does, keys that decide nothing here are not looked at. What it says of the backup is Barman's word; the
copy's own files are held against it, never the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TypeVar

from tasks.model.errors import PermanentError
from tasks.wal.names import is_segment_bytes, parse_lsn

LARGEST_BYTES = 4 << 20
"""Of the file: it quotes backup_label and the statistics of every tablespace."""
COPIED = frozenset({"DONE", "WAITING_FOR_WALS"})
"""The copy is complete; what of its WAL is in the archive is seen in the archive."""
UNDER_WAY = frozenset({"EMPTY", "STARTED", "SYNCING"})
_STATUS = re.compile(r"[A-Z_]{1,32}")
_LINE = re.compile(r"(?P<key>[a-z_]{1,64})\s*=\s*(?P<value>.*)")
_TEXT = r"""(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
_SPACE = re.compile(rf"\(u?{_TEXT}, (?P<oid>[1-9]\d{{0,9}}), u?{_TEXT}\)(?:, )?")
_NUMBER = re.compile(r"\d{1,20}")
_ID = re.compile(r"\d{8}T\d{6}")
_ALWAYS = frozenset({"status", "tablespaces", "timeline", "version"})
_MOST_SPACES = 10_000
_FIRST_TWO_PART_MAJOR = 10
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class BackupInfo:
    """What one backup.info says; None is what it does not.

    Attributes:
        status: Barman's word, such as `DONE` or `FAILED`.
        begin_lsn, end_lsn: of its WAL.
        began_at, ended_at: aware.
        major: of the server.
        spaces: OIDs of its tablespaces.
        mode: how it was taken by a Barman server; None for barman-cloud's.
        encryption: by which tool its files are encrypted.
        is_snapshot: the data lies in a cloud's snapshots of disks, not here.
        parent: the backup that this one holds the changes since.
        size: of its files, bytes.
        cluster_bytes: of the cluster.
    """

    status: str
    begin_lsn: int | None = None
    end_lsn: int | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    timeline: int | None = None
    system_identifier: int | None = None
    major: int | None = None
    segment_bytes: int | None = None
    spaces: tuple[str, ...] = ()
    mode: str | None = None
    encryption: str | None = None
    is_snapshot: bool = False
    parent: str | None = None
    size: int | None = None
    cluster_bytes: int | None = None


def is_backup_id(name: str) -> bool:
    """Say whether *name* is what Barman calls a backup: the time when it began, on Barman's clock."""
    return _ID.fullmatch(name) is not None


def parse_backup_info(data: bytes, zone: tzinfo, where: str) -> BackupInfo:
    """Return what the backup.info *data* says.

    Args:
        data: the file.
        zone: of times that name no offset.
        where: the file's URI, for messages.

    Raises:
        PermanentError: `backup-record-corrupt`: it was cut, or Barman did not write it.
    """
    values = _values(data, where)
    read = _Reader(values, where)
    segment_bytes = read.one("xlog_segment_size", int, _NUMBER)
    if segment_bytes is not None and not is_segment_bytes(segment_bytes):
        raise _corrupt("xlog_segment_size is no size that PostgreSQL has", where)
    return BackupInfo(
        status=read.one("status", str, _STATUS) or "EMPTY",
        begin_lsn=read.one("begin_xlog", parse_lsn),
        end_lsn=read.one("end_xlog", parse_lsn),
        began_at=read.one("begin_time", lambda text: _moment(text, zone)),
        ended_at=read.one("end_time", lambda text: _moment(text, zone)),
        timeline=read.one("timeline", int, _NUMBER),
        system_identifier=read.one("systemid", int, _NUMBER),
        major=read.one("version", _major, _NUMBER),
        segment_bytes=segment_bytes,
        spaces=read.one("tablespaces", _spaces) or (),
        mode=values.get("mode"),
        encryption=values.get("encryption"),
        is_snapshot="snapshots_info" in values,
        parent=read.one("parent_backup_id", str, _ID),
        size=read.one("size", int, _NUMBER),
        cluster_bytes=read.one("cluster_size", int, _NUMBER),
    )


def _values(data: bytes, where: str) -> dict[str, str]:
    """Return the lines' values by key, without those that are none."""
    values: dict[str, str] = {}
    seen: list[str] = []
    for line in data.decode("utf-8", "replace").splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            if line.strip() and not line.startswith("#") and seen[-1:] != ["error"]:
                raise _corrupt("a line of it is no key and value", where)
            continue
        if match["key"] in values:
            raise _corrupt(f"{match['key']} stands twice in it", where)
        seen.append(match["key"])
        if match["value"] not in {"", "None"}:
            values[match["key"]] = match["value"]
    missing = sorted(_ALWAYS.difference(seen))
    if missing:
        raise _corrupt(f"it does not say {missing[0]}: it was cut", where)
    return values


class _Reader:
    """Reads one value at a time, and names the key of what cannot be read."""

    def __init__(self, values: Mapping[str, str], where: str) -> None:
        self._values, self._where = values, where

    def one(self, key: str, read: Callable[[str], _T], shape: re.Pattern[str] | None = None) -> _T | None:
        """Return the value of *key*; None where there is none."""
        text = self._values.get(key)
        if text is None:
            return None
        if shape is not None and not shape.fullmatch(text):
            raise _corrupt(f"{key} is not what Barman writes", self._where)
        try:
            return read(text)
        except ValueError as error:
            raise _corrupt(f"{key} is not what Barman writes", self._where) from error


def _spaces(text: str) -> tuple[str, ...]:
    """Return the OIDs of `[('name', oid, 'location'), ...]`; names and locations are production's affair."""
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError(text[:40])
    oids: list[str] = []
    at, end = 1, len(text) - 1
    while at < end:
        match = _SPACE.match(text, at, end)
        if match is None or len(oids) == _MOST_SPACES:
            raise ValueError(text[at : at + 40])
        oids.append(match["oid"])
        at = match.end()
    return tuple(oids)


def _moment(text: str, zone: tzinfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _major(version: str) -> int:
    """Return the major of a number such as 170011."""
    major = int(version) // 10_000
    if major < _FIRST_TWO_PART_MAJOR:
        raise ValueError(version)
    return major


def _corrupt(what: str, where: str) -> PermanentError:
    return PermanentError(
        f"Barman's record of the backup cannot be read: {what}. Barman itself would not know the backup.",
        where,
        rule="backup-record-corrupt",
    )
