"""The line from the backup script, read backwards: which keys it can have made, and when each was made.

`at` is anchored at both ends: `orders_%Y%m%d.dump` matches neither `orders_archive_20260101.dump` nor
`orders_20260101.dump.partial`. A `*` stands for a part without `/`. A `/` at the end means that the
backup is the folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tasks.discovery import strftime as fields
from tasks.discovery.matching import Matcher, Token, matcher_of
from tasks.model.errors import ConfigInvalid
from tasks.stores.uris import normalised

_TOKEN = re.compile(r"%(.?)|(\*)|([^%*]+)", re.DOTALL)
EARLIEST, LATEST = datetime(1970, 1, 3, tzinfo=UTC), datetime(9998, 12, 30, tzinfo=UTC)
"""Beyond them no backup lies, and a day more or less has no place in a datetime."""
_STILL = timedelta(0)
_HOURLY_LIMIT = timedelta(days=62)
_FEW = 4
"""So many prefixes are listed without knowing whether the bucket is large enough to need finer ones."""


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
        return literal_from(self.tokens, 0)

    def match(self, uri: str) -> Match | None:
        """Return what *uri* says, or None if it was not made by this pattern.

        For a directory dump, *uri* may be the folder's or any of its members'.
        """
        values = self._matcher.read(uri)
        return None if values is None else Match(values["whole"], *self._moment(values))

    def time_of(self, key: str) -> datetime | None:
        """Return the moment that a whole URI, or the last parts of one, names; None where it names none."""
        parts = key.strip("/").split("/") if "://" not in key else normalised(key).rstrip("/").split("/")
        expanded = _expanded(self.uri).rstrip("/").split("/")
        tail = KeyPattern.__new__(KeyPattern)
        tail.directory, tail.zone = False, self.zone
        tail.tokens = tokens_of("/".join(expanded[-len(parts) :]))
        match = tail.match("/".join(parts))
        return None if match is None else match.at

    def prefixes(self, start: datetime, end: datetime) -> Prefixes:
        """Return the beginnings that keys of *start* to *end* (aware) can have."""
        return Prefixes(self, moved(start, _STILL), moved(end, _STILL))

    @cached_property
    def as_directory(self) -> KeyPattern:
        """The same line for directory dumps."""
        return self if self.directory else KeyPattern(f"{self.uri}/", self.timezone)

    @cached_property
    def _matcher(self) -> Matcher:
        return matcher_of(self.tokens, directory=self.directory)

    def _moment(self, texts: Mapping[str, str]) -> tuple[datetime | None, str | None]:
        if not self.has_time:
            return None, None
        try:
            return fields.read(self._values(texts), self.zone), None
        except (ValueError, OverflowError) as exc:
            return None, str(exc)

    def _values(self, texts: Mapping[str, str]) -> dict[str, str]:
        values: dict[str, str] = {}
        for i, token in enumerate(self.tokens):
            if token.kind != "field":
                continue
            text = texts[f"f{i}"]
            if values.setdefault(token.text, text) != text:
                raise ValueError(f"%{token.text} is {values[token.text]} in one place and {text} in another")
        return values


class Prefixes:
    """The beginnings that keys of a stretch of time can have, coarse to fine, made when asked for.

    Attributes:
        first: so few that they are listed without a second thought; together they cover the stretch.
    """

    def __init__(self, pattern: KeyPattern, start: datetime, end: datetime) -> None:
        self._pattern, self._start, self._end = pattern, start, end
        self._tokens = pattern.tokens
        self._levels: dict[int, list[str]] = {}
        self._cuts = [
            cut for cut in self._all_cuts() if not (self._is_hourly(cut) and end - start > _HOURLY_LIMIT)
        ]
        self.first = self._first()

    @property
    def is_constant(self) -> bool:
        """Whether no field narrows the listing: time cannot be gone back by."""
        return self.first == [self._pattern.constant]

    def below(self, prefix: str) -> list[str] | None:
        """Return the next finer prefixes that *prefix* is made of; None if there are none."""
        for cut in self._cuts:
            inner = [child for child in self._level(cut) if child.startswith(prefix)]
            if inner and inner != [prefix]:
                return inner
        return None

    def _first(self) -> list[str]:
        prefixes = self._level(self._cuts[0])
        for cut in self._cuts[1:]:
            finer = self._written_prefixes(cut, most=_FEW)
            if len(finer) > _FEW:
                break
            prefixes = finer
        return prefixes

    def _level(self, cut: int) -> list[str]:
        if cut not in self._levels:
            self._levels[cut] = self._written_prefixes(cut)
        return self._levels[cut]

    def _all_cuts(self) -> list[int]:
        """Token counts that a prefix may be made of: before the first field, after each one."""
        first = next((i for i, t in enumerate(self._tokens) if t.kind != "literal"), len(self._tokens))
        cuts, letters = [first], set[str]()
        for i, token in enumerate(self._tokens[first:], first):
            if token.kind == "literal":
                continue
            if token.kind == "star" or token.text not in fields.ENUMERABLE:
                break
            if token.text not in letters:  # the same field again makes a prefix longer and no narrower
                cuts.append(i + 1)
                letters.add(token.text)
            if token.text == "s":
                break
        return cuts

    def _is_hourly(self, cut: int) -> bool:
        return any(t.kind == "field" and t.text in fields.HOURLY for t in self._tokens[:cut])

    def _written_prefixes(self, cut: int, most: int | None = None) -> list[str]:
        """Return the prefixes of *cut* tokens in time order, one more than *most* at most.

        The steps are too short to miss an hour or a day, clock changes included.
        """
        step = timedelta(minutes=30) if self._is_hourly(cut) else timedelta(hours=12)
        foreign = any(token == Token("field", "z") for token in self._tokens)
        slack = timedelta(hours=26) if foreign else timedelta(0)
        moment, last = self._start - slack, self._end + slack
        prefixes: dict[str, None] = {}
        while True:
            prefixes[self._written(cut, min(moment, last).astimezone(self._pattern.zone))] = None
            if moment >= last or (most is not None and len(prefixes) > most):
                return list(prefixes)
            moment += step

    def _written(self, cut: int, local: datetime) -> str:
        text = "".join(
            t.text if t.kind == "literal" else fields.write(t.text, local) for t in self._tokens[:cut]
        )
        ends_within = bool(cut) and self._tokens[cut - 1] == Token("field", "s")
        return text if ends_within else text + literal_from(self._tokens, cut)


def literal_from(tokens: tuple[Token, ...], i: int) -> str:
    """Return the literal text that begins at token *i*."""
    text = ""
    for token in tokens[i:]:
        if token.kind != "literal":
            break
        text += token.text
    return text


def tokens_of(uri: str) -> tuple[Token, ...]:
    """Split a pattern into literals, fields and stars.

    Raises:
        ConfigInvalid: a field that no key can be read back from.
    """
    tokens: list[Token] = []
    for field, star, text in _TOKEN.findall(_expanded(uri)):
        if text or field == "%":
            tokens.append(Token("literal", text or "%"))
        elif star:
            tokens.append(Token("star", "*"))
        elif field in fields.REGEX:
            tokens.append(Token("field", field))
        else:
            known_fields = " ".join(f"%{name}" for name in sorted(fields.REGEX))
            raise ConfigInvalid(
                f"The pattern has a field that no time can be read from: %{field}.",
                uri,
                f"Known: {known_fields}; write %% for a percent sign.",
            )
    return tuple(tokens)


def _expanded(uri: str) -> str:
    return re.sub(r"%(.)", lambda match: fields.EXPANDED.get(match[1], match[0]), uri)


def _zone(name: str, at: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ConfigInvalid(
            f'The time zone "{name}" is not known.', at, "Write an IANA name such as Europe/Berlin."
        ) from exc


def moved(at: datetime, by: timedelta) -> datetime:
    """Return *at* (aware) moved, and held within the years that a backup can be of."""
    try:
        moment = at + by
    except OverflowError:
        moment = LATEST if by > timedelta(0) else EARLIEST
    return min(max(moment, EARLIEST), LATEST)


def utc(at: datetime) -> datetime:
    """Return *at* as aware UTC; a naive time is taken as UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
