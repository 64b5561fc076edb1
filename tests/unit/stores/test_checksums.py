from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest

from tasks.model.backup import StoredObject
from tasks.model.errors import PermanentError
from tasks.stores.checksums import Digests, best_of, comparable, computable, md5_of_etag, parse_sidecar
from tasks.stores.integrity import expected_of
from tests.unit.stores.fake import NOW

BODY = b"pg_dump" * 1000
SHA = hashlib.sha256(BODY).hexdigest()
CRC = f"{zlib.crc32(BODY):08x}"


def b64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


def obj(checksums: dict[str, str] | None = None, etag: str | None = None) -> StoredObject:
    return StoredObject("s3://bk/o.dump", len(BODY), NOW, etag=etag, checksums=checksums or {})


def seen() -> Digests:
    digests = Digests("sha256", "crc32", "sha1", "md5")
    for i in range(0, len(BODY), 999):
        digests.update(memoryview(BODY)[i : i + 999])
    return digests


def test_digests_of_a_stream_are_those_of_the_whole() -> None:
    digests = seen()
    assert digests.hex("sha256") == SHA
    assert digests.hex("crc32") == CRC
    assert digests.hex("md5") == hashlib.md5(BODY, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ChecksumSHA256": b64(SHA), "ETag": '"abc"'}, {"sha256": SHA}),
        ({"ChecksumCRC32": b64(CRC), "ETag": '"abc"', "ChecksumType": "FULL_OBJECT"}, {"crc32": CRC}),
        ({"ChecksumCRC32": b64(CRC), "ETag": '"abc-13"', "ChecksumType": "FULL_OBJECT"}, {"crc32": CRC}),
        ({"ChecksumCRC32": b64(CRC), "ETag": '"abc-13"'}, {}),  # of a multipart upload, unlabelled
        ({"ChecksumCRC32": b64(CRC) + "-13", "ETag": '"abc-13"', "ChecksumType": "COMPOSITE"}, {}),
        ({"ChecksumSHA256": b64(SHA) + "-2", "ETag": '"abc"'}, {}),
        ({"ETag": '"abc"'}, {}),
    ],
)
def test_only_a_checksum_of_the_whole_object_can_be_compared(
    answer: dict[str, Any], expected: dict[str, str]
) -> None:
    assert comparable(answer) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"{SHA}  orders.dump\n",
        f"{SHA} *orders.dump\r\n",
        f"{SHA.upper()}\n",
        f"SHA256 (orders.dump) = {SHA}\n",
        f"SHA2-256(orders.dump)= {SHA}\n",
        f"\ufeff{SHA}  /var/backups/orders.dump",
        f"{SHA}  local-name.tmp\n",
        f"{'0' * 64}  other.dump\n{SHA}  ./orders.dump\n",
        f"# made by cron\n\n{SHA}\torders.dump\n",
    ],
)
def test_sidecar_is_read_in_every_usual_spelling(text: str) -> None:
    assert parse_sidecar(text, "orders.dump") == SHA


@pytest.mark.parametrize(
    "text", ["", "not a digest", f"{SHA[:40]}  orders.dump", f"{SHA}  a\n{'0' * 64}  b\n"]
)
def test_sidecar_without_a_digest_of_the_file_gives_none(text: str) -> None:
    assert parse_sidecar(text, "orders.dump") is None


def bit_by_bit(body: bytes, polynomial: int, width: int) -> int:
    """The definition: reflected, beginning and ending with all bits inverted."""
    state = ones = (1 << width) - 1
    for byte in body:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (polynomial if state & 1 else 0)
    return state ^ ones


CRCS = [
    ("crc32", "cbf43926", 0xEDB88320, 32),
    ("crc32c", "e3069283", 0x82F63B78, 32),
    ("crc64nvme", "ae8b14860a799888", 0x9A6C9329AC4BC9B5, 64),
]


@pytest.mark.parametrize(("name", "check", "polynomial", "width"), CRCS)
def test_crc_is_that_of_the_catalogue_however_it_is_cut(
    name: str, check: str, polynomial: int, width: int
) -> None:
    whole = Digests(name)
    whole.update(b"123456789")
    assert whole.hex(name) == check
    body = BODY * 3
    at_once, in_pieces = Digests(name), Digests(name)
    at_once.update(body)
    for start in range(0, len(body), 777):
        in_pieces.update(memoryview(body)[start : start + 777])
    assert at_once.hex(name) == in_pieces.hex(name) == f"{bit_by_bit(body, polynomial, width):0{width // 4}x}"


@pytest.mark.parametrize("name", ["crc32c", "crc64nvme"])
def test_crc_of_nothing_and_of_leading_zeros_keeps_its_digits(name: str) -> None:
    digests = Digests(name)
    digests.update(b"")
    assert int(digests.hex(name), 16) == 0
    assert len(digests.hex(name)) == {"crc32c": 8, "crc64nvme": 16}[name]


def test_etag_is_an_md5_only_if_it_looks_like_one() -> None:
    assert md5_of_etag('"' + "A" * 32 + '"') == "a" * 32
    assert md5_of_etag("a" * 32 + "-2") is None
    assert md5_of_etag(None) is None


def test_strongest_computable_checksum_counts() -> None:
    assert best_of({"crc32": "0", "sha256": "1"}) == "sha256"
    assert best_of({"crc32": "0", "sha1": "1"}) == "crc32"
    assert best_of({}) is None
    assert not computable("xxhash3")


@pytest.mark.parametrize(
    ("stored", "sidecar", "integrity"),
    [
        ({"sha256": SHA}, None, "s3-sha256"),
        ({"sha256": SHA}, SHA, "s3-sha256"),
        ({"crc32": CRC}, None, "s3-crc32"),
        ({"crc32": CRC}, SHA, "sidecar"),
        ({}, SHA, "sidecar"),
        ({}, None, "none"),
    ],
)
def test_strongest_proof_names_the_integrity(
    stored: dict[str, str], sidecar: str | None, integrity: str
) -> None:
    expected = expected_of(obj(stored), sidecar, "auto")
    assert expected.broken(seen()) == ()
    assert expected.integrity(seen()) == integrity


@pytest.mark.parametrize(
    ("stored", "sidecar", "broken"),
    [
        ({"crc32": "00000000"}, None, ["s3-crc32"]),
        ({"crc32": CRC}, "0" * 64, ["sidecar"]),
        ({"crc32": "00000000"}, SHA, ["s3-crc32"]),
        ({"sha256": "0" * 64}, "0" * 64, ["s3-sha256", "sidecar"]),
    ],
)
def test_every_stored_checksum_must_hold(
    stored: dict[str, str], sidecar: str | None, broken: list[str]
) -> None:
    found = expected_of(obj(stored), sidecar, "auto").broken(seen())
    assert [proof.source for proof in found] == broken


def test_etag_proves_when_it_matches_and_is_silent_when_not() -> None:
    md5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    assert expected_of(obj(etag=md5), None, "auto").integrity(seen()) == "etag-md5"
    other = expected_of(obj(etag="0" * 32), None, "auto")
    assert (other.broken(seen()), other.integrity(seen())) == ((), "none")


def test_required_takes_a_checksum_or_a_sidecar_and_no_etag() -> None:
    assert expected_of(obj({"crc32": CRC}), None, "required").proofs
    assert expected_of(obj(), SHA, "required").proofs
    with pytest.raises(PermanentError) as caught:
        expected_of(obj(etag="0" * 32), None, "required")
    assert caught.value.rule == "checksum-missing"


def test_none_looks_at_nothing() -> None:
    expected = expected_of(obj({"crc32": "00000000"}), "0" * 64, "none")
    assert (expected.broken(seen()), expected.integrity(seen())) == ((), "none")
