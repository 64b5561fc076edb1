"""How the report writes figures: the filters of its templates."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from tasks.evidence.sentence import minute
from tasks.model.printable import printable
from tasks.model.units import format_bytes, format_duration

DASH = "\N{EN DASH}"
"""What stands where nothing is known."""
_SIGN = {"<= ": "\N{LESS-THAN OR EQUAL TO} ", ">= ": "\N{GREATER-THAN OR EQUAL TO} "}
_SIGNS = re.compile("|".join(_SIGN))
_FELT_S = 0.1
_CHARS_SHOWN = 20_000
OUTCOMES = {"passed": "Pass", "failed": "Fail", "not_run": "Not run", "not_configured": "Not configured"}


def duration(seconds: float | None) -> str:
    """Return seconds as a person reads them, or a dash."""
    if seconds is not None and 0 < seconds < _FELT_S:
        return f"< {_FELT_S} s"
    return DASH if seconds is None else format_duration(seconds)


def size(count: int | None) -> str:
    """Return bytes as a person reads them, or a dash."""
    return DASH if count is None else format_bytes(count)


def number(value: object) -> str:
    """Return whole numbers grouped by thousands, text as it is, a dash for nothing."""
    if value is None or value == "":
        return DASH
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def moment(at: str | None) -> str:
    """Return a stored time to the minute, or a dash."""
    return DASH if at is None else minute(at)


def second(at: str | None) -> str:
    """Return a stored time to the second, or a dash."""
    return DASH if at is None else f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S} UTC"


def day(at: str | None) -> str:
    """Return a stored time's date, or a dash."""
    return DASH if at is None else f"{datetime.fromisoformat(at):%Y-%m-%d}"


def clock(at: str) -> str:
    """Return a stored time's hour and minute."""
    return f"{datetime.fromisoformat(at):%H:%M} UTC"


def outcome(name: str) -> str:
    """Return a check's outcome in a word or two."""
    return OUTCOMES.get(name, name)


def prose(text: object) -> Markup:
    """Return a sentence with `names` set as code and comparisons as signs, everything else escaped."""
    parts = _SIGNS.sub(lambda match: _SIGN[match[0]], printable(str(text), _CHARS_SHOWN)).split("`")
    if len(parts) % 2 == 0:  # an odd backtick is no markup
        return escape("`".join(parts))
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if at % 2 else part for at, part in enumerate(parts))


def share(part: float | None, whole: float | None) -> str:
    """Return how much of *whole* *part* is, per cent."""
    return DASH if part is None or not whole else f"{100 * part / whole:.0f} %"


def percent(value: float | None) -> str:
    """Return a share that is per cent already, or a dash."""
    return DASH if value is None else f"{value:.3g} %"


def isolation(parts: object) -> str:
    """Return the parts of a sandbox's isolation; older documents have them joined by `+`."""
    names = parts.split("+") if isinstance(parts, str) else parts
    if not isinstance(names, list | tuple) or not names:
        return DASH
    return ", ".join(map(str, names))


FILTERS: dict[str, Callable[..., Any]] = {
    "duration": duration,
    "size": size,
    "number": number,
    "moment": moment,
    "second": second,
    "day": day,
    "clock": clock,
    "outcome": outcome,
    "share": share,
    "prose": prose,
    "isolation": isolation,
}
