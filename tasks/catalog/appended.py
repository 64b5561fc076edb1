"""What lies behind the end of an archive, as every format says it."""

from __future__ import annotations

from tasks.model.errors import PermanentError
from tasks.model.findings import Finding, Severity
from tasks.model.rules import finding

LOOK_BYTES = 64 << 10
_BEGIN_AS = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xfd7zXZ\x00", "xz"),
)
_HOLD = ((b"toc.dat\0", "tar"), (b"PGDMP", "custom"), (b"-- PostgreSQL database ", "plain"))
_TAR_MAGIC = slice(257, 262)


def second_dump(after: bytes) -> tuple[int, str] | None:
    """Return where in *after*, the first `LOOK_BYTES` behind an archive, another dump begins, and its kind.

    A job that changed its format writes another kind behind the first; messages of a job are none.
    """
    begins = after.lstrip(b"\0\r\n\t ")
    at = len(after) - len(begins)
    if begins[_TAR_MAGIC] == b"ustar":
        return at, "tar"
    kind = next((kind for magic, kind in _BEGIN_AS if begins.startswith(magic)), None)
    if kind is not None:
        return at, kind
    return next(((after.find(magic), kind) for magic, kind in _HOLD if magic in after), None)


def doubled(at: int, kind: str, where: str) -> PermanentError:
    """Return the error for a file that holds a second archive, from byte *at*, behind the first."""
    return PermanentError(
        f"Another {kind} dump begins at byte {at}, behind the end of the first. Whoever restores the "
        "file gets the first, and what was stored last does not come back.",
        where,
        rule="archive-doubled",
    )


def followed(length: int, end: str, where: str) -> Finding:
    """Return the warning that *length* bytes of no archive follow the *end*."""
    return finding(
        "archive-corrupt",
        f"{length} bytes follow {end}: something was appended, or written over its end.",
        where=where,
        severity=Severity.WARNING,
    )
