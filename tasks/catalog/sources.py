"""Where a backup's bytes come from: a local file, or the first part of a stream that may be longer.

The head of a backup is read by range, in pieces that grow: most tables of contents fit into the first, and
one that does not costs a few requests, not thousands.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.model.backup import ByteSource
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError

FIRST_READ_BYTES = 64 << 10
LARGEST_READ_BYTES = 4 << 20
HEAD_LIMIT_BYTES = 64 << 20
"""So much of a backup is read before its download, at most."""
UNWRAPPED_LIMIT_BYTES = 256 << 20
"""So much of what its compression holds: a few kilobytes can unfold to terabytes."""
PIECE_BYTES = 1 << 20
MOST_FILES = 1_000_000
"""Files of a directory dump, members of a tar, large objects in files of their own: more are not taken in."""
_LONGEST_LINE = 4096


class HeadLimitError(Exception):
    """The head did not tell what was asked within `HEAD_LIMIT_BYTES`, or what they unfold to is longer."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A local file, read by range, as long as *deadline* allows."""

    path: Path
    uri: str = ""
    deadline: Deadline | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.path.stat().st_size)
        object.__setattr__(self, "uri", self.uri or str(self.path))

    def read(self, offset: int, length: int) -> bytes:
        """Return up to *length* bytes from *offset*; fewer only at the end."""
        if self.deadline is not None:
            self.deadline.check("the backup was read", self.uri)
        if offset >= self.size:
            return b""  # a header may send a reader anywhere: farther than a file's offset can be
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), length, offset)


class Stream:
    """Bytes that arrive in pieces, with a look ahead.

    Args:
        pieces: consumed lazily; what a look ahead has taken is kept for the reader.
        unwrapped_limit: how much may be read of a stream that is unwrapped from this one; None for all.
    """

    def __init__(self, pieces: Iterable[bytes], unwrapped_limit: int | None = None) -> None:
        self._pieces = iter(pieces)
        self.unwrapped_limit = unwrapped_limit
        self._ahead = bytearray()

    def peek(self, length: int) -> bytes:
        """Return the next *length* bytes without consuming them; fewer only at the end."""
        while len(self._ahead) < length:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._ahead += piece
        return bytes(self._ahead[:length])

    def take(self, length: int) -> bytes:
        """Return and consume the next *length* bytes; fewer only at the end."""
        piece = self.peek(length)
        del self._ahead[: len(piece)]
        return piece

    def skip(self, length: int) -> int:
        """Consume *length* bytes; return how many there were."""
        skipped = 0
        while skipped < length:
            passed = len(self.take(min(length - skipped, PIECE_BYTES)))
            if not passed:
                break
            skipped += passed
        return skipped

    def portion(self, length: int) -> Iterator[bytes]:
        """Yield and consume the next *length* bytes in pieces; fewer only at the end."""
        while length > 0 and (piece := self.take(min(length, FIRST_READ_BYTES))):
            length -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        """Yield everything that is left, in the pieces in which it comes."""
        if self._ahead:
            ahead, self._ahead = bytes(self._ahead), bytearray()
            yield ahead
        yield from self._pieces


def limited(pieces: Iterable[bytes], limit: int | None) -> Iterator[bytes]:
    """Yield *pieces*.

    Raises:
        HeadLimitError: they are more than *limit* bytes.
    """
    read = 0
    for piece in pieces:
        read += len(piece)
        if limit is not None and read > limit:
            raise HeadLimitError
        yield piece


def growing_reads(source: ByteSource, limit: int = HEAD_LIMIT_BYTES) -> Iterator[bytes]:
    """Yield *source* from its start, in ranges that grow from 64 KiB to 4 MiB.

    Raises:
        HeadLimitError: more than *limit* bytes are asked for.
    """
    offset, length = 0, FIRST_READ_BYTES
    while offset < source.size:
        if offset >= limit:
            raise HeadLimitError
        piece = source.read(offset, length)
        if not piece:
            return
        yield piece
        offset += len(piece)
        length = min(length * 4, LARGEST_READ_BYTES)


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below *folder*, however deep; links to folders are not followed."""
    folders = [str(folder)]
    while folders:
        for entry in list(os.scandir(folders.pop())):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_file():
                yield Path(entry.path)


def lines_of(pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    """Yield the lines of a list that somebody else wrote, without their ends.

    Raises:
        PermanentError: `archive-corrupt`: a line goes on and on.
    """
    rest = b""
    for piece in pieces:
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        if len(rest) > _LONGEST_LINE:
            raise PermanentError(
                f"The list of large objects has a line of more than {_LONGEST_LINE} bytes. It is damaged.",
                where,
                rule="archive-corrupt",
            )
        yield from lines
    if rest:
        yield rest


def file_pieces(path: Path, deadline: Deadline | None = None) -> Iterator[bytes]:
    """Yield a file in pieces of 1 MiB, as long as *deadline* allows."""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            if deadline is not None:
                deadline.check("the backup was read", str(path))
            yield piece
