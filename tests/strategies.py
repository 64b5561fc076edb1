"""What hypothesis draws from, and a writer of archives: the counterpart of tasks/catalog/toc.py."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from hypothesis import strategies as st

from tasks.model.backup import Toc, TocEntry

SECTIONS = {"none": 1, "pre-data": 2, "data": 3, "post-data": 4}
COMPRESSIONS = {"none": 0, "gzip": 1, "lz4": 2, "zstd": 3}
CUSTOM, TAR = 1, 3
DATA, LARGE_OBJECTS = 1, 3
NOT_SET, SET, NO_DATA = 1, 2, 3


def write_int(value: int) -> bytes:
    """Write an integer: a sign, then four bytes, the least significant first."""
    return struct.pack("<BI", int(value < 0), abs(value))


def write_text(text: str | None) -> bytes:
    """Write a string: its length, then its bytes; -1 for none."""
    if text is None:
        return write_int(-1)
    raw = text.encode("utf-8", "surrogateescape")
    return write_int(len(raw)) + raw


def write_header(toc: Toc, container: int) -> bytes:
    """Write the header, without the count of entries."""
    version = toc.archive_version or (1, 16)
    made = toc.made_at or datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  an archive's time has no zone
    out = b"PGDMP" + bytes([*version, 0, 4, 8, container])
    if version >= (1, 15):
        out += bytes([COMPRESSIONS[toc.compression]])
    else:
        out += write_int(0 if toc.compression == "none" else -1)
    for number in (made.second, made.minute, made.hour, made.day, made.month - 1, made.year - 1900, 0):
        out += write_int(number)
    return out + write_text(toc.database) + write_text(toc.server_version) + write_text(toc.dump_version)


def write_entry(entry: TocEntry, version: tuple[int, int], container: int, position: int | None) -> bytes:
    """Write one entry; *position* is where a custom archive's block begins, None where it is not set."""
    out = write_int(entry.dump_id) + write_int(int(entry.has_data)) + write_text("1259") + write_text("16384")
    out += write_text(entry.tag) + write_text(entry.desc)
    if version >= (1, 11):
        out += write_int(SECTIONS[entry.section])
    out += write_text(entry.defn) + write_text("DROP") + write_text(entry.copy_stmt)
    out += write_text(entry.namespace) + write_text(entry.tablespace)
    if version >= (1, 14):
        out += write_text("heap")
    if version >= (1, 16):
        out += write_int(ord("r"))
    out += write_text(entry.owner) + write_text("false")
    out += b"".join(write_text(str(needed)) for needed in entry.dependencies) + write_text(None)
    if container == TAR:
        return out + write_text(entry.filename or "")
    state = NO_DATA if not entry.has_data else (NOT_SET if position is None else SET)
    return out + struct.pack("<BQ", state, position or 0)


def write_toc(toc: Toc, container: int = CUSTOM, positions: Mapping[int, int] | None = None) -> bytes:
    """Write header and table of contents, as PostgreSQL does at the TOC's own archive version."""
    version = toc.archive_version or (1, 16)
    at = positions or {}
    entries = b"".join(write_entry(entry, version, container, at.get(entry.dump_id)) for entry in toc.entries)
    return write_header(toc, container) + write_int(len(toc.entries)) + entries


def write_chunks(content: bytes, size: int = 64) -> bytes:
    """Write a data block's content as chunks with their lengths, and the zero length that ends them."""
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    return b"".join(write_int(len(piece)) + piece for piece in pieces) + write_int(0)


def write_block(entry: TocEntry, content: bytes) -> bytes:
    """Write the data block of *entry*; large objects come as one object of oid 16400 and an empty one."""
    if entry.desc == "BLOBS":
        objects = write_int(16400) + write_chunks(content) + write_int(16401) + write_chunks(b"")
        return bytes([LARGE_OBJECTS]) + write_int(entry.dump_id) + objects + write_int(0)
    return bytes([DATA]) + write_int(entry.dump_id) + write_chunks(content)


def write_custom(toc: Toc, contents: Mapping[int, bytes], *, seekable: bool = True) -> bytes:
    """Write a custom archive; without *seekable* the TOC does not know where the blocks begin, as in a "
    "pipe."""
    pack = zlib.compress if toc.compression == "gzip" else bytes
    blocks = [(e, write_block(e, pack(contents[e.dump_id]))) for e in toc.entries if e.has_data]
    at = len(write_toc(toc))
    positions: dict[int, int] = {}
    for entry, block in blocks:
        positions[entry.dump_id] = at
        at += len(block)
    return write_toc(toc, CUSTOM, positions if seekable else None) + b"".join(block for _, block in blocks)


def write_tar(members: Sequence[tuple[str, bytes]], *, owner: bytes = b"0004000 0002000 ") -> bytes:
    """Write a tar as pg_dump does: its fixed owner, and two zero blocks at the end."""
    out = io.BytesIO()
    for name, content in members:
        header = bytearray(512)
        header[0 : len(name)] = name.encode()
        header[100:108] = b"0000600 "
        header[108:124] = owner
        header[124:136] = f"{len(content):011o} ".encode()
        header[136:148] = b"15300651174 "
        header[148:156] = b" " * 8
        header[156] = ord("0")
        header[257:265] = b"ustar\x0000"
        header[148:156] = f"{sum(header):06o}\0 ".encode()
        out.write(header + content + b"\0" * (-len(content) % 512))
    return out.getvalue() + b"\0" * 1024


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
versions = st.sampled_from([(1, minor) for minor in range(10, 17)])


@st.composite
def tocs(draw: st.DrawFn) -> Toc:
    """Any table of contents that its archive version can hold."""
    version = draw(versions)
    count = draw(st.integers(0, 6))
    entries = tuple(draw(entries_of(at + 1)) for at in range(count))
    if version < (1, 11):  # no section in the file: it follows from the kind
        entries = tuple(replace(e, section="data" if e.desc == "TABLE DATA" else "pre-data") for e in entries)
    compressions = ["none", "gzip"] if version < (1, 15) else list(COMPRESSIONS)
    return Toc(
        entries,
        archive_version=version,
        server_version=draw(names),
        dump_version=draw(names),
        database=draw(names),
        made_at=draw(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1))).replace(microsecond=0),  # noqa: DTZ001
        compression=draw(st.sampled_from(compressions)),
    )


@st.composite
def entries_of(draw: st.DrawFn, dump_id: int) -> TocEntry:
    """Any entry of number *dump_id*, without data of its own."""
    desc = draw(st.sampled_from(["TABLE", "TABLE DATA", "SCHEMA", "TYPE"]))
    return TocEntry(
        dump_id=dump_id,
        desc=desc,
        tag=draw(names),
        namespace=draw(names),
        owner=draw(names),
        section=draw(st.sampled_from(sorted(SECTIONS))),
        defn=draw(names),
        copy_stmt=draw(names),
        tablespace=draw(st.just("") | names),
        dependencies=tuple(draw(st.lists(st.integers(1, 1 << 30), max_size=4))),
    )
