"""strftime's fields as they stand in keys: how each is matched, read and written.

Names of months and days are the C locale's, whatever this worker's locale is: `date` on the backup host
wrote them, and a drill must read the same time everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EXPANDED = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}
"""Fields that stand for several."""
_MILLISECONDS_DIGITS = 13
EPOCH_DIGITS = 4
"""Leading digits of %s that a prefix is made of: one prefix reaches 11.6 days."""


def _names(names: Iterable[str]) -> str:
    return "|".join(names)


REGEX = {
    "Y": r"[0-9]{4}",
    "y": r"[0-9]{2}",
    "m": r"(?:0[1-9]|1[0-2])",
    "d": r"(?:0[1-9]|[12][0-9]|3[01])",
    "H": r"(?:[01][0-9]|2[0-3])",
    "I": r"(?:0[1-9]|1[0-2])",
    "p": r"(?:AM|PM)",
    "P": r"(?:am|pm)",
    "M": r"[0-5][0-9]",
    "S": r"(?:[0-5][0-9]|60)",
    "f": r"[0-9]{1,6}",
    "j": r"[0-3][0-9]{2}",
    "b": f"(?:{_names(month[:3] for month in MONTHS)})",
    "B": f"(?:{_names(MONTHS)})",
    "a": f"(?:{_names(day[:3] for day in DAYS)})",
    "A": f"(?:{_names(DAYS)})",
    "s": r"(?:[0-9]{13}|[0-9]{9,11})",
    "z": r"(?:Z|[+-][0-9]{2}:?[0-9]{2})",
}
"""What each field looks like in a key. Zero-padded, as strftime writes it."""
WIDTHS = {
    **dict.fromkeys("ymdHIpPMS", (2, 2)), **dict.fromkeys("jba", (3, 3)), "Y": (4, 4), "f": (1, 6),
    "s": (9, 13), "z": (1, 6), "B": (3, 9), "A": (6, 9),
}  # fmt: skip
"""How few and how many characters each has."""
ENUMERABLE = frozenset("YymdHIpPjbBaAs")
"""Fields that a prefix may hold; finer ones would make more prefixes than they save keys."""
HOURLY = frozenset("HIpP")
"""Fields that change within a day."""


def write(field: str, at: datetime) -> str:
    """Return *field* of the local time *at*, as the backup host wrote it; of %s the leading digits only."""
    writer = _WRITERS.get(field)
    return at.strftime(f"%{field}") if writer is None else writer(at)


def read(values: dict[str, str], zone: tzinfo) -> datetime:
    """Return the moment that the fields *values* name, aware UTC; what is not named is at its earliest.

    An hour that a clock change repeats is the first of the two: no backup is called younger than it is. %s of
    13 digits is in milliseconds, as `date +%s%3N` and most languages write it.

    Raises:
        ValueError: no such day, or two fields contradict each other; the message says which.
    """
    if "s" in values:
        at = _since_1970(values["s"])
        _agree(values, at.astimezone(_zone(values, zone)))
        return at
    day = _date(values)
    hour, minute, second, micro = _time(values)
    local = datetime(day.year, day.month, day.day, hour, minute, second, micro, _zone(values, zone))
    _agree(values, local)
    return local.astimezone(UTC)


def _since_1970(digits: str) -> datetime:
    if len(digits) == _MILLISECONDS_DIGITS:
        return datetime.fromtimestamp(int(digits[:-3]), UTC) + timedelta(milliseconds=int(digits[-3:]))
    return datetime.fromtimestamp(int(digits), UTC)


def _date(values: dict[str, str]) -> date:
    year = _year(values)
    if "j" in values and not values.keys() & {"m", "b", "B"}:
        return _day_of_year(year, int(values["j"]))
    return date(year, _month(values), int(values.get("d", "1")))


def _year(values: dict[str, str]) -> int:
    if "Y" in values:
        return int(values["Y"])
    if "y" not in values:
        raise ValueError("its fields name no year")
    short = int(values["y"])
    return short + (1900 if short >= 69 else 2000)  # noqa: PLR2004  POSIX's pivot


def _day_of_year(year: int, number: int) -> date:
    day = date(year, 1, 1) + timedelta(days=number - 1)
    if day.year != year:
        raise ValueError(f"{year} has no day {number}")
    return day


def _month(values: dict[str, str]) -> int:
    if "m" in values:
        return int(values["m"])
    if "B" in values:
        return MONTHS.index(values["B"]) + 1
    if "b" in values:
        return [month[:3] for month in MONTHS].index(values["b"]) + 1
    return 1


def _time(values: dict[str, str]) -> tuple[int, int, int, int]:
    hour = int(values.get("H", "0"))
    if "H" not in values and "I" in values:
        afternoon = "PM" in (values.get("p"), values.get("P", "").upper())
        hour = int(values["I"]) % 12 + (12 if afternoon else 0)
    second = min(int(values.get("S", "0")), 59)  # a leap second has no place in datetime
    return hour, int(values.get("M", "0")), second, int(values.get("f", "0").ljust(6, "0"))


def _zone(values: dict[str, str], zone: tzinfo) -> tzinfo:
    text = values.get("z")
    if text is None:
        return zone
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _agree(values: dict[str, str], local: datetime) -> None:
    for field, text in values.items():
        if field in ENUMERABLE - {"s"} and write(field, local) != text:
            raise ValueError(f"%{field} says {text}, the other fields say {write(field, local)}")


_WRITERS: dict[str, Callable[[datetime], str]] = {
    "b": lambda at: MONTHS[at.month - 1][:3],
    "B": lambda at: MONTHS[at.month - 1],
    "a": lambda at: DAYS[at.weekday()][:3],
    "A": lambda at: DAYS[at.weekday()],
    "p": lambda at: "AM" if at.hour < 12 else "PM",  # noqa: PLR2004  noon
    "P": lambda at: "am" if at.hour < 12 else "pm",  # noqa: PLR2004  noon
    "Y": lambda at: f"{at.year:04d}",
    "s": lambda at: str(int(at.timestamp()))[:EPOCH_DIGITS],
}
"""What strftime would write by the worker's locale, or would not write whole."""
