"""backup_manifest: read as the server writes it, and held against the files that came out of the backup."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tasks.model.errors import PermanentError
from tasks.physical.manifest import Manifest, WrittenFile, compare, parse_manifest
from tasks.stores.checksums import Digests

ROWS, MAP = b"rows of a table", b"map"
CRC = Digests("crc32c")
CRC.update(MAP)


def files() -> list[dict[str, Any]]:
    sha = hashlib.sha256(ROWS).hexdigest()
    return [
        {"Path": "base/5/16384", "Size": len(ROWS), "Checksum-Algorithm": "SHA256", "Checksum": sha},
        {"Path": "base/5/pg_filenode.map", "Size": len(MAP), "Checksum-Algorithm": "CRC32C",
         "Checksum": CRC.hex("crc32c")},
        {"Encoded-Path": "ff2e747874", "Size": 0},
        {"Path": "postgresql.auto.conf", "Size": 88},
    ]  # fmt: skip


def manifest_of(entries: list[dict[str, Any]], **more: Any) -> bytes:
    """Write a manifest as the server does: one object, its own checksum in the last line."""
    ranges = [
        {"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000100"},
        {"Timeline": 2, "Start-LSN": "0/2000100", "End-LSN": "0/3000000"},
    ]
    document = {"PostgreSQL-Backup-Manifest-Version": 1, "Files": entries, "WAL-Ranges": ranges} | more
    body = json.dumps(document)[:-1].encode() + b",\n"
    own = hashlib.sha256(body).hexdigest()
    return body + f'"Manifest-Checksum": "{own}"}}\n'.encode()


def written(data: bytes, *names: str) -> WrittenFile:
    digests = Digests(*names)
    digests.update(data)
    return WrittenFile(len(data), digests)


def whole() -> dict[str, WrittenFile]:
    return {
        "base/5/16384": written(ROWS, "sha256"),
        "base/5/pg_filenode.map": written(MAP, "crc32c"),
        "\udcff.txt": WrittenFile(0),
    }


def refusal(data: bytes) -> PermanentError:
    with pytest.raises(PermanentError) as failure:
        parse_manifest(data, "backup_manifest")
    assert failure.value.rule == "backup-manifest-mismatch"
    return failure.value


def test_a_manifest_says_files_wal_and_system() -> None:
    manifest = parse_manifest(manifest_of(files(), **{"System-Identifier": 7_400_000_000}), "m")
    assert set(manifest.files) == {*whole(), "postgresql.auto.conf"}
    assert (manifest.start_lsn, manifest.stop_lsn, manifest.timeline) == (0x2000028, 0x3000000, 2)
    assert manifest.system_identifier == 7_400_000_000
    assert manifest.digests_for("base/5/16384") is not None
    assert manifest.digests_for("\udcff.txt") is manifest.digests_for("absent") is None


def test_files_as_the_manifest_says_and_more_beside_them_are_no_failure() -> None:
    compare(parse_manifest(manifest_of(files()), "m"), whole() | {"extra": WrittenFile(9)}, "m")


def test_a_crc_may_stand_in_either_order_of_its_bytes() -> None:
    entries = files()
    entries[1]["Checksum"] = bytes.fromhex(CRC.hex("crc32c"))[::-1].hex().upper()
    compare(parse_manifest(manifest_of(entries), "m"), whole(), "m")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"base/5/16384": None}, "missing"),
        ({"base/5/16384": WrittenFile(3)}, "3 bytes, not 15"),
        ({"base/5/16384": written(ROWS.upper(), "sha256")}, "another checksum"),
        ({"base/5/pg_filenode.map": written(b"mup", "crc32c")}, "another checksum"),
    ],
)
def test_a_file_that_differs_is_named_with_how(changed: dict[str, WrittenFile | None], sentence: str) -> None:
    came_out = {name: file for name, file in (whole() | changed).items() if file is not None}
    with pytest.raises(PermanentError) as failure:
        compare(parse_manifest(manifest_of(files()), "m"), came_out, "m")
    (name,) = changed
    assert (failure.value.rule, failure.value.where) == ("backup-manifest-mismatch", name)
    assert (
        f"1 of the backup's 4 files are not what its manifest says: {name} ({sentence})" in failure.value.what
    )


def test_many_files_that_differ_are_counted_and_a_few_named() -> None:
    entries = [{"Path": f"base/1/{at}", "Size": 1} for at in range(200)]
    with pytest.raises(PermanentError, match="200 of the backup's 200 files") as failure:
        compare(parse_manifest(manifest_of(entries), "m"), {}, "m")
    assert failure.value.where == "m"
    assert len(failure.value.what) < 400


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (manifest_of(files())[:-80], "it was cut"),
        (b"", "it was cut"),
        (manifest_of(files()).replace(b"16384", b"16385"), "its own checksum"),
        (manifest_of([{"Path": "a", "Size": 1, "Checksum-Algorithm": "MD5"}]), "not as PostgreSQL writes"),
        (manifest_of([{"Path": "a"}]), "not as PostgreSQL writes"),
        (manifest_of([{"Size": 1}]), "not as PostgreSQL writes"),
        (manifest_of([], **{"WAL-Ranges": [{"Start-LSN": "x"}]}), "not as PostgreSQL writes"),
    ],
)  # fmt: skip
def test_a_damaged_manifest_proves_nothing_and_says_how(data: bytes, sentence: str) -> None:
    assert sentence in refusal(data).what


def test_a_manifest_without_wal_says_none() -> None:
    manifest = parse_manifest(manifest_of([], **{"WAL-Ranges": []}), "m")
    assert manifest == Manifest({})
