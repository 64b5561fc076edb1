"""What a drill is compared with: which earlier drill, and what has been accepted since.

Decided here:
- The baseline is the verified drill whose recovery point is nearest; the seed serves while there is none.
- An accepted change makes the figure of the drill that showed it the baseline of that table or object, from
  then on, although that drill itself failed. Nothing else of a failed drill is ever a baseline.
- Where the nearest baseline lies *after* the point that is judged, time runs backwards: tables grow, so an
  older backup rightly holds less. Then a loss counts only if the nearest earlier baseline shows it too;
  where there is no earlier one, rows may be fewer by a hundredth for each day between, and beyond a week a
  missing object only warns, for it may have been made in between.
- Slow loss is judged by what a table held over the last 30 recovery points (or `baseline.last`, if that is
  more), counted from the last accepted change of its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from tasks.checks.inventory import guess_table
from tasks.model.clock import iso
from tasks.model.findings import Verdict
from tasks.model.history import History, PastDrill
from tasks.model.inventory import OBJECT_KINDS, Inventory
from tasks.model.printable import printable

LONG_TERM_POINTS = 30
DAY_S = 86400.0
FREE_GAP_S = 7 * DAY_S
GROWTH_A_DAY = 0.01
ROW_RULES = frozenset({"rows-dropped", "rows-grown", "rows-drifted-slowly"})


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one inventory is compared with.

    Attributes:
        label: what to call it in a sentence.
        later_s: seconds by which it lies after the judged point; 0 for one before it.
        past_rows: table to its rows in the long-term window, oldest first.
    """

    inventory: Inventory
    label: str
    later_s: float = 0.0
    past_rows: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def growth(self) -> float:
        """The share by which a table may hold less merely because the baseline is younger."""
        return GROWTH_A_DAY * self.later_s / DAY_S

    @property
    def may_be_younger(self) -> bool:
        """Whether what it holds may have been made after the judged point."""
        return self.later_s > FREE_GAP_S


def choose_baselines(history: History, point_at: datetime, last: int) -> tuple[Baseline, ...]:
    """Return what a backup of *point_at* is compared with; a loss counts if every one of them shows it.

    *last* is `drift.baseline.last`. Empty where there is neither a verified drill nor a seed.
    """
    verified = history.verified
    if not verified:
        if history.seed is None:
            return ()
        return (Baseline(_with_accepted(history.seed, history.records), "the seed file"),)
    past_rows = _past_rows(history, point_at, max(last, LONG_TERM_POINTS))
    nearest = min(verified, key=lambda record: _rank(record, point_at))
    chosen = [nearest]
    earlier = [record for record in verified if record.recovery_point_at <= point_at]
    if nearest.recovery_point_at > point_at and earlier:
        chosen.append(min(earlier, key=lambda record: _rank(record, point_at)))
    return tuple(
        Baseline(
            inventory=_with_accepted(record.inventory, _nearer(history.records, record, point_at)),
            label=f"the verified drill of {iso(record.recovery_point_at)}",
            later_s=0.0 if len(chosen) > 1 else max(0.0, _distance_s(record, point_at, signed=True)),
            past_rows=past_rows,
        )
        for record in chosen
    )


def adopt(inventory: Inventory, other: Inventory, pattern: str) -> Inventory:
    """Return *inventory* with what *pattern* names (a name, a kind or a pattern) as *other* has it."""
    tables = {name: figures for name, figures in inventory.tables.items() if not _named(name, pattern)}
    tables |= {name: figures for name, figures in other.tables.items() if _named(name, pattern)}
    gone = frozenset(inventory.tables) - frozenset(tables)
    for name in gone:  # a lost partition takes its rows out of its parent's
        parent = inventory.tables[name].partition_of
        if parent in tables and parent in other.tables:
            tables[parent] = other.tables[parent]
    held = frozenset(inventory.tables)

    def stays(kind: str, name: str) -> bool:
        table = inventory.belongs_to.get(name) or guess_table(name, held)
        is_meant = kind == pattern or _named(name, pattern) or table in gone
        return not is_meant or name in other.objects.get(kind, ())

    objects = {
        kind: tuple(name for name in names if stays(kind, name)) for kind, names in inventory.objects.items()
    }
    left = frozenset(objects.get("constraints", ()))
    large = other if pattern == "large objects" else inventory
    return replace(
        inventory,
        tables=tables,
        objects=objects,
        keys=None if inventory.keys is None else tuple(key for key in inventory.keys if key in left),
        large_objects=large.large_objects,
        large_object_bytes=large.large_object_bytes,
        databases={
            name: held
            for name, held in inventory.databases.items()
            if name in other.databases or not _named(name, pattern)
        },
    )


def _with_accepted(inventory: Inventory, records: Iterable[PastDrill]) -> Inventory:
    for record in sorted(records, key=lambda record: (record.recovery_point_at, record.finished_at)):
        for entry in record.taken_in:
            inventory = adopt(inventory, record.inventory, str(entry["where"]))
    return inventory


def _nearer(records: Iterable[PastDrill], than: PastDrill, point_at: datetime) -> list[PastDrill]:
    """Return the failed drills with accepted changes that are at least as near, on the same side."""
    reach = _distance_s(than, point_at)
    return [
        record
        for record in records
        if record.taken_in
        and record.verdict is not Verdict.VERIFIED
        and _distance_s(record, point_at) <= reach
        and (record.recovery_point_at <= point_at or than.recovery_point_at > point_at)
    ]


def _past_rows(history: History, point_at: datetime, points: int) -> dict[str, list[int]]:
    by_point = {
        record.recovery_point_at: record
        for record in sorted(history.records, key=lambda record: record.finished_at)
        if record.recovery_point_at <= point_at and (record.verdict is Verdict.VERIFIED or record.taken_in)
    }
    series: dict[str, list[int]] = {}
    for _, record in sorted(by_point.items())[-points:]:
        for name, figures in record.inventory.tables.items():
            verified = record.verdict is Verdict.VERIFIED
            restarts = _rows_accepted(record.accepted if verified else record.taken_in, name)
            if figures.rows is None or not (verified or restarts):
                continue
            if restarts:
                series[name] = []
            series.setdefault(name, []).append(figures.rows)
    return series


def _rows_accepted(accepted: Iterable[Mapping[str, Any]], table: str) -> bool:
    return any(entry["rule"] in ROW_RULES and _named(table, str(entry["where"])) for entry in accepted)


def _named(name: str, pattern: str) -> bool:
    spelled = {name, printable(name)}  # a finding's `where` is what a person saw
    return pattern not in OBJECT_KINDS and (pattern in spelled or fnmatchcase(name, pattern))


def _distance_s(record: PastDrill, point_at: datetime, *, signed: bool = False) -> float:
    seconds = (record.recovery_point_at - point_at).total_seconds()
    return seconds if signed else abs(seconds)


def _rank(record: PastDrill, point_at: datetime) -> tuple[float, bool, float]:
    """Order by distance; of two as near, the earlier point; of two of one point, the later drill."""
    return (
        _distance_s(record, point_at),
        record.recovery_point_at > point_at,
        -record.finished_at.timestamp(),
    )
