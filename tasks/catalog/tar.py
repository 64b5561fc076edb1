"""Tar: pg_dump's own tar format, and tars that somebody made of a dump.

pg_restore trusts a tar: cut inside a member it spins for ever, cut between two large objects it exits 0
without their bytes. So the walk here demands every header's checksum, every member's last byte, the members
that the TOC names, restore.sql and the two zero blocks at the end, before any tool sees the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tasks.model.backup import ByteSource, Toc, TocEntry
from tasks.model.errors import PermanentError

BLOCK = 512
_NAME, _SIZE, _CHECKSUM, _TYPE, _MAGIC, _PREFIX = (
    slice(0, 100),
    slice(124, 136),
    slice(148, 156),
    156,
    slice(257, 262),
    slice(345, 500),
)
_LONGEST_EXTENSION = 1 << 20
REGULAR, FOLDER, LONG_NAME, PAX, PAX_GLOBAL = "0", "5", "L", "x", "g"


@dataclass(frozen=True, slots=True)
class TarMember:
    """One member.

    Attributes:
        at: where its header begins, bytes.
        offset: where its content begins, bytes.
        kind: the type flag; `REGULAR` for a file.
    """

    name: str
    size: int
    at: int
    offset: int
    kind: str

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
        if member.kind in {LONG_NAME, PAX, PAX_GLOBAL}:
            override = _override(member, read, where) if member.kind != PAX_GLOBAL else override
        else:
            yield replace(member, name=override.name or member.name, size=_either(override.size, member.size))
            override = _Override()
        at = member.next_at


def members_of(source: ByteSource, where: str) -> list[TarMember]:
    """Return the members of a whole tar, each proven to be there to its last byte.

    Raises:
        PermanentError: `archive-truncated` with the first member lost, `archive-corrupt`.
    """
    members: list[TarMember] = []
    at = 0
    try:
        for member in walk(source.read, where):
            at = member.next_at
            members.append(member)
            if member.offset + member.size > source.size:
                raise cut(source.size, f"in the member {member.name}", where)
    except PermanentError as exc:
        if exc.rule != "archive-truncated" or at < source.size:
            raise
        lost = "before the two zero blocks that end every tar"
        raise cut(source.size, lost, where) from exc
    return members


def verify(source: ByteSource, toc: Toc, where: str) -> None:
    """Prove that a dump in pg_dump's tar format holds what its TOC promises.

    Raises:
        PermanentError: `archive-truncated`, `archive-corrupt`.
    """
    members = {member.name: member for member in members_of(source, where)}
    for entry in toc.entries:
        if not entry.has_data or entry.filename is None:
            continue
        for name in _files_of(entry, source, members):
            if name not in members:
                label = f"{entry.desc} {entry.namespace}.{entry.tag}".replace(" .", " ")
                raise cut(source.size, f"without the member {name} ({label})", where)
    if "restore.sql" not in members:
        raise cut(source.size, "without its last member, restore.sql", where)


def cut(at: int, place: str, where: str) -> PermanentError:
    """Return the error for a tar that ends too early."""
    return PermanentError(
        f"The tar ends at byte {at}, {place}. A restore of it hangs or loses data without a word.",
        where,
        rule="archive-truncated",
    )


def _files_of(entry: TocEntry, source: ByteSource, members: dict[str, TarMember]) -> list[str]:
    """Return the members that hold the entry's data.

    The TOC names a file for large objects too which is not written: their list is `blobs.toc`, from 17 on
    `blobs_<entry>.toc`.
    """
    if entry.desc != "BLOBS":
        return [entry.filename or ""]
    listing = next((n for n in (f"blobs_{entry.dump_id}.toc", "blobs.toc") if n in members), "blobs.toc")
    return [listing, *_large_objects(source, members.get(listing))]


def _large_objects(source: ByteSource, member: TarMember | None) -> list[str]:
    """Return the files that a large objects' list names, one `oid file` a line."""
    if member is None:
        return []
    lines = source.read(member.offset, member.size).decode("ascii", "replace").splitlines()
    return [line.split(" ", 1)[1] for line in lines if " " in line]


@dataclass(frozen=True, slots=True)
class _Override:
    name: str = ""
    size: int | None = None


def _override(member: TarMember, read: Callable[[int, int], bytes], where: str) -> _Override:
    """Return what a GNU long name or a pax header says of the member that follows it."""
    if member.size > _LONGEST_EXTENSION:
        raise PermanentError(
            f"The tar header at byte {member.at} announces a name of {member.size} bytes. No tar does.",
            where,
            rule="archive-corrupt",
        )
    content = read(member.offset, member.size)
    if member.kind == LONG_NAME:
        return _Override(name=_text(content))
    records = dict(_pax_records(content))
    size = records.get("size", "")
    return _Override(name=records.get("path", ""), size=int(size) if size.isdecimal() else None)


def _pax_records(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the `length key=value` records."""
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or int(length) <= len(length):
            return
        record = content[len(length) + 1 : int(length)].decode("utf-8", "surrogateescape").rstrip("\n")
        key, _, value = record.partition("=")
        yield key, value
        content = content[int(length) :]


def _either(first: int | None, second: int) -> int:
    return second if first is None else first


def _checksum_fits(block: bytes) -> bool:
    stated = block[_CHECKSUM].strip(b" \0")
    if not stated or stated.strip(b"01234567"):
        return False
    header = block[:148] + b" " * 8 + block[156:BLOCK]
    return int(stated, 8) == sum(header)


def _number(field: bytes, at: int, where: str) -> int:
    """Return a size: octal digits, or binary for those beyond 8 GiB."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise PermanentError(
            f"The tar header at byte {at} states no size. Nothing after it can be found.",
            where,
            rule="archive-corrupt",
        )
    return int(digits or b"0", 8)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
