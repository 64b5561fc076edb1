"""The stream: a script's statements, rows and changes of database, each with the line where it begins.

psql's own commands end here: those of genuine dumps are carried out or passed over, and any other, which
could run a program or read a file, ends the restore before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.engines.sql.classifier import PSQL_COMMANDS, Meta, read_meta
from tasks.engines.sql.splitter import Kind, Piece
from tasks.model.errors import StageFailed
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.units import format_bytes

LONGEST_STATEMENT_BYTES = 768 << 20
"""PostgreSQL takes a message of 1 GiB. A statement is in our memory twice (libpq copies it), and a drill's
process may have 2 GiB."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step through a script.

    Attributes:
        kind: of the piece; `Kind.META` is a change of database and nothing else.
        data: its bytes.
        database: that is connected to.
    """

    kind: Kind
    data: bytes
    database: str = ""


class ScriptStream:
    """Reads pieces as psql would.

    Args:
        pieces: of the script.
        lines_before: of the file, that are no part of the script.

    Attributes:
        line: where the present step begins.
    """

    def __init__(self, pieces: Iterable[Piece], lines_before: int = 0) -> None:
        self.line = 1 + lines_before
        self._pieces = pieces
        self._restricted: str | None = None
        self._has_ended = False

    def __iter__(self) -> Iterator[Step]:
        """Yield every step.

        Raises:
            StageFailed: `hostile-content`: a psql command that no dump holds.
        """
        for piece in self._pieces:
            if self._has_ended and piece.kind is not Kind.GAP:
                raise self.refusal("more behind the psql command that ends it,")
            step = self._command(piece.data) if piece.kind is Kind.META else Step(piece.kind, piece.data)
            if step is not None:
                yield step
            self.line += piece.data.count(b"\n")

    def _command(self, line: bytes) -> Step | None:
        """Return what a psql command comes to; None where that is nothing."""
        if line[:1] != b"\\":
            raise self.refusal("a psql command in the middle of a statement")
        meta = read_meta(line)
        if meta.database is not None:
            return Step(Kind.META, line, meta.database)
        if meta.encoding is not None:
            return Step(Kind.STATEMENT, f"SET client_encoding = '{meta.encoding}';".encode())
        if meta.ends:
            self._has_ended = True
        elif not (meta.harmless or meta.word == "." or self._restricts(meta)):
            named = f"the psql command \\{meta.word}" if meta.word in PSQL_COMMANDS else "a psql command"
            raise self.refusal(named)
        return None

    def _restricts(self, meta: Meta) -> bool:
        r"""Tell whether *meta* is a `\restrict`, or an `\unrestrict` with its key."""
        if meta.key is None or (meta.word != "restrict" and meta.key != self._restricted):
            return False
        self._restricted = meta.key if meta.word == "restrict" else None
        return True

    def refusal(self, what: str) -> StageFailed:
        """Return the error for something hostile at this step."""
        message = (
            f"The script holds {what} at line {self.line}, which could run a program, read a file or leave "
            f"its database. It was refused, and nothing behind it was run."
        )
        return StageFailed((finding("hostile-content", message, where=f"line {self.line}"),))

    def too_long(self, where: str) -> Finding:
        """Return the finding of a statement that goes on beyond the limit."""
        message = (
            f"A statement or comment that begins at line {self.line} of the script is longer than "
            f"{format_bytes(LONGEST_STATEMENT_BYTES)}. It was not run, nor what follows it. It says nothing "
            "about the backup."
        )
        return finding("statement-too-long", message, where=where)

    def cut(self, inside: str, where: str) -> Finding:
        """Return the finding of a script that ends *inside* something."""
        message = (
            f"The script ends in the middle of {inside}, at line {self.line}. What came after it is lost."
        )
        return finding("archive-truncated", message, where=where)
