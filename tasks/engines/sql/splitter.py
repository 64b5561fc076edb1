"""Where one statement of an SQL script ends and the next begins, decided from the bytes alone.

The scanner cuts as psql does: at a `;` outside quotes, comments, dollar quotes, parentheses and SQL function
bodies. Rows of `COPY ... FROM stdin` pass through in large pieces. Nothing is dropped or changed: the pieces
joined are the input. Time grows with the input only, however long a statement is and wherever chunks end;
memory with the longest statement, once, up to a limit: beyond it the scan ends and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice

from tasks.catalog.lexer import LONGEST_BYTES, PIECE_BYTES, Lexer, TooLong, tokens

_BOM = b"\xef\xbb\xbf"
_FIRST_WORD = re.compile(rb"[A-Za-z]{1,32}")
_FIRST_BYTES = 33
# What hides nothing: runs of ordinary bytes, and quotes that are closed in what was read. The alternatives
# begin with different bytes and each run stops where another begins: one way to match, and no going back.
_CLOSED = rb"(?<![eE])'[^']*+'|\"[^\"]*+\"|-(?=[^-])|/(?=[^*])"
_QUICK_RUN = re.compile(rb"(?:[^'\"$/\\;\-]++|" + _CLOSED + rb")*")
_NESTED_RUN = re.compile(rb"(?:[^'\"$/\\;\-()]++|" + _CLOSED + rb")*")
_CAREFUL_RUN = re.compile(rb"(?:[^'\"$/\\;\-()A-Za-z_\x80-\xff]++|" + _CLOSED + rb")*")
_OF_WORDS = rb"[A-Za-z0-9_$\x80-\xff]"
_ROUTINE_RUN = re.compile(
    rb"(?:[^'\"$/\\;\-()A-Za-z_\x80-\xff]++|(?!(?i:BEGIN|CASE|END)(?!" + _OF_WORDS + rb"))"
    rb"[A-Za-z_\x80-\xff]" + _OF_WORDS + rb"*+(?=[^A-Za-z0-9_$\x80-\xff])|" + _CLOSED + rb")*"
)
_WORD_START = re.compile(rb"[A-Za-z_\x80-\xff]")
_ROWS_END = re.compile(rb"\\\.[ \t]{0,4}\r?(?:\n|\Z)")
_ROWS_END_BYTES = 8  # `\.` with the white space and the line end that may follow
_STRINGS = re.compile(
    rb"(?is)\ASET\s{1,9}(?:(?:SESSION|LOCAL)\s{1,9})?standard_conforming_strings\s{0,9}(?:=|\bTO\b)\s{0,9}'?"
    rb"(?P<value>\w{1,9})"
)


class Kind(Enum):
    """What a piece of a script is."""

    GAP = auto()
    """White space and comments before a statement, a command or rows; long ones come in parts."""
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
    TOO_LONG = auto()
    """A statement or command goes on beyond the limit; nothing was read behind that. Without bytes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a script."""

    kind: Kind
    data: bytes


def scan(chunks: Iterable[bytes], longest: int = LONGEST_BYTES) -> Iterator[Piece]:
    """Cut a script into pieces, which joined are the script again.

    Args:
        chunks: the script's bytes, cut anywhere.
        longest: bytes of the longest statement; one that is longer ends the scan.
    """
    splitter = _Splitter(chunks, longest)
    try:
        yield from splitter.pieces()
    except TooLong:
        yield Piece(Kind.TOO_LONG, b"")


def is_copy_in(statement: bytes) -> bool:
    """Tell whether rows follow *statement* in the script."""
    if statement[:4].upper() != b"COPY":
        return False
    direction, other_side = _copied(statement)
    return direction == b"FROM" and other_side in _CLIENT


def is_server_file(statement: bytes) -> bool:
    """Tell whether a COPY reads or writes a file or program of the server's machine."""
    if statement[:4].upper() != b"COPY":
        return False
    direction, other_side = _copied(statement)
    return bool(direction) and other_side not in _CLIENT


_CLIENT = (b"STDIN", b"STDOUT")  # PostgreSQL takes either for both directions
_MOST_TOKENS = 20_000  # looked at for FROM or TO: a table has 1,600 columns at most, and so many commas


def _copied(statement: bytes) -> tuple[bytes, bytes]:
    """Return `FROM` or `TO` of a COPY and the word or byte behind it; empty where there is none."""
    depth, before, direction = 0, b"", b""
    for token in islice(tokens(statement), _MOST_TOKENS):
        word = token.upper()
        if direction:
            return direction, word
        depth += (word == b"(") - (word == b")")
        if not depth and word in (b"FROM", b"TO") and before != b".":
            direction = word
        before = word
    return direction, b""


class _Splitter(Lexer):
    """Cuts at the ends of statements, of commands and of rows."""

    def pieces(self) -> Iterator[Piece]:
        """Yield what the script is made of."""
        self.ahead(len(_BOM))
        if self.buffer.startswith(_BOM):
            self.position = len(_BOM)
        while True:
            if not self.few_blanks():
                yield from self._long_gap()
            if self.passed_bytes:
                yield self._piece(Kind.CUT if self.ends_inside else Kind.GAP)
            if self.at_end():
                return
            piece = self._statement()
            yield piece
            if piece.kind is Kind.STATEMENT and is_copy_in(piece.data):
                yield from self._rows()

    def _long_gap(self) -> Iterator[Piece]:
        """Take of the white space and comments that come next what need not be kept for their end."""
        for in_line in self.blanks():
            passed = self.passed_bytes
            if passed > 2 * PIECE_BYTES or (passed > PIECE_BYTES and not in_line):
                yield self._piece(Kind.GAP)

    def _statement(self) -> Piece:
        """Take the statement or psql command that comes next."""
        self.ahead(_FIRST_BYTES)
        word = _FIRST_WORD.match(self.buffer, self.position)
        nests = word is not None and word.group().upper() == b"CREATE"
        piece = self._piece(self._to_end(_Nesting() if nests else None))
        strings = _STRINGS.match(piece.data) if piece.data[:1] in b"sS" else None
        if strings is not None:
            self.plain_strings = strings["value"].lower() not in (b"off", b"false", b"no", b"0")
        return piece

    # -- rows

    def _rows(self) -> Iterator[Piece]:
        """Take what lies between a COPY and the line that ends its rows, and that line."""
        self.find(b"\n")
        if self.position > self.start:
            yield self._piece(Kind.GAP)
        line = self._end_line()
        while line is None:
            at = self.buffer.find(b"\n\\.", self.position)
            if at >= 0:
                self.position = at + 1
                line = self._end_line()
                self.position += line is None
                continue
            self.position = max(self.position, len(self.buffer) - 2)
            if self.position > self.start:
                yield self._piece(Kind.ROWS)
            if not self.more():
                self.position = len(self.buffer)
                if self.position > self.start:
                    yield self._piece(Kind.ROWS)
                yield Piece(Kind.CUT, b"")
                return
        if self.position > self.start:
            yield self._piece(Kind.ROWS)
        self.position += line
        yield self._piece(Kind.ROWS_END)

    def _end_line(self) -> int | None:
        """The length of the line at the position if it ends the rows."""
        self.ahead(_ROWS_END_BYTES)
        match = _ROWS_END.match(self.buffer, self.position)
        return None if match is None else match.end() - self.position

    # -- inside a statement

    def _to_end(self, nesting: _Nesting | None) -> Kind:
        """Move behind the statement's `;`."""
        while True:
            if self.plain_strings:
                run = _QUICK_RUN if nesting is None else nesting.run
                match = run.match(self.buffer, self.position)
                self.position = self.position if match is None else match.end()
            if not self.ahead(1):
                return Kind.STATEMENT
            kind = self._special(nesting)
            if kind is not None:
                return kind

    def _special(self, nesting: _Nesting | None) -> Kind | None:
        """Move over one thing that hides others, or one byte; the kind of the piece where it ends here."""
        byte = self.buffer[self.position]
        if byte == _SEMICOLON:
            self.position += 1
            return Kind.STATEMENT if nesting is None or nesting.outermost else None
        if byte == _BACKSLASH:
            self.find(b"\n")
            return Kind.META
        whole = True
        if (hides := _HIDING.get(byte)) is not None:
            whole = hides(self)
        elif byte in b"-/" and self.at_comment():
            whole = self.comment()
        elif nesting is not None:
            self._nest(nesting)
        else:
            self.position += 1
        return None if whole else Kind.CUT

    def _nest(self, nesting: _Nesting) -> None:
        if _WORD_START.match(self.buffer, self.position) is not None:
            nesting.see_word(self.word().upper())
            return
        nesting.see(self.buffer[self.position])
        self.position += 1

    def _piece(self, kind: Kind) -> Piece:
        return Piece(kind, self.take())


_SEMICOLON, _BACKSLASH = ord(";"), ord("\\")
_HIDING = {ord("'"): Lexer.string, ord('"'): Lexer.quoted, ord("$"): Lexer.dollar}


class _Nesting:
    """Parentheses and SQL function bodies, inside which a `;` does not end a CREATE statement."""

    def __init__(self) -> None:
        self.parentheses = 0
        self.bodies = 0
        self.words: list[bytes] = []

    @property
    def outermost(self) -> bool:
        return self.parentheses == 0 and self.bodies == 0

    @property
    def run(self) -> re.Pattern[bytes]:
        """What may be passed over at once: few words tell of a routine's body, and none of other things."""
        if len(self.words) < _WORDS_THAT_TELL:
            return _CAREFUL_RUN
        return _ROUTINE_RUN if self._routine else _NESTED_RUN

    def see(self, byte: int) -> None:
        """Take note of a parenthesis; other bytes mean nothing."""
        if byte == ord("("):
            self.parentheses += 1
        elif byte == ord(")"):
            self.parentheses = max(0, self.parentheses - 1)

    def see_word(self, word: bytes) -> None:
        """Take note of a word in upper case."""
        if len(self.words) < _WORDS_THAT_TELL:
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


_WORDS_THAT_TELL = 4  # CREATE OR REPLACE FUNCTION
