"""What two restored databases have in common, and what not: names and counts, never a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TableDifference:
    """How the rows of one table differ.

    Attributes:
        rows: in the first and in the second.
        only_first, only_second: rows whose key (the whole row where there is none) is in one of them alone.
        changed: rows of one key that differ.
        columns: those that only one of them has; the others are compared all the same.
    """

    table: str
    rows: tuple[int, int]
    only_first: int
    only_second: int
    changed: int
    columns: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as `--json` prints it."""
        return {
            "table": self.table,
            "rows": list(self.rows),
            "only_first": self.only_first,
            "only_second": self.only_second,
            "changed": self.changed,
            "columns": list(self.columns),
        }


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a comparison of two databases came to.

    Attributes:
        tables, rows: how much was compared: tables, and rows of the first.
        differences: tables of both whose rows differ.
        only_first, only_second: kind of object to names that one of them has alone; `tables` is a kind.
        not_compared: table to the reason.
    """

    tables: int = 0
    rows: int = 0
    differences: tuple[TableDifference, ...] = ()
    only_first: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only_second: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_compared: Mapping[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """`differ`, `untold` where something could not be compared or nothing was there, else `agree`."""
        if self.differences or any(self.only_first.values()) or any(self.only_second.values()):
            return "differ"
        return "untold" if self.not_compared or not self.tables else "agree"

    def as_dict(self) -> dict[str, Any]:
        """Return the agreement as `--json` prints it."""
        return {
            "agreement": self.word,
            "tables": self.tables,
            "rows": self.rows,
            "differences": [difference.as_dict() for difference in self.differences],
            "only_first": {kind: list(names) for kind, names in self.only_first.items()},
            "only_second": {kind: list(names) for kind, names in self.only_second.items()},
            "not_compared": dict(self.not_compared),
        }
