"""Compressed wrappers: streams that are unwrapped piece by piece and prove their own end.

A stream that ends early and a stream whose bytes do not add up are two different things: the first was cut,
the second is damaged. Members, frames and streams that follow one another are one file, as the tools treat
them; zero bytes after the last are padding; anything else there is not of the backup.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import brotli
import lz4.frame
import zstandard

from tasks.model.errors import PermanentError

GZIP, ZSTD, LZ4, XZ, BZIP2 = "gzip", "zstd", "lz4", "xz", "bzip2"
BROTLI = "brotli"
"""Known by a name alone: its streams begin with nothing of their own, and carry no checksum."""
COMPRESSIONS = (GZIP, ZSTD, LZ4, XZ, BZIP2)
SUFFIXES = {".gz": GZIP, ".zst": ZSTD, ".lz4": LZ4, ".xz": XZ, ".bz2": BZIP2}

_LARGEST_PIECE = 1 << 20
_SLICE_BYTES = 16 << 10
_XZ_MEMORY_BYTES = 256 << 20  # xz -9 takes 65 MiB
_ZSTD_STEP = 1 << 10  # a block of four bytes can unfold to 128 KiB: small steps bound what a call returns
_ERRORS = (zlib.error, lzma.LZMAError, OSError, EOFError, zstandard.ZstdError, RuntimeError, brotli.error)


class _Member(Protocol):
    """One gzip member, zstd or lz4 frame, xz or bzip2 stream."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def feed(self, data: bytes) -> Iterator[bytes]: ...


def unwrap(wrapper: str, pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    """Yield what the compressed *pieces* hold, each piece at most 32 MiB, of a bomb that is.

    Args:
        wrapper: one of `COMPRESSIONS`, or `BROTLI`.
        pieces: of the stream, consumed as the result is.
        where: the backup, for messages.

    Raises:
        PermanentError: `archive-truncated` where the stream ends early, `archive-corrupt` where its checksum
            or structure is wrong.
    """
    member: _Member | None = None
    finished, offset = 0, 0
    for piece in pieces:
        waiting = [piece]
        while waiting:
            data = waiting.pop()
            if member is None:
                data = data.lstrip(b"\0") if finished else data
                if not data:
                    continue
                member = _MEMBERS[wrapper]()
            try:
                yield from member.feed(data)
            except _ERRORS as exc:
                raise _damaged(wrapper, offset, finished, exc, where) from exc
            if member.eof:
                waiting += _slices(member.unused_data)
                member, finished = None, finished + 1
        offset += len(piece)
    if member is not None or not finished:
        raise PermanentError(
            f"The {wrapper} stream ends at byte {offset}, before its own end. What followed is lost.",
            where,
            rule="archive-truncated",
        )


def _slices(rest: bytes) -> list[bytes]:
    """Return what follows a member in small slices, the first one last.

    Each member's end hands its rest on as a copy: of thousands of empty members in one piece, copies of the
    whole piece would be made for each.
    """
    return [rest[at : at + _SLICE_BYTES] for at in range(0, len(rest), _SLICE_BYTES)][::-1]


def unwrap_all(wrappers: Iterable[str], pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    """Yield what *pieces* hold under all *wrappers*, outermost first; as `unwrap`."""
    current: Iterable[bytes] = pieces
    for wrapper in wrappers:
        current = unwrap(wrapper, current, where)
    yield from current


def proves_content(wrapper: str, head: bytes) -> bool:
    """Say whether a stream that begins with *head* carries a checksum of what it holds.

    gzip and bzip2 always do; zstd, lz4 and xz say so in their header.
    """
    if wrapper == ZSTD:
        return _zstd_checksum(head)
    if wrapper == LZ4:
        return _lz4_checksum(head)
    if wrapper == XZ:
        return len(head) > 7 and head[7] & 0x0F != 0  # noqa: PLR2004  the stream flags' second byte
    return wrapper in {GZIP, BZIP2}


def skip_frames(head: bytes) -> bytes:
    """Return *head* without the skippable frames that some writers of zstd and lz4 put first."""
    while len(head) > 8 and head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:  # noqa: PLR2004
        head = head[8 + int.from_bytes(head[4:8], "little") :]
    return head


def _zstd_checksum(head: bytes) -> bool:
    try:
        return bool(zstandard.get_frame_parameters(skip_frames(head)).has_checksum)
    except zstandard.ZstdError:
        return False


def _lz4_checksum(head: bytes) -> bool:
    try:
        frame = lz4.frame.get_frame_info(skip_frames(head))
    except RuntimeError:
        return False
    return bool(frame["content_checksum"] or frame["block_checksum"])


def _damaged(wrapper: str, offset: int, finished: int, exc: Exception, backup_name: str) -> PermanentError:
    if wrapper == ZSTD and "too much memory" in str(exc):
        return PermanentError(
            "The zstd stream needs a window larger than 128 MiB, which zstd itself refuses by default.",
            backup_name,
            "Compress without --long, or with --long=27 at most.",
            rule="format-unsupported",
        )
    if wrapper == XZ and "Memory usage limit" in str(exc):
        return PermanentError(
            "The xz stream needs more than 256 MiB of memory, four times as much as xz -9.",
            backup_name,
            "Compress with a preset of xz, or with a smaller dictionary.",
            rule="format-unsupported",
        )
    place = "after the end of the stream" if finished else "in the stream"
    return PermanentError(
        f"The {wrapper} data is damaged {place}, near byte {offset}: {_reason(exc)}. The rest is lost.",
        backup_name,
        rule="archive-corrupt",
    )


def _reason(exc: Exception) -> str:
    text = str(exc).lower()
    if any(word in text for word in ("data check", "length check", "checksum", "crc")):
        return "its checksum does not match"
    return "its structure is broken"


class _Bounded:
    """bz2 and lzma: the standard library's shape, with a limit on what one call returns."""

    def __init__(self, decoder: Any) -> None:  # noqa: ANN401  the standard library has no name for it
        self._decoder = decoder

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._decoder.unused_data or b"")

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._decoder.decompress(data, _LARGEST_PIECE)
        while not self.eof and not self._decoder.needs_input:
            yield self._decoder.decompress(b"", _LARGEST_PIECE)


class _Gzip:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self.eof:
            yield self._decoder.decompress(data, _LARGEST_PIECE)
            data = self._decoder.unconsumed_tail


class _Zstd:
    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor().decompressobj()
        self._left = b""

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data + self._left

    def feed(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data) and not self.eof:
            yield self._decoder.decompress(data[at : at + _ZSTD_STEP])
            at += _ZSTD_STEP
        self._left = data[at:]


class _Brotli:
    """One stream; anything behind it is an error of its own decoder."""

    unused_data = b""

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decoder.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        piece = self._decoder.process(data, output_buffer_limit=_LARGEST_PIECE)
        while piece or not self._decoder.can_accept_more_data():
            yield piece
            if self.eof:
                return
            piece = self._decoder.process(b"", output_buffer_limit=_LARGEST_PIECE)


_MEMBERS: dict[str, Callable[[], _Member]] = {
    GZIP: _Gzip,
    ZSTD: _Zstd,
    LZ4: lambda: _Bounded(lz4.frame.LZ4FrameDecompressor()),
    XZ: lambda: _Bounded(lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)),
    BZIP2: lambda: _Bounded(bz2.BZ2Decompressor()),
    BROTLI: _Brotli,
}
