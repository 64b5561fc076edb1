"""What rewritten line ends did to a script's values.

A terminal (docker exec -t) or Windows ends every line of a script in CR LF. Rows of COPY come back as they
were, for a line end inside a value is written as an escape there; values of INSERT, function bodies and
comments hold their line ends as they are, and so come back with carriage returns in them.
"""

from __future__ import annotations

from tasks.model.findings import Finding
from tasks.model.rules import finding

_VALUES = (b"INSERT", b"UPDATE")
_BODIES = (b"CREATE FUNCTION", b"CREATE PROCEDURE", b"CREATE OR REPLACE", b"DO ")


class LineEnds:
    """Counts line ends between statements, and the statements that hold some inside their values."""

    def __init__(self) -> None:
        self.lines = 0
        self.rewritten = 0
        self.values = 0
        self.bodies = 0

    def gap(self, data: bytes) -> None:
        """Take what lies between statements: only there is a line end nobody's data."""
        self.lines += data.count(b"\n")
        self.rewritten += data.count(b"\r\n")

    def statement(self, data: bytes) -> None:
        """Take a statement."""
        if b"\r\n" not in data:
            return
        head = data[:24].upper()
        if head.startswith(_BODIES):
            self.bodies += 1
        elif any(b"\r\n" in text for text in data.split(b"'")[1::2]):
            self.values += head.startswith(_VALUES)
            self.bodies += not head.startswith(_VALUES)

    def findings(self, where: str, written_by: str) -> tuple[Finding, ...]:
        """Return the warning, if every line end was rewritten and that is known or means anything."""
        if not self.lines or self.rewritten < self.lines or not (written_by or self.values):
            return ()
        message = "Every line of the script ends in CR LF: a terminal (docker exec -t) or Windows rewrote it."
        return (finding("line-ends-rewritten", f"{message} {self._meaning()}", where=where),)

    def _meaning(self) -> str:
        if self.values:
            return (
                f"{self.values:,} statements hold values with line breaks: those came back with carriage "
                "returns in them and are not the source's."
            )
        if self.bodies:
            return (
                f"Rows came back as they were; {self.bodies:,} function bodies, comments or other "
                "definitions hold carriage returns now."
            )
        return "No value holds a line break, so nothing was changed this time."
