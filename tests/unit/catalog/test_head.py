from __future__ import annotations

import gzip

import pytest

from tasks.catalog.head import read_head
from tasks.catalog.sources import HEAD_LIMIT_BYTES
from tasks.model.backup import Format, TocEntry
from tasks.model.errors import PermanentError
from tests.corpus import archives
from tests.corpus.damage import cut_bytes, flip_bit
from tests.growth import peak_bytes
from tests.strategies import CUSTOM, write_header, write_int, write_tar
from tests.unit.catalog.memory import MemorySource


def rule_of(data: bytes, name: str = "x.dump") -> str:
    with pytest.raises(PermanentError) as failure:
        read_head(MemorySource(data), name)
    return failure.value.rule


@pytest.mark.parametrize("version", [(1, 10), (1, 11), (1, 12), (1, 13), (1, 14), (1, 15), (1, 16)])
def test_a_custom_archive_of_every_version_tells_of_its_database(version: tuple[int, int]) -> None:
    source = MemorySource(archives.custom(listed=archives.toc(version=version)))
    head = read_head(source, "x.dump")
    assert (head.format, head.wrappers, head.written_by) == (Format.CUSTOM, (), "")
    assert head.toc is not None
    assert (head.toc.archive_version, head.toc.database, head.toc.major) == (version, "shop", 17)
    assert (head.toc.encoding, head.toc.made_at) == ("UTF8", archives.MADE_AT)
    assert [e.tag for e in head.toc.of("TABLE")] == ["orders", "Gift Cards", "events"]


def test_the_head_of_a_large_archive_is_read_by_range_and_nothing_more() -> None:
    source = MemorySource(archives.custom() + b"\0" * (4 << 20))
    read_head(source, "x.dump")
    assert source.reads == [(0, 64 << 10)]


def test_a_toc_longer_than_the_first_read_is_read_on() -> None:
    listed = archives.toc()
    many = (TocEntry(100 + i, "TABLE", f"t{i}", "s", "o", "pre-data", "x" * 900) for i in range(300))
    listed.entries = (*listed.entries, *many)
    source = MemorySource(archives.custom(listed=listed) + b"\0" * (8 << 20))
    head = read_head(source, "x.dump")
    assert head.toc is not None
    assert len(head.toc.entries) == 310
    assert len(source.reads) == 2


def test_the_head_of_a_directory_dump_is_its_toc() -> None:
    members = {name: MemorySource(data) for name, data in archives.directory_members().items()}
    head = read_head(members, "x/")
    assert head.format is Format.DIRECTORY
    assert head.toc is not None
    assert [e.filename for e in head.toc.of("TABLE DATA")] == ["10.dat", "11.dat"]
    assert all(not members[name].reads for name in members if name != "toc.dat")


def test_the_head_of_a_tar_is_its_first_member() -> None:
    source = MemorySource(archives.tar() + b"\0" * (1 << 20))
    head = read_head(source, "x.tar")
    assert head.format is Format.TAR
    assert head.toc is not None
    assert head.toc.server_version == "17.11"
    assert len(source.reads) == 1


@pytest.mark.parametrize("wrapper", sorted(archives.COMPRESS))
@pytest.mark.parametrize("inner", ["custom", "tar", "plain", "cluster"])
def test_every_format_is_recognised_in_every_compression(wrapper: str, inner: str) -> None:
    data = {
        "custom": archives.custom(),
        "tar": archives.tar(),
        "plain": archives.script().encode(),
        "cluster": archives.cluster_script().encode(),
    }[inner]
    head = read_head(MemorySource(archives.COMPRESS[wrapper](data)), "x")
    assert head.wrappers == (wrapper,)
    assert head.format.value == {"cluster": "pg_dumpall"}.get(inner, inner)
    assert head.toc is not None
    assert head.toc.dump_version == "17.11"


def test_a_tar_of_a_directory_dump_is_recognised_where_the_toc_is_last() -> None:
    members = sorted(archives.directory_members().items())
    data = write_tar([(f"dump/{name}", content) for name, content in members], owner=b"0001750 0001750 ")
    head = read_head(MemorySource(gzip.compress(data)), "x.tar.gz")
    assert (head.format, head.wrappers) == (Format.DIRECTORY, ("gzip", "tar"))
    assert head.toc is not None


def test_wrappers_round_wrappers_are_taken_off_one_by_one() -> None:
    data = gzip.compress(archives.COMPRESS["zstd"](archives.custom()))
    assert read_head(MemorySource(data), "x").wrappers == ("gzip", "zstd")


def test_a_plain_script_tells_by_its_comments() -> None:
    head = read_head(MemorySource(archives.script(connect='"my ""db"""').encode()), "x.sql")
    assert (head.format, head.written_by, head.databases) == (Format.PLAIN, "pg_dump", ('my "db"',))
    assert head.toc is not None
    assert (head.toc.major, head.toc.encoding, head.toc.database) == (17, "UTF8", 'my "db"')


def test_a_cluster_script_tells_of_its_databases_and_of_its_version_after_the_roles() -> None:
    roles = "".join(f"CREATE ROLE role_{i};\n" for i in range(9000))
    text = archives.cluster_script().replace("CREATE ROLE app;\n", roles)
    head = read_head(MemorySource(text.encode()), "all.sql")
    assert (head.format, head.written_by) == (Format.CLUSTER, "pg_dumpall")
    assert head.databases == ("shop", "my shop")
    assert head.toc is not None
    assert head.toc.major == 17


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\n",
        "-- our own export\n/* v2 */\nBEGIN;\nSET search_path = x;\nCOMMIT;\n",
        "\ufeffSET client_encoding = 'UTF8';\n",
        "\\connect shop\nSELECT 1;\n",
        "INSERT INTO t VALUES (" + "1, " * 60000 + "1);\n",
    ],
)
def test_sql_written_by_hand_is_a_plain_script_of_no_known_writer(text: str) -> None:
    head = read_head(MemorySource(text.encode()), "x.sql")
    assert (head.format, head.written_by, head.toc) == (Format.PLAIN, "", None)


@pytest.mark.parametrize(
    ("head", "wrapper"),
    [
        (b"age-encryption.org/v1\n-> X25519 abc\n", "age"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", "age"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n", "gpg"),
        (b"\x85\x01\x0c\x03\x4b\x50\x18\x80\x00\x64", "gpg"),
        (b"\x8c\x0d\x04\x09\x03\x02\x33\x44\x55", "gpg"),
        (b"\xc1\xc0\x4e\x03\x4b\x50\x18\x80\x00\x64", "gpg"),
        (b"Salted__\x01\x02\x03\x04", "openssl"),
    ],
)
def test_encrypted_backups_are_recognised_and_tell_nothing_else(head: bytes, wrapper: str) -> None:
    found = read_head(MemorySource(head + b"\x99" * 600), "x.dump.enc")
    assert (found.format, found.wrappers, found.toc) == (Format.UNKNOWN, (wrapper,), None)


def test_an_empty_object_is_empty() -> None:
    assert rule_of(b"") == "archive-empty"
    with pytest.raises(PermanentError, match="no file") as failure:
        read_head({}, "x/")
    assert failure.value.rule == "archive-empty"


@pytest.mark.parametrize("wrapper", sorted(archives.COMPRESS))
def test_a_compressed_nothing_is_named_so(wrapper: str) -> None:
    with pytest.raises(PermanentError, match=f"{wrapper} stream of 0 bytes") as failure:
        read_head(MemorySource(archives.COMPRESS[wrapper](b"")), "x.sql")
    assert failure.value.rule == "archive-tiny"


@pytest.mark.parametrize("data", [b"\n\n \n", b"\x01\x02", write_tar([])[:0] + b"\x00\x01"])
def test_a_few_bytes_of_nothing_are_tiny(data: bytes) -> None:
    assert rule_of(data) == "archive-tiny"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><html>403 secret</html>", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
        (b'{"error": "secret"}', "a JSON document"),
        (b"pg_dump: error: connection to server failed: secret\n", "an error message of PostgreSQL's tools"),
        (b"ERROR: secret\n", "an error message"),
        (b"-- MySQL dump 10.13\nCREATE TABLE x;\n", "MySQL"),
        (b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n", "SQLite"),
        (b"SQLite format 3\x00" + b"\x10" * 100, "SQLite"),
        (b"disk quota exceeded, secret\n", "text that is no SQL"),
        (b"update of the backup volume failed\n", "text that is no SQL"),
        (b"#!/bin/sh\npg_dump\n", "a program"),
        ("CREATE TABLE secret (id int);\n".encode("utf-16"), "UTF-16"),
        (b"\0" * 4096, "nothing but zero bytes"),
        (bytes(range(256)) * 8, "of no format"),
        (b"\xde\xad\xbe\xef" * 200, "of no format"),
    ],
)
def test_what_is_no_backup_is_called_by_its_name_and_never_quoted(data: bytes, words: str) -> None:
    with pytest.raises(PermanentError, match=words) as failure:
        read_head(MemorySource(data), "x.dump")
    assert failure.value.rule == "not-a-backup"
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("magic", [b"PK\x07\x08", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"])
def test_containers_that_cannot_be_opened_are_not_called_broken(magic: bytes) -> None:
    assert rule_of(magic + b"\0" * 100, "x.7z") == "format-unsupported"


@pytest.mark.parametrize("at", [1, 4, 5, 9, 30, 200, 900])
def test_an_archive_cut_in_its_header_or_toc_is_truncated_and_says_where(at: int) -> None:
    with pytest.raises(PermanentError, match=f"ends at byte {at}") as failure:
        read_head(MemorySource(cut_bytes(archives.custom(), at)), "x.dump")
    assert failure.value.rule == "archive-truncated"


def test_a_compressed_archive_cut_in_its_toc_is_truncated() -> None:
    assert rule_of(cut_bytes(gzip.compress(archives.custom()), 120)) == "archive-truncated"


def test_a_tar_cut_in_its_toc_is_truncated() -> None:
    assert rule_of(cut_bytes(archives.tar(), 900), "x.tar") == "archive-truncated"
    assert rule_of(cut_bytes(archives.tar(), 300), "x.tar") == "archive-truncated"


def test_a_toc_of_nonsense_is_corrupt() -> None:
    data = archives.custom()
    assert rule_of(data[:20] + b"\xff" * 40 + data[60:]) == "archive-corrupt"
    assert rule_of(flip_bit(data, 10, 7)) == "archive-corrupt"


@pytest.mark.parametrize("version", [(1, 17), (1, 99), (2, 0), (1, 9)])
def test_a_version_that_we_do_not_read_is_not_called_corrupt(version: tuple[int, int]) -> None:
    data = bytearray(archives.custom())
    data[5:7] = bytes(version)
    assert rule_of(bytes(data)) == "archive-version-unsupported"


def test_a_directory_without_its_toc_is_still_uploading() -> None:
    members = {name: MemorySource(data) for name, data in archives.directory_members().items()}
    del members["toc.dat"]
    with pytest.raises(PermanentError, match=r"4 data files and no toc\.dat") as failure:
        read_head(members, "x/")
    assert failure.value.rule == "archive-uploading"


def test_a_folder_of_something_else_is_not_a_backup() -> None:
    with pytest.raises(PermanentError) as failure:
        read_head({"readme.txt": MemorySource(b"x")}, "x/")
    assert failure.value.rule == "not-a-backup"


@pytest.mark.parametrize("lost", ["10.dat.gz", "blobs_12.toc"])
def test_a_directory_that_lacks_a_file_of_its_toc_is_incomplete_before_the_download(lost: str) -> None:
    members = {name: MemorySource(data) for name, data in archives.directory_members().items()}
    del members[lost]
    with pytest.raises(PermanentError, match="is missing") as failure:
        read_head(members, "x/")
    assert failure.value.rule == "archive-incomplete"


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["base/PG_VERSION", "backup_label", "global/pg_control"], Format.BASEBACKUP),
        (["base.tar.gz", "pg_wal.tar.gz", "backup_manifest"], Format.BASEBACKUP),
        (["backup/main/backup.info", "archive/main/archive.info"], Format.PGBACKREST),
        (["basebackups_005/base_0001_backup_stop_sentinel.json", "wal_005/0001.lz4"], Format.WALG),
        (["main/base/20260102T030405/backup.info", "main/wals/0000000100000000/x.gz"], Format.BARMAN),
    ],
)
def test_physical_layouts_are_called_by_their_name(names: list[str], layout: Format) -> None:
    assert read_head({name: MemorySource(b"x") for name in names}, "x/").format is layout


def test_a_tar_of_pg_basebackup_is_recognised_by_its_members() -> None:
    data = write_tar([("backup_label", b"START WAL"), ("PG_VERSION", b"17\n")], owner=b"0001750 0001750 ")
    assert read_head(MemorySource(gzip.compress(data)), "base.tar.gz").format is Format.BASEBACKUP


def test_bombs_of_wrappers_are_refused() -> None:
    data = archives.custom()
    for _ in range(10):
        data = gzip.compress(data)
    assert rule_of(data) == "not-a-backup"


def test_a_head_that_does_not_tell_in_64_mib_is_left_open() -> None:
    class Long(MemorySource):
        size = HEAD_LIMIT_BYTES * 2

        def read(self, offset: int, length: int) -> bytes:
            return self.data if offset == 0 else b"\0" * length

    listed = archives.toc()
    endless = write_header(listed, CUSTOM) + write_int(1) * 3 + write_int(900 << 20)
    head = read_head(Long(endless), "x.dump")
    assert (head.format, head.toc) == (Format.CUSTOM, None)


def test_a_bomb_is_not_unfolded_before_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.catalog.head.UNWRAPPED_LIMIT_BYTES", 8 << 20)
    bytes_of_zeros = write_header(archives.toc(), CUSTOM) + write_int(1) + write_int(5) + write_int(0)
    bomb = gzip.compress(bytes_of_zeros + write_int(60 << 20) + bytes(60 << 20))

    def read() -> None:
        head = read_head(MemorySource(bomb), "x.dump.gz")
        assert (head.format, head.wrappers, head.toc) == (Format.CUSTOM, ("gzip",), None)

    assert peak_bytes(read) < 24 << 20
