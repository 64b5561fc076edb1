"""Damage to archived WAL, where a recovery must pass: behind the base backup and before the archive's end.

The end of an archive is not damaged: nobody can tell that from an archive that ends there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from tasks.catalog.compression import SUFFIXES
from tasks.model.backup import StoredObject
from tasks.mutants.damage import Void
from tasks.mutants.repository_damage import Harm, Harmed, Spoil, damage_to, halve, turn
from tasks.wal.archive import archived_file
from tasks.wal.findings import GAP_AGE
from tasks.wal.names import format_lsn, history_name, parse_segment
from tasks.wal.page_header import HEADER_BYTES, parse_header

_PAGE = struct.Struct("<H6xQ")  # magic and address of a page of WAL
_SHORT_HEADER_BYTES = 24
_SYSTEM_ID_AT = 24  # in the long header of a segment's first page
_BEFORE = timedelta(seconds=1)


def wal_harms(
    listing: Mapping[str, StoredObject],
    first: str | None,
    last: str | None,
    segment_bytes: int,
    now: datetime,
    *,
    as_stored: bool = False,
) -> Iterator[Harmed]:
    """Yield the damages to archived WAL, those that matter most first.

    Args:
        listing: of the archive, by the names of its files.
        first, last: the segments that the healthy recovery began and ended with.
        segment_bytes: of the cluster.
        now: an archiver may be out of order for minutes, so that young WAL shows no gap.
        as_stored: files are damaged in the form that their tool wrote, since it alone reads them.
    """
    name = _in_the_middle(listing, first, last, now)
    if name is None:
        reason = "no archived segment has older ones before and behind it that the recovery passes"
        yield from (Harmed(damage_to(kind, kind.replace("-", " ")), None, reason) for kind in _WAL_KINDS)
        return
    stored = listing[name]
    plain = _unpacked(stored, name)
    yield Harmed(
        damage_to("wal-segment-missing", f"segment {name} is gone"), Harm(stored.uri, stored.modified_at)
    )
    cut = Harm(stored.uri, stored.modified_at, halve)
    yield Harmed(damage_to("wal-segment-cut", f"segment {name} cut in half"), cut)
    if as_stored:
        turned = Harm(stored.uri, stored.modified_at, partial(turn, at=stored.bytes // 2))
        yield Harmed(damage_to("wal-byte-turned", f"bytes of {name} as it is stored turned"), turned)
        return
    yield _spoilt_wal("wal-byte-turned", f"bytes of a record in {name} turned", plain, _turn_a_record, name)
    yield _spoilt_wal("wal-of-another-cluster", f"{name} is another cluster's", plain, _another_cluster, name)
    yield _bogus_history(listing, name, segment_bytes)


_WAL_KINDS = (
    "wal-segment-missing",
    "wal-byte-turned",
    "wal-of-another-cluster",
    "wal-segment-cut",
    "timeline-bogus",
)


def _in_the_middle(
    listing: Mapping[str, StoredObject], first: str | None, last: str | None, now: datetime
) -> str | None:
    """Return a segment that a recovery passes, with one behind it that is old enough to show a gap."""
    if first is None or last is None:
        return None
    timeline = last[:8]
    passed = [name for name in sorted(listing) if name[:8] == timeline and first < name <= last]
    fit = [name for name, behind in pairwise(passed) if now - listing[behind].modified_at >= GAP_AGE]
    return fit[len(fit) // 2] if fit else None


def _spoilt_wal(kind: str, what: str, plain: Harm | None, spoil: Spoil, name: str) -> Harmed:
    if plain is None:
        return Harmed(damage_to(kind, what), None, f"{name} is stored in a form that is not unpacked here")
    return Harmed(damage_to(kind, what), Harm(plain.uri, plain.at, spoil, plain.as_uri, plain.wrapper))


def _unpacked(stored: StoredObject, name: str) -> Harm | None:
    """Return how a copy of the segment stands in unpacked; None where it cannot."""
    folder, _, file_name = stored.uri.rpartition("/")
    archived = archived_file(file_name)
    if archived is None or archived.suffixes not in {"", *SUFFIXES}:
        return None
    wrapper = SUFFIXES[archived.suffixes] if archived.suffixes else None
    return Harm(stored.uri, stored.modified_at, None, f"{folder}/{name}" if wrapper else stored.uri, wrapper)


def _bogus_history(listing: Mapping[str, StoredObject], name: str, segment_bytes: int) -> Harmed:
    """Return a timeline that a test restore archived: it left the true one in the middle."""
    segment = parse_segment(name, segment_bytes)
    newest = max(int(other[:8], 16) for other in listing)
    mutant = damage_to("timeline-bogus", f"the history of a timeline {newest + 1}, which leaves at {name}")
    if segment is None:
        return Harmed(mutant, None, "the size of its segments is not known")
    left_at = format_lsn(segment.number * segment_bytes)
    parent = listing.get(history_name(segment.timeline))
    if parent is not None:
        return Harmed(mutant, None, "the timeline has a history of its own already")
    body = f"{segment.timeline}\t{left_at}\tno recovery target specified\n".encode()
    uri = f"{listing[name].uri.rpartition('/')[0]}/{history_name(newest + 1)}"
    at = listing[name].modified_at - _BEFORE  # the true timeline lives on behind it
    return Harmed(mutant, Harm(uri, at, new=body))


def _turn_a_record(path: Path) -> None:
    """Turn bytes in the middle of what was written into a segment.

    A recycled segment ends in pages of an older one, which their addresses tell; a new page ends in zeroes.
    """
    with path.open("rb") as file:
        first = parse_header(file.read(HEADER_BYTES))
        if first is None:
            raise Void("it has no header of a segment")
        pages, size = 1, first.block_bytes
        while _is_page(file, pages * size, first.magic, first.at + pages * size):
            pages += 1
        file.seek((pages - 1) // 2 * size)
        written = len(file.read(size).rstrip(b"\0"))
    begin = HEADER_BYTES if pages <= 2 else _SHORT_HEADER_BYTES  # noqa: PLR2004  then it is the first page
    turn(path, at=(pages - 1) // 2 * size + begin + max(0, written - begin) // 2)


def _is_page(file: BinaryIO, at: int, magic: int, address: int) -> bool:
    file.seek(at)
    head = file.read(_SHORT_HEADER_BYTES)
    return len(head) == _SHORT_HEADER_BYTES and _PAGE.unpack_from(head) == (magic, address)


def _another_cluster(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(_SYSTEM_ID_AT)
        (ours,) = struct.unpack("<Q", file.read(8))
        file.seek(_SYSTEM_ID_AT)
        file.write(struct.pack("<Q", ours ^ 0xFFFF))
