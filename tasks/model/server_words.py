"""PostgreSQL's errors in our own words: its texts quote rows, and a dump's functions write their own.

What a server says is never kept. It is told again from two tables: its own sentences, as far as we know them,
with those names in them that the backup's definitions hold, and for everything else what its SQLSTATE means.
A sentence that we do not know may have been written by the dump, around a row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tasks.model.sqlstates import CLASSES, CONNECTION, OBJECT_WORDS, SENTENCES, STATES, TYPES

if TYPE_CHECKING:
    import psycopg

WORDS_CHARS = 2000
"""As much of a message as is read: PostgreSQL's own are shorter, a dump's may be of any length."""
UNKNOWN = "PostgreSQL refused it in words that are not kept, for they may quote rows"
RAISED = (
    "a function of the backup refused it in words of its own, which are not kept, for they may quote rows"
)
_MASK = "***"
_DEFINITION_CHARS = 1 << 16
_DATA_CLASS = "22"
_STATE = re.compile(r"[0-9A-Z]{5}")
_QUOTED = re.compile('".*"')
_SEVERITY = re.compile(r"\b(?:ERROR|FATAL|PANIC): +")
# What PL/Perl and the like meet and what they raise look alike.
_RAISED_IN = re.compile(r"PL/pgSQL function [^\n]{1,400} at (?:RAISE|ASSERT)(?:\n|\Z)|PL/(?!pgSQL )\w")

# -- names

_WORD = re.compile(r"[\w$]+")
_MODIFIER = re.compile(r"\(\d{1,4}(?:,\d{1,4})?\)")
_PUNCTUATION = frozenset(' .,()[]"-/@')
_OPENING = re.compile(r"[eE]'|'|\"|--|/\*|\$(?:[^\W\d]\w{0,62})?\$")
_PLAIN_WORD = re.compile(r"[^\W\d][\w$]*")
_ESCAPED = re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL)
_ENDS = {"--": "\n", "/*": "*/"}
_TYPES = frozenset(TYPES.split())
_OBJECT_WORDS = frozenset(OBJECT_WORDS.split())


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server said against a statement: to be classified by its words, to be told in ours.

    Attributes:
        words: the server's primary message, cut; it is not for keeping.
        sqlstate: "" where a tool did not pass it on.
        raised: a function of the backup raised it: what reads like PostgreSQL's own is made up.
    """

    words: str = field(repr=False)
    sqlstate: str = ""
    raised: bool = False

    @classmethod
    def of(cls, error: psycopg.Error) -> Refusal:
        """Return what *error* holds of the server's, or of the way to it."""
        words = error.diag.message_primary or _behind_severity(str(error)[:WORDS_CHARS])
        return cls(words[:WORDS_CHARS], error.sqlstate or "", was_raised(error.diag.context or ""))

    def told(self, names: Collection[str] = frozenset()) -> str:
        """Return what it comes to, without anything that could be a row's.

        Args:
            names: what may be named, from `names_in` and `all_names`.
        """
        sentence = self._sentence()
        state = f" (SQLSTATE {self.sqlstate})" if meaning_of_state(self.sqlstate) else ""
        if sentence is not None:
            return sentence.told(self._one_line, names) + state
        if self._made_up:
            return RAISED + state
        return (meaning_of_state(self.sqlstate) or UNKNOWN) + state

    @property
    def plain(self) -> str:
        """The server's words without values, for patterns to look at; "" for what a function made up.

        A value may read like any message: only what PostgreSQL itself put around it may decide.
        """
        sentence = self._sentence()
        if sentence is None:
            return "" if self._made_up else _QUOTED.sub('""', self._one_line)
        return sentence.ours if sentence.sqlstate.startswith(_DATA_CLASS) else self._one_line

    @property
    def _made_up(self) -> bool:
        return self.raised or self.sqlstate.startswith("P0")

    @property
    def _one_line(self) -> str:
        return " ".join(self.words[:WORDS_CHARS].split())

    def _sentence(self) -> _Sentence | None:
        """Return the sentence of PostgreSQL's own that this is."""
        if self._made_up:
            return None
        words, group = self._one_line, self.sqlstate[:2]
        fitting = (candidate for candidate in _sentences() if group in ("", candidate.sqlstate[:2]))
        return next((candidate for candidate in fitting if candidate.pattern.fullmatch(words)), None)


def of_error(error: psycopg.Error, names: Collection[str] = frozenset()) -> str:
    """Return in our own words what the server, or the way to it, made of a statement."""
    text = str(error)[:WORDS_CHARS]
    if error.sqlstate is None and not _SEVERITY.search(text):
        sentences = (ours for words, ours in CONNECTION.items() if words in text)
        return next(sentences, "the connection to the server failed")
    return Refusal.of(error).told(names)


def was_raised(context: str) -> bool:
    """Tell from an error's CONTEXT whether a function raised it with words of its own."""
    return _RAISED_IN.match(context[:WORDS_CHARS]) is not None


def meaning_of_state(sqlstate: str) -> str | None:
    """Return what a SQLSTATE means; None for one that PostgreSQL does not have, as a function may make up."""
    if not _STATE.fullmatch(sqlstate) or not _exists(sqlstate):
        return None
    return STATES.get(sqlstate) or CLASSES.get(sqlstate[:2])


@lru_cache(maxsize=256)
def names_in(definition: str) -> frozenset[str]:
    """Return the names that SQL text holds outside of its literals and comments: no value is among them."""
    return all_names(_outside_literals(definition[:_DEFINITION_CHARS]))


def all_names(names: Iterable[str]) -> frozenset[str]:
    """Return *names* with the words that they are made of."""
    return frozenset(word for name in names if name for word in parts(name))


def shown_name(text: str, names: Collection[str]) -> str:
    """Return *text* where it is one of *names*, with or without its schema; else a mask."""
    return _shown("%t", text, names)


def parts(name: str) -> Iterator[str]:
    """Yield a name and the words that it is made of, as messages may spell it."""
    yield name
    yield from _WORD.findall(name)


def _outside_literals(text: str) -> Iterator[str]:
    """Yield words and quoted names; a literal that does not end holds all that is left."""
    start = 0
    while (opening := _OPENING.search(text, start)) is not None:
        yield from _PLAIN_WORD.findall(text[start : opening.start()])
        quote = opening.group()
        end = _end_of(text, quote, opening.end())
        if end < 0:
            return
        if quote == '"':
            yield text[opening.end() : end - 1]
        start = end
    yield from _PLAIN_WORD.findall(text[start:])


def _end_of(text: str, quote: str, start: int) -> int:
    """Return where the literal or comment that *quote* opens at *start* is over; -1 if it does not end."""
    if quote in ("e'", "E'"):
        match = _ESCAPED.match(text, start)
        return -1 if match is None else match.end()
    end = _ENDS.get(quote, quote)
    end_at = text.find(end, start)
    return -1 if end_at < 0 else end_at + len(end)


def _behind_severity(text: str) -> str:
    match = _SEVERITY.search(text)
    return (text if match is None else text[match.end() :]).split("\n", 1)[0]


# -- sentences

_SLOT = re.compile(r"%[ntw]")
_ANY_SLOT = re.compile(r"(%[ntwv])")
_PATTERNS = {"%n": '"(.{1,200}?)"', "%t": "([^:]{1,200}?)", "%w": "([a-z -]{1,80}?)", "%v": ".*"}


class _Sentence(NamedTuple):
    """A sentence of PostgreSQL's: its SQLSTATE, its shape, the kinds of its names, and what we say."""

    sqlstate: str
    pattern: re.Pattern[str]
    slots: tuple[str, ...]
    ours: str

    def told(self, words: str, names: Collection[str]) -> str:
        match = self.pattern.fullmatch(words)
        groups = () if match is None else match.groups()
        filled = [_shown(slot, text, names) for slot, text in zip(self.slots, groups, strict=False)]
        pieces = _SLOT.split(self.ours)
        return pieces[0] + "".join(
            name + piece for name, piece in zip((*filled, *[_MASK] * len(pieces)), pieces[1:], strict=False)
        )


@cache
def _sentences() -> tuple[_Sentence, ...]:
    return tuple(_read_sentence(line) for line in SENTENCES.strip().splitlines())


def _read_sentence(line: str) -> _Sentence:
    state, _, rest = line.partition(" ")
    original, _, ours = rest.partition(" = ")
    pattern = "".join(_PATTERNS.get(piece) or re.escape(piece) for piece in _ANY_SLOT.split(original))
    return _Sentence(state, re.compile(pattern), tuple(_SLOT.findall(original)), ours or original)


def _shown(slot: str, text: str, names: Collection[str]) -> str:
    """Return a name from a message if the backup's definitions hold it or PostgreSQL itself does."""
    bare, known = (text, _OBJECT_WORDS) if slot == "%w" else (_MODIFIER.sub("", text), names)
    words = _WORD.findall(bare)
    spelled = bool(words) and all(word in known or word in _TYPES for word in words)
    ours = text in names or (spelled and _PUNCTUATION.issuperset(_WORD.sub("", bare)))
    shown = text if ours else _MASK
    return f'"{shown}"' if slot == "%n" else shown


@cache
def _exists(sqlstate: str) -> bool:
    from psycopg.errors import lookup  # noqa: PLC0415  whoever met a SQLSTATE has paid for psycopg

    try:
        lookup(sqlstate)
    except KeyError:
        return False
    return True
