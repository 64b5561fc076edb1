"""Cron lines, checked when the file is read: a schedule that never runs is a drill that nobody misses.

What Prefect's scheduler takes is taken, since croniter reads the line, the very release that Prefect carries
a copy of. Three of those are refused: a line that never runs, one that draws a new time whenever it is
looked at, and one that fires within a minute again (the sixth field is seconds, and easily meant as another).
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from tasks.model.clock import utc_now

EXAMPLE = "0 3 * * *"
_FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12 or jan to dec"),
    ("day of the week", "0 to 7 or sun to sat"),
    ("second", "0 to 59"),
    ("year", "1970 to 2099"),
)
_SECOND = 5
_RANDOM = re.compile(r"[rh](?![a-z])")
"""`R`, `H` and their ranges; no name of a month or a day begins so."""


def check_cron(text: str) -> str:
    """Return *text* when it is a cron line that runs at some time.

    Raises:
        ValueError: which field is wrong, and how a line looks.
    """
    if any(_RANDOM.match(part.lower()) for part in re.split(r"[\s,]+", text)):
        raise ValueError(
            f'"{text}" draws its time anew at every look; write fixed times, such as "{EXAMPLE}"'
        )
    if not _is_read(text):
        raise ValueError(_trouble(text))
    seconds = croniter.expand(text)[0][_SECOND:][:1]
    if seconds and (len(seconds[0]) > 1 or seconds[0] == ["*"]):
        raise ValueError(
            f'"{text}" fires more than once a minute: its sixth field is seconds, after the day of the week; '
            f'write five fields, such as "{EXAMPLE}"'
        )
    if next_run(text, utc_now()) is None:
        raise ValueError(f'"{text}" never runs: no moment of the next fifty years is what it asks for')
    return text


def next_run(cron: str, after: datetime) -> datetime | None:
    """Return when *cron* runs next after *after*, in the time zone of *after*, or None for never."""
    try:
        following: datetime = croniter(cron, after).get_next(datetime)
    except ValueError:  # croniter's for a date that it does not find within fifty years
        return None
    return following


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


def _is_read(text: str) -> bool:
    try:
        return bool(croniter.is_valid(text))
    except (
        ValueError,
        ArithmeticError,
        LookupError,
        TypeError,
        AttributeError,
    ):  # a line it has no error for
        return False


def _trouble(text: str) -> str:
    """Say which field croniter does not take: the first that it refuses among stars."""
    parts = text.split()
    if parts and parts[0].startswith("@"):
        return f'"{text}" is no name of a schedule; write @hourly, @daily, @weekly, @monthly or @yearly'
    if not 5 <= len(parts) <= len(_FIELDS):  # noqa: PLR2004  a cron line's
        return f'"{text}" has {len(parts)} fields; write minute hour day month weekday, such as "{EXAMPLE}"'
    stars = ["*"] * len(parts)
    for i, ((name, values), part) in enumerate(zip(_FIELDS, parts, strict=False)):
        if not _is_read(" ".join([*stars[:i], part, *stars[i + 1 :]])):
            return f'"{text}": the {name} "{part}" is not {values}; write a line such as "{EXAMPLE}"'
    return f'"{text}": its fields do not go together; write a line such as "{EXAMPLE}"'
