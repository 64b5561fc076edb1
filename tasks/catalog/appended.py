"""What lies behind the end of an archive, as every format says it."""

from __future__ import annotations

from tasks.model.errors import PermanentError
from tasks.model.findings import Finding, Severity
from tasks.model.rules import finding


def doubled(at: int, kind: str, where: str) -> PermanentError:
    """Return the error for a file that holds a second archive, from byte *at*, behind the first."""
    return PermanentError(
        f"A second {kind} archive begins at byte {at}, behind the end of the first. Whoever restores the "
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
