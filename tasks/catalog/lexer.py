r"""PostgreSQL's lexical rules over bytes that arrive in pieces: what hides what in SQL text.

One reader for everything that looks into SQL: where a script's statements end, which tokens a statement is
made of, whether a file begins as SQL. It understands what psql's own scanner does: quotes, E'' strings with
their continuations, dollar quotes, comments in comments. Nothing is dropped or changed.

Every step looks at each byte a fixed number of times, whatever it holds and wherever pieces end: no pattern
here repeats one that could match the same bytes in two ways. What is passed over is kept once, outside of the
buffer that is searched, so that a long statement is neither copied nor scanned again as it grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BytesIO

PIECE_BYTES = 1 << 20
"""What is looked at together, at most: a regular expression's own memory grows with it."""
LONGEST_BYTES = 1 << 30
"""No server takes a statement longer than this: PostgreSQL's limit of one message."""
WORD_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$") | set(
    range(128, 256)
)
_BEHIND = 64  # bytes before the position that may still tell what it means: an E before a quote, a keyword
_LONGEST_TAG = 1000  # of a dollar quote
LOOKAHEAD = _LONGEST_TAG + 2

_SPACES = re.compile(rb"[ \t\r\n\f\v]*")
_BLANKS = re.compile(rb"(?:[ \t\r\n\f\v]++|--[^\n]*+\n)*")
_BLANK_BYTES = b" \t\r\n\f\v"
_BEFORE_NEXT = _BLANK_BYTES + b"-"  # what may lie between a string and its continuation on a later line
_SAME_LINE = re.compile(rb"[ \t\f\v]*")
_WORD_REST = re.compile(rb"[A-Za-z0-9_$\x80-\xff]*")
_DOLLAR = re.compile(rb"\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]{0,%d})?\$" % (_LONGEST_TAG - 1))
_ESCAPED = re.compile(rb"(?:[^'\\]++|\\.)*", re.DOTALL)
_QUOTE, _NAME_QUOTE, _DOLLAR_SIGN = b"'\"$"
_BLOCK_EDGE = re.compile(rb"/\*|\*/")


_TOKEN = re.compile(
    rb"[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*+(?!')|[0-9][A-Za-z0-9_.$\x80-\xff]*|[(),;.=*:\[\]]"
)
_PREFIXES = frozenset(b"eEnNbBxX")
_NUMBER_REST = re.compile(rb"[A-Za-z0-9_.$\x80-\xff]*")


class TooLong(Exception):  # noqa: N818  what it is
    """A statement, or a comment, goes on beyond the limit."""


class Lexer:
    """A place in SQL text.

    Args:
        chunks: the text's bytes, cut anywhere.
        longest: bytes that may be passed over before they are taken.

    Attributes:
        buffer, start, position: what was passed over and not taken yet ends at `buffer[start:position]`; its
            beginning may be put by already.
        plain_strings: whether a backslash in a plain string is one (`standard_conforming_strings`).
        ends_inside: the text ended inside of a comment.
    """

    def __init__(self, chunks: Iterable[bytes], longest: int = LONGEST_BYTES) -> None:
        self.chunks = _pieces(chunks)
        self.buffer = bytearray()
        self.start = 0
        self.position = 0
        self.plain_strings = True
        self.ends_inside = False
        self._longest = longest
        self._put_by, self._is_long = BytesIO(), False

    # -- bytes

    @property
    def passed_bytes(self) -> int:
        """How many bytes were passed over and not taken."""
        return self._put_by.tell() + self.position - self.start

    def at_end(self) -> bool:
        """Tell whether everything was passed over."""
        return not self.ahead(1)

    def more(self) -> bool:
        """Append a piece; False at the end of the text.

        Raises:
            TooLong: more was passed over than may be.
        """
        chunk = next(self.chunks, None)
        if chunk is None:
            return False
        if self.passed_bytes > self._longest:
            raise TooLong
        cut_at = max(self.start, self.position - _BEHIND)
        if cut_at > self.start:
            self._put_by.write(memoryview(self.buffer)[self.start : cut_at])
            self._is_long = True
        del self.buffer[:cut_at]
        self.position -= cut_at
        self.start = 0
        self.buffer += chunk
        return True

    def ahead(self, length: int) -> bool:
        """See to it that *length* bytes lie ahead; False where the text ends before."""
        while len(self.buffer) - self.position < length:
            if not self.more():
                return False
        return True

    def take(self) -> bytes:
        """Return what was passed over since the last time."""
        passed = memoryview(self.buffer)[self.start : self.position]
        self.start = self.position
        if not self._is_long:
            return bytes(passed)
        whole = self._put_by
        whole.write(passed)
        self._put_by, self._is_long = BytesIO(), False
        return whole.getvalue()  # shares what was written: no second copy of a long statement

    def drop(self) -> None:
        """Forget what was passed over since the last time."""
        self.start = self.position
        if self._is_long:
            self._put_by, self._is_long = BytesIO(), False

    def find(self, needle: bytes) -> bool:
        """Move behind the next *needle*; False, at the end, where there is none."""
        while True:
            at = self.buffer.find(needle, self.position)
            if at >= 0:
                self.position = at + len(needle)
                return True
            self.position = max(self.position, len(self.buffer) - len(needle) + 1)
            if not self.more():
                self.position = len(self.buffer)
                return False

    def skip(self, run: re.Pattern[bytes]) -> None:
        """Move over what *run*, the repetition of one set of bytes, matches, however long it is."""
        while True:
            match = run.match(self.buffer, self.position)
            self.position = self.position if match is None else match.end()
            if self.position < len(self.buffer) or not self.more():
                return

    def token(self) -> None:
        """Move over the token that begins at the position."""
        match = _TOKEN.match(self.buffer, self.position)
        if match is not None and match.end() < len(self.buffer):
            self.position = match.end()
            return
        byte = self.buffer[self.position]
        if byte == _QUOTE:
            self._strings()
        elif byte == _NAME_QUOTE:
            self._names()
        elif byte == _DOLLAR_SIGN:
            self.dollar()
        elif byte in WORD_BYTES:
            self._word_or_prefix(byte)
        else:
            self.position += 1

    def _word_or_prefix(self, first: int) -> None:
        if first in b"0123456789":
            self.skip(_NUMBER_REST)
        elif len(self.word()) == 1 and first in _PREFIXES and self._at_quote():
            self._strings()

    def _strings(self) -> None:
        while self._at_quote() and self.string():
            pass

    def _names(self) -> None:
        while self.ahead(1) and self.buffer[self.position] == _NAME_QUOTE and self.quoted():
            pass

    # -- what hides other things; each moves behind it, and is False where the text ends inside

    def few_blanks(self) -> bool:
        """Move over white space and comments of whole lines; tell whether that was all of them."""
        match = _BLANKS.match(self.buffer, self.position)
        self.position = self.position if match is None else match.end()
        return self.position < len(self.buffer) and self.buffer[self.position] not in b"-/"

    def blanks(self) -> Iterator[bool]:
        """Move over white space and comments, as far as they reach.

        Yields:
            Before more is read, so that what was passed over can be taken: whether a line goes on there.
        """
        while self.ahead(1):
            match = _BLANKS.match(self.buffer, self.position)
            self.position = self.position if match is None else match.end()
            if self.at_comment():
                yield from self._comment()
            elif not self.ahead(1) or self.buffer[self.position] not in _BLANK_BYTES:
                return
            else:
                yield False

    def word(self) -> bytes:
        """Move over a word and return it; of one that is longer than any keyword, its end."""
        before = self.passed_bytes
        self.skip(_WORD_REST)
        begins = self.position - (self.passed_bytes - before)
        return bytes(self.buffer[max(self.start, begins) : self.position])

    def string(self) -> bool:
        """Move over the string whose quote is at the position."""
        if not self.plain_strings or self._escapes():
            return self._escaped_string()
        self.position += 1
        return self.find(b"'")  # a doubled quote ends one string and begins the next

    def quoted(self) -> bool:
        """Move over the quoted name that begins at the position; a doubled quote begins the next."""
        self.position += 1
        return self.find(b'"')

    def dollar(self) -> bool:
        """Move over a dollar quote, or over a dollar sign that begins none."""
        self.ahead(LOOKAHEAD)
        inside_word = self.position > self.start and self.buffer[self.position - 1] in WORD_BYTES
        opening = None if inside_word else _DOLLAR.match(self.buffer, self.position)
        if opening is None:
            self.position += 1
            return True
        self.position = opening.end()
        return self.find(opening.group())

    def at_comment(self) -> bool:
        """Tell whether a comment begins at the position."""
        self.ahead(2)
        return self.buffer.startswith((b"--", b"/*"), self.position)

    def comment(self) -> bool:
        """Move over the comment that begins at the position; one of a line may be the text's last."""
        for _ in self._comment():
            pass
        return not self.ends_inside

    def _escapes(self) -> bool:
        """Tell whether the quote at the position opens an E'' string."""
        before = self.buffer[max(self.start, self.position - 2) : self.position]
        follows = before.endswith((b"e", b"E"))
        return follows and (len(before) == 1 or before[0] not in WORD_BYTES)

    def _escaped_string(self) -> bool:
        self.position += 1
        while True:
            match = _ESCAPED.match(self.buffer, self.position)
            self.position = self.position if match is None else match.end()
            if self._at_quote():
                self.position += 1
                if not self._goes_on():
                    return True
            elif not self.ahead(2):  # a backslash is the last byte that was read, or of all
                self.position = len(self.buffer)
                return False

    def _goes_on(self) -> bool:
        """Move into the continuation of a string: a doubled quote, or a quote on a later line."""
        if not self.ahead(1):
            return False
        byte = self.buffer[self.position]
        if byte != _QUOTE and not (byte in _BEFORE_NEXT and self._next_line() and self._at_quote()):
            return False
        self.position += 1
        return True

    def _at_quote(self) -> bool:
        return self.ahead(1) and self.buffer[self.position] == _QUOTE

    def _next_line(self) -> bool:
        """Move over white space and comments; tell whether a line ended there."""
        self.skip(_SAME_LINE)
        ended = self.ahead(1) and self.buffer[self.position] in b"\r\n"
        self.skip(_SPACES)
        while self.ahead(2) and self.buffer.startswith(b"--", self.position):
            ended = True
            self.find(b"\n")
            self.skip(_SPACES)
        return ended

    def _comment(self) -> Iterator[bool]:
        return self._block() if self.buffer.startswith(b"/*", self.position) else self._line()

    def _line(self) -> Iterator[bool]:
        while (at := self.buffer.find(b"\n", self.position)) < 0:
            self.position = len(self.buffer)
            yield True
            if not self.more():
                return
        self.position = at + 1

    def _block(self) -> Iterator[bool]:
        depth = 0
        while True:
            edge = _BLOCK_EDGE.search(self.buffer, self.position)
            if edge is not None:
                self.position = edge.end()
                depth += 1 if edge.group() == b"/*" else -1
                if depth == 0:
                    return
                continue
            self.position = max(self.position, len(self.buffer) - 1)
            yield False
            if not self.more():
                self.position = len(self.buffer)
                self.ends_inside = True
                return


def tokens(text: bytes) -> Iterator[bytes]:
    """Yield the tokens of *text*, without white space and comments; a string with its prefix and quotes."""
    lexer = Lexer((text,))
    while True:
        for _ in lexer.blanks():
            lexer.drop()
        lexer.drop()
        if lexer.at_end():
            return
        lexer.token()
        yield lexer.take()


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if len(chunk) <= PIECE_BYTES:
            if chunk:
                yield chunk
            continue
        for at in range(0, len(chunk), PIECE_BYTES):
            yield chunk[at : at + PIECE_BYTES]
