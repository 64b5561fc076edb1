"""The first page of a segment says whose it is: cluster, timeline, place and size.

PostgreSQL takes a segment that is not what its name says for the end of the WAL, promotes and says nothing
(seen with another cluster's segment and with one of zeroes). So each is looked at before it is handed over.
Only the first page is: a byte that flipped further on is found by the records' checksums, in recovery.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tasks.wal.names import Segment, format_lsn, is_segment_bytes

HEADER_BYTES = 40
MAGIC = {14: 0xD10D, 15: 0xD110, 16: 0xD113, 17: 0xD116, 18: 0xD118}
"""What the pages of each major begin with."""
_MAJORS = {magic: major for major, magic in MAGIC.items()}
_LAYOUT = struct.Struct("<HHIQI4xQII")  # struct XLogLongPageHeaderData, little-endian
_LONG = 0x0002


@dataclass(frozen=True, slots=True)
class Cluster:
    """Whose WAL is wanted, by the control file of the base backup.

    Attributes:
        system_id: the system identifier; None: not known, not compared.
        segment_bytes: wal_segment_size.
        major: of its PostgreSQL; None: not known, not compared.
    """

    system_id: int | None
    segment_bytes: int
    major: int | None = None


@dataclass(frozen=True, slots=True)
class PageHeader:
    """The long header of a segment's first page.

    Attributes:
        timeline: on which the page was written; in the first segment of a timeline it is an ancestor.
        at: the LSN of the page's first byte.
    """

    magic: int
    timeline: int
    at: int
    system_id: int
    segment_bytes: int
    block_bytes: int

    @property
    def major(self) -> int | None:
        """The major that writes such pages; None for one that we do not know."""
        return _MAJORS.get(self.magic)


def parse_header(head: bytes) -> PageHeader | None:
    """Return the long header that *head* begins with; None where there is none of a PostgreSQL's."""
    if len(head) < HEADER_BYTES:
        return None
    magic, info, timeline, at, _, system_id, segment_bytes, block_bytes = _LAYOUT.unpack_from(head)
    known = magic in _MAJORS or magic & 0xFF00 == 0xD100  # noqa: PLR2004  all since PostgreSQL 10
    if not known or not info & _LONG or not is_segment_bytes(segment_bytes):
        return None
    return PageHeader(magic, timeline, at, system_id, segment_bytes, block_bytes)


def fault_of(segment: Segment, head: bytes, size: int, cluster: Cluster) -> str | None:
    """Return why a file is not *segment* of *cluster*, as the end of a sentence; None where it is.

    Args:
        segment: what its name says.
        head: its first `HEADER_BYTES`.
        size: of the whole file.
        cluster: whose WAL is wanted.
    """
    if size == 0:
        return "is empty"
    if not any(head):
        return "begins with zeroes where WAL has a page header"
    header = parse_header(head)
    if header is None:
        return "does not begin as WAL does"
    return _fault_of_header(segment, header, cluster) or _fault_of_size(size, cluster)


def _fault_of_header(segment: Segment, header: PageHeader, cluster: Cluster) -> str | None:
    if cluster.system_id is not None and header.system_id != cluster.system_id:
        return f"is of another cluster (system identifier {header.system_id}, not {cluster.system_id})"
    if cluster.major is not None and header.magic != MAGIC.get(cluster.major, header.magic):
        written = f"PostgreSQL {header.major}" if header.major else "another PostgreSQL"
        return f"was written by {written}, not {cluster.major}"
    if header.segment_bytes != cluster.segment_bytes:
        return f"is of a cluster with segments of {header.segment_bytes >> 20} MiB"
    if header.at != segment.number * cluster.segment_bytes:
        return f"holds the WAL from {format_lsn(header.at)} on, which is another segment's"
    if not 0 < header.timeline <= segment.timeline:
        return f"was written on timeline {header.timeline}"
    return None


def _fault_of_size(size: int, cluster: Cluster) -> str | None:
    if size < cluster.segment_bytes:
        return f"is cut: {size} of {cluster.segment_bytes} bytes"
    return f"is longer than a segment: {size} bytes" if size > cluster.segment_bytes else None
