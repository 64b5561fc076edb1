"""Matching a key against a pattern's tokens, in time that grows with the key's length.

One regular expression does it where no two stars stand between the same slashes. Where they do, it would
try every way to share the key among them: then each part between slashes is matched by itself, from its end.
What is literal or a field between two stars is taken where it stands last: what the expression would find.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from tasks.discovery import strftime as fields

_FLAGS = re.ASCII | re.DOTALL


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a pattern: `kind` is `literal`, `field` (text is its letter) or `star`."""

    kind: str
    text: str


class Matcher(Protocol):
    """Reads keys; a directory's pattern matches what lies in the folder too."""

    def read(self, uri: str) -> Mapping[str, str] | None:
        """Return `whole`, the backup's own URI, and what the fields `f0`... hold; None for another key."""
        ...


def matcher_of(tokens: tuple[Token, ...], *, directory: bool) -> Matcher:
    """Return what matches *tokens*; field *i* is the token *i*."""
    if has_several_stars(tokens):
        return by_parts(tokens, directory=directory)
    return _ByExpression(re.compile(regex_of(tokens, directory=directory), _FLAGS))


def by_parts(tokens: tuple[Token, ...], *, directory: bool) -> Matcher:
    """Return what matches *tokens* part by part, whatever their stars."""
    return _ByParts(list(_parts(tokens)), directory=directory)


def has_several_stars(tokens: tuple[Token, ...]) -> bool:
    """Say whether two stars stand between the same slashes."""
    return any(sum(token.kind == "star" for _, token in part) > 1 for part in _parts(tokens))


def regex_of(tokens: Sequence[Token], *, directory: bool) -> str:
    """Return the anchored expression of *tokens*; group `whole` is the backup, `f0`... the fields."""
    body = "".join(_piece(i, token) for i, token in enumerate(tokens))
    return f"(?P<whole>{body})(?P<member>.*)" if directory else f"(?P<whole>{body})"


_Numbered = tuple[int, Token]


@dataclass(frozen=True, slots=True)
class _ByExpression:
    expression: re.Pattern[str]

    def read(self, uri: str) -> Mapping[str, str] | None:
        match = self.expression.fullmatch(uri)
        return None if match is None else match.groupdict()


class _ByParts:
    def __init__(self, parts: Sequence[Sequence[_Numbered]], *, directory: bool) -> None:
        self._parts = [_Part(part) for part in parts]
        self._directory = directory

    def read(self, uri: str) -> Mapping[str, str] | None:
        texts = uri.split("/")
        if self._directory and len(texts) >= len(self._parts):
            texts[len(self._parts) - 1 :] = [""]  # below the folder: the pattern ends with the slash
        if len(texts) != len(self._parts):
            return None
        values = {"whole": "/".join(texts)}
        for part, text in zip(self._parts, texts, strict=True):
            held = part.read(text)
            if held is None:
                return None
            values |= held
        return values


class _Part:
    """What stands between two slashes: pieces, with a star between each two."""

    def __init__(self, tokens: Sequence[_Numbered]) -> None:
        groups = groupby(tokens, key=lambda numbered: numbered[1].kind == "star")
        runs = [(is_star, list(run)) for is_star, run in groups]
        self._stars = any(is_star for is_star, _ in runs)
        pieces = [run for is_star, run in runs if not is_star]
        first = pieces.pop(0) if runs and not runs[0][0] else []
        last = pieces.pop() if pieces and not runs[-1][0] else []
        self._first = _Piece.of(first).expression
        self._last = _Piece.of(last)
        self._between = [_Piece.of(piece) for piece in pieces]

    def read(self, text: str) -> dict[str, str] | None:
        if not self._stars:
            whole = self._first.fullmatch(text)
            return None if whole is None else whole.groupdict()
        last = self._last.ending(text)
        if last is None:
            return None
        values, limit = last.groupdict(), last.start()
        for piece in reversed(self._between):
            match = piece.standing_last(text, limit)
            if match is None:
                return None
            values |= match.groupdict()
            limit = match.start()
        first = self._first.match(text, 0, limit)
        return None if first is None else values | first.groupdict()


@dataclass(frozen=True, slots=True)
class _Piece:
    """Literals and fields between two stars, or behind the last.

    Attributes:
        shortest, longest: characters that it can match.
    """

    expression: re.Pattern[str]
    shortest: int
    longest: int

    @classmethod
    def of(cls, tokens: Sequence[_Numbered]) -> _Piece:
        body = "".join(_piece(i, token) for i, token in tokens)
        widths = [_width(token) for _, token in tokens]
        return cls(re.compile(body, _FLAGS), sum(low for low, _ in widths), sum(high for _, high in widths))

    def ending(self, text: str) -> re.Match[str] | None:
        """Return where this stands at the end of *text*, as short as it can be."""
        starts = range(len(text) - self.shortest, max(-1, len(text) - self.longest - 1), -1)
        matches = (self.expression.fullmatch(text, at) for at in starts)
        return next((match for match in matches if match is not None), None)

    def standing_last(self, text: str, limit: int) -> re.Match[str] | None:
        """Return the last place before *limit* where this stands."""
        matches = (self.expression.match(text, at, limit) for at in range(limit - self.shortest, -1, -1))
        return next((match for match in matches if match is not None), None)


def _width(token: Token) -> tuple[int, int]:
    return (len(token.text), len(token.text)) if token.kind == "literal" else fields.WIDTHS[token.text]


def _parts(tokens: tuple[Token, ...]) -> Iterator[list[_Numbered]]:
    """Yield the tokens between slashes, with their numbers; literals are cut at slashes."""
    part: list[_Numbered] = []
    for number, token in enumerate(tokens):
        if token.kind != "literal":
            part.append((number, token))
            continue
        head, *rest = token.text.split("/")
        part += [(number, Token("literal", head))] if head else []
        for text in rest:
            yield part
            part = [(number, Token("literal", text))] if text else []
    yield part


def _piece(i: int, token: Token) -> str:
    if token.kind == "literal":
        return re.escape(token.text)
    return "[^/]*" if token.kind == "star" else f"(?P<f{i}>{fields.REGEX[token.text]})"
