"""The head of a backup: what its first bytes tell, read by range, before anything is downloaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from tasks.catalog import physical, script, tar
from tasks.catalog import terminal_lines as terminal
from tasks.catalog.compression import COMPRESSIONS, unwrap
from tasks.catalog.contained import Wanted, application_dumps, parts_of
from tasks.catalog.directory import TOC_NAME, below, dump_folder, is_data_member, read_directory_head
from tasks.catalog.encryption import looks_encrypted, not_openable
from tasks.catalog.sniff import ENCRYPTIONS, SNIFF_BYTES, ZIP, may_be_encrypted, sniff
from tasks.catalog.sources import UNWRAPPED_LIMIT_BYTES, HeadLimitError, Stream, growing_reads, limited
from tasks.catalog.toc import ParsedToc, TocCutError, read_toc_pieces
from tasks.catalog.zip_archive import ZipArchive
from tasks.model.backup import ArchiveHead, ByteSource, Format, Toc
from tasks.model.errors import PermanentError

TAR = "tar"
"""A wrapper too, where somebody made a tar of a dump."""

NO_DUMP = frozenset({"not-a-backup", "archive-tiny", "archive-empty", "format-unsupported"})
"""What a file is that lies beside a dump and is none."""
_DEEPEST = 8  # wrappers round one another: more is no backup but an attack
_TAR_MEMBERS = 64  # so many members of a tar, and so much of it, are looked at before the download
_TAR_LOOK_BYTES = 8 << 20
_SMALLEST = 16


def read_head(
    source: ByteSource | Mapping[str, ByteSource],
    name: str,
    wanted: Wanted = Wanted(),  # noqa: B008  immutable
) -> ArchiveHead:
    """Return what the first bytes of a backup tell.

    Args:
        source: the file; of a directory dump, its files by relative name.
        name: the key or its last part, for messages.
        wanted: the database that is to be drilled, where a container holds several dumps.

    Returns:
        The head; its `toc` is None where the first 64 MiB, or 256 MiB of what they unfold to, do not hold it,
        or the backup is encrypted.

    Raises:
        PermanentError: `archive-empty`, `archive-tiny`, `not-a-backup`, `archive-truncated`,
            `archive-corrupt`, `archive-uploading`, `archive-incomplete`, `archive-version-unsupported`,
            `format-unsupported`, `database-choice-ambiguous`, `database-not-in-dump`.
    """
    if isinstance(source, Mapping):
        return read_directory_head(below(source, dump_folder(source, wanted, name)), name)
    try:
        head = read_stream_head(Stream(growing_reads(source), UNWRAPPED_LIMIT_BYTES), name, wanted=wanted)
        return _zip_head(source, name, wanted) if head.wrappers == (ZIP,) else head
    except HeadLimitError:
        return ArchiveHead(Format.UNKNOWN)
    except PermanentError as error:
        terminal.raise_if_rewritten(error, growing_reads(source), name)
        raise


def read_stream_head(
    stream: Stream,
    name: str,
    wrappers: tuple[str, ...] = (),
    wanted: Wanted = Wanted(),  # noqa: B008  immutable
) -> ArchiveHead:
    """Return what the first bytes of *stream* tell; *wrappers* are those it was taken out of already."""
    looks = sniff(stream.peek(SNIFF_BYTES))
    kind = looks.kind
    if kind == "empty":
        raise _empty(name, wrappers)
    if kind in COMPRESSIONS:
        limit = stream.unwrapped_limit
        unwrapped = limited(unwrap(kind, stream.rest(), name), limit)
        return _inside(Stream(unwrapped, limit), name, (*wrappers, kind), wanted)
    if kind in ENCRYPTIONS or kind == ZIP:
        return ArchiveHead(Format.UNKNOWN, (*wrappers, kind))
    if kind == "custom":
        return _custom_head(stream, name, wrappers)
    if kind == "tar":
        return _tar_head(stream, name, wrappers, wanted)
    if kind == "text":
        return replace(_script_head(stream, name), wrappers=wrappers)
    raise _no_backup(kind, looks.looks_like, stream.peek(SNIFF_BYTES), name)


def read_stream_toc(stream: Stream, name: str) -> ParsedToc:
    """Return the TOC at the start of *stream*, reading no more than it takes.

    Raises:
        PermanentError: `archive-truncated`, `archive-corrupt`, `archive-version-unsupported`,
            `archive-contents-too-large`.
    """
    try:
        return read_toc_pieces(stream.rest(), name)
    except TocCutError as exc:
        raise PermanentError(
            f"The archive ends at byte {exc.read_bytes}, {exc.place}. Nothing can be restored from it.",
            name,
            rule="archive-truncated",
        ) from exc


def _custom_head(stream: Stream, name: str, wrappers: tuple[str, ...]) -> ArchiveHead:
    try:
        return ArchiveHead(Format.CUSTOM, wrappers, read_stream_toc(stream, name).toc)
    except HeadLimitError:
        return ArchiveHead(Format.CUSTOM, wrappers)


def _inside(stream: Stream, name: str, wrappers: tuple[str, ...], choice: Wanted) -> ArchiveHead:
    if len(wrappers) > _DEEPEST:
        raise PermanentError(
            f"The backup is wrapped more than {_DEEPEST} times. No backup job does that.",
            name,
            rule="not-a-backup",
        )
    return read_stream_head(stream, name, wrappers, choice)


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
    if kind == "cipher":
        return not_openable(looks_like, name)
    if kind == "unknown" and len(first) < _SMALLEST:
        return PermanentError(
            f"The backup has {len(first)} bytes, of no format. There is nothing to restore.",
            name,
            rule="archive-tiny",
        )
    if kind == "unknown" and (suffix := may_be_encrypted(first, name)):
        return looks_encrypted(suffix, name)
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
        self._stream = stream
        self._at = 0

    def read(self, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset*, fewer only at the end."""
        self._at += self._stream.skip(offset - self._at)
        piece = self._stream.take(length)
        self._at += len(piece)
        return piece

    def pieces(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield *length* bytes from *offset*, read as they are asked for."""
        self.read(offset, 0)
        for piece in self._stream.portion(length):
            self._at += len(piece)
            yield piece


@dataclass(slots=True)
class _Heads:
    """The dumps that the first members of a tar or ZIP archive showed, as far as they were read.

    Attributes:
        names: of all members.
        by_place: heads of what could be the backup, by its place in the archive.
        opaque: something was met that could be a dump and could not be read here.
    """

    names: list[str] = field(default_factory=list)
    by_place: dict[str, ArchiveHead] = field(default_factory=dict)
    opaque: bool = False


def _tar_head(stream: Stream, name: str, wrappers: tuple[str, ...], choice: Wanted) -> ArchiveHead:
    """Return what the first members tell: pg_dump's own tar begins with toc.dat, others may hold a dump.

    A tar that somebody made may hold several. Where not all of it can be looked at, the one of the right name
    is described in part: nothing may be held against it that another of its name would not share.
    """
    if tar.is_pg_dumps(stream.peek(tar.BLOCK)):
        return _own_tar_head(stream, name, wrappers)
    reader, heads = _Sequential(stream), _Heads()
    try:
        for member in islice(tar.walk(reader.read, name), _TAR_MEMBERS + 1):
            layout = _note_member(member, reader, heads, (*wrappers, TAR), choice)
            if layout is not None:
                return ArchiveHead(layout, wrappers)
            if member.next_at > _TAR_LOOK_BYTES or len(heads.names) > _TAR_MEMBERS:
                heads.opaque = True
                break
    except HeadLimitError:
        heads.opaque = True
    if not heads.names:
        raise PermanentError("The backup is a tar without a member.", name, rule="archive-tiny")
    return _head_of(heads, (*wrappers, TAR), choice)


def _head_of(heads: _Heads, wrappers: tuple[str, ...], choice: Wanted) -> ArchiveHead:
    if not heads.opaque and len(heads.by_place) == 1:
        return next(iter(heads.by_place.values()))
    meant = next((head for head in heads.by_place.values() if _is_meant(head, choice)), None)
    return ArchiveHead(Format.UNKNOWN, wrappers) if meant is None else _in_part(meant)


def _zip_head(source: ByteSource, name: str, choice: Wanted) -> ArchiveHead:
    """Return what a ZIP archive's directory, and the first of its members that may be dumps, tell."""
    archive, heads = ZipArchive(source, name), _Heads()
    layout = physical.recognise_layout(archive.files)
    if layout is not None:
        return ArchiveHead(layout, (ZIP,))
    if not archive.files:
        raise PermanentError("The backup is a ZIP archive without a file.", name, rule="archive-tiny")
    files = application_dumps(archive.files) or archive.files
    heads.opaque = len(files) > _TAR_MEMBERS
    for place, member in islice(files.items(), _TAR_MEMBERS):
        _note_file(place, Stream(archive.pieces(member), UNWRAPPED_LIMIT_BYTES), heads, (ZIP,), choice)
    refusals = [refusal for member in files.values() if (refusal := archive.refusal(member)) is not None]
    if refusals and not heads.by_place:
        raise refusals[0]
    return _head_of(heads, (ZIP,), choice)


def _note_member(
    member: tar.TarMember, reader: _Sequential, heads: _Heads, wrappers: tuple[str, ...], choice: Wanted
) -> Format | None:
    """Look at one member; return the layout of a physical backup that the names so far show."""
    heads.names.append(member.name)
    layout = physical.recognise_layout(heads.names)
    place = "/".join(parts_of(member.name))
    if layout is None and member.kind == tar.REGULAR and place:
        _note_file(place, Stream(reader.pieces(member.offset, member.size)), heads, wrappers, choice)
    return layout


def _note_file(place: str, pieces: Stream, heads: _Heads, wrappers: tuple[str, ...], choice: Wanted) -> None:
    folder, _, base = place.rpartition("/")
    if is_data_member(base):
        return
    try:
        if base == TOC_NAME:
            toc = read_stream_toc(pieces, place).toc
            heads.by_place[folder] = ArchiveHead(Format.DIRECTORY, wrappers, toc)
        else:
            _note_head(place, _inside(pieces, place, wrappers, choice), heads)
    except PermanentError as error:
        if error.rule not in NO_DUMP:  # a broken dump: known when the whole archive is there
            heads.opaque = True


def _note_head(place: str, head: ArchiveHead, heads: _Heads) -> None:
    """Note the head of a file that may be the backup; roles alone are not what is restored."""
    if is_closed(head):
        heads.opaque = True
    elif head.format is not Format.CLUSTER or head.databases:
        heads.by_place[place] = head


def is_closed(head: ArchiveHead) -> bool:
    """Say whether this is an archive in which no dump shows, or more than one."""
    return head.format is Format.UNKNOWN and head.wrappers[-1:] in {(TAR,), (ZIP,)}


def _is_meant(head: ArchiveHead, choice: Wanted) -> bool:
    """Say whether *head* is of a dump of the database that is to be drilled."""
    own = () if head.toc is None or not head.toc.database else (head.toc.database,)
    return choice.database_or_name in (head.databases or own)


def _in_part(head: ArchiveHead) -> ArchiveHead:
    """Return what another dump of the same database would need too: its versions and extensions."""
    if head.toc is None:
        return head
    toc = Toc(
        head.toc.of("EXTENSION"),
        server_version=head.toc.server_version,
        dump_version=head.toc.dump_version,
        database=head.toc.database,
    )
    return replace(head, toc=toc)


def _own_tar_head(stream: Stream, name: str, wrappers: tuple[str, ...]) -> ArchiveHead:
    reader = _Sequential(stream)
    first = next(tar.walk(reader.read, name))
    toc = read_stream_toc(Stream(reader.pieces(first.offset, first.size)), name).toc
    if toc.compression == "none":
        return ArchiveHead(Format.TAR, wrappers, toc)
    return ArchiveHead(Format.DIRECTORY, (*wrappers, TAR), toc)
