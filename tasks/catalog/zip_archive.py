"""ZIP archives that somebody made of a dump, read by range: in the store before a download, on disk after.

Python's zipfile reads the directory and unfolds the members. Decided here is what it leaves open: how large
the directory may be, that no two members share bytes (bombs do), that none lies before what the directory
lists, and what its errors mean. Names are compared, never written to.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from itertools import pairwise

from tasks.catalog.contained import parts_of
from tasks.catalog.sources import PIECE_BYTES
from tasks.model.backup import ByteSource
from tasks.model.errors import PermanentError

END_MARK = b"PK\x05\x06"
_END_BYTES = (64 << 10) + 22  # the end record, and the longest comment behind it
_LARGEST_DIRECTORY = 32 << 20  # some 300,000 members; each takes half a KiB of memory
_HEADER_BYTES = 30
_BUFFER = 64 << 10
_METHODS = {
    1: "shrink",
    6: "implode",
    9: "deflate64",
    12: "bzip2",
    14: "LZMA",
    93: "zstd",
    95: "xz",
    98: "PPMd",
}
_READABLE = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED, _STRONGLY, _MASKED, _AES = 0x1, 0x40, 0x2000, 99
_ERRORS = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error, EOFError,
    zlib.error, OSError,
)  # fmt: skip
"""What zipfile ends with on bytes that are no ZIP archive, or a damaged one."""


class ZipArchive:
    """The files of a ZIP archive.

    Args:
        source: read by range.
        where: the backup, for messages.

    Attributes:
        files: by their names without `.` parts; of several of one name the last counts.

    Raises:
        PermanentError: `archive-truncated`, `archive-corrupt`, `archive-doubled`,
            `archive-contents-too-large`.
    """

    def __init__(self, source: ByteSource, where: str) -> None:
        self._source, self._where = source, where
        try:
            self._archive = zipfile.ZipFile(_Reader(source, where))
        except _ERRORS as exc:
            raise self._unreadable(exc) from exc
        members = self._archive.infolist()
        self._refuse_overlap(members)
        self.files: Mapping[str, zipfile.ZipInfo] = {
            "/".join(parts): member
            for member in members
            if not (name := member.filename.replace("\\", "/")).endswith("/") and (parts := parts_of(name))
        }

    def pieces(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield what *member* holds; its checksum is compared at its end.

        Raises:
            PermanentError: `archive-corrupt`; `format-unsupported`: encrypted, or not packed by deflate.
        """
        refusal = self.refusal(member)
        if refusal is not None:
            raise refusal
        try:
            with self._archive.open(member) as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece
        except _ERRORS as exc:
            raise self._damaged(member, exc) from exc

    def refusal(self, member: zipfile.ZipInfo) -> PermanentError | None:
        """Return why *member* cannot be read here, whole as it may be; None where it can."""
        if member.flag_bits & (_ENCRYPTED | _STRONGLY | _MASKED) or member.compress_type == _AES:
            return PermanentError(
                f"The ZIP archive's {member.filename} is encrypted with a password, which this drill cannot "
                "open. What is in it may be good.",
                self._where,
                "Encrypt with gpg or age instead, which `backup.decrypt` opens by a key's reference.",
                rule="format-unsupported",
            )
        if member.compress_type in _READABLE:
            return None
        method = _METHODS.get(member.compress_type, f"method {member.compress_type}")
        return PermanentError(
            f"The ZIP archive's {member.filename} is packed by {method}, which this drill cannot unpack. "
            "What is in it may be good.",
            self._where,
            "Make the ZIP with deflate, its usual method, or store the dump as .gz, .zst or .xz.",
            rule="format-unsupported",
        )

    def _refuse_overlap(self, members: list[zipfile.ZipInfo]) -> None:
        """Refuse members that share bytes, and a file that begins with one that the directory leaves out."""
        spans = sorted((m.header_offset, m.header_offset + _HEADER_BYTES + m.compress_size) for m in members)
        ends = [*spans, (self._archive.start_dir, self._archive.start_dir)]
        if any(end > start for (_, end), (start, _) in pairwise(ends)):
            raise PermanentError(
                "Members of the ZIP archive share bytes, or reach into its directory: it is damaged, or made "
                "to unfold without end.",
                self._where,
                rule="archive-corrupt",
            )
        if spans and spans[0][0] > 0:
            raise PermanentError(
                f"The ZIP archive's directory leaves out what lies in its first {spans[0][0]:,} bytes: "
                "another archive is before it. Whoever unpacks the file gets the last one only.",
                self._where,
                rule="archive-doubled",
            )

    def _unreadable(self, exc: Exception) -> PermanentError:
        size = self._source.size
        if END_MARK not in self._source.read(max(0, size - _END_BYTES), _END_BYTES):
            return PermanentError(
                f"The ZIP archive ends at byte {size}, before its directory, which stands last. No tool "
                "finds a file in it.",
                self._where,
                rule="archive-truncated",
            )
        return PermanentError(
            f"The ZIP archive's directory is damaged ({type(exc).__name__}). No file in it can be found.",
            self._where,
            rule="archive-corrupt",
        )

    def _damaged(self, member: zipfile.ZipInfo, exc: Exception) -> PermanentError:
        cause = "its checksum does not match" if "CRC" in str(exc) else "its structure is broken"
        return PermanentError(
            f"The ZIP archive's {member.filename} is damaged: {cause}. What it held is lost.",
            self._where,
            rule="archive-corrupt",
        )


class _Ranges(io.RawIOBase):
    """A source as a file that can be sought in."""

    def __init__(self, source: ByteSource) -> None:
        super().__init__()
        self._source, self._at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        if at < 0:
            raise OSError("before the beginning")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed: any writable buffer
        piece = self._source.read(self._at, len(buffer)) if self._at < self._source.size else b""
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


class _Reader(io.BufferedReader):
    """What zipfile reads from: never asked for more than a directory may have."""

    def __init__(self, source: ByteSource, where: str) -> None:
        super().__init__(_Ranges(source), _BUFFER)
        self._where = where

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_DIRECTORY:
            raise PermanentError(
                f"The ZIP archive's directory has {size:,} bytes, more than the drill takes into its memory. "
                "Nothing is said about the backup.",
                self._where,
                rule="archive-contents-too-large",
            )
        return super().read(size)
