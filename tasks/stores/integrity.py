"""What the downloaded bytes are compared with: everything that is stored, whatever it is worth.

`checksum: required` takes a stored checksum or a sidecar. An ETag that equals the MD5 proves the bytes as
well, but nobody put it there to: under `required` it is not enough, and one that differs is no sign of
damage.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.model.backup import StoredObject
from tasks.model.errors import PermanentError
from tasks.stores.base import Store
from tasks.stores.checksums import Digests, best_of, md5_of_etag
from tasks.stores.sidecars import sidecar_of_file


@dataclass(frozen=True, slots=True)
class Proof:
    """One stored digest of the whole file: `source` is `s3-sha256`, `s3-crc32`, ... or `sidecar`."""

    source: str
    algorithm: str
    digest: str


@dataclass(frozen=True, slots=True)
class Expected:
    """Everything that one file's bytes can be held against.

    Attributes:
        md5: what the ETag may be; asked only where nothing better is there.
    """

    proofs: tuple[Proof, ...] = ()
    md5: str | None = None

    def digests(self) -> Digests:
        """Return the digests to take while downloading; SHA-256 always, it goes into the evidence."""
        names = {"sha256", *(proof.algorithm for proof in self.proofs)} | ({"md5"} if self.md5 else set())
        return Digests(*sorted(names))

    def broken(self, seen: Digests) -> tuple[Proof, ...]:
        """Return the proofs that the bytes do not meet."""
        return tuple(proof for proof in self.proofs if seen.hex(proof.algorithm) != proof.digest)

    def integrity(self, seen: Digests) -> str:
        """Return what proved the bytes: a proof's source, `etag-md5` or `none`."""
        if self.proofs:
            return self.proofs[0].source
        return "etag-md5" if self.md5 and seen.hex("md5") == self.md5 else "none"


def expected_of(obj: StoredObject, sidecar: str | None, policy: str) -> Expected:
    """Return what *obj*'s bytes are held against under *policy* (`auto`, `required`, `none`).

    The *sidecar* is the SHA-256 that the backup job wrote, if any.

    Raises:
        PermanentError: `checksum-missing` under `required`.
    """
    if policy == "none":
        return Expected()
    best = best_of(obj.checksums)
    stored = (Proof(f"s3-{best}", best, obj.checksums[best]),) if best else ()
    beside = (Proof("sidecar", "sha256", sidecar),) if sidecar else ()
    proofs = stored + beside if best == "sha256" else beside + stored
    if not proofs and policy == "required":
        raise _missing(obj)
    return Expected(proofs, None if proofs else md5_of_etag(obj.etag))


def expected_of_file(store: Store, obj: StoredObject, policy: str) -> Expected:
    """Return what a single file is held against; the sidecar is looked for beside it."""
    sidecar = None if policy == "none" else sidecar_of_file(store, obj)
    return expected_of(obj, sidecar, policy)


def _missing(obj: StoredObject) -> PermanentError:
    stored = f", and {', '.join(sorted(obj.checksums))} cannot be computed here" if obj.checksums else ""
    return PermanentError(
        f"A checksum is required and none that covers the whole object is stored{stored}: "
        "a flipped bit would pass unseen.",
        obj.uri,
        rule="checksum-missing",
    )
