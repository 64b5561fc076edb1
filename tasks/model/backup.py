"""What is stored: candidates, recovery points, archives and their tables of contents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.reach import RecoverableWindow
from tasks.model.restored import RecoveryCommand

MANIFEST_SUFFIX = ".inventory.json"
"""Behind a backup's name: the inventory that was taken at the source."""


class Format(StrEnum):
    """How a backup's bytes are laid out, as sniffed from the bytes themselves."""

    CUSTOM = "custom"
    DIRECTORY = "directory"
    TAR = "tar"
    PLAIN = "plain"
    CLUSTER = "pg_dumpall"
    BASEBACKUP = "pg_basebackup"
    PGBACKREST = "pgbackrest"
    BARMAN = "barman"
    WALG = "wal-g"
    UNKNOWN = "unknown"  # encrypted: the bytes tell nothing before they are decrypted


class ByteSource(Protocol):
    """Bytes that can be read by range: a file, or an object in a store."""

    @property
    def uri(self) -> str:
        """Where the bytes lie, for messages."""
        ...

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return up to *length* bytes from *offset*; fewer only at the end."""
        ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object or file of a store, as a listing or a head shows it.

    Attributes:
        uri: `s3://bucket/key` or `file:///path`; for a directory dump, the folder's, with `/` at the end.
        modified_at: aware UTC.
        checksums: algorithm (`sha256`, `crc32`, `crc32c`, `crc64nvme`, `sha1`, `md5`) to lower-case hex
            digest of the whole object; only those that can be compared (a multipart composite is left out).
        members: for a directory dump, its files, their uris below the folder's.
    """

    uri: str
    bytes: int
    modified_at: datetime
    etag: str | None = None
    version_id: str | None = None
    storage_class: str | None = None
    checksums: dict[str, str] = field(default_factory=dict)
    members: tuple[StoredObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that discovery looked at, and what became of it.

    Attributes:
        taken: it is (one of) the recovery point(s) to drill.
        reason: why it was taken or not, one sentence.
        at: the recovery point read out of the key, aware UTC; None where there is none.
    """

    uri: str
    bytes: int
    at: datetime | None
    taken: bool
    reason: str

    def as_dict(self) -> dict[str, str | int | bool | None]:
        """Return the candidate as the evidence holds it."""
        return {
            "uri": self.uri,
            "bytes": self.bytes,
            "at": None if self.at is None else self.at.isoformat(),
            "taken": self.taken,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPoint:
    """The backup that a drill takes, and the moment that it can bring back: what every kind of backup has.

    Attributes:
        at: aware UTC.
        uri: where the backup lies, as people and `--select key:` name it.
        bytes: as stored.
        dated_by: what *at* was read from: `name`, `modified` (LastModified) or a tool's `catalogue`.
        version_id, storage_class: of the object, where the backup is one in a bucket.
    """

    at: datetime
    uri: str
    bytes: int
    dated_by: str = "name"
    version_id: str | None = None
    storage_class: str | None = None

    @property
    def label(self) -> str:
        """The last part of the key: what a run is called by."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpPoint(RecoveryPoint):
    """A stored dump, which brings back the moment that it was taken at. Made by `of`.

    Attributes:
        stored: the object, file or folder itself, for dumps' own code.
    """

    stored: StoredObject

    @classmethod
    def of(cls, stored: StoredObject, at: datetime, dated_by: str = "name") -> DumpPoint:
        """Return the recovery point of the dump *stored*."""
        return cls(
            at=at,
            uri=stored.uri,
            bytes=stored.bytes,
            dated_by=dated_by,
            version_id=stored.version_id,
            storage_class=stored.storage_class,
            stored=stored,
        )


def dump_point(point: RecoveryPoint) -> DumpPoint:
    """Return *point* as what it is where only dumps come.

    Raises:
        PermanentError: `drill-crashed`: it is of another kind.
    """
    if isinstance(point, DumpPoint):
        return point
    raise PermanentError("a dump's code was given another kind of backup", point.uri, rule="drill-crashed")


Point_co = TypeVar("Point_co", bound=RecoveryPoint, covariant=True)


@dataclass(frozen=True, slots=True)
class Discovery(Generic[Point_co]):
    """What the listing showed.

    Attributes:
        points: the recovery points to drill, in the order in which they are to be tried.
        candidates: everything looked at, taken or not, with its reason.
        points_at: every matching recovery point's time in the window, ascending.
        seed: the seed of a `random` selection.
        findings: what is to be said (gaps, undrilled neighbours, names in the future).
        eligible: the recovery points that could be chosen, ascending; () once nobody needs them any more.
        windows: what each base backup can bring back, the newest first; () for dumps.
        most_wal_bytes: the most WAL between two base backups; None where that is not known.
    """

    points: tuple[Point_co, ...]
    candidates: tuple[Candidate, ...]
    points_at: tuple[datetime, ...]
    seed: int | None = None
    findings: tuple[Finding, ...] = ()
    eligible: tuple[Point_co, ...] = ()
    windows: tuple[RecoverableWindow, ...] = ()
    most_wal_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class TocEntry:
    """One entry of an archive's table of contents.

    Attributes:
        desc: the kind, as pg_dump writes it (`TABLE`, `TABLE DATA`, `FK CONSTRAINT`, ...).
        tag: the name, unquoted; for functions with argument types; for constraints and triggers `table name`.
        section: `pre-data`, `data`, `post-data` or `none`.
        has_data: the archive holds a data block or file for it.
        data_offset: custom format: where its block begins, bytes; None where unknown.
        filename: directory and tar format: its file, without compression suffix.
    """

    dump_id: int
    desc: str
    tag: str
    namespace: str
    owner: str
    section: str
    defn: str = ""
    copy_stmt: str = ""
    has_data: bool = False
    data_offset: int | None = None
    filename: str | None = None
    tablespace: str = ""
    dependencies: tuple[int, ...] = ()


class Toc:
    """An archive's table of contents. A plain class: Prefect walks into dataclasses, and this one is long.

    Attributes:
        entries: in archive order.
        archive_version: of the header, such as (1, 16); None for plain dumps.
        server_version: of the database that was dumped, such as `17.11`; "" if unknown.
        dump_version: of the pg_dump that wrote it; "" if unknown.
        database: the name of the database that was dumped; "" if unknown.
        made_at: the header's time; naive, in the dumping host's local time; None if unknown.
        compression: `none`, `gzip`, `lz4`, `zstd`; of the data blocks, not of a wrapper.
        encoding: such as `UTF8`; "" if the archive does not say.
    """

    def __init__(
        self,
        entries: tuple[TocEntry, ...],
        *,
        archive_version: tuple[int, int] | None = None,
        server_version: str = "",
        dump_version: str = "",
        database: str = "",
        made_at: datetime | None = None,
        compression: str = "none",
        encoding: str = "",
    ) -> None:
        self.entries = entries
        self.archive_version = archive_version
        self.server_version = server_version
        self.dump_version = dump_version
        self.database = database
        self.made_at = made_at
        self.compression = compression
        self.encoding = encoding

    def of(self, *descs: str) -> tuple[TocEntry, ...]:
        """Return the entries of the kinds *descs*."""
        return tuple(entry for entry in self.entries if entry.desc in descs)

    @property
    def major(self) -> int | None:
        """The major of the server that was dumped; None if unknown."""
        return major_of(self.server_version)

    @property
    def dump_major(self) -> int | None:
        """The major of the pg_dump that wrote it; None if unknown."""
        return major_of(self.dump_version)


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a script lies in its file, unwrapped: other programs may have written into it.

    Attributes:
        start: bytes before it.
        end: where it is over, bytes from the file's start; None for the file's end.
        lines: lines before it.
    """

    start: int = 0
    end: int | None = None
    lines: int = 0


@dataclass(frozen=True, slots=True)
class ArchiveHead:
    """What the first bytes of a backup tell, before it is downloaded.

    Attributes:
        wrappers: compressions or encryptions round the archive, outermost first, such as ("gzip",).
        toc: None where the head cannot tell (wrapped beyond the bytes read, encrypted, hand-written).
        databases: names that a pg_dumpall or `pg_dump -C` script connects to, as far as read.
        written_by: `pg_dump`, `pg_dumpall` or "" for a script written by hand.
        extent: of a script, once it was read to its end.
    """

    format: Format
    wrappers: tuple[str, ...] = ()
    toc: Toc | None = None
    databases: tuple[str, ...] = ()
    written_by: str = ""
    extent: Extent = Extent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Material(ABC):
    """What a fetch brought and proved: what every kind of backup has.

    Attributes:
        bytes: as stored.
        sha256: of the stored bytes, hex; None where nobody read them all.
        integrity: what proved the bytes: `s3-sha256`, `s3-crc64nvme`, `sidecar`, `format`, `none`.
        findings: warnings of the fetch (integrity unproven, misnamed).
        fetch_s, decrypt_s: wall seconds.
        companions: what belongs to it and lay elsewhere, on the drill's own disk.
    """

    bytes: int
    sha256: str | None
    integrity: str
    findings: tuple[Finding, ...] = ()
    fetch_s: float = 0.0
    decrypt_s: float = 0.0
    companions: tuple[Path, ...] = ()

    @property
    @abstractmethod
    def format(self) -> str:
        """How its bytes are laid out, in a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBackup(Material):
    """A dump on the drill's own disk, proven as far as its bytes can prove it.

    The SHA-256 of a directory dump is that of the sorted lines `digest  name`; *bytes* are those before
    unwrapping. Its companion is the `pg_dumpall --globals-only` file of the same time.

    Attributes:
        path: the file, or the folder of a directory dump; unwrapped (a compressed script may stay wrapped).
        called: what a person who has typed *unpacking* has it as, "" for the file's own name.
        unpacking: commands that a person types to get there from the stored file.
    """

    path: Path
    head: ArchiveHead
    called: str = ""
    unpacking: tuple[RecoveryCommand, ...] = ()

    @property
    def file_name(self) -> str:
        """What messages and commands call it: paths of ours mean nothing to a person."""
        return self.called or self.path.name

    @property
    def format(self) -> str:
        """The dump's format."""
        return self.head.format.value


def major_of(version: str) -> int | None:
    """Return the major of a PostgreSQL version such as `17.11 (Debian ...)`; None if there is none."""
    digits = version.strip().split(".", 1)[0].split(" ", 1)[0]
    leading = "".join(c for c in digits if c.isdigit())
    return int(leading) if leading and digits.startswith(leading) else None
