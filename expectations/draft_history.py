"""A table's figures at several recovery points, and what a rule for drafting gives back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from expectations.profile import ColumnProfile, TableProfile

MANY_ROWS = 200  # fewer say little about what is normal
SOME_ROWS = 30
# Tables that empty and fill as the day goes: only their shape is expected.
_VOLATILE = re.compile(
    r"session|queue|(^|_)jobs?($|_)|tmp|temp|cache|lock|token|outbox|staging|scratch", re.IGNORECASE
)


class Rule(NamedTuple):
    """An expectation without its table and, where it is about one column, without that column."""

    type: str
    kwargs: dict[str, object]
    why: str
    observed: str
    severity: str = "critical"


@dataclass(frozen=True, slots=True)
class TableHistory:
    """A table at several recovery points, the newest first."""

    points: tuple[TableProfile, ...]
    as_of: tuple[datetime, ...]

    @property
    def now(self) -> TableProfile:
        """The newest."""
        return self.points[0]

    @property
    def volatile(self) -> bool:
        """Whether it empties and fills as the day goes, by its name."""
        return bool(_VOLATILE.search(self.now.facts.name.partition(".")[2]))

    def column(self, name: str) -> ColumnHistory:
        """Return a column's history."""
        dated_points = [
            (point, at) for point, at in zip(self.points, self.as_of, strict=True) if name in point.columns
        ]
        return ColumnHistory(
            tuple(point.columns[name] for point, _ in dated_points),
            tuple(point.rows for point, _ in dated_points),
            tuple(at for _, at in dated_points),
        )


@dataclass(frozen=True, slots=True)
class ColumnHistory:
    """A column at several recovery points, the newest first."""

    points: tuple[ColumnProfile, ...]
    rows: tuple[int, ...]
    as_of: tuple[datetime, ...] = field(default=())

    @property
    def now(self) -> ColumnProfile:
        """The newest."""
        return self.points[0]

    @property
    def name(self) -> str:
        """Of the column."""
        return self.now.facts.name

    @property
    def filled_shares(self) -> list[float]:
        """Share of rows that are filled, at each point that has rows."""
        return [point.filled / rows for point, rows in zip(self.points, self.rows, strict=True) if rows]

    def figures(self, get: Callable[[ColumnProfile], float | None]) -> list[float]:
        """Return a figure at each point that has it."""
        return [value for point in self.points if (value := get(point)) is not None]


def rounded_up(value: float) -> float | int:
    """Return *value* rounded up to one digit, so that nobody's amount stands in the file."""
    if value <= 0:
        return 0
    step = 10 ** math.floor(math.log10(value))
    rounded = math.ceil(value / step) * step
    return int(rounded) if float(rounded).is_integer() else rounded


def rounded_down(value: float) -> int:
    """Return *value* rounded down to two digits."""
    step: int = 10 ** max(0, math.floor(math.log10(max(value, 1))) - 1)
    return int(value // step) * step


def significant(value: float) -> float | int:
    """Return *value* with three digits."""
    rounded = float(f"{value:.3g}")
    return int(rounded) if rounded.is_integer() else rounded
