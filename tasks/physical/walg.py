"""WAL-G's backups: what a sentinel says, and which tars make up the data folder.

Written from WAL-G's source, without its own bytes to try on: what is not known here is `format-unsupported`,
never a fault of the backup. Names in its tars begin at the data folder, with a slash or without; `pg_control`
lies in a tar of its own that is written last of all, so that without it a backup was not finished.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from expectations.json_text import JsonInvalid, read_object
from tasks.catalog.compression import BROTLI, GZIP, LZ4, ZSTD
from tasks.model.backup import StoredObject
from tasks.model.errors import PermanentError
from tasks.physical.layout import BaseBackup, Form, StoredTar

LARGEST_SENTINEL_BYTES = 64 << 20
"""Old releases of WAL-G list every file in it."""
CONTROL = "pg_control"
_PARTS = "tar_partitions/"
_TAR = re.compile(rf"{_PARTS}(?P<stem>[A-Za-z0-9_-]{{1,200}})\.tar(?P<suffix>(?:\.[a-z0-9]{{1,8}})?)")
_WRAPPERS = {"": None, ".lz4": LZ4, ".zst": ZSTD, ".br": BROTLI, ".gz": GZIP}
_NAME = re.compile(
    r"base_(?P<timeline>[0-9A-F]{8})[0-9A-F]{16}(?P<delta>_D_[0-9A-F]{24})?(?:_[0-9A-F]{1,16})?"
)
_OID = re.compile(r"[1-9]\d{0,9}")
_LONGEST_NAME = 200
_MOST_SPACES = 10_000


@dataclass(frozen=True, slots=True)
class Sentinel:
    """What WAL-G writes down of one backup when it is complete; None is what it does not say.

    Attributes:
        began_at, ended_at: aware UTC.
        full_name: of a delta: the full backup that it goes back to, or the one before it.
        spaces: OIDs of its tablespaces.
        stored_bytes, unpacked_bytes: of its files.
    """

    start_lsn: int | None = None
    stop_lsn: int | None = None
    timeline: int | None = None
    system_identifier: int | None = None
    major: int | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    full_name: str | None = None
    spaces: tuple[str, ...] = ()
    stored_bytes: int | None = None
    unpacked_bytes: int | None = None


def is_backup_name(name: str) -> bool:
    """Say whether *name* is what WAL-G calls a base backup of PostgreSQL."""
    return _NAME.fullmatch(name) is not None


def is_delta_name(name: str) -> bool:
    """Say whether the name alone tells that the backup holds changes only."""
    match = _NAME.fullmatch(name)
    return match is not None and match["delta"] is not None


def parse_sentinel(data: bytes, where: str) -> Sentinel:
    """Return what the sentinel *data* says.

    Raises:
        PermanentError: `backup-record-corrupt`: it was cut, or WAL-G did not write it.
    """
    try:
        document = read_object(data, LARGEST_SENTINEL_BYTES)
        return _sentinel(document)
    except JsonInvalid as error:
        raise _corrupt(str(error), where) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _corrupt("a value of it is not what WAL-G writes", where) from error


def parse_metadata(data: bytes, where: str) -> tuple[datetime | None, datetime | None]:
    """Return when the backup began and ended, by its metadata.json: older sentinels do not say.

    Raises:
        PermanentError: `backup-record-corrupt`.
    """
    try:
        document = read_object(data, LARGEST_SENTINEL_BYTES)
        return _moment(document.get("start_time")), _moment(document.get("finish_time"))
    except JsonInvalid as error:
        raise _corrupt(str(error), where) from error
    except (TypeError, ValueError) as error:
        raise _corrupt("a time in it is none", where) from error


def tar_names(data: bytes, where: str) -> frozenset[str]:
    """Return the tars that files_metadata.json says files are in.

    Raises:
        PermanentError: `backup-record-corrupt`.
    """
    try:
        sets = read_object(data, LARGEST_SENTINEL_BYTES).get("TarFileSets") or {}
        return frozenset(str(name) for name, files in sets.items() if files)
    except JsonInvalid as error:
        raise _corrupt(str(error), where) from error
    except AttributeError as error:
        raise _corrupt("a value of it is not what WAL-G writes", where) from error


def parts_of(
    objects: Mapping[str, StoredObject], sentinel: Sentinel, expected: Collection[str], where: str
) -> BaseBackup:
    """Return the parts of the backup whose folder holds *objects*, by their names below it.

    Args:
        objects: what is stored below it.
        sentinel: WAL-G's record of it.
        expected: the tars that it must have, as far as WAL-G wrote that down.
        where: its URI, for messages.

    Raises:
        PermanentError: `backup-unfinished`, `archive-truncated`, `format-unsupported`.
    """
    tars = {match: objects[match.string] for match in map(_TAR.fullmatch, objects) if match}
    control = next((match for match in tars if match["stem"] == CONTROL), None)
    if control is None:
        raise PermanentError(
            "The tar with pg_control is not there, which WAL-G writes last of all: the backup was not "
            "finished, or was deleted in part.",
            where,
            rule="backup-unfinished",
        )
    missing = sorted(set(expected).difference(match.string.removeprefix(_PARTS) for match in tars))
    if missing:
        raise PermanentError(
            f"{len(missing)} tars of the backup are not there, the first of them {missing[0]}. The files in "
            "them are lost.",
            where,
            rule="archive-truncated",
        )
    others = sorted((match for match in tars if match is not control), key=lambda match: match.string)
    further = tuple(("", _stored(match, tars[match])) for match in (*others, control))
    return BaseBackup(Form.TAR, further[0][1], further=further[1:], spaces=sentinel.spaces)


def _stored(match: re.Match[str], stored: StoredObject) -> StoredTar:
    suffix = match["suffix"]
    if suffix in _WRAPPERS:
        return StoredTar(stored, _WRAPPERS[suffix], rooted=True)
    raise PermanentError(
        f"The backup lies there as {suffix[1:]}, which is not read here. Nothing is said about the backup.",
        stored.uri,
        "Let WAL-G compress with lz4, zstd or brotli (WALG_COMPRESSION_METHOD).",
        rule="format-unsupported",
    )


def _sentinel(document: Mapping[str, Any]) -> Sentinel:
    version = _number(document.get("PgVersion"))
    spec = document.get("Spec") or {}
    names = document.get("DeltaFullName") or document.get("DeltaFrom")
    return Sentinel(
        start_lsn=_number(document.get("LSN")),
        stop_lsn=_number(document.get("FinishLSN")),
        timeline=_number(document.get("Timeline")),
        system_identifier=_number(document.get("SystemIdentifier")),
        major=None if version is None else version // 10_000,
        began_at=_moment(document.get("StartTime")),
        ended_at=_moment(document.get("FinishTime")),
        full_name=None if names is None else str(names)[:_LONGEST_NAME],
        spaces=_spaces(spec.get("tablespaces") or []),
        stored_bytes=_number(document.get("CompressedSize")),
        unpacked_bytes=_number(document.get("UncompressedSize")),
    )


def _number(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return value


def _moment(value: object) -> datetime | None:
    """Return a time as Go writes it, to the nanosecond; None for its zero, the year 1."""
    if value is None:
        return None
    moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(value)))
    if moment.year == 1:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _spaces(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or len(names) > _MOST_SPACES:
        raise TypeError(names)
    oids = tuple(str(name) for name in names)
    if not all(map(_OID.fullmatch, oids)):
        raise ValueError(oids)
    return oids


def _corrupt(what: str, where: str) -> PermanentError:
    return PermanentError(
        f"WAL-G's record of the backup cannot be read: {what}. WAL-G itself would not know the backup.",
        where,
        rule="backup-record-corrupt",
    )
