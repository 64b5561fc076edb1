"""Whether a script holds two dumps of one database, one behind the other: `>>` where `>` was meant.

psql runs both. The second finds the tables of the first in its way, and what comes back is the older; with
`pg_dump --clean` it drops them first, and what comes back is the newer. Dumps that complete each other (the
schema and then the data, table after table) announce nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.engines.errors.failure import label
from tasks.model.backup import TocEntry
from tasks.model.findings import Finding, Severity
from tasks.model.rules import finding

_HEADER = re.compile(rb"^-- PostgreSQL database dump[ \t]*\r?$", re.MULTILINE)
_ONCE = frozenset({"TABLE", "TABLE DATA"})


class SecondDump:
    """Notices the first thing that a later dump of the script announces again.

    Attributes:
        line: where that stands; None as long as there is none.
    """

    def __init__(self) -> None:
        self.line: int | None = None
        self._what = ""
        self._headers = 0
        self._announced: dict[tuple[str, str, str], int] = {}

    def header(self, gap: bytes) -> None:
        """Take comments: each dump begins with its own."""
        self._headers += len(_HEADER.findall(gap))

    def entries(self, entries: Iterable[TocEntry], line: int) -> None:
        """Take what the comments of the restored database announce at *line*."""
        for entry in entries:
            if entry.desc not in _ONCE:
                continue
            before = self._announced.setdefault((entry.desc, entry.namespace, entry.tag), self._headers)
            if before != self._headers and self.line is None:
                self.line, self._what = line, label(entry)

    def starts_again(self) -> None:
        """Forget what was announced: another database is restored."""
        self._announced.clear()
        self.line = None

    def findings(self, where: str, *, is_lost: bool) -> tuple[Finding, ...]:
        """Return what two dumps in the script *where* come to; *is_lost* where the second changes nothing."""
        if self.line is None:
            return ()
        came = (
            "What the first made is in its way: whoever restores the script gets the older rows."
            if is_lost
            else "It drops what the first made, so that the newer comes back."
        )
        message = (
            f"A second dump of the database stands in the script: {self._what} is announced again at line "
            f"{self.line}. {came}"
        )
        severity = None if is_lost else Severity.WARNING
        return (finding("archive-doubled", message, where=where, severity=severity),)
