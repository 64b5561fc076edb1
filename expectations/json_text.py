"""JSON that somebody else wrote, read within bounds: manifests, earlier evidence, stamps, native suites.

The standard reader believes everything: a key that stands twice (the last one counts), NaN, numbers of any
length, half of a surrogate pair, which nothing can write again. It fails in ways of its own on what is nested
deeply. Here all of that is one error, which says what is wrong and never quotes what it read.
"""

from __future__ import annotations

import json
import math
from typing import Any, TypeAlias

LARGEST_BYTES = 64 << 20
"""An inventory of 100,000 tables with their indexes and constraints has about 40 MiB."""
MOST_VALUES = 4_000_000
"""Each costs memory beyond its letters: `[],` takes 64 bytes for three."""
DEEPEST = 64
_LONGEST_INT = 19  # digits: 64 bits
_LONGEST_FLOAT = 64

Json: TypeAlias = Any
"""What JSON can hold."""


class JsonInvalid(ValueError):  # noqa: N818  what it is
    """It is no JSON, or not of the kind that anybody has a reason to write.

    Args:
        what: is wrong, a clause.
        line: where, from 1; None where that is not known.
    """

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what, line)
        self.what = what
        self.line = line

    def __str__(self) -> str:
        return self.what


def read_json(data: bytes | str, largest_bytes: int = LARGEST_BYTES) -> Json:
    """Return what *data* holds.

    Raises:
        JsonInvalid: the message says what is wrong, a clause.
    """
    if len(data) > largest_bytes:
        raise JsonInvalid(f"it has more than {largest_bytes >> 20} MiB")
    text = _text(data)
    if sum(map(text.count, ",[{")) > MOST_VALUES:
        raise JsonInvalid(f"it holds more than {MOST_VALUES:,} values")
    try:
        document = json.loads(
            text,
            object_pairs_hook=_once,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except RecursionError as exc:
        raise JsonInvalid(f"it is nested deeper than {DEEPEST} levels") from exc
    except json.JSONDecodeError as exc:
        raise JsonInvalid(f"it is no JSON at line {exc.lineno}: {exc.msg}", exc.lineno) from exc
    _require_shallow(document)
    return document


def read_object(data: bytes | str, largest_bytes: int = LARGEST_BYTES) -> dict[str, Json]:
    """Return the object that *data* holds; as `read_json`.

    Raises:
        JsonInvalid: it holds something else, too.
    """
    document = read_json(data, largest_bytes)
    if not isinstance(document, dict):
        raise JsonInvalid("it holds no object")
    return document


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise JsonInvalid("it is no UTF-8") from exc


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise JsonInvalid("a key stands twice in one object")
    return mapping


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _LONGEST_INT:
        raise JsonInvalid(f"it holds a number of more than {_LONGEST_INT} digits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits) if len(digits) <= _LONGEST_FLOAT else math.inf
    if not math.isfinite(value):
        raise JsonInvalid("it holds a number that is too large")
    return value


def _constant(name: str) -> Json:
    raise JsonInvalid(f"it holds {name}, which is no number")


def _require_shallow(document: Json) -> None:
    """Refuse what is nested deeply, and texts that no encoding can write."""
    level: list[Json] = [document]
    for _ in range(DEEPEST):
        below: list[Json] = []
        for value in level:
            if isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and not value.isascii():
                _require_writable(value)
        if not below:
            return
        level = below
    raise JsonInvalid(f"it is nested deeper than {DEEPEST} levels")


def _require_writable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise JsonInvalid("it holds half of a surrogate pair") from exc
