"""The custom format's data blocks, walked from the table of contents to the last byte.

pg_restore reads a block when it comes to it, so a cut shows after hours, and as "end of file". The walk
costs a seek per chunk and shows it at once: which byte, and which table is the first that is lost.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.catalog.appended import LOOK_BYTES, doubled, followed, second_dump
from tasks.catalog.toc import MAGIC, ParsedToc, TocCutError, read_toc_pieces
from tasks.model.backup import TocEntry
from tasks.model.bounded_list import listing
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding

_DATA, _LARGE_OBJECTS = 1, 3
_LARGE = 64 << 20
_KEPT_BYTES = 16 << 20
_TOC_READ = 1 << 20


class _EndError(Exception):
    """The bytes end inside a block."""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The data part of an archive.

    Attributes:
        data: the whole archive.
        width: bytes of an integer without its sign.
    """

    data: mmap.mmap | bytes
    size: int
    width: int
    where: str

    def integer(self, at: int) -> int:
        end = at + 1 + self.width
        if end > self.size:
            raise _EndError
        if self.data[at] > 1:
            raise self.corrupt(at, "an integer has no sign")
        value = int.from_bytes(self.data[at + 1 : end], "little")
        return -value if self.data[at] else value

    def header(self, at: int) -> tuple[int, int]:
        """Return kind and dump id of the block that begins at *at*."""
        if at >= self.size:
            raise _EndError
        if self.data[at] not in {_DATA, _LARGE_OBJECTS}:
            raise self.corrupt(at, "a data block was expected there")
        return self.data[at], self.integer(at + 1)

    def forget(self, at: int) -> int:
        """Give back the pages read so far, which count as our memory; return where to do so next."""
        if isinstance(self.data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.data.madvise(mmap.MADV_DONTNEED)
        return at + _KEPT_BYTES

    def corrupt(self, at: int, what: str) -> PermanentError:
        return PermanentError(
            f"The archive's data is damaged at byte {at}: {what}. Nothing after it can be found.",
            self.where,
            rule="archive-corrupt",
        )


def verify_custom(path: Path, parsed: ParsedToc, where: str) -> tuple[Finding, ...]:
    """Prove that the archive at *path* holds a whole data block for every entry that should have one.

    Returns:
        A warning where bytes follow the last block; nothing else.

    Raises:
        PermanentError: `archive-truncated`, naming the byte and the first entry lost; `archive-corrupt`.
    """
    if path.stat().st_size <= parsed.end:
        return verify_blocks(path.read_bytes(), parsed, where)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return verify_blocks(data, parsed, where)


def verify_blocks(data: mmap.mmap | bytes, parsed: ParsedToc, where: str) -> tuple[Finding, ...]:
    """As `verify_custom`, on bytes that are there already."""
    blocks = _Blocks(data, len(data), parsed.int_bytes, where)
    expected = [entry for entry in parsed.toc.entries if entry.has_data and entry.section == "data"]
    offsets, stopped_at = _walk(blocks, parsed, expected)
    if len(offsets) < len(expected):
        raise _truncated(expected, offsets, stopped_at, len(data), where)
    for entry in expected:
        position = parsed.positions.get(entry.dump_id)
        if position is not None and position != offsets[entry.dump_id]:
            raise blocks.corrupt(position, f"the data of {label(entry)} does not begin where the TOC says")
    return _after(blocks, parsed, stopped_at)


def label(entry: TocEntry) -> str:
    """Return the entry as messages name it: `TABLE DATA shop.orders`."""
    return f"{entry.desc} {entry.namespace}.{entry.tag}" if entry.namespace else f"{entry.desc} {entry.tag}"


def _walk(blocks: _Blocks, parsed: ParsedToc, expected: Sequence[TocEntry]) -> tuple[dict[int, int], int]:
    """Return dump id to offset of every whole block of *expected*, and where the walk stopped."""
    if parsed.toc.compression == "none" and blocks.size > _LARGE and len(parsed.positions) == len(expected):
        return _hop(blocks, parsed, expected)
    dump_ids = {entry.dump_id for entry in expected}
    offsets: dict[int, int] = {}
    at = parsed.end
    while len(offsets) < len(dump_ids) and at < blocks.size:
        try:
            kind, dump_id = blocks.header(at)
            if dump_id not in dump_ids or dump_id in offsets:
                raise blocks.corrupt(at, "a data block that the TOC lists was expected there")
            end = _skip_block(blocks, at, kind)
        except _EndError:
            break
        offsets[dump_id] = at
        at = end
    return offsets, at


def _hop(blocks: _Blocks, parsed: ParsedToc, expected: Sequence[TocEntry]) -> tuple[dict[int, int], int]:
    """As `_walk`, by the TOC's own positions; only the last block is walked.

    An uncompressed archive has a chunk for every row: walking 10 million of them takes seconds, and
    pg_restore reads every one of them anyway.
    """
    offsets: dict[int, int] = {}
    at = parsed.end
    for entry in sorted(expected, key=lambda entry: parsed.positions[entry.dump_id]):
        at = parsed.positions[entry.dump_id]
        try:
            kind, dump_id = blocks.header(at)
            end = _skip_block(blocks, at, kind) if len(offsets) == len(expected) - 1 else at
        except _EndError:
            break
        if dump_id != entry.dump_id:
            raise blocks.corrupt(at, f"the data of {label(entry)} does not begin where the TOC says")
        offsets[dump_id] = at
        at = end
    return offsets, at


def _skip_block(blocks: _Blocks, at: int, kind: int) -> int:
    """Return where the block that begins at *at* ends, exclusive."""
    at += 2 + blocks.width
    if kind == _DATA:
        return _skip_chunks(blocks, at)
    while True:
        oid = blocks.integer(at)
        at += 1 + blocks.width
        if oid == 0:
            return at
        at = _skip_chunks(blocks, at)


def _skip_chunks(blocks: _Blocks, at: int) -> int:
    """Return where a run of chunks, each a length and so many bytes, ends after its zero length.

    The one loop that sees every chunk (one a row in uncompressed archives): written for speed.
    """
    data, size, width = blocks.data, blocks.size, blocks.width
    step, tide = 1 + width, at + _KEPT_BYTES
    while at + step <= size:
        if at > tide:
            tide = blocks.forget(at)
        if data[at]:
            raise blocks.corrupt(at, "a chunk's length is negative")
        length = int.from_bytes(data[at + 1 : at + step], "little")
        at += step + length
        if not length:
            return at
    raise _EndError


def _truncated(
    expected: Sequence[TocEntry], offsets: dict[int, int], stopped_at: int, size: int, backup_name: str
) -> PermanentError:
    lost = [entry for entry in expected if entry.dump_id not in offsets]
    first = min(lost, key=lambda entry: entry.data_offset or stopped_at)
    named = listing([label(first), *(label(entry) for entry in lost if entry is not first)], 1, place="")
    return PermanentError(
        f"The archive ends at byte {size}, where {named} should be. That data is lost.",
        backup_name,
        rule="archive-truncated",
    )


def _after(blocks: _Blocks, parsed: ParsedToc, at: int) -> tuple[Finding, ...]:
    """Return what the bytes after the last block, which begin at *at*, mean."""
    end = _second_toc(blocks, parsed, at)
    if end == blocks.size:
        return ()
    second = second_dump(bytes(blocks.data[end : end + LOOK_BYTES]))
    if second is not None:
        raise doubled(end + second[0], second[1], blocks.where)
    far = blocks.data.find(MAGIC, end)
    if far >= 0:
        raise doubled(far, "custom", blocks.where)
    return (followed(blocks.size - end, "the archive's last data block", blocks.where),)


def _second_toc(blocks: _Blocks, parsed: ParsedToc, at: int) -> int:
    """Return where the second table of contents that begins at *at* ends; *at* itself if there is none.

    pg_dump 16 and later, told to write to standard output, append one where they mean to rewrite the first:
    harmless, and a sign of a whole archive. It may be of another length: pg_dump 18 leaves the statistics'
    statements out of one of the two.

    Raises:
        PermanentError: `archive-truncated`: it begins and does not end.
    """
    count = 3 * (1 + parsed.int_bytes)  # of entries, the first entry's number and whether it has data
    sample = blocks.data[at : min(at + count, blocks.size)]
    if not sample or sample != blocks.data[parsed.begin : parsed.begin + len(sample)]:
        return at
    pieces = (bytes(blocks.data[begin : begin + _TOC_READ]) for begin in range(at, blocks.size, _TOC_READ))
    try:
        again = read_toc_pieces(pieces, blocks.where, bytes(blocks.data[: parsed.begin]))
    except TocCutError as exc:
        raise PermanentError(
            f"The archive ends at byte {blocks.size}, inside the table of contents that pg_dump writes last. "
            "All rows are there, and whatever cut it did not stop at rows.",
            blocks.where,
            rule="archive-truncated",
        ) from exc
    except PermanentError:
        return at
    return at + again.end - again.begin if _same_entries(again, parsed) else at


def _same_entries(first: ParsedToc, second: ParsedToc) -> bool:
    def listed(parsed: ParsedToc) -> list[tuple[int, str, str]]:
        return [(entry.dump_id, entry.desc, entry.tag) for entry in parsed.toc.entries]

    return listed(first) == listed(second)
