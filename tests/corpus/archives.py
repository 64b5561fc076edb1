"""Small healthy backups in every format, made of bytes alone: what unit tests break in one respect."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import lz4.frame
import zstandard

from tasks.model.backup import Toc, TocEntry
from tests.strategies import TAR, write_custom, write_tar, write_text, write_toc

MADE_AT = datetime(2026, 5, 4, 3, 0, 0)  # noqa: DTZ001  an archive's time has no zone
COPY_END = b"\\.\n\n\n"
ROWS = {
    10: b"".join(b"%d\torder %d\n" % (i, i) for i in range(400)) + COPY_END,
    11: COPY_END,
    12: b"large object " * 40,
}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": partial(gzip.compress, mtime=0),  # the same bytes in every process
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
SUFFIX = {"gzip": ".gz", "zstd": ".zst", "lz4": ".lz4", "xz": ".xz", "bzip2": ".bz2"}
MEMBER_SUFFIX = {"none": "", "gzip": ".gz", "zstd": ".zst", "lz4": ".lz4"}

_ENTRIES = (
    TocEntry(1, "ENCODING", "ENCODING", "", "", "pre-data", defn="SET client_encoding = 'UTF8';\n"),
    TocEntry(2, "EXTENSION", "pg_trgm", "", "", "pre-data", defn="CREATE EXTENSION IF NOT EXISTS pg_trgm;\n"),
    TocEntry(
        3, "TABLE", "orders", "shop", "app", "pre-data", defn="CREATE TABLE shop.orders (\n    id int\n);\n"
    ),
    TocEntry(
        4, "TABLE", "Gift Cards", "shop", "app", "pre-data", defn='CREATE TABLE shop."Gift Cards" ();\n'
    ),
    TocEntry(
        5,
        "TABLE",
        "events",
        "shop",
        "app",
        "pre-data",
        defn="CREATE TABLE shop.events (\n)\nPARTITION BY RANGE (at);\n",
    ),
    TocEntry(
        10,
        "TABLE DATA",
        "orders",
        "shop",
        "app",
        "data",
        "",
        "COPY shop.orders (id) FROM stdin;\n",
        has_data=True,
    ),
    TocEntry(
        11,
        "TABLE DATA",
        "Gift Cards",
        "shop",
        "app",
        "data",
        "",
        'COPY shop."Gift Cards" FROM stdin;\n',
        has_data=True,
    ),
    TocEntry(12, "BLOBS", "16400..16401", "", "app", "data", has_data=True),
    TocEntry(20, "CONSTRAINT", "orders orders_pkey", "shop", "app", "post-data", defn="ALTER TABLE ...;\n"),
    TocEntry(21, "INDEX", "orders_at", "shop", "app", "post-data", defn="CREATE INDEX ...;\n"),
)


def toc(
    *,
    version: tuple[int, int] = (1, 16),
    compression: str = "gzip",
    without: tuple[str, ...] = (),
    sections: tuple[str, ...] = ("none", "pre-data", "data", "post-data"),
    database: str = "shop",
    encoding: str = "UTF8",
) -> Toc:
    """A small database's table of contents; *without* leaves out kinds or tags."""
    kept = tuple(
        e for e in _ENTRIES if e.section in sections and e.desc not in without and e.tag not in without
    )
    return Toc(
        tuple(
            e
            if e.desc != "ENCODING"
            else TocEntry(1, "ENCODING", "ENCODING", "", "", "pre-data", _encoding(encoding))
            for e in kept
        ),
        archive_version=version,
        server_version="17.11",
        dump_version="17.11",
        database=database,
        made_at=MADE_AT,
        compression=compression,
        encoding=encoding,
    )


def custom(compression: str = "gzip", *, seekable: bool = True, listed: Toc | None = None) -> bytes:
    """A custom archive."""
    return write_custom(listed or toc(compression=compression), ROWS, seekable=seekable)


def directory_members(compression: str = "gzip") -> dict[str, bytes]:
    """The files of a directory dump by name."""
    suffix = MEMBER_SUFFIX[compression]
    pack: Callable[[bytes], bytes] = bytes if compression == "none" else COMPRESS[compression]
    return {
        "toc.dat": write_toc(_filed(compression, "blobs_12.toc"), TAR),
        f"10.dat{suffix}": pack(ROWS[10]),
        f"11.dat{suffix}": pack(ROWS[11]),
        "blobs_12.toc": b"16400 blob_16400.dat\n16401 blob_16401.dat\n",
        f"blob_16400.dat{suffix}": pack(ROWS[12]),
        f"blob_16401.dat{suffix}": pack(b"") if compression == "gzip" else b"",  # as pg_dump leaves it
    }


def directory(folder: Path, compression: str = "gzip") -> Path:
    """A directory dump in *folder*."""
    folder.mkdir()
    for name, content in directory_members(compression).items():
        (folder / name).write_bytes(content)
    return folder


def tar_members() -> list[tuple[str, bytes]]:
    """The members of a dump in pg_dump's tar format, in its order."""
    return [
        ("toc.dat", write_toc(_filed("none", "12.dat"), TAR)),
        ("10.dat", ROWS[10]),
        ("11.dat", ROWS[11]),
        ("blob_16400.dat", ROWS[12]),
        ("blob_16401.dat", b""),
        ("blobs_12.toc", b"16400 blob_16400.dat\n16401 blob_16401.dat\n"),
        ("restore.sql", b"--\n-- NOTE:\n--\n"),
    ]


def tar() -> bytes:
    """A dump in pg_dump's tar format."""
    return write_tar(tar_members())


KEY = "k" * 63


def script(*, restrict: bool = True, connect: str = "") -> str:
    """A plain script of pg_dump's."""
    begin, end = (f"\\restrict {KEY}\n\n", f"\\unrestrict {KEY}\n\n") if restrict else ("", "")
    connecting = f"CREATE DATABASE {connect};\n\n\\connect {connect}\n\n" if connect else ""
    return (
        f"--\n-- PostgreSQL database dump\n--\n\n{begin}"
        "-- Dumped from database version 17.11 (Debian 17.11-1)\n-- Dumped by pg_dump version 17.11\n\n"
        f"SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\n\n{connecting}"
        "--\n-- Name: orders; Type: TABLE; Schema: shop; Owner: app\n--\n\n"
        "CREATE TABLE shop.orders (\n    id integer\n);\n\n"
        "COPY shop.orders (id) FROM stdin;\n" + "".join(f"{i}\n" for i in range(300)) + "\\.\n\n\n"
        "ALTER TABLE ONLY shop.orders\n    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);\n\n\n"
        f"--\n-- PostgreSQL database dump complete\n--\n\n{end}"
    )


def globals_script() -> str:
    """What pg_dumpall --globals-only writes."""
    return (
        f"--\n-- PostgreSQL database cluster dump\n--\n\n\\restrict {KEY}\n\n"
        "SET default_transaction_read_only = off;\n\nSET client_encoding = 'UTF8';\n\n"
        f"CREATE ROLE app;\n\n\\unrestrict {KEY}\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n"
    )


def cluster_script() -> str:
    """What pg_dumpall writes: roles, then a section for each database."""
    end = "--\n-- PostgreSQL database cluster dump complete\n--\n\n"
    connect = "\\connect -reuse-previous=on \"dbname='my shop'\""
    return (
        f"{globals_script().removesuffix(end)}--\n-- Databases\n--\n\n"
        f'--\n-- Database "template1" dump\n--\n\n\\connect template1\n\n{script()}'
        f'--\n-- Database "shop" dump\n--\n\n{script(connect="shop")}'
        f'--\n-- Database "my shop" dump\n--\n\n{connect}\n\n{script()}{end}'
    )


def text_of(word: str) -> bytes:
    """A string as a table of contents holds it, to put another in its place."""
    return write_text(word)


def _filed(compression: str, listing: str) -> Toc:
    listed = toc(compression=compression)
    names = {10: "10.dat", 11: "11.dat", 12: listing}
    entries = []
    for e in listed.entries:
        filename = names.get(e.dump_id)
        entries.append(
            TocEntry(
                e.dump_id, e.desc, e.tag, e.namespace, e.owner, e.section, e.defn, e.copy_stmt,
                has_data=e.has_data, filename=filename,
            )
        )  # fmt: skip
    listed.entries = tuple(entries)
    return listed


def _encoding(name: str) -> str:
    return f"SET client_encoding = '{name}';\n"
