"""An archive's header and table of contents, read from its bytes.

Custom archives begin with it; directory and tar dumps keep it in `toc.dat`. The layout is PostgreSQL's
`pg_backup_archiver.c` (functions ReadHead, ReadToc) at archive versions 1.10 (PostgreSQL 8.0) to 1.16 (17
and 18). Reading it ourselves, instead of asking `pg_restore -l`, needs no tool of the right major, works on
the first bytes of an object that has not been downloaded, and yields the definitions, which `-l` leaves
out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tasks.model.backup import Toc, TocEntry
from tasks.model.encodings import reread, reread_entry
from tasks.model.errors import PermanentError

MAGIC = b"PGDMP"
OLDEST, NEWEST = (1, 10), (1, 16)
MINIMUM_TOOLS = {(1, 14): 12, (1, 15): 16, (1, 16): 17}
"""Archive version to the first major whose pg_restore reads it."""

_SECTIONS = {1: "none", 2: "pre-data", 3: "data", 4: "post-data"}
_COMPRESSIONS = {0: "none", 1: "gzip", 2: "lz4", 3: "zstd"}
_FORMATS = {1: "custom", 3: "tar", 5: "directory"}
_POSITION_SET = 2
_DATA_DESCS = frozenset(
    {"TABLE DATA", "SEQUENCE SET", "BLOBS", "BLOB DATA", "BLOB COMMENTS", "LARGE OBJECT DATA"}
)
_POST_DESCS = frozenset(
    {"CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "INDEX", "RULE", "TRIGGER", "ROW SECURITY", "POLICY"}
)
_LONGEST = 1 << 30  # PostgreSQL's own limit of one value: nothing in a TOC is longer
_MOST_ENTRIES = 1 << 27
_INT_SIZES, _OFF_SIZES = range(1, 33), range(1, 33)


class TocCutError(Exception):
    """The bytes end inside the header or the table of contents: more are needed, or there are none."""


@dataclass(frozen=True, slots=True)
class ParsedToc:
    """A table of contents and where it stands.

    Attributes:
        toc: what it lists.
        container: `custom`, or `tar` for the toc.dat of both tar and directory dumps.
        int_bytes, offset_bytes: widths of the integers, which data blocks use too.
        begin: bytes of the header; the count of entries follows.
        end: bytes from the start of the archive to the first data block.
        positions: dump id to the data block's offset, of the entries for which the archive says it.
    """

    toc: Toc
    container: str
    int_bytes: int
    offset_bytes: int
    begin: int
    end: int
    positions: dict[int, int]


class TocParser:
    """Reads a TOC out of bytes that arrive little by little; whole entries are never read twice.

    Args:
        where: the archive, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._data = bytearray()
        self._cursor: _Cursor | None = None
        self._header: _Header | None = None
        self._entries: list[TocEntry] = []
        self._positions: dict[int, int] = {}
        self._resume_at = 0

    @property
    def read_bytes(self) -> int:
        """How many bytes have been fed."""
        return len(self._data)

    @property
    def first_missing(self) -> str:
        """How far the TOC was read, for messages."""
        if self._header is None:
            return "in its header"
        return f"after {len(self._entries)} of {self._header.count} entries of its table of contents"

    def feed(self, data: bytes) -> None:
        """Add the next bytes of the archive."""
        self._data += data

    def parse(self) -> ParsedToc:
        """Return the whole TOC.

        Raises:
            TocCutError: more bytes are needed.
            PermanentError: `archive-corrupt`, `archive-version-unsupported`.
        """
        cursor = _Cursor(self._data, self._resume_at, self._where)
        if self._header is None:
            self._header = _read_header(cursor)
        header = cursor.layout = self._header
        self._resume_at = max(self._resume_at, cursor.at)
        while len(self._entries) < header.count:
            entry, position = _read_entry(cursor, header)
            self._entries.append(entry)
            if position is not None:
                self._positions[entry.dump_id] = position
            self._resume_at = cursor.at
        return ParsedToc(
            _toc(header, tuple(self._entries)),
            header.container,
            header.int_bytes,
            header.offset_bytes,
            header.size,
            self._resume_at,
            self._positions,
        )


def parse_toc(data: bytes, where: str) -> ParsedToc:
    """Return the TOC at the start of *data*, which holds the whole of it.

    Raises:
        TocCutError: *data* ends before the TOC does.
        PermanentError: `archive-corrupt`, `archive-version-unsupported`.
    """
    parser = TocParser(where)
    parser.feed(data)
    return parser.parse()


def minimum_tools(version: tuple[int, int]) -> int:
    """Return the oldest major whose pg_restore reads archives of *version*."""
    return MINIMUM_TOOLS.get(version, 10)


@dataclass(frozen=True, slots=True)
class _Header:
    version: tuple[int, int]
    int_bytes: int
    offset_bytes: int
    container: str
    compression: str
    made_at: datetime | None
    database: str
    server_version: str
    dump_version: str
    size: int
    count: int


class _Cursor:
    """A place in the archive's bytes, with the two primitives that everything is made of."""

    def __init__(self, data: bytearray, at: int, where: str) -> None:
        self.data = data
        self.at = at
        self.where = where
        self.layout: _Header | None = None
        self.int_bytes = 4

    def corrupt(self, what: str) -> PermanentError:
        return PermanentError(
            f"The table of contents is damaged at byte {self.at}: {what}. Nothing after it can be found.",
            self.where,
            rule="archive-corrupt",
        )

    def take(self, length: int) -> bytes:
        end = self.at + length
        if end > len(self.data):
            raise TocCutError
        piece = bytes(self.data[self.at : end])
        self.at = end
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        width = self.layout.int_bytes if self.layout else self.int_bytes
        at = self.at
        if at + 1 + width > len(self.data):
            raise TocCutError
        sign = self.data[at]
        if sign > 1:
            raise self.corrupt("an integer has no sign")
        self.at = at + 1 + width
        value = int.from_bytes(self.data[at + 1 : self.at], "little")
        return -value if sign else value

    def text(self) -> str | None:
        length = self.integer()
        if length < 0:
            return None
        if length > _LONGEST:
            raise self.corrupt(f"a text claims {length} bytes")
        return self.take(length).decode("utf-8", "surrogateescape")


def _read_header(cursor: _Cursor) -> _Header:
    if cursor.take(len(MAGIC)) != MAGIC:
        cursor.at = 0
        raise cursor.corrupt("it does not begin with PGDMP")
    version = _supported((cursor.byte(), cursor.byte()), cursor)
    cursor.byte()  # the revision, of no consequence
    cursor.int_bytes = int_bytes = cursor.byte()
    offset_bytes = cursor.byte()
    container = _FORMATS.get(cursor.byte())
    if int_bytes not in _INT_SIZES or offset_bytes not in _OFF_SIZES or container is None:
        raise cursor.corrupt("the header names no known layout")
    return _Header(
        version=version,
        int_bytes=int_bytes,
        offset_bytes=offset_bytes,
        container=container,
        compression=_compression(version, cursor),
        made_at=_made_at(cursor),
        database=cursor.text() or "",
        server_version=cursor.text() or "",
        dump_version=cursor.text() or "",
        size=cursor.at,
        count=_count(cursor),
    )


def _supported(version: tuple[int, int], cursor: _Cursor) -> tuple[int, int]:
    if OLDEST <= version <= NEWEST:
        return version
    major, minor = version
    if major not in (1, 2):
        raise cursor.corrupt(f"its version reads {major}.{minor}, which PostgreSQL never wrote")
    known = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    raise PermanentError(
        f"The archive is of version {major}.{minor}; this drill reads {known}. The backup may be good.",
        cursor.where,
        "Update restore-drill, or restore by hand with the pg_restore of the release that wrote it.",
        rule="archive-version-unsupported",
    )


def _compression(version: tuple[int, int], cursor: _Cursor) -> str:
    if version < (1, 15):
        return "none" if cursor.integer() == 0 else "gzip"  # a level; -1 is zlib's default
    algorithm = cursor.byte()
    if algorithm not in _COMPRESSIONS:
        raise cursor.corrupt(f"the header names an unknown compression ({algorithm})")
    return _COMPRESSIONS[algorithm]


def _made_at(cursor: _Cursor) -> datetime | None:
    second, minute, hour, day, month, year = (cursor.integer() for _ in range(6))
    cursor.integer()  # daylight saving: of a zone that is not named
    try:  # pg_restore only warns of a date that is none
        return datetime(year + 1900, month + 1, day, hour, minute, min(second, 59))  # noqa: DTZ001  local to the dumping host
    except ValueError:
        return None


def _count(cursor: _Cursor) -> int:
    count = cursor.integer()
    if not 0 <= count <= _MOST_ENTRIES:
        raise cursor.corrupt(f"it claims {count} entries")
    return count


def _read_entry(cursor: _Cursor, header: _Header) -> tuple[TocEntry, int | None]:
    version = header.version
    dump_id = cursor.integer()
    if dump_id <= 0:
        raise cursor.corrupt("an entry has no number")
    has_data = cursor.integer() != 0
    cursor.text()  # the catalogue's oid, its table's oid
    cursor.text()
    tag, desc = cursor.text() or "", cursor.text() or ""
    section = _section(version, desc, cursor)
    defn = cursor.text() or ""
    cursor.text()  # the DROP statement
    copy_stmt = cursor.text() or ""
    namespace, tablespace = cursor.text() or "", cursor.text() or ""
    if version >= (1, 14):
        cursor.text()  # the table's access method
    if version >= (1, 16):
        cursor.integer()  # the relation's kind
    owner = cursor.text() or ""
    cursor.text()  # WITH OIDS, of old
    dependencies = _dependencies(cursor)
    position, filename = _extra(cursor, header)
    entry = TocEntry(
        dump_id=dump_id,
        desc=desc,
        tag=tag,
        namespace=namespace,
        owner=owner,
        section=section,
        defn=defn,
        copy_stmt=copy_stmt,
        has_data=has_data,
        data_offset=position,
        filename=filename,
        tablespace=tablespace,
        dependencies=dependencies,
    )
    return entry, position


def _section(version: tuple[int, int], desc: str, cursor: _Cursor) -> str:
    if version < (1, 11):
        if desc in _DATA_DESCS:
            return "data"
        return "post-data" if desc in _POST_DESCS else "pre-data"
    section = cursor.integer()
    if section not in _SECTIONS:
        raise cursor.corrupt(f"an entry is of section {section}, which there is not")
    return _SECTIONS[section]


def _dependencies(cursor: _Cursor) -> tuple[int, ...]:
    found = []
    while (text := cursor.text()) is not None:
        if not text.isdecimal():
            raise cursor.corrupt("an entry depends on something that is no number")
        found.append(int(text))
    return tuple(found)


def _extra(cursor: _Cursor, header: _Header) -> tuple[int | None, str | None]:
    if header.container != "custom":
        return None, cursor.text() or None
    state = cursor.byte()
    if state not in (1, 2, 3):
        raise cursor.corrupt("an entry's data position is nonsense")
    position = int.from_bytes(cursor.take(header.offset_bytes), "little")
    return (position if state == _POSITION_SET else None), None


def _toc(header: _Header, entries: tuple[TocEntry, ...]) -> Toc:
    encoding = _encoding(entries)
    return Toc(
        tuple(reread_entry(entry, encoding) for entry in entries) if encoding != "UTF8" else entries,
        archive_version=header.version,
        server_version=header.server_version,
        dump_version=header.dump_version,
        database=reread(header.database, encoding),
        made_at=header.made_at,
        compression=header.compression,
        encoding=encoding,
    )


def _encoding(entries: tuple[TocEntry, ...]) -> str:
    """Return the name between the quotes of `SET client_encoding = 'UTF8';`."""
    for entry in entries:
        if entry.desc == "ENCODING":
            return entry.defn.partition("'")[2].partition("'")[0]
    return ""
