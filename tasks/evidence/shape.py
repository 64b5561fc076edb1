"""Shapes of stored documents, made of small ones: each refuses a value that is not of its kind.

The error names the place and never what stands there: it may be anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

Shape: TypeAlias = Callable[[Any], None]
"""Raises ShapeError for a value of another shape."""

_LONGEST_TIME = 40
_LARGEST = 1 << 63


class ShapeError(ValueError):
    """A value has not the shape that its place asks for.

    Args:
        kind: what should be there.
        path: the names that lead there, the last one first.
    """

    def __init__(self, kind: str, *path: str) -> None:
        super().__init__(kind, *path)
        self.kind = kind
        self.path = path

    def __str__(self) -> str:
        return f"{'.'.join(reversed(self.path)) or 'the document'} is not {self.kind}"


# --- single values


def text(value: object) -> None:
    """Take text."""
    if not isinstance(value, str):
        raise ShapeError("text")


def time(value: object) -> None:
    """Take a time in UTC."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and len(value) < _LONGEST_TIME else None
    except ValueError:
        at = None
    if at is None or at.utcoffset() != timedelta(0):
        raise ShapeError("a time in UTC")


def count(value: object) -> None:
    """Take a whole number from 0 up, of 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST:
        raise ShapeError("a whole number from 0 up")


def number(value: object) -> None:
    """Take a number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ShapeError("a number")


def flag(value: object) -> None:
    """Take true and false."""
    if not isinstance(value, bool):
        raise ShapeError("true or false")


def scalar(value: object) -> None:
    """Take text and numbers."""
    if not isinstance(value, str):
        number(value)


# --- shapes made of shapes


def maybe(shape: Shape) -> Shape:
    """Return the shape of null, or of *shape*."""

    def check(value: object) -> None:
        if value is not None:
            shape(value)

    return check


def one_of(*words: str) -> Shape:
    """Return the shape of one of *words*."""

    def check(value: object) -> None:
        if not isinstance(value, str) or value not in words:
            raise ShapeError(f"one of {', '.join(words)}")

    return check


def each(shape: Shape) -> Shape:
    """Return the shape of a list of *shape*."""

    def check(value: object) -> None:
        if not isinstance(value, list):
            raise ShapeError("a list")
        for at, item in enumerate(value):
            _within(shape, item, str(at))

    return check


def mapping(shape: Shape) -> Shape:
    """Return the shape of an object whose values are of *shape*, whatever its keys."""

    def check(value: object) -> None:
        for item in _as_mapping(value).values():
            _within(shape, item, "*")

    return check


def record(needed: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """Return the shape of an object with the fields *needed*; those *optional* may be there."""
    further = dict(optional or {})

    def check(value: object) -> None:
        fields = _as_mapping(value)
        for name, shape in needed.items():
            if name not in fields:
                raise ShapeError("there", name)
            _within(shape, fields[name], name)
        for name, shape in further.items():
            if name in fields:
                _within(shape, fields[name], name)

    return check


def _within(shape: Shape, value: object, name: str) -> None:
    try:
        shape(value)
    except ShapeError as exc:
        raise ShapeError(exc.kind, *exc.path, name) from None


def _as_mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ShapeError("an object")
    return value
