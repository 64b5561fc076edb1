"""backup_manifest: which files the backup holds, of which size and checksum, by the server's own word.

Checked by ourselves while the files are written, so that nothing is read twice, and for every major alike:
pg_verifybackup reads only its own major's, follows links out of the copy and parses WAL that lies elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from expectations.json_text import JsonInvalid, read_object
from tasks.model.bounded_list import listing
from tasks.model.errors import PermanentError
from tasks.stores.checksums import Digests
from tasks.wal.names import parse_lsn

LARGEST_BYTES = 256 << 20
_ALGORITHMS = {
    "CRC32C": "crc32c",
    "SHA224": "sha224",
    "SHA256": "sha256",
    "SHA384": "sha384",
    "SHA512": "sha512",
}
_LISTED = 3
_OWN_LINE = re.compile(rb'\n"Manifest-Checksum": "(?P<digest>[0-9a-f]{64})"\}\s*$')
_NOT_OF_IT = re.compile(
    r"(postgresql\.auto\.conf|standby\.signal|recovery\.signal|backup_manifest|pg_wal(/.*)?)$"
)
"""What pg_verifybackup leaves out too: written anew by pg_basebackup -R, or not the backup's own."""


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file: its size, and its checksum as the manifest writes it."""

    bytes: int
    algorithm: str | None
    checksum: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup's manifest.

    Attributes:
        files: by name in the data folder, `/` between parts.
        start_lsn, stop_lsn: the WAL without which it cannot become consistent; None where it says none.
        timeline: at its end.
        system_identifier: from 17 on.
    """

    files: Mapping[str, ManifestFile]
    start_lsn: int | None = None
    stop_lsn: int | None = None
    timeline: int | None = None
    system_identifier: int | None = None

    def digests_for(self, name: str) -> Digests | None:
        """Return what takes in the bytes of the file *name*; None where nothing is to be compared."""
        file = self.files.get(name)
        return Digests(_ALGORITHMS[file.algorithm]) if file is not None and file.algorithm else None


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that came out of a backup: its size, and what took in its bytes."""

    bytes: int
    digests: Digests | None = None


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Return what the manifest *data* says.

    Raises:
        PermanentError: `backup-manifest-mismatch`: it is damaged, or not what the server wrote.
    """
    _require_own_checksum(data, where)
    try:
        return _manifest_of(read_object(data, LARGEST_BYTES))
    except JsonInvalid as error:
        raise _damaged(str(error), where) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged("an entry of it is not as PostgreSQL writes it", where) from error


def compare(manifest: Manifest, written: Mapping[str, WrittenFile], where: str) -> None:
    """Hold the files that came out of the backup against its manifest.

    Raises:
        PermanentError: `backup-manifest-mismatch`, naming the first files that differ.
    """
    differing = list(_differing(manifest, written))
    if differing:
        names = listing([f"{name} ({what})" for name, what in differing], _LISTED)
        raise PermanentError(
            f"{len(differing)} of the backup's {len(manifest.files):,} files are not what its manifest says: "
            f"{names}. The copy is not what the server sent.",
            where=differing[0][0] if len(differing) == 1 else where,
            rule="backup-manifest-mismatch",
        )


def _differing(manifest: Manifest, written: Mapping[str, WrittenFile]) -> Iterator[tuple[str, str]]:
    for name, file in manifest.files.items():
        if _NOT_OF_IT.match(name):
            continue
        ours = written.get(name)
        if ours is None:
            yield name, "missing"
        elif ours.bytes != file.bytes:
            yield name, f"{ours.bytes:,} bytes, not {file.bytes:,}"
        elif file.algorithm and ours.digests is not None and not _same(file, ours.digests):
            yield name, "another checksum"


def _same(file: ManifestFile, digests: Digests) -> bool:
    digest = digests.hex(_ALGORITHMS[file.algorithm or ""])
    if file.algorithm == "CRC32C":  # as the machine that took the backup keeps a number
        return file.checksum in {digest, bytes.fromhex(digest)[::-1].hex()}
    return file.checksum == digest


def _manifest_of(document: dict[str, Any]) -> Manifest:
    ranges = document.get("WAL-Ranges") or []
    identifier = document.get("System-Identifier")
    return Manifest(
        files=dict(map(_file_of, document["Files"])),
        start_lsn=min((parse_lsn(part["Start-LSN"]) for part in ranges), default=None),
        stop_lsn=max((parse_lsn(part["End-LSN"]) for part in ranges), default=None),
        timeline=max((int(part["Timeline"]) for part in ranges), default=None),
        system_identifier=None if identifier is None else int(identifier),
    )


def _file_of(entry: dict[str, Any]) -> tuple[str, ManifestFile]:
    name = (
        entry["Path"]
        if "Path" in entry
        else bytes.fromhex(entry["Encoded-Path"]).decode("utf-8", "surrogateescape")
    )
    algorithm = entry.get("Checksum-Algorithm")
    if algorithm is not None and algorithm not in _ALGORITHMS:
        raise ValueError(algorithm)
    return str(name), ManifestFile(int(entry["Size"]), algorithm, str(entry.get("Checksum", "")).lower())


def _require_own_checksum(data: bytes, where: str) -> None:
    match = _OWN_LINE.search(data, max(0, len(data) - 256))
    if match is None:
        raise _damaged("it does not end with its own checksum: it was cut", where)
    if hashlib.sha256(data[: match.start() + 1]).hexdigest().encode() != match["digest"]:
        raise _damaged("it does not match its own checksum", where)


def _damaged(what: str, where: str) -> PermanentError:
    return PermanentError(
        f"The backup's manifest is damaged: {what}. Nothing proves the backup's files.",
        where,
        rule="backup-manifest-mismatch",
    )
