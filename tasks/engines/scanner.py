"""Where one statement of an SQL script ends and the next begins, decided from the bytes alone.

The scanner cuts as psql does: at a `;` outside quotes, comments, dollar quotes, parentheses and SQL function
bodies. Rows of `COPY ... FROM stdin` pass through in large pieces. Nothing is dropped or changed: the pieces
joined are the input. Time grows with the input only, however long a statement is and wherever chunks end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

_BOM = b"\xef\xbb\xbf"
_WORD_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$") | set(
    range(128, 256)
)
_FIRST_WORD = re.compile(rb"[A-Za-z]+")
# Groups repeat without a possessive `+`: Python 3.11.0 to 3.11.4 match those wrongly (gh-106052) and bring
# nothing. What follows them cannot fail, so there is nothing to go back to.
_SPACE = re.compile(rb"(?:[ \t\r\n\f\v]++|--[^\n]*+\n)*")
# What hides nothing: runs of ordinary bytes, and quotes that are closed and hold no backslash.
_SIMPLE = rb"(?<![eE])'[^'\\]*+(?:''[^'\\]*+)*'(?=[^'])|\"[^\"]*+\"|-(?=[^-])|/(?=[^*])"
_QUICK_RUN = re.compile(rb"(?:[^'\"$/\\;\-]++|" + _SIMPLE + rb")*")
_CAREFUL_RUN = re.compile(rb"(?:[^'\"$/\\;\-()A-Za-z_\x80-\xff]++|" + _SIMPLE + rb")*")
_WORD = re.compile(rb"[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+")
_DOLLAR = re.compile(rb"\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*+)?\$")
_ESCAPED = re.compile(rb"(?:[^'\\]++|\\.)*", re.DOTALL)
_CONTINUED = re.compile(rb"[ \t\f\v]*[\r\n]\s*'")
_BLOCK_EDGE = re.compile(rb"/\*|\*/")
_ROWS_END = re.compile(rb"\\\.[ \t]*\r?(?:\n|\Z)")
_COPY_HEAD = (
    rb"(?is)\ACOPY\b(?:--[^\n]*\n|/\*.*?\*/|\"[^\"]*\"|\((?:[^()'\"]|'[^']*'|\"[^\"]*\")*\)|[^'\"();])*?"
)
_COPY_IN = re.compile(_COPY_HEAD + rb"\bFROM\s+STDIN\b")
_SERVER_FILE = re.compile(_COPY_HEAD + rb"\b(?:FROM|TO)\s+(?:PROGRAM\b|[eE]?'|\$)")
_STRINGS = re.compile(
    rb"(?is)\ASET\s+(?:SESSION\s+|LOCAL\s+)?standard_conforming_strings\s*(?:=|\bTO\b)\s*'?(?P<value>\w+)"
)
_LOOKAHEAD = 256  # the longest opening that a chunk's edge may cut: a dollar quote's tag, a first word


class Kind(Enum):
    """What a piece of a script is."""

    GAP = auto()
    """White space and comments before a statement, a command or rows."""
    STATEMENT = auto()
    """One statement with its `;` (a script's last one may lack it)."""
    META = auto()
    """A psql command up to the end of its line, with the unfinished statement that it interrupts."""
    ROWS = auto()
    """Rows of the COPY before it; cut anywhere."""
    ROWS_END = auto()
    """The line that ends the rows."""
    CUT = auto()
    """The script ends inside a quote, a comment or a COPY (then without bytes)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a script."""

    kind: Kind
    data: bytes


def scan(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """Cut a script into pieces, which joined are the script again.

    Args:
        chunks: the script's bytes, cut anywhere.
    """
    cursor = _Cursor(iter(chunks))
    while True:
        gap = cursor.gap()
        if gap is not None:
            yield gap
        if cursor.at_end():
            return
        piece = cursor.statement()
        yield piece
        if piece.kind is Kind.STATEMENT and is_copy_in(piece.data):
            yield from cursor.rows()


def is_copy_in(statement: bytes) -> bool:
    """Tell whether rows follow *statement* in the script."""
    return statement[:4].upper() == b"COPY" and _COPY_IN.match(statement) is not None


def is_server_file(statement: bytes) -> bool:
    """Tell whether a COPY reads or writes a file or program of the server's machine."""
    return statement[:4].upper() == b"COPY" and _SERVER_FILE.match(statement) is not None


class _Cursor:
    """The bytes not given out yet are `buffer[start:]`; they were looked at up to `position`."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.buffer = bytearray()
        self.start = 0
        self.position = 0
        self.plain_strings = True
        self._ahead(len(_BOM))
        if self.buffer.startswith(_BOM):
            self.position = len(_BOM)

    def at_end(self) -> bool:
        """Tell whether everything was looked at."""
        return not self._ahead(1)

    def gap(self) -> Piece | None:
        """Take the white space and comments that come next."""
        whole = True
        while whole and self._ahead(1) and (found := _SPACE.match(self.buffer, self.position)) is not None:
            moved = found.end() > self.position
            self.position = found.end()
            self._ahead(2)
            if self.buffer.startswith(b"/*", self.position):
                whole = self._block_comment()
            elif self.buffer.startswith(b"--", self.position):
                self._find(b"\n")
            elif not moved:
                break
        return self._take(Kind.GAP if whole else Kind.CUT) if self.position > self.start else None

    def statement(self) -> Piece:
        """Take the statement or psql command that comes next."""
        self._ahead(_LOOKAHEAD)
        word = _FIRST_WORD.match(self.buffer, self.position)
        nests = word is not None and word.group().upper() == b"CREATE"
        piece = self._take(self._to_end(_Nesting() if nests else None))
        strings = _STRINGS.match(piece.data) if piece.data[:1] in b"sS" else None
        if strings is not None:
            self.plain_strings = strings["value"].lower() not in (b"off", b"false", b"no", b"0")
        return piece

    def rows(self) -> Iterator[Piece]:
        """Take what lies between a COPY and the line that ends its rows, and that line."""
        self._find(b"\n")
        if self.position > self.start:
            yield self._take(Kind.GAP)
        line = self._ends_at(self.position)
        while line is None:
            found = self.buffer.find(b"\n\\.", self.position)
            if found >= 0:
                self.position = found + 1
                line = self._ends_at(self.position)
                self.position += line is None
                continue
            self.position = max(self.position, len(self.buffer) - 2)
            if self.position > self.start:
                yield self._take(Kind.ROWS)
            if not self._more():
                self.position = len(self.buffer)
                if self.position > self.start:
                    yield self._take(Kind.ROWS)
                yield Piece(Kind.CUT, b"")
                return
        if self.position > self.start:
            yield self._take(Kind.ROWS)
        self.position += line
        yield self._take(Kind.ROWS_END)

    def _ends_at(self, position: int) -> int | None:
        """The length of the line at *position* if it ends the rows."""
        while len(self.buffer) - position < 8 and self._more_behind(position):  # noqa: PLR2004  `\.` with its line end
            position = self.position
        found = _ROWS_END.match(self.buffer, position)
        return None if found is None else found.end() - position

    def _more_behind(self, position: int) -> bool:
        self.position = position
        return self._more()

    # -- inside a statement

    def _to_end(self, nesting: _Nesting | None) -> Kind:
        """Move behind the statement's `;`."""
        run = _QUICK_RUN if nesting is None else _CAREFUL_RUN
        while True:
            if self.plain_strings and (found := run.match(self.buffer, self.position)) is not None:
                self.position = found.end()
            if not self._ahead(1):
                return Kind.STATEMENT
            kind = self._special(nesting)
            if kind is not None:
                return kind

    def _special(self, nesting: _Nesting | None) -> Kind | None:
        """Move over one thing that hides others, or one byte; the kind of the piece where it ends here."""
        byte = self.buffer[self.position]
        whole = True
        if byte == ord(";"):
            self.position += 1
            return Kind.STATEMENT if nesting is None or nesting.outermost else None
        if byte == ord("\\"):
            self._find(b"\n")
            return Kind.META
        if byte == ord("'"):
            whole = self._string()
        elif byte == ord('"'):
            self.position += 1
            whole = self._find(b'"')
        elif byte == ord("$"):
            whole = self._dollar()
        elif byte in (ord("-"), ord("/")):
            whole = self._comment()
        elif nesting is not None:
            self._nest(nesting)
        else:
            self.position += 1
        return None if whole else Kind.CUT

    def _nest(self, nesting: _Nesting) -> None:
        self._ahead(_LOOKAHEAD)
        word = _WORD.match(self.buffer, self.position)
        text = bytes(self.buffer[self.position : self.position + 1]) if word is None else word.group()
        nesting.see(text)
        self.position += len(text)

    def _string(self) -> bool:
        if not self.plain_strings or self._escapes():
            return self._escaped_string()
        self.position += 1
        return self._find(b"'")  # a doubled quote ends one string and begins the next

    def _escapes(self) -> bool:
        """Tell whether the quote at the position opens an E'' string."""
        before = self.buffer[max(self.start, self.position - 2) : self.position]
        follows = before.endswith((b"e", b"E"))
        return follows and (len(before) == 1 or before[0] not in _WORD_BYTES)

    def _escaped_string(self) -> bool:
        self.position += 1
        while True:
            found = _ESCAPED.match(self.buffer, self.position)
            self.position = self.position if found is None else found.end()
            if self.buffer.startswith(b"'", self.position):
                self.position += 1
                if not self._goes_on():
                    return True
            elif not self._ahead(2):
                self.position = len(self.buffer)
                return False

    def _goes_on(self) -> bool:
        """Move into the continuation of a string: a doubled quote, or a quote on a later line."""
        self._ahead(_LOOKAHEAD)
        if self.buffer.startswith(b"'", self.position):
            self.position += 1
            return True
        found = _CONTINUED.match(self.buffer, self.position)
        self.position = self.position if found is None else found.end()
        return found is not None

    def _dollar(self) -> bool:
        self._ahead(_LOOKAHEAD)
        inside_word = self.position > self.start and self.buffer[self.position - 1] in _WORD_BYTES
        opening = None if inside_word else _DOLLAR.match(self.buffer, self.position)
        if opening is None:
            self.position += 1
            return True
        self.position = opening.end()
        return self._find(opening.group())

    def _comment(self) -> bool:
        self._ahead(2)
        if self.buffer.startswith(b"/*", self.position):
            return self._block_comment()
        if self.buffer.startswith(b"--", self.position):
            self._find(b"\n")
        else:
            self.position += 1
        return True

    def _block_comment(self) -> bool:
        """Move behind a comment, which may hold comments; False where the script ends inside."""
        depth = 0
        while True:
            found = _BLOCK_EDGE.search(self.buffer, self.position)
            if found is not None:
                self.position = found.end()
                depth += 1 if found.group() == b"/*" else -1
                if depth == 0:
                    return True
                continue
            self.position = max(self.position, len(self.buffer) - 1)
            if not self._more():
                self.position = len(self.buffer)
                return False

    # -- bytes

    def _more(self) -> bool:
        """Append a chunk; False at the end of the script."""
        for chunk in self.chunks:
            if chunk:
                del self.buffer[: self.start]
                self.position -= self.start
                self.start = 0
                self.buffer += chunk
                return True
        return False

    def _ahead(self, length: int) -> bool:
        """See to it that *length* bytes lie ahead; False where the script ends before."""
        while len(self.buffer) - self.position < length:
            if not self._more():
                return False
        return True

    def _find(self, needle: bytes) -> bool:
        """Move behind the next *needle*; False, at the end, where there is none."""
        while True:
            found = self.buffer.find(needle, self.position)
            if found >= 0:
                self.position = found + len(needle)
                return True
            self.position = max(self.position, len(self.buffer) - len(needle) + 1)
            if not self._more():
                self.position = len(self.buffer)
                return False

    def _take(self, kind: Kind) -> Piece:
        data = bytes(memoryview(self.buffer)[self.start : self.position])
        self.start = self.position
        return Piece(kind, data)


class _Nesting:
    """Parentheses and SQL function bodies, inside which a `;` does not end a CREATE statement."""

    def __init__(self) -> None:
        self.parentheses = 0
        self.bodies = 0
        self.words: list[bytes] = []

    @property
    def outermost(self) -> bool:
        return self.parentheses == 0 and self.bodies == 0

    def see(self, token: bytes) -> None:
        """Take note of a parenthesis or word; other bytes mean nothing."""
        if token == b"(":
            self.parentheses += 1
        elif token == b")":
            self.parentheses = max(0, self.parentheses - 1)
        elif token[:1].isalpha():
            self._word(token.upper())

    def _word(self, word: bytes) -> None:
        if len(self.words) < 4:  # noqa: PLR2004  CREATE OR REPLACE FUNCTION
            self.words.append(word)
        if self.parentheses or not self._routine:
            return
        if word == b"BEGIN" or (word == b"CASE" and self.bodies):
            self.bodies += 1
        elif word == b"END" and self.bodies:
            self.bodies -= 1

    @property
    def _routine(self) -> bool:
        kinds = self.words[1:2] if self.words[1:3] != [b"OR", b"REPLACE"] else self.words[3:4]
        return kinds in ([b"FUNCTION"], [b"PROCEDURE"])
