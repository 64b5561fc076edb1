"""What `pgbackrest info` tells: the backups of one stanza, and where their WAL lies.

Its text is made of files that somebody else wrote: bounded before it is read, taken apart by a schema, and
no word of its messages goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter

from tasks.model.backup import major_of
from tasks.model.base_point import BasePoint, BaseType
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError
from tasks.model.sandbox import Workspace
from tasks.physical.pgbackrest.access import Access
from tasks.physical.pgbackrest.failures import failure_of
from tasks.physical.pgbackrest.program import Program
from tasks.physical.pgbackrest.run import Done, readable, run
from tasks.wal.names import parse_lsn

_OK, _NO_STANZA, _NO_BACKUPS, _NO_CATALOGUE = 0, 1, 2, 3
_LABEL = re.compile(r"\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?")
_ARCHIVE_ID = re.compile(r"[0-9.]{1,8}-\d{1,6}")
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_INFO_FILES = ("backup.info", "archive.info")
_OTHER_FILE = {"backup.info": "archive/{stanza}/archive.info", "archive.info": "backup/{stanza}/backup.info"}
_LATEST_TIME = 253_402_300_799  # the last second that a datetime can be


def _optional_lsn(text: object) -> int | None:
    return None if text is None else parse_lsn(str(text))


Lsn = Annotated[int | None, BeforeValidator(_optional_lsn)]
Seconds = Annotated[int, Field(ge=0, le=_LATEST_TIME)]
Label = Annotated[str, Field(pattern=f"^{_LABEL.pattern}$")]


class _Place(BaseModel):
    id: int


class _Lsns(BaseModel):
    start: Lsn = None
    stop: Lsn = None


class _Segments(BaseModel):
    start: str | None = None
    stop: str | None = None


class _Times(BaseModel):
    start: Seconds
    stop: Seconds


class _Repository(BaseModel):
    delta: int = 0
    size: int | None = None


class _Sizes(BaseModel):
    size: int = 0
    repository: _Repository = _Repository()


class _Backup(BaseModel):
    archive: _Segments = _Segments()
    database: _Place
    error: bool | None = None
    info: _Sizes = _Sizes()
    label: Label
    lsn: _Lsns = _Lsns()
    reference: tuple[Label, ...] | None = None
    timestamp: _Times
    type: BaseType


class _Archive(BaseModel):
    database: _Place
    id: str


class _Cluster(BaseModel):
    id: int
    system_id: int = Field(alias="system-id")
    version: Annotated[str, Field(pattern=r"^[0-9.]{1,8}$")]


class _Status(BaseModel):
    code: int
    message: str = ""


class _StanzaStatus(BaseModel):
    status: _Status


class _Stanza(BaseModel):
    name: str
    archive: tuple[_Archive, ...] = ()
    backup: tuple[_Backup, ...] = ()
    db: tuple[_Cluster, ...] = ()
    status: _Status
    repo: tuple[_StanzaStatus, ...] = ()


_STANZAS = TypeAdapter(tuple[_Stanza, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class StanzaPoint(BasePoint):
    """A backup of a stanza.

    Attributes:
        archive: the folder of its cluster's WAL, such as `17-1`.
        faulty: pgBackRest itself met pages with wrong checksums when it made it.
    """

    archive: str
    faulty: bool = False


def read_catalogue(
    program: Program, access: Access, workspace: Workspace, at: str, stanza: str, deadline: Deadline
) -> tuple[StanzaPoint, ...]:
    """Ask the tool for the backups of *stanza* in the repository *at*.

    Raises:
        DrillError: `path-missing`, `catalogue-unreadable`, `cipher-wrong`, and what the way there shows.
    """
    done = run(program, access, workspace, deadline, "info", options=("--output=json",))
    if done.exit_code:
        raise readable(access, workspace, failure_of(done, "read the catalogue", at))
    try:
        # Messages quote bytes as they are, line ends and all.
        stanzas = _STANZAS.validate_python(json.loads(done.output.decode("utf-8", "replace"), strict=False))
    except (ValueError, RecursionError) as error:
        raise _unreadable(at, "what it tells of it is no catalogue") from error
    found = next((item for item in stanzas if item.name == stanza), None)
    if found is None or found.status.code == _NO_STANZA:
        raise _no_stanza(at, stanza)
    if found.status.code not in {_OK, _NO_BACKUPS}:
        raise readable(access, workspace, _trouble(found, program, access, workspace, at, deadline))
    clusters = {cluster.id: cluster for cluster in found.db}
    archives = {item.database.id: item.id for item in found.archive if _ARCHIVE_ID.fullmatch(item.id)}
    place = f"{at.rstrip('/')}/backup/{stanza}"
    return tuple(_point(backup, clusters, archives, place) for backup in found.backup)


def _point(
    backup: _Backup, clusters: Mapping[int, _Cluster], archives: Mapping[int, str], place: str
) -> StanzaPoint:
    stopped_at = datetime.fromtimestamp(backup.timestamp.stop, UTC)
    start, number = backup.archive.start or "", backup.database.id
    cluster = clusters.get(number)
    version = "0" if cluster is None else cluster.version
    return StanzaPoint(
        at=stopped_at,
        uri=f"{place}/{backup.label}",
        bytes=backup.info.repository.size or backup.info.repository.delta,
        dated_by="catalogue",
        type=backup.type,
        timeline=int(start[:8], 16) if _SEGMENT.fullmatch(start) else None,
        start_lsn=backup.lsn.start,
        stop_lsn=backup.lsn.stop,
        started_at=datetime.fromtimestamp(backup.timestamp.start, UTC),
        stopped_at=stopped_at,
        system_identifier=None if cluster is None else cluster.system_id,
        chain=tuple(sorted(backup.reference or ())),
        major=major_of(version) or None,
        unpacked_bytes=backup.info.size or None,
        has_own_wal=None,  # with archive-copy it does, which the tool does not tell
        archive=archives.get(number, f"{version}-{number}"),
        faulty=bool(backup.error),
    )


def _trouble(
    stanza: _Stanza, program: Program, access: Access, workspace: Workspace, at: str, deadline: Deadline
) -> DrillError:
    """Return why the tool cannot tell of the stanza's backups."""
    if stanza.status.code == _NO_CATALOGUE:
        return _unreadable(at, "backup.info and its copy are not there")
    messages: Sequence[str] = [item.status.message for item in stanza.repo] or [stanza.status.message]
    told = Done(stanza.status.code, b"", tuple(line for text in messages for line in text.splitlines()))
    error = failure_of(told, "read the catalogue", at)
    file = next((name for name in _INFO_FILES if f"/{name}'" in "\n".join(told.lines)), None)
    if file is None or error.rule not in {"cipher-wrong", "tool-failed", "get-denied"}:
        return error
    if error.rule == "get-denied":
        return _archive_denied(at) if file == "archive.info" else error
    if any("missing file" in line for line in told.lines):
        return _unreadable(at, f"{file} and its copy are not there")
    other = _OTHER_FILE[file].format(stanza=stanza.name)
    if error.rule == "cipher-wrong" and not _opens(other, program, access, workspace, deadline):
        return error
    return _unreadable(at, f"{file} is damaged, and so is its copy")


def _opens(name: str, program: Program, access: Access, workspace: Workspace, deadline: Deadline) -> bool:
    """Say whether another encrypted file can be read with the passphrase: then it is the right one."""
    done = run(program, access, workspace, deadline, "repo-get", (name,))
    return done.exit_code == 0 and done.output.startswith(b"[")


def _archive_denied(at: str) -> PermanentError:
    return PermanentError(
        "The recovery role may not read the archive of WAL: the catalogue needs its first file, and no "
        "backup comes back further than to its own end.",
        at,
        rule="wal-denied",
    )


def _no_stanza(at: str, stanza: str) -> PermanentError:
    return PermanentError(
        f"The repository holds no stanza {stanza}. A recovery as it is configured finds nothing.",
        at,
        "Correct backup.at or backup.stanza: a stanza is a folder below backup/ and archive/.",
        rule="path-missing",
    )


def _unreadable(at: str, why: str) -> PermanentError:
    return PermanentError(
        f"pgBackRest cannot read the repository's catalogue: {why}. It restores no backup without it, "
        "whatever else is there.",
        at,
        rule="catalogue-unreadable",
    )
