"""Cron lines, checked when the file is read: a schedule that never runs is a drill that nobody misses.

Five fields, the subset that Prefect's scheduler reads: numbers, names, `*`, lists, ranges, steps, `L` for
the last day of a month and `#` for the n-th weekday.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EXAMPLE = "0 3 * * *"


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)
_LONGEST = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
_TERM = re.compile(r"(?P<start>\*|[a-z0-9]+)(?:-(?P<end>[a-z0-9]+))?(?:/(?P<step>[0-9]+))?")


def check_cron(text: str) -> str:
    """Return *text* when it is a cron line that runs at some time.

    Raises:
        ValueError: which field is wrong, and how a line looks.
    """
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            f'"{text}" has {len(parts)} fields; write minute hour day month weekday, such as "{EXAMPLE}"'
        )
    values = [_values(part.lower(), field, text) for part, field in zip(parts, _FIELDS, strict=True)]
    _, _, days, months, _ = values
    if parts[4] == "*" and days and min(days) > max(_LONGEST[month] for month in months):
        raise ValueError(f'"{text}" never runs: none of its months has a day {min(days)}')
    return text


def check_timezone(name: str) -> str:
    """Return *name* when it is a time zone of the IANA database.

    Raises:
        ValueError: it is not.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{name}" is not a time zone; write UTC or a name such as Europe/Berlin') from None
    return name


def _values(part: str, field: _Field, line: str) -> set[int]:
    found: set[int] = set()
    for term in part.split(","):
        found |= _term(term, field, line)
    return found


def _term(term: str, field: _Field, line: str) -> set[int]:
    if field.name == "day of the month" and term == "l":
        return {28}
    nth = re.fullmatch(r"(?P<day>[a-z0-9]+)#[1-5]", term) if field.names is _DAYS else None
    match = _TERM.fullmatch(nth["day"] if nth else term)
    wrong = ValueError(
        f'"{line}": the {field.name} "{term}" is not between {field.low} and {field.high}; '
        f'write a line such as "{EXAMPLE}"'
    )
    if match is None:
        raise wrong
    first = field.low if match["start"] == "*" else _number(match["start"], field)
    last = first if match["end"] is None else _number(match["end"], field)
    if match["start"] == "*" or (match["step"] and match["end"] is None):
        last = field.high
    step = int(match["step"] or 1)
    if first is None or last is None or step < 1 or not field.low <= first <= last <= field.high:
        raise wrong
    return set(range(first, last + 1, step))


def _number(text: str, field: _Field) -> int | None:
    if text in field.names:
        return field.names.index(text) + field.low
    return int(text) if text.isdigit() else None
