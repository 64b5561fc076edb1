"""What became of the partitions of a table: expired, detached or lost.

Decided here: the oldest go by retention, so range partitions (and lists of dates) missing from the beginning
of their order are expired, however many, as long as the table still has partitions. Anything else missing is
lost. Hash, list and default partitions have no oldest.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.model.inventory import Inventory

_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one partitioned table's partitions.

    Attributes:
        expired: missing from the old end.
        lost: missing otherwise.
        detached: still there, as tables of their own.
    """

    parent: str
    expired: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    detached: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[str, ...]:
        """Those that rightly no longer count in the parent's rows."""
        return self.expired + self.detached


def fates(base: Inventory, current: Inventory) -> dict[str, Fate]:
    """Return the fate of the partitions of each partitioned table that both inventories hold."""
    parents = _parents(base, current)
    families: defaultdict[str, list[str]] = defaultdict(list)
    for name, parent in parents.items():
        if parent in current.tables:
            families[parent].append(name)
    return {parent: _fate(parent, family, base, current) for parent, family in families.items()}


def _fate(parent: str, family: list[str], base: Inventory, current: Inventory) -> Fate:
    missing = {name for name in family if name not in current.tables}
    detached = tuple(
        sorted(
            name
            for name in family
            if name in current.tables
            and base.tables[name].partition_of == parent
            and current.tables[name].partition_of != parent
        )
    )
    siblings = [name for name, figures in current.tables.items() if figures.partition_of == parent]
    expired: list[str] = []
    if siblings:
        for name in _oldest_first(family, siblings, base, current):
            if name in detached:
                continue
            if name not in missing:
                break
            expired.append(name)
    return Fate(parent, tuple(expired), tuple(sorted(missing - set(expired))), detached)


def _oldest_first(
    family: Iterable[str], siblings: list[str], base: Inventory, current: Inventory
) -> list[str]:
    ranks = {name: rank for name in family if (rank := base.tables[name].partition_rank) is not None}
    if ranks:
        return sorted(ranks, key=ranks.__getitem__)
    if any(current.tables[name].partition_rank is not None for name in siblings):
        return sorted(family, key=natural)
    return []


def _parents(base: Inventory, current: Inventory) -> dict[str, str]:
    """Return table to parent; what a seed leaves out is told from what is there now, or by likeness."""
    parents = {
        name: parent
        for name in base.tables
        if (parent := base.tables[name].partition_of or _now_of(name, current)) is not None
    }
    shapes = {
        skeleton(name): figures.partition_of
        for name, figures in current.tables.items()
        if figures.partition_of is not None and skeleton(name) != name
    }
    for name in base.tables:
        likely = shapes.get(skeleton(name))
        if name not in current.tables and name not in parents and likely is not None:
            parents[name] = likely
    return parents


def _now_of(name: str, current: Inventory) -> str | None:
    figures = current.tables.get(name)
    return None if figures is None else figures.partition_of


def skeleton(name: str) -> str:
    """Return *name* with each number as `#`: `events_2025_01` and `events_2025_02` are alike."""
    return _DIGITS.sub("#", name)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which `p2` comes before `p10`."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
