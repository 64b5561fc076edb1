"""Values that only a run knows: times relative to the moment of judgement, and figures of earlier drills.

Decision: `{as_of: -26h}` and `{param: last_rows}` are objects, not templates in strings, so that a typing
error is found when the suite is loaded and never becomes a comparison with a string.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from expectations.suite import Parameter, RelativeTime

_LONGEST_S = 1000 * 366 * 86400.0
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)", re.ASCII)
_PARAMETER_KEYS = ("param", "times", "plus", "default")
TIME_PARAMETERS = {
    "newest_row": "the newest row of the last verified drill",
    "last_verified_at": "the time of the last verified drill",
}
_NUMBERS = {"last_rows": "the rows of the last verified drill"}
PARAMETERS = (*_NUMBERS, *TIME_PARAMETERS)
"""Every figure of earlier drills that there is; a suite that names another is refused."""
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))
_GX_PARAMETER = "$PARAMETER"
# A string value such as "2026-01-01" or "2026-01-01T12:00:00+02:00"; anything else stays a string.
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unset:
    """A parameter without a value, although there is an earlier verified drill.

    Attributes:
        why: one clause.
        for_now: the next verified drill sets it, without anybody doing anything.
    """

    why: str
    for_now: bool


class NoHistory(Exception):  # noqa: N818
    """A parameter that no earlier drill has set: its name, and the `Unset` that says why."""

    @property
    def name(self) -> str:
        """The parameter's name."""
        return str(self.args[0])

    @property
    def unset(self) -> Unset:
        """Why it has no value."""
        unset: Unset = self.args[1]
        return unset


def parse_seconds(text: object) -> float:
    """Return the seconds of a duration such as `-26h`; `0` needs no unit.

    Raises:
        ValueError: no number, no unit or an unknown one; the message says what to write.
    """
    match = _DURATION.fullmatch(str(text).strip()) if not isinstance(text, bool) else None
    if match is None:
        raise ValueError(f'"{text}" is not a duration; write a number with its unit, such as -26h')
    number, unit = float(match["number"]), match["unit"]
    if not unit and number == 0:
        return 0.0
    if not unit:
        raise ValueError(f'"{text}" has no unit; write {number:g}h')
    if unit not in _UNIT_S:
        raise ValueError(f'"{text}" has an unknown unit "{unit}"; known: {", ".join(_UNIT_S)}')
    if abs(number) * _UNIT_S[unit] > _LONGEST_S:
        raise ValueError(f'"{str(text)[:40]}" is longer than a thousand years; write a shorter one')
    return number * _UNIT_S[unit]


def is_dynamic(value: object) -> bool:
    """Say whether *value* is written as a relative time or as a parameter."""
    return isinstance(value, dict) and bool({"as_of", "param", _GX_PARAMETER} & set(value))


def parse_dynamic(value: Mapping[str, object]) -> RelativeTime | Parameter:
    """Return what `{as_of: ...}`, `{param: ...}` or GX's own `{"$PARAMETER": ...}` mean.

    Raises:
        ValueError: a bad duration, an unknown key or a wrong type; the message says what to write.
    """
    if "as_of" in value:
        _only(value, ("as_of",))
        return RelativeTime(parse_seconds(value["as_of"]), str(value["as_of"]))
    if _GX_PARAMETER in value:
        _only(value, (_GX_PARAMETER,))
        return Parameter(_name(value[_GX_PARAMETER]))
    _only(value, _PARAMETER_KEYS)
    name = _name(value["param"])
    parameter = Parameter(
        name=name,
        times=_number(value.get("times", 1.0), "times"),
        plus=_shift(value.get("plus", 0), of_time=name in TIME_PARAMETERS),
        default=_default(value.get("default")),
    )
    if parameter.name in TIME_PARAMETERS and parameter.times != 1:
        raise ValueError("a time takes no factor; write a shift, such as plus: -2h")
    if parameter.default is not None and (parameter.name in TIME_PARAMETERS) is not isinstance(
        parameter.default, RelativeTime
    ):
        kind = "a time such as {as_of: -26h}" if parameter.name in TIME_PARAMETERS else "a number"
        raise ValueError(f"the default of {parameter.name} is not {kind}; write one")
    return parameter


def bind(
    value: object,
    as_of: datetime,
    parameters: Mapping[str, object],
    column_type: str | None,
    column: str | None = None,
) -> object:
    """Return *value* with every relative time and parameter in it replaced, typed as the column needs it.

    Args:
        value: of a kwarg, as written.
        as_of: aware; the moment of judgement.
        parameters: figures of the earlier drills of this table; one that is a mapping holds it by column.
        column_type: `date`, `timestamp`, `timestamptz` or anything else; None where there is no column.
        column: the column's name.

    Raises:
        NoHistory: a parameter without a value and without a default.
    """
    if isinstance(value, RelativeTime):
        return _typed(as_of + timedelta(seconds=value.offset_s), column_type)
    if isinstance(value, Parameter):
        return _bind_parameter(value, parameters, column, column_type, as_of)
    if isinstance(value, Mapping):
        return {key: bind(member, as_of, parameters, column_type, column) for key, member in value.items()}
    if isinstance(value, list):
        return [bind(member, as_of, parameters, column_type, column) for member in value]
    return _typed_literal(value, column_type)


def say_dynamic(value: RelativeTime | Parameter) -> str:
    """Return a relative time or parameter in words: `26 hours before the moment of judgement`."""
    if isinstance(value, RelativeTime):
        return _say_relative(value)
    if value.name in TIME_PARAMETERS:
        shift = "" if value.plus == 0 else f"{_say_span(abs(value.plus))} {_side(value.plus)} "
        return shift + TIME_PARAMETERS[value.name]
    times = "" if value.times == 1 else f"{value.times:g} x "
    plus = "" if value.plus == 0 else f" {'+' if value.plus > 0 else '-'} {abs(value.plus):g}"
    return f"{times}{_NUMBERS.get(value.name, f'{value.name} of earlier drills')}{plus}"


def _say_relative(value: RelativeTime) -> str:
    if value.offset_s == 0:
        return "the moment of judgement"
    return f"{_say_span(abs(value.offset_s))} {_side(value.offset_s)} the moment of judgement"


def _side(seconds: float) -> str:
    return "before" if seconds < 0 else "after"


def _say_span(seconds: float) -> str:
    """Return a span in the largest unit that says it in a whole number; hours up to two days."""
    for unit, size in _UNITS:
        count = seconds / size
        if count >= 1 and count.is_integer() and not (unit == "day" and count == 1):
            return f"{count:g} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"


def _bind_parameter(
    parameter: Parameter,
    figures: Mapping[str, object],
    column: str | None,
    column_type: str | None,
    as_of: datetime,
) -> object:
    value = figures.get(parameter.name)
    if isinstance(value, Mapping):  # a figure for each column
        value = value.get(
            column, Unset(f"no earlier drill measured it of {column}; this one does", for_now=False)
        )
    default = parameter.default
    if (value is None or isinstance(value, Unset)) and default is not None:
        value = as_of + timedelta(seconds=default.offset_s) if isinstance(default, RelativeTime) else default
    if isinstance(value, datetime):
        return _typed(value + timedelta(seconds=parameter.plus), column_type)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        bound = value * parameter.times + parameter.plus
        return int(bound) if float(bound).is_integer() else bound
    unset = value if isinstance(value, Unset) else Unset("no drill has been verified yet", for_now=True)
    raise NoHistory(parameter.name, unset)


def _typed(moment: datetime, column_type: str | None) -> object:
    """Return an aware moment as a column of this type compares with it; mixed kinds do not compare."""
    utc = moment.astimezone(UTC)
    if column_type == "date":
        return utc.date()
    if column_type == "timestamp":
        return utc.replace(tzinfo=None)
    if column_type == "timestamptz" or column_type is None:
        return utc
    return utc.isoformat()


def _typed_literal(value: object, column_type: str | None) -> object:
    if column_type not in {"date", "timestamp", "timestamptz"}:
        return value
    if isinstance(value, str):
        if not _ISO.fullmatch(value.strip()):
            return value
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        return _typed(value if value.tzinfo else value.replace(tzinfo=UTC), column_type)
    if isinstance(value, date) and column_type != "date":
        return _typed(datetime(value.year, value.month, value.day, tzinfo=UTC), column_type)
    return value


def _only(value: Mapping[str, object], keys: tuple[str, ...]) -> None:
    unknown = sorted(set(value) - set(keys))
    if unknown:
        raise ValueError(f'unknown key "{unknown[0]}"; known: {", ".join(keys)}')


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f'"{value}" is not a parameter\'s name; write one such as last_rows')
    if value not in PARAMETERS:
        near = difflib.get_close_matches(value, PARAMETERS, 1, cutoff=0.6)
        meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(PARAMETERS)}"
        raise ValueError(f'no drill sets a parameter "{value}"; {meant}')
    return value


def _default(value: object) -> float | RelativeTime | None:
    if isinstance(value, Mapping) and "as_of" in value:
        _only(value, ("as_of",))
        return RelativeTime(parse_seconds(value["as_of"]), str(value["as_of"]))
    return None if value is None else _number(value, "default")


def _number(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f'{key}: "{value}" is not a number; write one such as 0.9')
    return value


def _shift(value: object, *, of_time: bool) -> float:
    """Return what `plus` adds: to a time a duration with its unit, to a number a number."""
    return parse_seconds(value) if of_time else _number(value, "plus")
