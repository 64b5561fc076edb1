"""Durations, sizes and shares: numbers with their unit, in files and in sentences."""

from __future__ import annotations

import re

DURATION_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZE_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
LONGEST_S = 36_525 * 86_400.0
LARGEST_BYTES = 1 << 60
_LARGEST_PERCENT = 1e6
_SHOWN_CHARS = 40
_NUMBER = re.compile(r"(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z%]*)", re.ASCII)


def parse_duration_s(text: object) -> float:
    """Return the seconds of a duration such as `26h`, `1.5d` or `-90s`.

    Raises:
        ValueError: no number, no unit or an unknown one; the message names the remedy.
    """
    number, unit = _split(text, "a duration", "6h")
    if unit not in DURATION_S:
        raise ValueError(_unit_error(text, unit, tuple(DURATION_S), number, "h"))
    seconds = number * DURATION_S[unit]
    if abs(seconds) > LONGEST_S:
        raise ValueError(
            f'"{_shown(text)}" is longer than a hundred years; write what is meant, such as 365d'
        )
    return seconds


def parse_size_bytes(text: object) -> int:
    """Return the bytes of a size such as `50GiB`.

    Raises:
        ValueError: as `parse_duration_s`; negative sizes too.
    """
    number, unit = _split(text, "a size", "50GiB")
    if unit not in SIZE_BYTES:
        raise ValueError(_unit_error(text, unit, tuple(SIZE_BYTES), number, "GiB"))
    if number < 0:
        raise ValueError(f'"{text}" is negative; write a size such as 50GiB')
    if number * SIZE_BYTES[unit] > LARGEST_BYTES:
        raise ValueError(f'"{_shown(text)}" is larger than any disk; write what is meant, such as 2TiB')
    return int(number * SIZE_BYTES[unit])


def parse_share(text: object) -> float:
    """Return the fraction of a share such as `10%`.

    Raises:
        ValueError: as `parse_duration_s`; negative shares too.
    """
    number, unit = _split(text, "a share", "10%")
    if unit != "%":
        raise ValueError(_unit_error(text, unit, ("%",), number, "%"))
    if number < 0:
        raise ValueError(f'"{text}" is negative; write a share such as 10%')
    if number > _LARGEST_PERCENT:
        raise ValueError(f'"{_shown(text)}" is no share; write one such as 10%')
    return number / 100


def format_duration(seconds: float | None) -> str:  # noqa: PLR0911  one per scale
    """Return seconds as a person reads them: `0.8 s`, `4 min 10 s`, `26 h`, `9.2 d`."""
    if seconds is None:
        return "unknown"
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 10:  # noqa: PLR2004  one decimal where it can be felt
        return f"{seconds:.1f} s"
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    whole_s = round(seconds)
    if whole_s < 3600:  # noqa: PLR2004
        return _two(whole_s // 60, "min", whole_s % 60, "s")
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return _two(minutes // 60, "h", minutes % 60, "min")
    return f"{seconds / 86400:.1f} d"


def format_bytes(size: int | None) -> str:
    """Return bytes as a person reads them, binary units: `812 B`, `1.4 GiB`."""
    if size is None:
        return "unknown"
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:  # noqa: PLR2004
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def _split(text: object, kind: str, example: str) -> tuple[float, str]:
    match = _NUMBER.fullmatch(str(text).strip()) if isinstance(text, (str, int, float)) else None
    if match is None or isinstance(text, bool):
        raise ValueError(f'"{text}" is not {kind}; write a number with its unit, such as {example}')
    return float(match["number"]), match["unit"]


def _shown(text: object) -> str:
    words = str(text)
    return words if len(words) <= _SHOWN_CHARS else f"{words[:_SHOWN_CHARS]}..."


def _unit_error(text: object, unit: str, units: tuple[str, ...], number: float, usual: str) -> str:
    if not unit:
        return f'"{text}" has no unit; write {number:g}{usual}'
    return f'"{text}" has an unknown unit "{unit}"; known: {", ".join(units)}'


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"
