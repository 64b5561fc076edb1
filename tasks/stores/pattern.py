"""The line from the backup script, read backwards: which keys it can have made, and when each was made.

`at` is anchored at both ends: `orders_%Y%m%d.dump` matches neither `orders_archive_20260101.dump` nor
`orders_20260101.dump.partial`. A `*` stands for a part without `/`. A `/` at the end means that the backup is the
folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tasks.model.errors import ConfigInvalid
from tasks.stores import fields
from tasks.stores.uris import normalised

_TOKEN = re.compile(r"%(.?)|(\*)|([^%*]+)", re.DOTALL)
_HOURLY_LIMIT = timedelta(days=62)
_FEW = 4
"""So many prefixes are listed without knowing whether the bucket is large enough to need finer ones."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a pattern: `kind` is `literal`, `field` (text is its letter) or `star`."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """What a key says.

    Attributes:
        uri: of the backup; of a folder's member, the folder's, with `/` at the end.
        at: aware UTC; None for a pattern without time fields, or where *problem* says why there is none.
        problem: why the fields name no moment, a clause.
    """

    uri: str
    at: datetime | None = None
    problem: str | None = None


class KeyPattern:
    """A compiled `at`.

    Args:
        at: `s3://`, `file://` or a path, placeholders filled in.
        timezone: the IANA name of the zone that the fields are written in.

    Raises:
        ConfigInvalid: an unknown field or time zone.
    """

    def __init__(self, at: str, timezone: str = "UTC") -> None:
        self.uri = normalised(at)
        self.directory = self.uri.endswith("/")
        self.timezone = timezone
        self.zone = _zone(timezone, at)
        self.tokens = tokens_of(self.uri)

    @property
    def has_time(self) -> bool:
        """Whether a key tells when its backup was made."""
        return any(token.kind == "field" for token in self.tokens)

    @property
    def is_one_key(self) -> bool:
        """Whether the pattern can match one key only."""
        return all(token.kind == "literal" for token in self.tokens)

    @property
    def constant(self) -> str:
        """The beginning that every matching key shares."""
        return self._literal_from(0)

    def match(self, uri: str) -> Match | None:
        """Return what *uri* says, or None if it was not made by this pattern.

        For a directory dump, *uri* may be the folder's or any of its members'.
        """
        found = self._regex.fullmatch(uri)
        if found is None:
            return None
        whole = found.group("whole")
        return Match(whole, *self._moment(found))

    def time_of(self, key: str) -> datetime | None:
        """Return the moment that a whole URI, or the last parts of one, names; None where it names none."""
        parts = key.strip("/").split("/") if "://" not in key else normalised(key).rstrip("/").split("/")
        expanded = _expanded(self.uri).rstrip("/").split("/")
        tail = KeyPattern.__new__(KeyPattern)
        tail.directory, tail.zone = False, self.zone
        tail.tokens = tokens_of("/".join(expanded[-len(parts) :]))
        found = tail._regex.fullmatch("/".join(parts))  # noqa: SLF001  of this class
        return None if found is None else tail._moment(found)[0]  # noqa: SLF001

    def levels(self, start: datetime, end: datetime) -> list[list[str]]:
        """Return the prefixes that keys of *start* to *end* (aware) can have, coarse to fine.

        Each list covers the window; the first has few enough members to be listed without a second thought.
        """
        found: list[list[str]] = []
        for cut in self._cuts():
            if end - start > _HOURLY_LIMIT and self._is_hourly(cut):
                break
            made = self._prefixes(cut, start, end)
            found.append(made)
        few = max(i for i, made in enumerate(found) if i == 0 or len(made) <= _FEW)
        return found[few:]

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(regex_of(self.tokens, directory=self.directory), re.ASCII | re.DOTALL)

    def _moment(self, found: re.Match[str]) -> tuple[datetime | None, str | None]:
        if not self.has_time:
            return None, None
        try:
            return fields.read(self._values(found), self.zone), None
        except (ValueError, OverflowError) as exc:
            return None, str(exc)

    def _values(self, found: re.Match[str]) -> dict[str, str]:
        values: dict[str, str] = {}
        for i, token in enumerate(self.tokens):
            if token.kind != "field":
                continue
            text = found.group(f"f{i}")
            if values.setdefault(token.text, text) != text:
                raise ValueError(f"%{token.text} is {values[token.text]} in one place and {text} in another")
        return values

    def _literal_from(self, i: int) -> str:
        text = ""
        for token in self.tokens[i:]:
            if token.kind != "literal":
                break
            text += token.text
        return text

    def _cuts(self) -> list[int]:
        """Token counts that a prefix may be made of: before the first field, and after each that can be written."""
        first = next((i for i, token in enumerate(self.tokens) if token.kind != "literal"), len(self.tokens))
        cuts, seen = [first], set[str]()
        for i, token in enumerate(self.tokens[first:], first):
            if token.kind == "literal":
                continue
            if token.kind == "star" or token.text not in fields.ENUMERABLE:
                break
            if token.text not in seen:  # the same field again makes a prefix longer and no narrower
                cuts.append(i + 1)
                seen.add(token.text)
            if token.text == "s":
                break
        return cuts

    def _is_hourly(self, cut: int) -> bool:
        return any(t.kind == "field" and t.text in fields.HOURLY for t in self.tokens[:cut])

    def _prefixes(self, cut: int, start: datetime, end: datetime) -> list[str]:
        """Return the distinct prefixes of *cut* tokens in time order; steps are too short to miss a unit."""
        step = timedelta(minutes=30) if self._is_hourly(cut) else timedelta(hours=12)
        made: dict[str, None] = {}
        slack = (
            timedelta(hours=26)
            if any(t.text == "z" for t in self.tokens if t.kind == "field")
            else timedelta(0)
        )
        moment, last = start - slack, end + slack
        while True:
            made[self._written(cut, min(moment, last).astimezone(self.zone))] = None
            if moment >= last:
                return list(made)
            moment += step

    def _written(self, cut: int, local: datetime) -> str:
        text = "".join(
            t.text if t.kind == "literal" else fields.write(t.text, local) for t in self.tokens[:cut]
        )
        whole = not (cut and self.tokens[cut - 1] == Token("field", "s"))
        return text + (self._literal_from(cut) if whole else "")


def tokens_of(uri: str) -> tuple[Token, ...]:
    """Split a pattern into literals, fields and stars.

    Raises:
        ConfigInvalid: a field that no key can be read back from.
    """
    found: list[Token] = []
    for field, star, text in _TOKEN.findall(_expanded(uri)):
        if text or field == "%":
            found.append(Token("literal", text or "%"))
        elif star:
            found.append(Token("star", "*"))
        elif field in fields.REGEX:
            found.append(Token("field", field))
        else:
            known = " ".join(f"%{name}" for name in sorted(fields.REGEX))
            raise ConfigInvalid(
                f"The pattern has a field that no time can be read from: %{field}.",
                uri,
                f"Known: {known}; write %% for a percent sign.",
            )
    return tuple(found)


def regex_of(tokens: tuple[Token, ...], *, directory: bool) -> str:
    """Return the anchored expression of *tokens*; group `whole` is the backup's URI, `f0`... are the fields."""
    body = "".join(_piece(i, token) for i, token in enumerate(tokens))
    return f"(?P<whole>{body})(?P<member>.*)" if directory else f"(?P<whole>{body})"


def _piece(i: int, token: Token) -> str:
    if token.kind == "literal":
        return re.escape(token.text)
    return "[^/]*" if token.kind == "star" else f"(?P<f{i}>{fields.REGEX[token.text]})"


def _expanded(uri: str) -> str:
    return re.sub(r"%(.)", lambda found: fields.EXPANDED.get(found[1], found[0]), uri)


def _zone(name: str, at: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ConfigInvalid(
            f'The time zone "{name}" is not known.', at, "Write an IANA name such as Europe/Berlin."
        ) from exc


def utc(at: datetime) -> datetime:
    """Return *at* as aware UTC; a naive time is taken as UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
