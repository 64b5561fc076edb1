"""The head of a backup: what its first bytes tell, read by range, before anything is downloaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from tasks.catalog import physical, script, tar
from tasks.catalog.compression import COMPRESSIONS, unwrap
from tasks.catalog.directory import TOC_NAME, read_directory_head
from tasks.catalog.sniff import ENCRYPTIONS, SNIFF_BYTES, sniff
from tasks.catalog.sources import HeadLimitError, Stream, growing_reads
from tasks.catalog.toc import ParsedToc, TocCutError, TocParser
from tasks.model.backup import ArchiveHead, ByteSource, Format
from tasks.model.errors import PermanentError

TAR = "tar"
"""A wrapper too, where somebody made a tar of a dump."""

_DEEPEST = 8  # wrappers round one another: more is no backup but an attack
_TAR_MEMBERS = 64  # so many members of a tar are looked at for a toc.dat
_SMALLEST = 16
_DATA_MEMBER = re.compile(r"(^|/)(\d+\.dat|blob_\d+\.dat|blobs(_\d+)?\.toc)(\.(gz|lz4|zst))?$")


def read_head(source: ByteSource | Mapping[str, ByteSource], name: str) -> ArchiveHead:
    """Return what the first bytes of a backup tell.

    Args:
        source: the file; of a directory dump, its files by relative name.
        name: the key or its last part, for messages.

    Returns:
        The head; its `toc` is None where the first 64 MiB do not hold it, or the backup is encrypted.

    Raises:
        PermanentError: `archive-empty`, `archive-tiny`, `not-a-backup`, `archive-truncated`,
            `archive-corrupt`, `archive-uploading`, `archive-incomplete`, `archive-version-unsupported`,
            `format-unsupported`.
    """
    if isinstance(source, Mapping):
        return read_directory_head(source, name)
    try:
        return read_stream_head(Stream(growing_reads(source)), name)
    except HeadLimitError:
        return ArchiveHead(Format.UNKNOWN)


def read_stream_head(stream: Stream, name: str, wrappers: tuple[str, ...] = ()) -> ArchiveHead:
    """Return what the first bytes of *stream* tell; *wrappers* are those it was taken out of already."""
    looks = sniff(stream.peek(SNIFF_BYTES))
    kind = looks.kind
    if kind == "empty":
        raise _empty(name, wrappers)
    if kind in COMPRESSIONS:
        return _inside(Stream(unwrap(kind, stream.rest(), name)), name, (*wrappers, kind))
    if kind in ENCRYPTIONS:
        return ArchiveHead(Format.UNKNOWN, (*wrappers, kind))
    if kind == "custom":
        return _custom_head(stream, name, wrappers)
    if kind == "tar":
        return _tar_head(stream, name, wrappers)
    if kind == "text":
        return replace(_script_head(stream, name), wrappers=wrappers)
    raise _no_backup(kind, looks.looks_like, stream.peek(_SMALLEST), name)


def read_stream_toc(stream: Stream, name: str) -> ParsedToc:
    """Return the TOC at the start of *stream*, reading no more than it takes.

    Raises:
        PermanentError: `archive-truncated`, `archive-corrupt`, `archive-version-unsupported`.
    """
    parser = TocParser(name)
    for piece in stream.rest():
        parser.feed(piece)
        try:
            return parser.parse()
        except TocCutError:
            continue
    raise PermanentError(
        f"The archive ends at byte {parser.read_bytes}, {parser.first_missing}. Nothing can be restored "
        "from it.",
        name,
        rule="archive-truncated",
    )


def is_data_member(name: str) -> bool:
    """Say whether a tar's member *name* is a file of a directory dump."""
    return _DATA_MEMBER.search(name) is not None


def _custom_head(stream: Stream, name: str, wrappers: tuple[str, ...]) -> ArchiveHead:
    try:
        return ArchiveHead(Format.CUSTOM, wrappers, read_stream_toc(stream, name).toc)
    except HeadLimitError:
        return ArchiveHead(Format.CUSTOM, wrappers)


def _inside(stream: Stream, name: str, wrappers: tuple[str, ...]) -> ArchiveHead:
    if len(wrappers) > _DEEPEST:
        raise PermanentError(
            f"The backup is wrapped more than {_DEEPEST} times. No backup job does that.",
            name,
            rule="not-a-backup",
        )
    return read_stream_head(stream, name, wrappers)


def _empty(name: str, wrappers: tuple[str, ...]) -> PermanentError:
    if not wrappers:
        return PermanentError(
            "The backup has 0 bytes. There is nothing to restore.", name, rule="archive-empty"
        )
    return PermanentError(
        f"The backup is a {wrappers[-1]} stream of 0 bytes. The dump that should have filled it wrote "
        "nothing.",
        name,
        rule="archive-tiny",
    )


def _no_backup(kind: str, looks_like: str, first: bytes, name: str) -> PermanentError:
    if kind == "container":
        return PermanentError(
            f"The backup is {looks_like}, which this drill cannot open. What is in it may be good.",
            name,
            rule="format-unsupported",
        )
    if kind == "unknown" and len(first) < _SMALLEST:
        return PermanentError(
            f"The backup has {len(first)} bytes, of no format. There is nothing to restore.",
            name,
            rule="archive-tiny",
        )
    what = looks_like or "of no format that PostgreSQL's tools write"
    return PermanentError(
        f"The bytes are {what}. This is not a PostgreSQL backup.", name, rule="not-a-backup"
    )


def _script_head(stream: Stream, name: str) -> ArchiveHead:
    text = script_text(stream)
    return script.read_script_head(text, whole=len(text) < script.HEAD_BYTES, where=name)


def script_text(stream: Stream) -> str:
    """Return the first part of a script, as long as it takes to find the versions in it."""
    text = stream.peek(script.HEAD_BYTES).decode("utf-8", "surrogateescape")
    if script.is_cluster_script(text) and not script.names_its_versions(text):
        return stream.peek(script.CLUSTER_HEAD_BYTES).decode("utf-8", "surrogateescape")
    return text


class _Sequential:
    """Ranged reads at ascending offsets, out of a stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._at = 0

    def read(self, offset: int, length: int) -> bytes:
        self.stream.skip(offset - self._at)
        piece = self.stream.take(length)
        self._at = offset + len(piece)
        return piece


def _tar_head(stream: Stream, name: str, wrappers: tuple[str, ...]) -> ArchiveHead:
    """Return what the first members tell: pg_dump's own tar begins with toc.dat, others may hold a dump."""
    own = tar.is_pg_dumps(stream.peek(tar.BLOCK))
    reader = _Sequential(stream)
    seen: list[str] = []
    try:
        for member in islice(tar.walk(reader.read, name), _TAR_MEMBERS):
            seen.append(member.name)
            layout = physical.recognise_layout(seen)
            if layout is not None:
                return ArchiveHead(layout, wrappers)
            if member.kind != tar.REGULAR:
                continue
            if member.name.rsplit("/", 1)[-1] == TOC_NAME:
                return _tar_toc_head(reader.read(member.offset, member.size), name, wrappers, own=own)
            if not is_data_member(member.name):
                reader.read(member.offset, 0)
                return read_stream_head(Stream(reader.stream.portion(member.size)), name, (*wrappers, TAR))
    except HeadLimitError:
        pass
    if not seen:
        raise PermanentError("The backup is a tar without a member.", name, rule="archive-tiny")
    return ArchiveHead(Format.DIRECTORY, (*wrappers, TAR))


def _tar_toc_head(content: bytes, name: str, wrappers: tuple[str, ...], *, own: bool) -> ArchiveHead:
    toc = read_stream_toc(Stream([content]), name).toc
    if own and toc.compression == "none":
        return ArchiveHead(Format.TAR, wrappers, toc)
    return ArchiveHead(Format.DIRECTORY, (*wrappers, TAR), toc)
