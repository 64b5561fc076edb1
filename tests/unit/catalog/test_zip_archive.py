"""Dumps in ZIP archives and in the tars of applications, made with Python's own zipfile and tarfile."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.catalog import Wanted, open_backup, open_script, read_head, zip_archive
from tasks.model.backup import ArchiveHead, Format, LocalBackup
from tasks.model.errors import PermanentError
from tests.corpus import archives
from tests.growth import peak_bytes
from tests.unit.catalog.memory import MemorySource
from tests.unit.catalog.test_opening_several import members_of, tar_of

SCRIPT = archives.script().encode()
ATTACHMENTS = [
    ("filestore/ab/ab12", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
    ("filestore/cd/cd34", b"%PDF-1.7\n" + b"x" * 400),
    ("filestore/ef/ef56", b'{"a": 1}'),
    ("filestore/10.dat", b"1\t2\n"),
]
ODOO = [("dump.sql", SCRIPT), *ATTACHMENTS, ("manifest.json", b'{"odoo_dump": "1"}')]
ODOO_WITH_A_DUMP_ATTACHED = [*ODOO, ("filestore/gh/gh78", SCRIPT)]
GITLAB = [
    ("db/", b""),
    ("db/database.sql.gz", gzip.compress(SCRIPT)),
    ("repositories/@hashed/1.bundle", b"# v2 git bundle\n"),
    ("uploads.tar.gz", gzip.compress(tar_of([("a.sql", SCRIPT)]))),
    ("backup_information.yml", b":db_version: '2026'\n"),
]
DISCOURSE = [
    ("dump.sql.gz", gzip.compress(SCRIPT)),
    ("uploads/default/original/1X/a.png", ATTACHMENTS[0][1]),
    ("meta.json", b'{"source": "discourse"}'),
]
MACOS = [
    ("dump.sql", SCRIPT),
    ("__MACOSX/", b""),
    ("__MACOSX/._dump.sql", b"\0\5\x16\7\0\2\0\0Mac OS X        "),
    ("._dump.sql", b"\0\5\x16\7\0\2\0\0Mac OS X        "),
    (".DS_Store", b"\0\0\0\1Bud1"),
]
LAYOUTS = {"odoo": ODOO, "odoo-attached": ODOO_WITH_A_DUMP_ATTACHED, "gitlab": GITLAB, "discourse": DISCOURSE,
           "macos": MACOS, "alone": [("x.sql", SCRIPT)]}  # fmt: skip
Entries = list[tuple[str, bytes]]


class Unseekable(io.RawIOBase):
    """As standard output is: `zip -` then writes sizes behind each member."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written += data
        return len(data)


def zip_of(entries: Entries, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, content in entries:
            made.writestr(name, content)
    return out.getvalue()


def stored_zip(entries: Entries) -> bytes:
    return zip_of(entries, zipfile.ZIP_STORED)


def streamed_zip(entries: Entries) -> bytes:
    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:  # type: ignore[call-overload]
        for name, content in entries:
            made.writestr(name, content)
    return bytes(out.written)


def large_zip(entries: Entries) -> bytes:
    """As for files beyond 4 GiB: sizes in zip64's extra fields."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            with made.open(name, "w", force_zip64=True) as file:
                file.write(content)
    return out.getvalue()


MAKERS: dict[str, Callable[[Entries], bytes]] = {
    "deflated": zip_of, "stored": stored_zip, "streamed": streamed_zip, "zip64": large_zip, "tar": tar_of,
    "tar.gz": lambda entries: gzip.compress(tar_of(entries)),
    "zip in a tar": lambda entries: tar_of([("inner.zip", zip_of(entries))]),
    "tar in a zip": lambda entries: zip_of([("inner.tar", tar_of(entries))]),
}  # fmt: skip


def opened(data: bytes, folder: Path, wanted: Wanted = Wanted()) -> LocalBackup:  # noqa: B008  immutable
    path, workdir = folder / "x.zip", folder / "work"
    path.write_bytes(data)
    workdir.mkdir(exist_ok=True)
    return open_backup(
        path, name="x.zip", sha256="ab", bytes=1, integrity="none", fetch_s=0.0, decrypt=None,
        workdir=workdir, wanted=wanted,
    )  # fmt: skip


def failure_of(data: bytes, folder: Path, wanted: Wanted = Wanted()) -> PermanentError:  # noqa: B008  immutable
    with pytest.raises(PermanentError) as failure:
        opened(data, folder, wanted)
    return failure.value


def head_of(data: bytes, wanted: Wanted = Wanted()) -> ArchiveHead:  # noqa: B008  immutable
    return read_head(MemorySource(data), "x.zip", wanted)


@pytest.mark.parametrize("made", MAKERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_one_dump_beside_other_files_is_the_backup(made: str, layout: str, tmp_path: Path) -> None:
    backup = opened(MAKERS[made](LAYOUTS[layout]), tmp_path)
    assert backup.head.format is Format.PLAIN
    assert b"".join(open_script(backup)) == SCRIPT
    assert list((tmp_path / "work").iterdir()) == [backup.path], "what is superseded goes"


@pytest.mark.parametrize("made", ["deflated", "stored", "streamed", "zip64"])
@pytest.mark.parametrize("layout", ["odoo", "gitlab", "macos", "alone"])
def test_the_head_tells_of_the_dump_before_the_download(made: str, layout: str) -> None:
    head = head_of(MAKERS[made](LAYOUTS[layout]))
    assert head.format is Format.PLAIN
    assert head.wrappers[0] == "zip"
    assert head.toc is not None
    assert head.toc.major == 17


@pytest.mark.parametrize("made", ["deflated", "stored"])
def test_a_zip_proves_its_bytes_and_its_name_is_no_lie(made: str, tmp_path: Path) -> None:
    backup = opened(MAKERS[made](ODOO), tmp_path)
    assert (backup.integrity, backup.findings) == ("format", ())


def test_every_kind_of_dump_may_lie_in_a_zip(tmp_path: Path) -> None:
    custom = opened(zip_of([("a/x.dump", archives.custom()), ("README", b"hello, this is text\n")]), tmp_path)
    assert custom.head.format is Format.CUSTOM
    assert custom.path.read_bytes() == archives.custom()


def test_a_directory_dump_in_a_zip_is_its_folder(tmp_path: Path) -> None:
    entries = [(f"db/{name}", content) for name, content in members_of("shop").items()]
    data = zip_of([*entries, ("notes.txt", b"hello, this is text\n")])
    backup = opened(data, tmp_path)
    assert (backup.head.format, backup.head.wrappers) == (Format.DIRECTORY, ("zip",))
    assert {path.name: path.read_bytes() for path in backup.path.iterdir()} == members_of("shop")
    assert head_of(zip_of(entries)).format is Format.DIRECTORY


def test_of_two_dumps_the_database_decides_and_without_it_nothing_is_guessed(tmp_path: Path) -> None:
    data = zip_of([(f"{name}.dump", archives.custom()) for name in ("orders", "billing")])
    refused = failure_of(data, tmp_path)
    assert refused.rule == "database-choice-ambiguous"
    assert "orders.dump" in refused.what
    gitlab = zip_of([*GITLAB, ("db/ci_database.sql.gz", gzip.compress(SCRIPT + b"-- ci\n"))])
    assert failure_of(gitlab, tmp_path).rule == "database-choice-ambiguous"
    backup = opened(gitlab, tmp_path, Wanted("ci_database", "gitlab"))
    assert b"".join(open_script(backup)).endswith(b"-- ci\n")


@pytest.mark.parametrize(
    "name", ["../../outside.sql", "/outside.sql", "C:\\outside.sql", "a/../../outside.sql"]
)
def test_a_name_that_leads_out_is_written_nowhere_else(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    backup = opened(zip_of([(name, SCRIPT), ("notes", b"hello, this is text\n")]), folder)
    assert backup.path.parent == folder / "work"
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {folder / "x.zip", backup.path}


def with_bits(data: bytes, *, flags: int = 0, method: int | None = None) -> bytes:
    """Return *data* with flags, or another method, in every local and central header."""
    changed = bytearray(data)
    for magic, at_flags, at_method in ((b"PK\x03\x04", 6, 8), (b"PK\x01\x02", 8, 10)):
        at = changed.find(magic)
        while at >= 0:
            changed[at + at_flags] |= flags
            if method is not None:
                struct.pack_into("<H", changed, at + at_method, method)
            at = changed.find(magic, at + 4)
    return bytes(changed)


@pytest.mark.parametrize("entries", [ODOO, [("x.sql", SCRIPT)]], ids=["odoo", "alone"])
@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"flags": 1}, "password"),
        ({"method": 99}, "password"),
        ({"method": 9}, "deflate64"),
        ({"method": 12}, "bzip2"),
        ({"method": 93}, "zstd"),
        ({"method": 77}, "method 77"),
    ],
)
def test_what_cannot_be_unpacked_is_named_before_the_download(
    entries: Entries, keys: dict[str, int], words: str, tmp_path: Path
) -> None:
    data = with_bits(zip_of(entries), **keys)  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match=words) as failure:
        head_of(data)
    assert failure.value.rule == "format-unsupported"
    refused = failure_of(data, tmp_path)
    assert (refused.rule, words in refused.what) == ("format-unsupported", True)
    assert refused.hint


def test_encrypted_files_beside_the_dump_are_not_the_backup(tmp_path: Path) -> None:
    data = zip_of([("x.sql", SCRIPT), ("secret.bin", b"12345678")])
    at = data.rindex(b"PK\x01\x02")
    data = data[: at + 8] + b"\x01" + data[at + 9 :]
    assert b"".join(open_script(opened(data, tmp_path))) == SCRIPT


@pytest.mark.parametrize("made", ["deflated", "stored", "streamed", "zip64"])
@pytest.mark.parametrize("eighths", range(1, 8))
def test_a_cut_zip_is_truncated_before_the_download(made: str, eighths: int, tmp_path: Path) -> None:
    data = MAKERS[made](ODOO)
    cut = data[: len(data) * eighths // 8]
    assert failure_of(cut, tmp_path).rule == "archive-truncated"
    with pytest.raises(PermanentError) as failure:
        head_of(cut)
    assert failure.value.rule == "archive-truncated"


def test_a_wrong_checksum_is_a_damaged_file_and_says_which(tmp_path: Path) -> None:
    data = bytearray(stored_zip(ODOO))
    data[data.index(b"CREATE")] ^= 1
    refused = failure_of(bytes(data), tmp_path)
    assert refused.rule == "archive-corrupt"
    assert "dump.sql is damaged: its checksum does not match" in refused.what


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_flipped_bit_is_found_or_changes_nothing_that_is_restored(
    at: int, bit: int, tmp_path: Path
) -> None:
    data = bytearray(zip_of([("x.sql", SCRIPT), ("notes", b"hello, this is text\n")]))
    data[at % len(data)] ^= 1 << bit
    try:
        backup = opened(bytes(data), tmp_path)
    except PermanentError:
        return
    assert b"".join(open_script(backup)) == SCRIPT


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    data = bytearray(zip_of([("a.sql", SCRIPT), ("b.sql", SCRIPT)]))
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, second + 42, 0)  # as bombs do: every entry leads to the same bytes
    assert failure_of(bytes(data), tmp_path).rule == "archive-corrupt"


def test_two_archives_in_one_file_are_two(tmp_path: Path) -> None:
    data = zip_of([("a.sql", SCRIPT)]) + zip_of([("a.sql", SCRIPT)])
    assert failure_of(data, tmp_path).rule == "archive-doubled"


def test_a_directory_that_claims_more_than_there_is_is_damaged(tmp_path: Path) -> None:
    data = bytearray(zip_of(ODOO))
    struct.pack_into("<I", data, data.rindex(b"PK\x05\x06") + 12, 0x7FFFFFFF)
    assert failure_of(bytes(data), tmp_path).rule == "archive-corrupt"


def test_a_directory_larger_than_memory_is_the_drills_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_archive, "_LARGEST_DIRECTORY", 1000)
    many = zip_of([(f"filestore/{number}", b"") for number in range(100)])
    assert failure_of(many, tmp_path).rule == "archive-contents-too-large"


@pytest.mark.parametrize("entries", [[], [("folder/", b"")], [("__MACOSX/._x.sql", b"\0\5\x16\7")]])
def test_a_zip_without_a_file_holds_nothing(entries: Entries, tmp_path: Path) -> None:
    assert failure_of(zip_of(entries), tmp_path).rule == "archive-tiny"
    with pytest.raises(PermanentError) as failure:
        head_of(zip_of(entries))
    assert failure.value.rule == "archive-tiny"


def test_a_zip_of_no_dump_is_not_called_broken(tmp_path: Path) -> None:
    refused = failure_of(zip_of(ATTACHMENTS[:3]), tmp_path)
    assert refused.rule == "format-unsupported"
    assert "3 files, none of them a dump" in refused.what


def test_a_bomb_costs_no_memory_before_the_download() -> None:
    data = zip_of([("a.sql", b"\0" * (64 << 20)), ("b.sql", SCRIPT)])
    assert peak_bytes(lambda: head_of(data)) < 24 << 20


def test_a_physical_backup_in_a_zip_is_called_by_its_name(tmp_path: Path) -> None:
    data = zip_of([("base/1/PG_VERSION", b"17\n"), ("global/pg_control", b"x"), ("backup_label", b"x")])
    assert failure_of(data, tmp_path).rule == "format-unsupported"
    assert head_of(data).format is Format.BASEBACKUP


@pytest.mark.parametrize("made", ["deflated", "stored", "streamed", "zip64"])
def test_a_large_zip_costs_a_few_reads_before_the_download(made: str) -> None:
    rows = bytes(range(256)) * (16 << 12)
    source = MemorySource(MAKERS[made]([*ODOO, ("filestore/large", rows)]))
    read_head(source, "x.zip")
    assert len(source.reads) <= 8
    assert sum(length for _, length in source.reads) < 1 << 20


@pytest.mark.parametrize("made", ["deflated", "tar"])
def test_uploads_in_an_archive_of_their_own_are_not_a_second_dump(made: str, tmp_path: Path) -> None:
    uploads = ("uploads.zip", zip_of(ATTACHMENTS))
    backup = opened(MAKERS[made]([("db.sql", SCRIPT), uploads]), tmp_path)
    assert b"".join(open_script(backup)) == SCRIPT
    inner = opened(MAKERS[made]([("x.zip", zip_of([("db.sql", SCRIPT)])), ("notes", b"a text\n")]), tmp_path)
    assert b"".join(open_script(inner)) == SCRIPT


@pytest.mark.parametrize("made", ["deflated", "tar"])
def test_an_archive_that_is_called_like_the_database_is_its_dump(made: str, tmp_path: Path) -> None:
    data = MAKERS[made](
        [("orders.sql", SCRIPT), ("billing.zip", zip_of([("billing.sql", SCRIPT + b"--\n")]))]
    )
    backup = opened(data, tmp_path, Wanted(None, "billing"))
    assert b"".join(open_script(backup)) == SCRIPT + b"--\n"
    assert b"".join(open_script(opened(data, tmp_path, Wanted(None, "orders")))) == SCRIPT


def test_a_member_without_a_name_is_passed_over(tmp_path: Path) -> None:
    data = bytearray(zip_of([("x", b"12"), ("dump.sql", SCRIPT)]))
    central = data.index(b"PK\x01\x02")
    for at in (26, central + 28):
        struct.pack_into("<HH", data, at, 0, 1)  # its letter is an extra field now
    assert b"".join(open_script(opened(bytes(data), tmp_path))) == SCRIPT


@pytest.mark.parametrize("made", ["deflated", "tar", "tar.gz"])
@pytest.mark.parametrize(
    "uploads", [zip_of(ATTACHMENTS), gzip.compress(tar_of(ATTACHMENTS)), tar_of(ATTACHMENTS)]
)
def test_pictures_in_an_archive_beside_a_dump_are_no_dump(made: str, uploads: bytes, tmp_path: Path) -> None:
    data = MAKERS[made](
        [("db.dump", archives.custom()), ("files.bin", uploads), ("a.png", ATTACHMENTS[0][1])]
    )
    backup = opened(data, tmp_path)
    assert backup.path.read_bytes() == archives.custom()


@pytest.mark.parametrize("made", ["deflated", "tar", "tar.gz"])
def test_the_head_tells_of_a_dump_beside_what_is_none(made: str) -> None:
    head = head_of(
        MAKERS[made]([("db.dump", archives.custom()), *ATTACHMENTS[:2], ("roles", b"hello\n" * 9)])
    )
    assert head.format is Format.CUSTOM
    assert head.toc is not None
