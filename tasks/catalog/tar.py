"""Tar: pg_dump's own tar format, and tars that somebody made of a dump.

pg_restore trusts a tar: cut inside a member it spins for ever, cut between two large objects it exits 0
without their bytes. So the walk here demands every header's checksum, every member's last byte, the members
that the TOC names, restore.sql and the two zero blocks at the end, before any tool sees the file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.catalog.appended import LOOK_BYTES, doubled, followed, second_dump
from tasks.catalog.contained import parts_of
from tasks.catalog.sources import MOST_FILES, PIECE_BYTES, lines_of
from tasks.model.backup import ByteSource, Toc, TocEntry
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding

BLOCK = 512
_NAME, _SIZE, _CHECKSUM, _TYPE, _LINK, _MAGIC, _PREFIX = (
    slice(0, 100),
    slice(124, 136),
    slice(148, 156),
    156,
    slice(157, 257),
    slice(257, 262),
    slice(345, 500),
)
_LONGEST_EXTENSION = 1 << 20
REGULAR, HARD_LINK, SYMBOLIC_LINK, FOLDER, SPARSE = "0", "1", "2", "5", "S"
LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL = "L", "K", "x", "g"
_EXTENSIONS = frozenset({LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL})
_MOST_HOPS = 8
_LONGEST_NUMBER = 20  # digits of a size: no file is longer
_LONGEST_NAME = 4096  # no file system takes longer ones
_MOST_LETTERS = 256 << 20  # of all names
_TRAILING_READ = 1 << 20
_TOC_HEADER = b"toc.dat\0"
_OVERLAP = len(_TOC_HEADER)


@dataclass(frozen=True, slots=True)
class TarMember:
    """One member.

    Attributes:
        at: where its header begins, bytes.
        offset: where its content begins, bytes.
        kind: the type flag; `REGULAR` for a file.
        link: what a link points to, as written.
    """

    name: str
    size: int
    at: int
    offset: int
    kind: str
    link: str = ""

    @property
    def next_at(self) -> int:
        """Where the next header begins, bytes."""
        return self.offset + -(-self.size // BLOCK) * BLOCK


def is_header(block: bytes) -> bool:
    """Say whether *block* begins with a tar header, even one that was cut or damaged."""
    if block[_MAGIC] == b"ustar" or block.startswith(b"toc.dat\0"):
        return True
    return len(block) >= BLOCK and _checksum_fits(block) and bool(block[_NAME].strip(b"\0"))


def is_pg_dumps(block: bytes) -> bool:
    """Say whether the first header is one that pg_dump itself writes: a toc.dat of its fixed owner."""
    return block[_NAME].split(b"\0", 1)[0] == b"toc.dat" and block[108:124] == b"0004000 0002000 "


def read_header(block: bytes, at: int, where: str) -> TarMember | None:
    """Return the member whose header is *block*; None for a zero block.

    Raises:
        PermanentError: `archive-truncated` where the block is short, `archive-corrupt` where it is no header.
    """
    if len(block) < BLOCK:
        raise cut(at + len(block), "in a member's header", where)
    if not block[:BLOCK].strip(b"\0"):
        return None
    if not _checksum_fits(block):
        raise PermanentError(
            f"The tar header at byte {at} does not match its checksum. Nothing after it can be found.",
            where,
            rule="archive-corrupt",
        )
    name, prefix = _text(block[_NAME]), ""
    if block[_MAGIC] == b"ustar" and block[262:263] == b"\0":  # a GNU tar keeps times in the prefix's place
        prefix = _text(block[_PREFIX])
    kind = chr(block[_TYPE])
    return TarMember(
        name=f"{prefix}/{name}" if prefix else name,
        size=_number(block[_SIZE], at, where),
        at=at,
        offset=at + BLOCK,
        kind=REGULAR if kind in {"\0", "7"} else kind,
        link=_text(block[_LINK]),
    )


def walk(read: Callable[[int, int], bytes], where: str) -> Iterator[TarMember]:
    """Yield the members up to the end mark; long names are resolved.

    Args:
        read: `read(offset, length)`, called with ascending offsets.
        where: the backup, for messages.

    Raises:
        PermanentError: as `read_header`; `archive-truncated` too where there is no end mark.
    """
    at, override = 0, _Override()
    while True:
        member = read_header(read(at, BLOCK), at, where)
        if member is None:
            if len(read(at + BLOCK, BLOCK)) < BLOCK:
                raise cut(at + BLOCK, "in the two zero blocks that end every tar", where)
            return
        if member.kind in _EXTENSIONS:
            override = _override(override, member, read, where)
        else:
            member = override.applied_to(member)
            if max(len(member.name), len(member.link)) > _LONGEST_NAME:
                raise PermanentError(
                    f"The tar header at byte {member.at} has a name longer than any file's. No tar does.",
                    where,
                    rule="archive-corrupt",
                )
            yield member
            override = _Override()
        at = member.next_at


def members_of(source: ByteSource, where: str) -> list[TarMember]:
    """Return the members of a whole tar, each proven to be there to its last byte.

    Raises:
        PermanentError: `archive-truncated` with the first member lost, `archive-corrupt`,
            `archive-contents-too-large`.
    """
    members: list[TarMember] = []
    at = letters = 0
    try:
        for member in walk(source.read, where):
            at = member.next_at
            members.append(member)
            letters += len(member.name) + len(member.link)
            if len(members) > MOST_FILES or letters > _MOST_LETTERS:
                raise _too_many(where)
            if member.offset + member.size > source.size:
                raise cut(source.size, f"in the member {member.name}", where)
    except PermanentError as exc:
        if exc.rule != "archive-truncated" or at < source.size:
            raise
        lost = "before the two zero blocks that end every tar"
        raise cut(source.size, lost, where) from exc
    return members


def files_of(members: Iterable[TarMember]) -> dict[str, TarMember]:
    """Return the files that `tar -x` would leave, by their names without `.` parts.

    Of several members of one name the last counts; a link is the file that it leads to, if the tar has it.
    """
    files: dict[str, TarMember] = {}
    links: dict[str, str] = {}
    for member in members:
        parts = parts_of(member.name)
        name = "/".join(parts)
        if not parts or member.kind == FOLDER:
            continue
        files.pop(name, None)
        links.pop(name, None)
        linked = files.get("/".join(parts_of(member.link))) if member.kind == HARD_LINK else None
        if member.kind in {REGULAR, SPARSE}:
            files[name] = member
        elif linked is not None:
            files[name] = linked
        elif member.kind == SYMBOLIC_LINK and not member.link.startswith("/"):
            links[name] = posixpath.normpath(posixpath.join(*parts[:-1], member.link))
    targets = {name: files.get(_led_to(name, links)) for name in links}
    return files | {name: member for name, member in targets.items() if member is not None}


def _led_to(name: str, links: Mapping[str, str]) -> str:
    for _ in range(_MOST_HOPS):
        if name not in links:
            break
        name = links[name]
    return name


def refuse_appended(source: ByteSource, members: Sequence[TarMember], where: str) -> tuple[Finding, ...]:
    """Return what the bytes behind the two zero blocks mean: more zeros nothing, others a warning.

    Raises:
        PermanentError: `archive-doubled`: a second tar, which no tool that reads the file comes to.
    """
    at = (members[-1].next_at if members else 0) + 2 * BLOCK
    begins_at: int | None = None
    while piece := source.read(at, _TRAILING_READ + _OVERLAP):
        rest = piece.lstrip(b"\0")
        if rest and begins_at is None:
            begins_at = at + len(piece) - len(rest)
            if is_header(source.read(begins_at - begins_at % BLOCK, BLOCK)):
                raise doubled(begins_at - begins_at % BLOCK, "tar", where)
            second = second_dump(rest[:LOOK_BYTES])
            if second is not None:
                raise doubled(begins_at + second[0], second[1], where)
        toc_at = piece.find(_TOC_HEADER)
        if toc_at >= 0:
            raise doubled(at + toc_at, "tar", where)
        at += _TRAILING_READ
    return () if begins_at is None else (followed(source.size - begins_at, "the end of the tar", where),)


def verify(source: ByteSource, toc: Toc, where: str) -> tuple[Finding, ...]:
    """Prove that a dump in pg_dump's tar format holds what its TOC promises.

    Returns:
        A warning where something else follows it.

    Raises:
        PermanentError: `archive-truncated`, `archive-corrupt`, `archive-doubled`.
    """
    walked = members_of(source, where)
    members = {member.name: member for member in walked}
    listings: set[str] = set()
    for entry in toc.entries:
        if not entry.has_data or entry.filename is None:
            continue
        for name in _files_of(entry, source, members, listings, where):
            if name not in members:
                label = f"{entry.desc} {entry.namespace}.{entry.tag}".replace(" .", " ")
                raise cut(source.size, f"without the member {name} ({label})", where)
    if "restore.sql" not in members:
        raise cut(source.size, "without its last member, restore.sql", where)
    return refuse_appended(source, walked, where)


def cut(at: int, place: str, where: str) -> PermanentError:
    """Return the error for a tar that ends too early."""
    return PermanentError(
        f"The tar ends at byte {at}, {place}. A restore of it hangs or loses data without a word.",
        where,
        rule="archive-truncated",
    )


def _files_of(
    entry: TocEntry, source: ByteSource, members: dict[str, TarMember], listings: set[str], backup_name: str
) -> Iterator[str]:
    """Yield the members that hold the entry's data; of a list that was in *listings* only the list itself.

    The TOC names a file for large objects too which is not written: their list is `blobs.toc`, from 17 on
    `blobs_<entry>.toc`.
    """
    if entry.desc != "BLOBS":
        yield entry.filename or ""
        return
    listing = next((n for n in (f"blobs_{entry.dump_id}.toc", "blobs.toc") if n in members), "blobs.toc")
    yield listing
    if listing in members and listing not in listings:
        listings.add(listing)
        yield from large_objects(_pieces(source, members[listing]), backup_name)


def large_objects(pieces: Iterable[bytes], where: str) -> Iterator[str]:
    """Yield the files that a large objects' list names, one `oid file` a line.

    Raises:
        PermanentError: `archive-corrupt`.
    """
    for line in lines_of(pieces, where):
        _, blank, name = line.partition(b" ")
        if blank:
            yield name.decode("ascii", "replace").rstrip("\r")


def _pieces(source: ByteSource, member: TarMember) -> Iterator[bytes]:
    end = member.offset + member.size
    for at in range(member.offset, end, PIECE_BYTES):
        yield source.read(at, min(PIECE_BYTES, end - at))


@dataclass(frozen=True, slots=True)
class _Override:
    """What extension headers say of the member that follows them."""

    name: str = ""
    link: str = ""
    size: int | None = None
    sparse: bool = False

    def applied_to(self, member: TarMember) -> TarMember:
        return replace(
            member,
            name=self.name or member.name,
            link=self.link or member.link,
            size=member.size if self.size is None else self.size,
            kind=SPARSE if self.sparse else member.kind,
        )


def _override(
    before: _Override, member: TarMember, read: Callable[[int, int], bytes], backup_name: str
) -> _Override:
    """Return *before* with what a GNU long name or a pax header adds."""
    if member.kind == PAX_GLOBAL:
        return before
    if member.size > _LONGEST_EXTENSION:
        raise PermanentError(
            f"The tar header at byte {member.at} announces a name of {member.size} bytes. No tar does.",
            backup_name,
            rule="archive-corrupt",
        )
    content = read(member.offset, member.size)
    if member.kind == LONG_NAME:
        return replace(before, name=_text(content))
    if member.kind == LONG_LINK:
        return replace(before, link=_text(content))
    records = dict(_pax_records(content))
    size = records.get("size", "")
    return _Override(
        name=records.get("GNU.sparse.name") or records.get("path") or before.name,
        link=records.get("linkpath") or before.link,
        size=int(size) if size.isdecimal() and len(size) < _LONGEST_NUMBER else before.size,
        sparse=any(key.startswith("GNU.sparse.") for key in records),
    )


def _pax_records(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the `length key=value` records, up to one whose length is none."""
    at = 0
    while at < len(content):
        blank = content.find(b" ", at, at + _LONGEST_NUMBER)
        length = content[at : max(at, blank)]
        if not length.isdigit() or at + int(length) <= blank:
            return
        record = content[blank + 1 : at + int(length)].decode("utf-8", "surrogateescape").rstrip("\n")
        key, _, value = record.partition("=")
        yield key, value
        at += int(length)


def _checksum_fits(block: bytes) -> bool:
    stated = block[_CHECKSUM].strip(b" \0")
    if not stated or stated.strip(b"01234567"):
        return False
    header = block[:148] + b" " * 8 + block[156:BLOCK]
    return int(stated, 8) == sum(header)


def _number(field: bytes, at: int, backup_name: str) -> int:
    """Return a size: octal digits, or binary for those beyond 8 GiB."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise PermanentError(
            f"The tar header at byte {at} states no size. Nothing after it can be found.",
            backup_name,
            rule="archive-corrupt",
        )
    return int(digits or b"0", 8)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _too_many(backup_name: str) -> PermanentError:
    return PermanentError(
        f"The tar holds more than {MOST_FILES:,} members, or names of more than {_MOST_LETTERS >> 20} MiB, "
        "more than the drill takes into its memory. Nothing is said about the backup.",
        backup_name,
        rule="archive-contents-too-large",
    )
