"""An archive's header and table of contents, read from its bytes.

Custom archives begin with it; directory and tar dumps keep it in `toc.dat`. The layout is PostgreSQL's
`pg_backup_archiver.c` (functions ReadHead, ReadToc) at archive versions 1.10 (PostgreSQL 8.0) to 1.16 (17
and 18). Reading it ourselves, instead of asking `pg_restore -l`, needs no tool of the right major, works on
the first bytes of an object that has not been downloaded, and yields the definitions, which `-l` leaves
out.

It is read once, from pieces as they arrive, and what was read is let go: time grows with its length, memory
with what is kept of its entries. A few kilobytes of a compressed archive can unfold to any number of entries;
beyond what any database has the drill ends without a judgement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from tasks.model.backup import Toc, TocEntry
from tasks.model.encodings import has_codec, reread, reread_entry
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
MOST_ENTRIES = 1_000_000
"""100,000 tables with their keys, indexes, sequences and rows have as many."""
MOST_BYTES = 512 << 20
_LONGEST_TEXT = 64 << 20
_LONGEST_CLAIMED = 1 << 30  # PostgreSQL's own limit of one value: nothing in a TOC is longer
_MOST_CLAIMED = 1 << 27
_LONGEST_SHARED = 1 << 10  # bytes of a name that many entries may have in common
_MOST_SHARED = 10_000
_LONGEST_ID = 18  # digits
_INT_SIZES, _OFF_SIZES = range(1, 33), range(1, 33)


class TocCutError(Exception):
    """The bytes end inside the header or the table of contents.

    Args:
        read_bytes: how many there were.
        place: how far the TOC was read, for messages.
    """

    def __init__(self, read_bytes: int, place: str) -> None:
        super().__init__(read_bytes, place)
        self.read_bytes = read_bytes
        self.place = place


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


def read_toc_pieces(pieces: Iterable[bytes], where: str, header: bytes = b"") -> ParsedToc:
    """Return the TOC at the start of *pieces*, of which no more are taken than it needs.

    Args:
        pieces: of the archive, cut anywhere.
        where: the archive, for messages.
        header: what stands before them, where they begin with the count of entries.

    Raises:
        TocCutError: the pieces end before the TOC does.
        PermanentError: `archive-corrupt`, `archive-version-unsupported`, `archive-contents-too-large`.
    """
    cursor = _Cursor(chain((header,), pieces), where)
    entries: list[TocEntry] = []
    positions: dict[int, int] = {}
    try:
        layout = _read_header(cursor)
        cursor.place = f"of {layout.count} entries of its table of contents"
        while len(entries) < layout.count:
            if len(entries) == MOST_ENTRIES:  # not before: a count may be damaged, and that shows
                raise cursor.too_large(f"holds more than {MOST_ENTRIES:,} entries")
            entry, position = _read_entry(cursor, layout)
            entries.append(entry)
            if position is not None:
                positions[entry.dump_id] = position
    except _EndError:
        place = f"after {len(entries)} {cursor.place}" if cursor.place else "in its header"
        raise TocCutError(cursor.offset, place) from None
    return ParsedToc(
        _toc(layout, entries),
        layout.container,
        layout.int_bytes,
        layout.offset_bytes,
        layout.size,
        cursor.offset,
        positions,
    )


def parse_toc(data: bytes, where: str) -> ParsedToc:
    """Return the TOC at the start of *data*, which holds the whole of it; as `read_toc_pieces`."""
    return read_toc_pieces((data,), where)


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


class _EndError(Exception):
    """The bytes end."""


class _Cursor:
    """A place in the archive's bytes, with the two primitives that everything is made of.

    Attributes:
        place: what is being read, for messages.
    """

    def __init__(self, pieces: Iterable[bytes], where: str) -> None:
        self.where = where
        self.place = ""
        self._pieces = iter(pieces)
        self._data = b""
        self._at = 0
        self._before = 0  # bytes of the archive before those at hand
        self._step = 5  # of an integer: its sign, then its bytes
        self._shared: dict[bytes, str] = {}

    @property
    def offset(self) -> int:
        """Bytes from the start of the archive."""
        return self._before + self._at

    def set_int_bytes(self, width: int) -> None:
        """Tell how wide integers are."""
        self._step = 1 + width

    def corrupt(self, what: str) -> PermanentError:
        return PermanentError(
            f"The table of contents is damaged at byte {self.offset}: {what}. Nothing after it can be found.",
            self.where,
            rule="archive-corrupt",
        )

    def too_large(self, what: str) -> PermanentError:
        return PermanentError(
            f"The archive's table of contents {what}, more than the drill takes into its memory. Nothing is "
            "said about the backup.",
            self.where,
            rule="archive-contents-too-large",
        )

    def take(self, length: int) -> bytes:
        if self._at + length > len(self._data):
            self._fill(length)
        begin = self._at
        self._at = begin + length
        return self._data[begin : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        end = self._at + self._step
        if end > len(self._data):
            self._fill(self._step)
            end = self._step
        sign = self._data[self._at]
        value = int.from_bytes(self._data[self._at + 1 : end], "little")
        if sign > 1:
            raise self.corrupt("an integer has no sign")
        self._at = end
        return -value if sign else value

    def text(self) -> str | None:
        length = self._length()
        return None if length < 0 else self.take(length).decode("utf-8", "surrogateescape")

    def shared_text(self) -> str:
        """Return a text that many entries have in common: one object for all of them."""
        length = self._length()
        if not 0 < length < _LONGEST_SHARED:
            return self.take(max(0, length)).decode("utf-8", "surrogateescape")
        raw = self.take(length)
        text = self._shared.get(raw)
        if text is None:
            text = raw.decode("utf-8", "surrogateescape")
            if len(self._shared) < _MOST_SHARED:
                self._shared[raw] = text
        return text

    def skip_text(self) -> None:
        """Pass over a text that nobody asks for."""
        self._pass(max(0, self._length()))

    def _length(self) -> int:
        length = self.integer()
        if length > _LONGEST_CLAIMED:
            raise self.corrupt(f"a text claims {length} bytes")
        if length > _LONGEST_TEXT:
            self._pass(length)  # a length may be damaged: then the archive has not so many bytes
            raise self.too_large(f"holds a text of {length >> 20} MiB")
        return length

    def _pass(self, length: int) -> None:
        while length > len(self._data) - self._at:
            length -= len(self._data) - self._at
            self._at = len(self._data)
            self._fill(1)
        self._at += length

    def _fill(self, length: int) -> None:
        """See to it that *length* bytes are at hand; what was read is let go."""
        parts = [self._data[self._at :]]
        have = len(parts[0])
        self._before += self._at
        if self._before > MOST_BYTES:
            raise self.too_large(f"has more than {MOST_BYTES >> 20} MiB")
        while have < length:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            have += len(piece)
        self._data, self._at = b"".join(parts), 0
        if have < length:
            self._at = have  # the offset is then how much there was
            raise _EndError


def _read_header(cursor: _Cursor) -> _Header:
    if cursor.take(len(MAGIC)) != MAGIC:
        raise cursor.corrupt("it does not begin with PGDMP")
    version = _supported((cursor.byte(), cursor.byte()), cursor)
    cursor.byte()  # the revision, of no consequence
    int_bytes, offset_bytes = cursor.byte(), cursor.byte()
    container = _FORMATS.get(cursor.byte())
    if int_bytes not in _INT_SIZES or offset_bytes not in _OFF_SIZES or container is None:
        raise cursor.corrupt("the header names no known layout")
    cursor.set_int_bytes(int_bytes)
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
        size=cursor.offset,
        count=_count(cursor),
    )


def _supported(version: tuple[int, int], cursor: _Cursor) -> tuple[int, int]:
    if OLDEST <= version <= NEWEST:
        return version
    major, minor = version
    if major not in (1, 2):
        raise cursor.corrupt(f"its version reads {major}.{minor}, which PostgreSQL never wrote")
    versions = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    raise PermanentError(
        f"The archive is of version {major}.{minor}; this drill reads {versions}. The backup may be good.",
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
    except (ValueError, OverflowError):
        return None


def _count(cursor: _Cursor) -> int:
    count = cursor.integer()
    if not 0 <= count <= _MOST_CLAIMED:
        raise cursor.corrupt(f"it claims {count} entries")
    return count


def _read_entry(cursor: _Cursor, header: _Header) -> tuple[TocEntry, int | None]:
    version = header.version
    dump_id = cursor.integer()
    if dump_id <= 0:
        raise cursor.corrupt("an entry has no number")
    has_data = cursor.integer() != 0
    cursor.skip_text()  # the catalogue's oid, its table's oid
    cursor.skip_text()
    tag, desc = cursor.text() or "", cursor.shared_text()
    section = _section(version, desc, cursor)
    defn = cursor.text() or ""
    cursor.skip_text()  # the DROP statement
    copy_stmt = cursor.text() or ""
    namespace, tablespace = cursor.shared_text(), cursor.shared_text()
    if version >= (1, 14):
        cursor.skip_text()  # the table's access method
    if version >= (1, 16):
        cursor.integer()  # the relation's kind
    owner = cursor.shared_text()
    cursor.skip_text()  # WITH OIDS, of old
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
    numbers = []
    while (text := cursor.text()) is not None:
        if len(text) > _LONGEST_ID or not (text.isascii() and text.isdecimal()):
            raise cursor.corrupt("an entry depends on something that is no number")
        numbers.append(int(text))
    return tuple(numbers)


def _extra(cursor: _Cursor, header: _Header) -> tuple[int | None, str | None]:
    if header.container != "custom":
        return None, cursor.text() or None
    state = cursor.byte()
    if state not in (1, 2, 3):
        raise cursor.corrupt("an entry's data position is nonsense")
    position = int.from_bytes(cursor.take(header.offset_bytes), "little")
    return (position if state == _POSITION_SET else None), None


def _toc(header: _Header, entries: list[TocEntry]) -> Toc:
    encoding = _encoding(entries)
    if has_codec(encoding):
        for index, entry in enumerate(entries):  # in place: a million of them are not held twice
            entries[index] = reread_entry(entry, encoding)
    return Toc(
        tuple(entries),
        archive_version=header.version,
        server_version=header.server_version,
        dump_version=header.dump_version,
        database=reread(header.database, encoding),
        made_at=header.made_at,
        compression=header.compression,
        encoding=encoding,
    )


def _encoding(entries: list[TocEntry]) -> str:
    """Return the name between the quotes of `SET client_encoding = 'UTF8';`."""
    for entry in entries:
        if entry.desc == "ENCODING":
            return entry.defn.partition("'")[2].partition("'")[0]
    return ""
