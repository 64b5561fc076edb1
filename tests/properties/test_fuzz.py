"""Backups broken at random: whatever their bytes are, what comes of them is ours to say, and comes soon."""

from __future__ import annotations

import base64
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tasks.catalog import open_backup, open_script, read_head
from tasks.catalog.contained import Wanted
from tasks.engines.globals import RoleReader, read_roles
from tasks.engines.sql.classifier import decide, describe, encoding_set, read_entries, read_meta, tables_named
from tasks.engines.sql.splitter import Kind, scan
from tasks.model.backup import Format
from tasks.model.errors import DrillError
from tasks.stores.checksums import digests_by_name, parse_sidecar
from tests.corpus import archives
from tests.unit.catalog.memory import MemorySource

SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SOON_S = 10.0
LONGEST = 20_000


def packed(members: dict[str, bytes]) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as container:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            container.addfile(member, BytesIO(content))
    return out.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", method) as container:
        for name, content in members.items():
            container.writestr(name, content)
    return out.getvalue()


WHOLE = [
    *(archives.custom(compression) for compression in ("none", "gzip", "zstd")),
    archives.custom(seekable=False),
    archives.tar(),
    packed(archives.directory_members()),
    packed({f"a/ö{'x' * 120}/{name}": data for name, data in archives.directory_members("zstd").items()}),
    packed({"shop.sql": archives.script().encode(), "crm.dump": archives.custom()}),
    zipped({"dump.sql": archives.script().encode(), "manifest.json": b"{}", "filestore/ab/ab1": b"%PDF-1.7"}),
    zipped({"shop.dump": archives.custom(), "crm.dump": archives.custom()}, zipfile.ZIP_STORED),
    zipped(archives.directory_members()),
    archives.script().encode(),
    archives.cluster_script().encode(),
    archives.globals_script().encode(),
    *(pack(archives.custom("none")) for pack in archives.COMPRESS.values()),
    *(pack(archives.script().encode()) for pack in archives.COMPRESS.values()),
    b"age-encryption.org/v1\n-> X25519 x\n--- x\n" + bytes(300),
    b"\x8c\x0d\x04\x09\x03\x02" + bytes(range(200)),
]
BITS = [
    b"\xff" * 4, b"\0" * 4, b"\0\xff\xff\xff\x7f", b"\1\1\0\0\0", b"PGDMP\1\x10\0\4\x08\1", b"'",
    b"$$", b"/*", b"\\.\n", b"\n\\connect x\n", b"--\n", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd",
    b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07",
    b"ustar\x0000", b"9" * 30, b" 5000=", b"COPY t FROM stdin;\n", b"CREATE FUNCTION f() BEGIN ATOMIC ",
    b"E'\\'", b"\xc3", b"\xed\xa0\x80",
]  # fmt: skip


class Damaged(bytes):
    """Bytes whose example, where a test fails, is short enough to be shown."""

    def __repr__(self) -> str:
        return f"Damaged(zlib.decompress(base64.b85decode({base64.b85encode(zlib.compress(self))!r})))"


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A backup with a few bytes changed, put in, cut out, repeated, or the rest of another's."""
    data = draw(st.sampled_from(WHOLE))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 600))
        kind = draw(st.sampled_from(["flip", "put", "over", "cut", "end", "again", "other"]))
        bits = draw(st.sampled_from(BITS) | st.binary(min_size=1, max_size=8))
        other = draw(st.sampled_from(WHOLE))
        data = {
            "flip": data[:at]
            + bytes([(data[at : at + 1] or b"\0")[0] ^ 1 << draw(st.integers(0, 7))])
            + data[at + 1 :],
            "put": data[:at] + bits + data[at:],
            "over": data[:at] + bits + data[at + len(bits) :],
            "cut": data[:at] + data[at + length :],
            "end": data[:at],
            "again": data[:at] + data[at : at + length] * draw(st.integers(2, 20)) + data[at + length :],
            "other": data[:at] + other[at:],
        }[kind]
    return Damaged(data[:LONGEST])


@contextmanager
def soon() -> Iterator[None]:
    """Fail what takes longer than any reading of a few kilobytes; let our own errors pass."""
    began = time.process_time()
    with suppress(DrillError):
        yield
    assert time.process_time() - began < SOON_S


@SETTINGS
@given(damaged())
@example(archives.custom().replace(b"shop", b"\xff\xfe\xfd\xfc"))
def test_the_head_of_any_bytes_is_told_or_refused(data: bytes) -> None:
    with soon():
        read_head(MemorySource(data), "x.dump", Wanted(None, "shop"))


@SETTINGS
@given(damaged())
def test_any_download_is_opened_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / "x.dump"
    path.write_bytes(data)
    with soon():
        backup = open_backup(
            path, name="x.dump", sha256="", bytes=len(data), integrity="none", fetch_s=0.0, decrypt=None,
            workdir=folder, deadline_s=30.0, wanted=Wanted(None, "shop"),
        )  # fmt: skip
        if backup.head.format in (Format.PLAIN, Format.CLUSTER):
            read_roles(open_script(backup))
    shutil.rmtree(folder)


@SETTINGS
@given(st.dictionaries(st.sampled_from(sorted(archives.directory_members())), damaged(), max_size=6))
def test_any_folder_is_opened_or_refused(
    tmp_path_factory: pytest.TempPathFactory, broken: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for name, content in (archives.directory_members() | broken).items():
        (folder / name).write_bytes(content)
    with soon():
        open_backup(
            folder, name="x/", sha256="", bytes=1, integrity="none", fetch_s=0.0, decrypt=None,
            workdir=folder.parent, deadline_s=30.0,
        )  # fmt: skip
    shutil.rmtree(folder)


@SETTINGS
@given(damaged())
def test_any_bytes_are_a_script_of_pieces_that_can_all_be_looked_at(data: bytes) -> None:
    reader = RoleReader()
    with soon():
        for piece in scan([data[at : at + 1000] for at in range(0, len(data), 1000)]):
            if piece.kind is Kind.STATEMENT:
                decide(piece.data)
                describe(piece.data)
                tables_named(piece.data)
                encoding_set(piece.data)
                reader.feed(piece.data.decode("utf-8", "surrogateescape"))
            elif piece.kind is Kind.META:
                read_meta(piece.data)
            elif piece.kind is Kind.GAP:
                read_entries(piece.data, 1)


@SETTINGS
@given(st.text(st.sampled_from("abcdef0123456789 *()=\t\n\\./SHA-é\0"), max_size=400) | st.text(max_size=200))
@example("0" * 64 + "  x\n" + "1" * 64 + " *./a/b\n" + "SHA256 (c) = " + "2" * 64)
def test_any_checksum_file_is_read(text: str) -> None:
    with soon():
        digests_by_name(text)
        parse_sidecar(text, "x")
