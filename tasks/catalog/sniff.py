"""What a backup is, decided by its first bytes and never by its name.

The name only claims. Where bytes and claim differ the bytes are believed and `misnamed` says so: whoever
restores by hand at night goes by the name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.catalog import tar
from tasks.catalog.compression import BZIP2, COMPRESSIONS, GZIP, LZ4, SUFFIXES, XZ, ZSTD, skip_frames
from tasks.catalog.toc import MAGIC
from tasks.model.backup import ArchiveHead, Format
from tasks.model.findings import Finding
from tasks.model.rules import finding

SNIFF_BYTES = 4096
GPG, AGE, OPENSSL = "gpg", "age", "openssl"
ENCRYPTIONS = (GPG, AGE, OPENSSL)
ZIP = "zip"
"""A wrapper as `tar` is: one dump in it, beside other files."""

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", GZIP),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"\x04\x22\x4d\x18", LZ4),
    (b"\xfd7zXZ\x00", XZ),
    (b"age-encryption.org/", AGE),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", AGE),
    (b"-----BEGIN PGP MESSAGE-----", GPG),
    (b"Salted__", OPENSSL),
    (b"U2FsdGVkX1", OPENSSL),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
)
_CONTAINERS = (
    (b"PK\x07\x08", "the first part of a split ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x02\x21\x4c\x18", "an lz4 stream in the legacy format"),
    (b"\x1f\x9d", "a stream of compress"),
    (b"\x89LZO\x00", "an lzop stream"),
    (b"LZIP", "an lzip stream"),
    (b"\xff\x06\x00\x00sNaPpY", "a snappy stream"),
    (b"[backrest]", "a file of pgBackRest's repository"),
    (b"\xa3\x01", "an OpenPGP message that is signed or packed and not encrypted"),
    (b"\xa3\x02", "an OpenPGP message that is signed or packed and not encrypted"),
    (b"\xa3\x03", "an OpenPGP message that is signed or packed and not encrypted"),
    (b"\x90\x0d\x03", "an OpenPGP message that is signed and not encrypted"),
    (b"-----BEGIN PGP SIGNED MESSAGE-----", "an OpenPGP message that is signed and not encrypted"),
)
_CIPHERS = (
    (b"-----BEGIN CMS-----", "openssl cms"),
    (b"-----BEGIN PKCS7-----", "openssl smime"),
    (b"$ANSIBLE_VAULT;", "Ansible Vault"),
    (b"RCLONE\x00\x00", "rclone crypt"),
    (b"AES\x02", "AES Crypt"),
    (b"AES\x03", "AES Crypt"),
    (b"scrypt\x00", "scrypt"),
    (b"LUKS\xba\xbe", "LUKS"),
)
_ENVELOPED = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"
"""Object identifier of CMS's enveloped data, as it stands in DER."""
_STRANGERS = (
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF-", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"PAR1", "a Parquet file"),
)
_CIPHER_NAMES = frozenset(
    [
        ".enc",
        ".aes",
        ".aes256",
        ".ssl",
        ".openssl",
        ".crypt",
        ".crypted",
        ".encrypted",
        ".cpt",
        ".bfe",
        ".des3",
    ]
)
"""Suffixes of programs that write nothing but what they encrypted."""
_LEAST_RANDOM, _CHI_SQUARE = 256, range(120, 390)
"""Bytes that show anything, and what random ones give: 255, 23 up or down, here six times that."""
_OLD_PGP = {0x84: 2, 0x85: 3, 0x86: 5, 0x8C: 2, 0x8D: 3}
_NEW_PGP = (0xC1, 0xC3)
_PGP_VERSIONS = (3, 4, 5, 6)
_TARS = (Format.TAR, Format.DIRECTORY, Format.BASEBACKUP)
_PLAIN_NAMES, _PLAIN = (".sql",), (Format.PLAIN, Format.CLUSTER)
_WRAPPER_NAMES = SUFFIXES | {".gpg": GPG, ".pgp": GPG, ".asc": GPG, ".age": AGE, ".zip": ZIP}
SHORTHANDS = {".tgz": ".tar.gz", ".tzst": ".tar.zst", ".tbz2": ".tar.bz2", ".txz": ".tar.xz"}
_SUFFIX = re.compile(r"\.[a-z0-9]+$")


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the first bytes look like.

    Attributes:
        kind: a compression, an encryption, `custom`, `tar`, `zip`, `text`, `container`, `cipher`,
            `stranger`, `empty` or `unknown`.
        looks_like: for containers and strangers, what a person would call it; of a cipher, its program.
    """

    kind: str
    looks_like: str = ""


def sniff(head: bytes) -> Sniffed:
    """Return what a backup that begins with *head* (`SNIFF_BYTES`, or all there is) looks like."""
    if not head:
        return Sniffed("empty")
    if head.startswith(MAGIC) or MAGIC.startswith(head):
        return Sniffed("custom")
    for magic, kind in _MAGICS:
        if skip_frames(head).startswith(magic):
            return Sniffed(kind)
    if head[:3] == b"BZh" and head[4:10] in {b"1AY&SY", b"\x17rE8P\x90"}:
        return Sniffed(BZIP2)
    for table, kind in ((_CONTAINERS, "container"), (_CIPHERS, "cipher"), (_STRANGERS, "stranger")):
        for magic, name in table:
            if head.startswith(magic):
                return Sniffed(kind, name)
    return _by_shape(head)


def misnamed(name: str, head: ArchiveHead) -> Finding | None:
    """Return the warning that *name* claims another format than the bytes hold, or None.

    Only a suffix that makes a definite claim is taken at its word: `.dump`, `.backup` and `.bak` make none.
    """
    if head.format is Format.DIRECTORY and not head.wrappers:
        return None  # a folder's name claims nothing
    wrappers, formats = _claims(name)
    actual = " in ".join((head.format.value, *reversed(head.wrappers)))
    compressed = tuple(w for w in head.wrappers if w in COMPRESSIONS or w in ENCRYPTIONS or w == ZIP)
    lies = [w for w in wrappers if w not in compressed]
    is_tar = formats == _TARS and "tar" in head.wrappers
    if (
        not lies
        and formats
        and not is_tar
        and head.format is not Format.UNKNOWN
        and head.format not in formats
    ):
        lies = [formats[0].value]
    if not lies and formats == _PLAIN and compressed and not wrappers:
        lies = ["an uncompressed script"]
    if not lies:
        return None
    return finding(
        "archive-misnamed",
        f"The name claims {', '.join(lies)} and the bytes hold {actual}. The drill goes by the bytes; a "
        "person goes by the name.",
        where=name,
    )


def may_be_encrypted(head: bytes, name: str) -> str:
    """Return the suffix of *name* that says so, where bytes of no known format look random; "" for others."""
    suffixes = {f".{part}" for part in name.rsplit("/", 1)[-1].lower().split(".")[1:]}
    claim = min(suffixes & _CIPHER_NAMES, default="")
    return claim if claim and _looks_random(head) else ""


def _looks_random(head: bytes) -> bool:
    expected = len(head) / 256
    deviation = sum((count - expected) ** 2 for count in map(head.count, range(256)))
    return len(head) >= _LEAST_RANDOM and int(deviation / expected) in _CHI_SQUARE


def _by_shape(head: bytes) -> Sniffed:
    if tar.is_header(head):
        return Sniffed("tar")
    if _is_pgp(head):
        return Sniffed(GPG)
    if cipher := _cipher(head):
        return Sniffed("cipher", cipher)
    if not head.strip(b"\0"):
        return Sniffed("stranger", "nothing but zero bytes")
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return Sniffed("stranger", "text in UTF-16, as PowerShell's > writes it, which psql cannot read")
    return Sniffed("unknown" if b"\0" in head or not _is_text(head) else "text")


def _is_pgp(head: bytes) -> bool:
    """Say whether this is an OpenPGP message: session key packet, public-key or symmetric."""
    tag = head[0]
    if tag in _OLD_PGP:
        at = _OLD_PGP[tag]
    elif tag in _NEW_PGP and len(head) > 1:
        at = 2 if head[1] < 192 else (3 if head[1] < 224 else 6)  # noqa: PLR2004  RFC 4880, 4.2.2
    else:
        return False
    return len(head) > at and head[at] in _PGP_VERSIONS


def _cipher(head: bytes) -> str:
    """Return the program that encrypted this, where no fixed first bytes tell; "" for none."""
    if head[:1] == b"\x30" and _ENVELOPED in head[:24]:
        return "openssl cms or smime"
    if head.startswith(b"MIME-Version:") and b"pkcs7-mime" in head[:512]:
        return "openssl smime"
    return "sops" if b"ENC[AES256_GCM," in head[:256] else ""


def _is_text(head: bytes) -> bool:
    """Say whether this is text, in UTF-8 or in an encoding of one byte: SQL is ASCII for the most part."""
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)  # noqa: PLR2004
    if controls > len(head) // 10:
        return False
    try:
        head[:-4].decode("utf-8")  # the last character may be cut
    except UnicodeDecodeError:
        return sum(byte > 127 for byte in head) < len(head) // 2  # noqa: PLR2004
    return True


def _claims(name: str) -> tuple[list[str], tuple[Format, ...]]:
    """Return the wrappers and the formats that the suffixes of *name* claim."""
    rest = name.rstrip("/").rsplit("/", 1)[-1].lower()
    wrappers: list[str] = []
    for short, long in SHORTHANDS.items():
        if rest.endswith(short):
            rest = rest.removesuffix(short) + long
    while match := _SUFFIX.search(rest):
        wrapper = _WRAPPER_NAMES.get(match[0])
        if wrapper is None:
            return wrappers, _PLAIN if match[0] in _PLAIN_NAMES else _tar_formats(match[0])
        wrappers.append(wrapper)
        rest = rest[: match.start()]
    return wrappers, ()


def _tar_formats(suffix: str) -> tuple[Format, ...]:
    if suffix != ".tar":
        return ()
    return _TARS
