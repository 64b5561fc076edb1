"""Where WAL lies, asked for one file at a time: it is there, it is not, or nobody knows.

PostgreSQL takes nearly every failure of a restore_command for the end of the WAL and promotes. So absence is
an answer of its own here, given only where it is proven, and never what an error comes to.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from tasks.catalog.compression import BROTLI, COMPRESSIONS, SUFFIXES, unwrap
from tasks.catalog.sniff import ENCRYPTIONS, sniff
from tasks.model.backup import StoredObject
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError
from tasks.stores.base import Store
from tasks.stores.errors import disk_full
from tasks.stores.uris import FILE_SCHEME
from tasks.wal.history import LARGEST_HISTORY_BYTES
from tasks.wal.names import is_history_name, is_wal_name
from tasks.wal.page_header import parse_header

FETCH_S = 600.0
"""How long one file may take; a store that stalls is noticed much sooner."""
SETTLE_S = 15.0
_POLL_S = 0.5
_ATTEMPTS = 3
_READ_BYTES = 1 << 20
_SAME_NAME = 20  # of compressions, sidecars and leftovers beside one file
_TOO_LONG = 2  # a segment that does not compress is a little longer for it
_PREFIX_DIGITS = 16
_SNIFF_BYTES = 1024
_BROTLI_SUFFIX = ".br"
_FOREIGN_SUFFIXES = {
    ".lzo": "lzo",
    ".lzma": "lzma",
    ".snappy": "snappy",
    ".gpg": "gpg",
    ".age": "age",
    ".enc": "a cipher",
}
_FILE = re.compile(
    r"(?P<name>[0-9A-F]{24}|[0-9A-F]{8}\.history)(?:-[0-9a-f]{40})?"
    r"(?P<suffixes>(?:\.(?:gz|zst|lz4|bz2|xz|br|lzo|lzma|snappy|gpg|age|enc)){0,3})"
)
"""A stored file of WAL: pgBackRest puts the checksum behind the name. No .partial, .backup or .sha256."""


@dataclass(frozen=True, slots=True)
class Present:
    """It was there, and lies plain in the file that was asked for.

    Attributes:
        bytes: as stored.
        archived_at: when the store took it, aware UTC; None where that is not known.
    """

    uri: str
    bytes: int
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """It is proven not to be there: neither read nor listed."""


@dataclass(frozen=True, slots=True)
class Denied:
    """It could not be had, for a reason that says nothing about the file: rights, network, key, format."""

    error: DrillError


@dataclass(frozen=True, slots=True)
class Broken:
    """It is there and is not what it should be.

    Attributes:
        why: ends a sentence that begins with the file.
        written_at: when it was last written, aware UTC; None where that is not known.
    """

    why: str
    uri: str
    written_at: datetime | None = None


Answer = Present | Absent | Denied | Broken


class WalArchive(Protocol):
    """Where a server's WAL lies."""

    def open(self, name: str, into: Path) -> Answer:
        """Put the file *name*, plain, into the new file *into*, which is gone unless it is `Present`.

        Called from several threads at once. Never raises what a store or a tool can show.

        Args:
            name: of a segment or a timeline history.
            into: in a folder that is nobody else's.
        """
        ...


class ArchivedFile(NamedTuple):
    """A file of WAL as its name in the store shows it."""

    name: str
    suffixes: str


def archived_file(file_name: str) -> ArchivedFile | None:
    """Return what *file_name*, the last part of a key, holds; None where it is no file of WAL."""
    match = _FILE.fullmatch(file_name)
    return ArchivedFile(match["name"], match["suffixes"]) if match else None


def list_wal(store: Store, prefix: str) -> dict[str, StoredObject]:
    """Return the segments and histories below *prefix* by name, from one listing.

    Raises:
        DrillError: it cannot be listed.
    """
    listing: dict[str, StoredObject] = {}
    for stored in store.list(_folder(prefix)):
        file = archived_file(stored.uri.rpartition("/")[2])
        if file is not None:
            listing[file.name] = _preferred(listing.get(file.name), stored)
    return listing


class StoredWal:
    """WAL in a bucket or folder: plain or compressed, flat or as Barman and WAL-G lay it out.

    Args:
        store: it is read with.
        prefix: the folder of the WAL, such as Barman's `wals` or WAL-G's `wal_005`.
        segment_bytes: nothing longer is unpacked.
        listing: of `list_wal`, by which no file needs a listing of its own; what it lacks is looked for.
        deadline: of the whole recovery.
        settle_s: for so long after its last write a broken file in a folder may still become whole.
    """

    def __init__(
        self,
        store: Store,
        prefix: str,
        segment_bytes: int,
        listing: Mapping[str, StoredObject] | None = None,
        deadline: Deadline | None = None,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._store, self._prefix = store, _folder(prefix)
        self._segment_bytes = segment_bytes
        self._listing = dict(listing or {})
        self._deadline = deadline or Deadline.within(None)
        self._settle_s = settle_s

    def open(self, name: str, into: Path) -> Answer:
        """See `WalArchive`. What passes by itself is tried again, what was replaced is looked up again."""
        if not is_wal_name(name):
            raise ValueError(f"no name of WAL: {name[:40]!r}")
        answer = self._try(name, into, self._listing.get(name))
        attempts = 1
        while not isinstance(answer, Present) and not self._deadline.passed:
            into.unlink(missing_ok=True)
            if isinstance(answer, Broken) and self._is_in_flight(answer):
                time.sleep(_POLL_S)
            elif isinstance(answer, Absent) or attempts == _ATTEMPTS or _is_final(answer):
                break
            else:
                attempts += 1
            answer = self._try(name, into, None)
        return answer

    def _is_in_flight(self, answer: Broken) -> bool:
        """Say whether an archive_command may still be writing it: `cp` shows a file before it is whole."""
        if answer.written_at is None or not answer.uri.startswith(FILE_SCHEME):
            return False
        return abs((utc_now() - answer.written_at).total_seconds()) < self._settle_s

    def _try(self, name: str, into: Path, stored: StoredObject | None) -> Answer:
        try:
            stored = stored or self._find(name)
            return Absent() if stored is None else self._take(name, stored, into)
        except DrillError as error:
            if stored is not None and error.rule in {"archive-truncated", "archive-corrupt"}:
                return Broken(_lowered(error.what), stored.uri, stored.modified_at)
            return Denied(error)

    def _find(self, name: str) -> StoredObject | None:
        """Look for *name* afresh; None where it is neither listed nor to be had under its plain name.

        Raises:
            DrillError: nobody knows.
        """
        stored: StoredObject | None = None
        for base in self._places(name):
            for candidate in self._store.list(base, limit=_SAME_NAME):
                file = archived_file(candidate.uri.rpartition("/")[2])
                if file is not None and file.name == name:
                    stored = _preferred(stored, candidate)
        return stored or self._unlisted(name)

    def _unlisted(self, name: str) -> StoredObject | None:
        for base in self._places(name):
            try:
                return self._store.head(base)
            except DrillError as error:
                if error.rule != "object-gone":
                    raise
        return None

    def _places(self, name: str) -> tuple[str, ...]:
        flat = self._prefix + name
        if is_history_name(name):
            return (flat,)
        return (f"{self._prefix}{name[:_PREFIX_DIGITS]}/{name}", flat)

    def _take(self, name: str, stored: StoredObject, into: Path) -> Answer:
        """Fetch *stored* and unpack it on the way.

        Raises:
            DrillError: it cannot be had, or not unpacked.
        """
        limit = LARGEST_HISTORY_BYTES if is_history_name(name) else self._segment_bytes
        if stored.bytes > limit * _TOO_LONG:
            return Broken(f"is much longer than it may be: {stored.bytes} bytes", stored.uri)
        written = _write(_plain(self._pieces(stored), stored.uri), into, limit)
        if written > limit:
            return Broken(f"holds more than {limit} bytes", stored.uri)
        if written < limit and not is_history_name(name):
            return Broken(f"is cut: it holds {written} of {limit} bytes", stored.uri, stored.modified_at)
        return Present(stored.uri, stored.bytes, stored.modified_at)

    def _pieces(self, stored: StoredObject) -> Iterator[bytes]:
        until = Deadline.within(FETCH_S).sooner(self._deadline)
        source = self._store.source(stored)
        offset = 0
        while offset < source.size:
            until.check("the WAL was read", stored.uri)
            piece = source.read(offset, _READ_BYTES)
            if not piece:
                return
            yield piece
            offset += len(piece)


def _is_final(answer: Answer) -> bool:
    """Say whether trying again could not help: what is broken may have been replaced since it was listed."""
    if not isinstance(answer, Denied) or answer.error.rule == "object-gone":
        return False
    return isinstance(answer.error, PermanentError)


def _plain(pieces: Iterator[bytes], uri: str) -> Iterator[bytes]:
    """Yield the file's own bytes, unwrapped by what they begin with.

    Raises:
        PermanentError: of `unwrap`; `format-unsupported` for what cannot be read here.
    """
    first = next(pieces, b"")
    wrapper = _wrapper_of(first, "." + uri.rpartition(".")[2], uri)
    whole = _chained(first, pieces)
    return whole if wrapper is None else unwrap(wrapper, whole, uri)


def _wrapper_of(first: bytes, suffix: str, uri: str) -> str | None:
    """Return the compression of what begins with *first*; None for what is plain, or nothing that we know."""
    if parse_header(first) is not None:
        return None
    sniffed = sniff(first[:_SNIFF_BYTES])
    if sniffed.kind in COMPRESSIONS:
        return sniffed.kind
    if suffix == _BROTLI_SUFFIX and sniffed.kind not in ENCRYPTIONS:
        return BROTLI
    foreign = _FOREIGN_SUFFIXES.get(suffix) or (sniffed.kind if sniffed.kind in ENCRYPTIONS else None)
    foreign = foreign or (sniffed.looks_like if sniffed.kind == "container" else None)
    if foreign is None:
        return None
    raise PermanentError(
        f"The WAL lies there as {foreign}, which is not read here. Nothing is said about the backup.",
        uri,
        f"Archive WAL plain or as {', '.join(SUFFIXES)}, or name the tool that reads it.",
        rule="format-unsupported",
    )


def _chained(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _write(pieces: Iterator[bytes], into: Path, limit: int) -> int:
    """Write *pieces* to *into* until they are more than *limit*; return how many bytes there were."""
    written = 0
    try:
        with into.open("xb") as file:
            for piece in pieces:
                written += len(piece)
                if written > limit:
                    break
                file.write(piece)
    except OSError as error:
        raise disk_full(str(into), written) from error
    return written


def _preferred(one: StoredObject | None, other: StoredObject) -> StoredObject:
    """Return which of two files of a name was stored first: a retry of archive_command adds another."""
    return other if one is None or other.modified_at < one.modified_at else one


def _folder(prefix: str) -> str:
    return prefix if prefix.endswith("/") else prefix + "/"


def _lowered(what: str) -> str:
    return what[:1].lower() + what[1:].rstrip(".")
