"""Drift: what this restore lacks that the last verified drills had. Pure.

Decided here:
- Rows are compared with the nearest baseline. A table below `min_rows` there is compared and only warns,
  unless it lost all its rows.
- Expired and detached partitions leave their parent's baseline first, so that retention is no loss of rows. A
  younger partition that fell to no rows is a loss where the parent lost them too: otherwise they only moved.
- Slow loss: below the oldest count of the long-term window by more than twice `rows_drop`, and below the
  window's median by more than `rows_drop`. The oldest alone would take one odd count for a norm.
- Objects on a table that is gone, ignored or a partition are not named again.
- Large objects: beyond `rows_drop` in number or bytes; fewer than a hundred fail only when more than half is
  gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from statistics import median

from tasks.checks.baseline import Baseline
from tasks.checks.inventory import guess_table
from tasks.checks.partitions import Fate, fates
from tasks.model.bounded_list import IN_EVIDENCE, beyond, listing
from tasks.model.findings import Finding, Severity
from tasks.model.inventory import OBJECT_KINDS, Inventory
from tasks.model.rules import finding
from tasks.model.target import Drift, TableDrift

A_FIFTH = 0.2
NAMED_AT_MOST = 5
FINDINGS_AT_MOST = 25
_FEW_LARGE_OBJECTS = 100
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far one table may move."""

    rows_drop: float
    rows_grow: float
    min_rows: int


def judge_drift(
    current: Inventory,
    baselines: Iterable[Baseline],
    drift: Drift,
    absent_ok: Iterable[str] = (),
    kept_out: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Return what *current* lost, or gained, against *baselines*; nothing where there is none.

    *absent_ok* are extensions that are left out on purpose; *kept_out* is what the drill itself could not
    restore, and nothing about it is compared.
    """
    verdicts = []
    for base in baselines:
        out = with_parents(kept_out, base.inventory)
        compared = replace(base, inventory=without(base.inventory, out)) if out else base
        verdicts.append(_Comparison(without(current, out), compared, drift, frozenset(absent_ok)).findings())
    if not verdicts:
        return ()
    others_saw = [{(finding.rule, finding.where) for finding in verdict} for verdict in verdicts[1:]]
    return tuple(
        finding
        for finding in verdicts[0]
        if finding.severity is Severity.INFO
        or all((finding.rule, finding.where) in others for others in others_saw)
    )


def with_parents(names: Collection[str], inventory: Inventory) -> frozenset[str]:
    """Return *names* and the partitioned tables whose rows those are too."""
    tables = set(names)
    waiting = list(names)
    while waiting:
        figures = inventory.tables.get(waiting.pop())
        if figures is not None and figures.partition_of is not None and figures.partition_of not in tables:
            tables.add(figures.partition_of)
            waiting.append(figures.partition_of)
    return frozenset(tables)


def without(inventory: Inventory, names: Collection[str]) -> Inventory:
    """Return *inventory* without the objects called *names*, and without what lies on such a table."""
    if not names:
        return inventory
    held = frozenset(inventory.tables)

    def stays(name: str) -> bool:
        table = inventory.belongs_to.get(name) or guess_table(name, held)
        return name not in names and table not in names

    return replace(
        inventory,
        tables={name: figures for name, figures in inventory.tables.items() if name not in names},
        objects={kind: tuple(filter(stays, listing)) for kind, listing in inventory.objects.items()},
        keys=None if inventory.keys is None else tuple(filter(stays, inventory.keys)),
    )


def tolerance_of(table: str, drift: Drift) -> Tolerance | None:
    """Return how far *table* may move; None where it is ignored. An exact name goes before a pattern."""
    setting: str | TableDrift = drift.tables.get(table) or next(
        (value for pattern, value in drift.tables.items() if fnmatchcase(table, pattern)), TableDrift()
    )
    if not isinstance(setting, TableDrift):
        return None
    return Tolerance(
        drift.rows_drop if setting.rows_drop is None else setting.rows_drop,
        drift.rows_grow if setting.rows_grow is None else setting.rows_grow,
        drift.min_rows if setting.min_rows is None else setting.min_rows,
    )


def some_of(names: Iterable[str]) -> str:
    """Return *names* as a sentence holds them; its finding keeps `all_of` them."""
    return listing(sorted(names), NAMED_AT_MOST)


def all_of(names: Iterable[str]) -> Sequence[str]:
    """Return *names* for a finding to keep where `some_of` leaves some out."""
    return beyond(sorted(names), NAMED_AT_MOST)


@dataclass
class _Comparison:
    """One inventory against one baseline."""

    current: Inventory
    baseline: Baseline
    drift: Drift
    absent_ok: frozenset[str]

    def findings(self) -> list[Finding]:
        """Return everything that differs, tables first."""
        rows = self._rows()
        return [
            *_capped(self._lost_tables()),
            *self._lost_partitions(),
            *_capped(rows),
            *_capped(self._slow_losses({finding.where for finding in rows})),
            *self._lost_objects(),
            *self._large_objects(),
            *self._new(),
        ]

    @property
    def base(self) -> Inventory:
        return self.baseline.inventory

    @cached_property
    def fates(self) -> dict[str, Fate]:
        return fates(self.base, self.current)

    @cached_property
    def partitions(self) -> frozenset[str]:
        """The partitions of tables that are still there: they are compared through them."""
        return frozenset(
            name for fate in self.fates.values() for name in (*fate.expired, *fate.lost, *fate.detached)
        ) | {
            name for name, figures in self.base.tables.items() if figures.partition_of in self.current.tables
        }

    @cached_property
    def lost_tables(self) -> frozenset[str]:
        return frozenset(self.base.tables) - frozenset(self.current.tables)

    def tolerance(self, table: str) -> Tolerance | None:
        """Return the tolerance of *table*; a partition has its parent's unless it is named itself."""
        own = tolerance_of(table, self.drift)
        figures = self.base.tables.get(table)
        if own is None or figures is None or figures.partition_of is None:
            return own
        return None if self.tolerance(figures.partition_of) is None else own

    def missing(self, rule: str, message: str, where: str, names: Sequence[str] = ()) -> Finding:
        """Return the finding of a lost object; a warning where it may be younger than the backup."""
        if not self.baseline.may_be_younger:
            return finding(rule, message, where=where, names=names)
        return finding(
            rule,
            f"{message} The baseline is younger: it may have been made since.",
            where=where,
            names=names,
            severity=Severity.WARNING,
        )

    def _lost_tables(self) -> list[Finding]:
        findings = []
        for name in sorted(self.lost_tables - self.partitions):
            parent = self.base.tables[name].partition_of
            if parent in self.lost_tables or self.tolerance(name) is None:
                continue
            rows = self.base.tables[name].rows
            held = "" if rows is None else f", with {rows:,} rows"
            findings.append(
                self.missing("table-lost", f"{name} is gone; {self.baseline.label} held it{held}.", name)
            )
        return findings

    def _lost_partitions(self) -> list[Finding]:
        findings = []
        for parent, fate in sorted(self.fates.items()):
            if self.tolerance(parent) is None:
                continue
            findings += [
                self.missing(
                    "partition-lost",
                    f"{name}, a partition of {parent}, is gone, and it is not the oldest.",
                    name,
                )
                for name in fate.lost
                if self.tolerance(name) is not None
            ]
            if fate.left:
                findings.append(
                    finding(
                        "partition-expired",
                        f"The oldest partitions of {parent} are gone or detached: {some_of(fate.left)}."
                        " That is how retention looks.",
                        where=parent,
                        names=all_of(fate.left),
                    )
                )
        return findings

    def _rows(self) -> list[Finding]:
        findings = []
        for name, figures in sorted(self.base.tables.items()):
            now = self.current.tables.get(name)
            tolerance = self.tolerance(name)
            if now is None or now.rows is None or figures.rows is None or tolerance is None:
                continue
            if name in self.partitions:
                if self._emptied(name):
                    findings.append(self._dropped(name, figures.rows, 0, failing=True))
                continue
            fate = self.fates.get(name)
            gone = sum(self.base.tables[leaf].rows or 0 for leaf in fate.left) if fate else 0
            findings += self._judge_rows(name, max(0, figures.rows - gone), now.rows, tolerance)
        return findings

    def _judge_rows(self, name: str, before: int, now: int, tolerance: Tolerance) -> list[Finding]:
        if before <= 0:
            return []
        if (before - now) / before > tolerance.rows_drop + self.baseline.growth:
            return [self._dropped(name, before, now, failing=now == 0 or before >= tolerance.min_rows)]
        if (now - before) / before > tolerance.rows_grow:
            return [
                finding(
                    "rows-grown",
                    f"{name} holds {now:,} rows; {self.baseline.label} held {before:,}"
                    f" ({_percent(now - before, before)} more).",
                    where=name,
                )
            ]
        return []

    def _emptied(self, name: str) -> bool:
        """Whether a partition, not of the oldest, lost all its rows and its parent lost them too."""
        figures, now = self.base.tables[name], self.current.tables[name]
        parent = figures.partition_of or ""
        above, above_now = self.base.tables.get(parent), self.current.tables.get(parent)
        if now.rows != 0 or not figures.rows:
            return False
        if above is None or above_now is None or above.rows is None or above_now.rows is None:
            return False
        lost = above.rows - above_now.rows
        return figures.partition_rank != 0 and lost >= figures.rows * _HALF

    def _dropped(self, name: str, before: int, now: int, *, failing: bool) -> Finding:
        return finding(
            "rows-dropped",
            f"{name} holds {now:,} rows; {self.baseline.label} held {before:,}"
            f" ({_percent(before - now, before)} fewer).",
            where=name,
            severity=None if failing else Severity.WARNING,
        )

    def _slow_losses(self, named: set[str | None]) -> list[Finding]:
        findings = []
        for name, past in sorted(self.baseline.past_rows.items()):
            now, tolerance = self.current.tables.get(name), self.tolerance(name)
            if name in named or name in self.partitions or name in self.fates:
                continue
            if (
                now is None
                or now.rows is None
                or tolerance is None
                or not past
                or past[0] < tolerance.min_rows
            ):
                continue
            if _slowly_lost(now.rows, past, tolerance.rows_drop):
                findings.append(
                    finding(
                        "rows-drifted-slowly",
                        f"{name} holds {now.rows:,} rows; {len(past)} verified drills ago it held {past[0]:,}"
                        f" ({_percent(past[0] - now.rows, past[0])} fewer), and no step was large.",
                        where=name,
                    )
                )
        return findings

    def _lost_objects(self) -> list[Finding]:
        keys = self._lost_keys()
        findings = [
            self.missing("object-lost", f"The key {name} is gone, and its table is still there.", name)
            for name in sorted(keys)
        ]
        minor = []
        for kind in OBJECT_KINDS:
            compared = self._compared(kind)
            lost = compared - frozenset(self.current.objects.get(kind, ())) - keys
            if lost:
                minor.append(self._lost_of_kind(kind, lost, len(compared)))
        return [*_capped(findings), *minor]

    def _lost_of_kind(self, kind: str, lost: frozenset[str], of: int) -> Finding:
        message = f"{len(lost)} of {of} {kind} are gone: {some_of(lost)}."
        if len(lost) > A_FIFTH * of:
            message = f"{message} That is more than a fifth of their kind."
            return self.missing("object-lost", message, kind, all_of(lost))
        return finding("object-lost-minor", message, where=kind, names=all_of(lost))

    def _lost_keys(self) -> frozenset[str]:
        compared = self._compared("constraints")
        lost = compared - frozenset(self.current.objects.get("constraints", ()))
        return frozenset(name for name in lost if _is_key(name, self.base))

    def _compared(self, kind: str) -> frozenset[str]:
        """Return the baseline's objects of *kind* that stand for themselves."""
        tables = frozenset(self.base.tables)
        return frozenset(
            name
            for name in self.base.objects.get(kind, ())
            if not self._goes_with_table(name, tables)
            and not (kind == "extensions" and name in self.absent_ok)
        )

    def _goes_with_table(self, name: str, tables: frozenset[str]) -> bool:
        table = self.base.belongs_to.get(name) or guess_table(name, tables)
        if table is None:
            return False
        return table in self.lost_tables or table in self.partitions or self.tolerance(table) is None

    def _large_objects(self) -> list[Finding]:
        findings = []
        for what, before, now in (
            ("large objects", self.base.large_objects, self.current.large_objects),
            ("bytes in large objects", self.base.large_object_bytes, self.current.large_object_bytes),
        ):
            lost = (before - now) / before if before > 0 else 0.0
            if lost <= self.drift.rows_drop + self.baseline.growth:
                continue
            failing = self.base.large_objects >= _FEW_LARGE_OBJECTS or lost > _HALF
            findings.append(
                finding(
                    "large-objects-dropped",
                    f"There are {now:,} {what}; {self.baseline.label} held {before:,}.",
                    where="large objects",
                    severity=None if failing else Severity.WARNING,
                )
            )
        return findings[:1]

    def _new(self) -> list[Finding]:
        counts = {"tables": len(frozenset(self.current.tables) - frozenset(self.base.tables))}
        counts |= {
            kind: len(frozenset(self.current.objects.get(kind, ())) - frozenset(names))
            for kind, names in self.base.objects.items()
        }
        new = [f"{count} {kind}" for kind, count in counts.items() if count]
        if not new or not self.base.tables:
            return []
        return [finding("object-new", f"New since {self.baseline.label}: {', '.join(new)}.")]


def _slowly_lost(now: int, past: Iterable[int], rows_drop: float) -> bool:
    past = list(past)
    return now < past[0] * (1 - 2 * rows_drop) and now < median(past) * (1 - rows_drop)


def _is_key(name: str, base: Inventory) -> bool:
    """Whether a constraint is a primary, unique or foreign key; of a seed, its name may have to tell."""
    if base.keys is not None:
        return name in base.keys
    table = guess_table(name, frozenset(base.tables)) or ""
    constraint = name.removeprefix(table).lstrip(".")
    schema = name.split(".", 1)[0]
    behind_index = f"{schema}.{constraint}" in base.objects.get("indexes", ())
    lower = constraint.lower()
    return behind_index or lower.endswith(("_pkey", "_key", "_pk", "_uq", "_unique")) or "fk" in lower


def _capped(findings: list[Finding]) -> list[Finding]:
    """Return at most so many findings of a kind: the rest are counted in a last one."""
    if len(findings) <= FINDINGS_AT_MOST:
        return findings
    last = findings[FINDINGS_AT_MOST - 1]
    rest = findings[FINDINGS_AT_MOST - 1 :]
    worst = max(rest, key=lambda finding: finding.severity is Severity.FAILURE)
    names = [finding.where or finding.message for finding in rest]
    summed = finding(
        last.rule, f"And {len(rest)} more like these{IN_EVIDENCE}.", severity=worst.severity, names=names
    )
    return [*findings[: FINDINGS_AT_MOST - 1], summed]


def _percent(part: int, of: int) -> str:
    return f"{100 * part / of:.0f} %" if of else "all"
