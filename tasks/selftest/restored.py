"""Self test, first family: mutants of the restored data, each a copy that a drill's own checks judge.

Decided here: a mutant is judged by what a drill runs after a restore (inventory, structure, drift, deep
checks, freshness, suite, objectives) against the history that the next drill would have, in which the healthy
backup is the newest. What the restore itself would have said of the damage is asked too: keys that its rows
break are reported and gone, views above it are filled again. Each stage of a mutant's drill has a deadline
drawn from how long the healthy copy took: one that hangs is ended, was not judged, and costs no other.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import psycopg

from expectations.loader import load_suite
from expectations.remedies import Parameters, Remedies
from expectations.results import SuiteResult
from tasks.checks.breaches import broken_keys, violated
from tasks.checks.suites import parameters_of
from tasks.config import to_latest
from tasks.drill.closing import closed, verdict_of
from tasks.drill.ledger import Ledger
from tasks.drill.options import DrillOptions
from tasks.drill.step import Runner
from tasks.evidence import settle
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.drill import Drill
from tasks.model.errors import DrillError, PermanentError
from tasks.model.findings import Verdict
from tasks.model.history import History, PastDrill
from tasks.model.inventory import TableFigures
from tasks.model.restored import Checked, Restored
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.model.selftest import Family, Fate, Judged, Mutant
from tasks.model.target import Target
from tasks.model.units import format_bytes
from tasks.mutants.clones import as_dumped, drop_copy, drop_key, make_copy, refresh_views
from tasks.mutants.damage import Damage, Void, inflict
from tasks.mutants.judging import DrillOutcome, fate_of
from tasks.mutants.operators import STRUCTURE
from tasks.mutants.sampling import Slot
from tasks.mutants.schema import Schema, read_schema
from tasks.sandbox import connect, free_bytes, url
from tasks.selftest.rerun import Rerun

SIDE_BY_SIDE = 2
"""Mutants judged at once; each runs its suite on all cores besides."""
LEAST_LIMIT_S = 120.0
_TIMES_HEALTHY = 10


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: how many mutants, under which seed, or only those that matter most."""

    seed: int
    mutants: int
    quick: bool


@dataclass(frozen=True, slots=True)
class Twin:
    """An undamaged copy of the restored database, which stays.

    Attributes:
        schema: what there is to damage.
        sensitive: patterns of the target's suite.
    """

    database: str
    schema: Schema
    sensitive: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Healthy:
    """What an expectation that would have caught a survivor is proven on; arguments of `Remedies`."""

    url: str
    as_of: datetime
    sensitive: tuple[str, ...]
    parameters: Parameters = field(compare=False)


@dataclass(frozen=True, slots=True)
class Ground:
    """What mutants are made of and held against.

    Attributes:
        whole: the drill of the healthy backup, as the restore left it, before anything was proven.
        whole_history: with the healthy backup as its newest entry.
        drill, history: the same of the one database that is damaged, where the cluster has several.
        outcome: what a drill comes to on the twin.
        suite: how the suite came out there; None without one.
        limit_s: for each stage of a mutant's drill.
    """

    whole: Drill
    whole_history: History
    drill: Drill
    history: History
    twin: Twin
    outcome: DrillOutcome
    suite: SuiteResult | None
    limit_s: float

    @property
    def healthy(self) -> Healthy:
        """The twin, as expectations are proven on it."""
        sandbox, tables = self.drill.running_sandbox, tables_of(self.history)
        parameters = parameters_of(self.history, self.drill.judged_at, tables, tables)
        reader = url(sandbox, self.twin.database, sandbox.reader)
        return Healthy(reader, self.drill.judged_at, self.twin.sensitive, parameters)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A damaged copy.

    Attributes:
        rows: that the damage touched, None where rows are not what it touches.
        seen: what a restore would have said of the damage.
        restored: what a restore of it would have come to, the copy its database.
    """

    damage: Damage
    rows: int | None
    seen: Checked
    restored: Restored


# --- before the damage


def for_selftest(target: Target) -> Target:
    """Return *target* without what would judge the worker's speed today or keep a sandbox for a look.

    A physical copy comes back as far as its WAL goes, so that every drill brings the same.
    """
    sandbox = target.sandbox.model_copy(update={"keep_on_failure": None})
    return to_latest(target).model_copy(update={"sandbox": sandbox, "rto": None})


def history_with(proven: Drill) -> History:
    """Return the history that the next drill will find: the earlier ones, and this healthy backup."""
    if proven.inventory is None:
        raise PermanentError("the healthy backup has no inventory", rule="drill-crashed")
    drill = PastDrill(
        drill_id=proven.drill_id,
        finished_at=utc_now(),
        as_of=proven.judged_at,
        recovery_point_at=proven.chosen_point.at,
        verdict=Verdict.VERIFIED,
        inventory=proven.inventory,
        bytes=proven.chosen_point.bytes,
    )
    return History((*proven.history.records, drill), proven.history.seed)


def tables_of(history: History) -> Mapping[str, TableFigures]:
    """Return the tables of the healthy backup."""
    return history.records[-1].inventory.tables


def make_twin(
    sandbox: Sandbox, source: str, name: str, tables: Mapping[str, TableFigures], suite: Path | None
) -> Twin:
    """Copy the healthy database *source* to *name*, and read what can be damaged.

    Raises:
        PermanentError: `disk-too-small`: there is no room for mutants; `postgres-failed`.
    """
    _check_room(sandbox, source)
    try:
        make_copy(sandbox, source, name)
    except psycopg.Error as error:
        raise PermanentError(
            "The restored database could not be copied. Nothing is said about the backup or the drill.",
            rule="postgres-failed",
        ) from error
    with connect(sandbox, name) as ours:
        schema = read_schema(ours, tables)
    return Twin(name, schema, () if suite is None else tuple(load_suite(suite).sensitive))


def limit_s(target: Target, healthy_s: float) -> float:
    """Return the limit for each stage of a mutant's drill; the healthy copy's took *healthy_s* in all."""
    return min(target.deadline, max(LEAST_LIMIT_S, _TIMES_HEALTHY * healthy_s))


def ledger_of_copy(
    drill: Drill,
    history: History,
    deadline_s: float,
    runner: Runner,
    options: DrillOptions | None = None,
) -> Ledger:
    """Return a drill of a copy of what *drill* restored, up to its restore, judged against *history*."""
    target = drill.target.model_copy(update={"deadline": deadline_s})
    copy = replace(drill, history=history, target=target)
    return Ledger(copy, options or DrillOptions(within=True), runner)


def without_candidates(damages: Mapping[str, Sequence[Damage]]) -> list[Judged]:
    """Return a row for each kind of damage that the database offers no place for."""
    return [
        Judged(
            Mutant(Family.DATA, kind, kind.replace("-", " ")),
            Fate.NOT_APPLICABLE,
            why="there is nothing of the kind",
        )
        for kind, places in damages.items()
        if not places
    ]


# --- the damage


def damage_copy(
    sandbox: Sandbox, restored: Restored, name: str, slot: Slot, deadline: Deadline
) -> Damaged | Judged:
    """Make a copy called *name* with the first damage of *slot* that changes anything; else say why not."""
    reason, hand = "", _hand_of(sandbox, restored)
    for damage in slot:
        drop_copy(sandbox, name)
        make_copy(sandbox, restored.database, name)
        try:
            rows = inflict(hand, name, damage, deadline.check())
        except Void as void:
            reason = str(void)
            continue
        is_copy = restored.recovery is not None  # whose start looks at no row
        as_restored = Checked((), ()) if is_copy else _as_restored(sandbox, name, damage, deadline)
        expected = restored.expected
        if damage.kind == "sequence-set-back":  # a backup of the damaged copy sets them as they are there
            expected = as_dumped(sandbox, name, expected)
        return Damaged(damage, rows, as_restored, replace(restored, database=name, expected=expected))
    return Judged(mutant_of(slot[0]), Fate.NOT_APPLICABLE, why=reason)


def _hand_of(sandbox: Sandbox, restored: Restored) -> Sandbox:
    """Return *sandbox* as the damage is done in it: by whom the tables obey.

    That is the role that restored them. A physical copy's tables have owners of their own, so the drill's
    superuser does it: behind the whole wall, as everything in the sandbox.
    """
    return sandbox if restored.recovery is None else replace(sandbox, owner=sandbox.superuser)


def _as_restored(sandbox: Sandbox, copy: str, damage: Damage, deadline: Deadline) -> Checked:
    """Return what a restore would have said of the damaged data, and leave the copy as it would have."""
    findings = []
    if damage.kind not in STRUCTURE:
        for key in broken_keys(sandbox, copy, damage.touched, deadline.check()):
            drop_key(sandbox, copy, key.schema, key.table, key.name)
            findings.append(violated(key))
        view = refresh_views(sandbox, copy, damage.touched, deadline.check())
        if view is not None:
            findings.append(finding("restore-error", f"The view {view} cannot be filled.", where=view))
    return Checked((), tuple(findings))


def _check_room(sandbox: Sandbox, source: str) -> None:
    """Refuse to fill the worker's disk with copies.

    Raises:
        PermanentError: rule `disk-too-small`.
    """
    with connect(sandbox) as ours:
        (size,) = ours.execute("SELECT pg_database_size(%s)", (source,)).fetchone() or (0,)
    need, free = size * (SIDE_BY_SIDE + 1), free_bytes(sandbox.workspace.root)
    if free < need:
        raise PermanentError(
            f"The self test copies the restored database and needs {format_bytes(need)} of disk for that; "
            f"{format_bytes(free)} are free. Nothing is said about the drill.",
            str(sandbox.workspace.root),
            rule="disk-too-small",
        )


# --- what came of it


def ledger_of_damaged(ground: Ground, damaged: Damaged, runner: Runner) -> Ledger:
    """Return the drill of a damaged copy, up to its restore; its suite runs where it can differ."""
    options = DrillOptions(within=True)
    if ground.suite is not None:
        rerun = Rerun(ground.suite, ground.twin.schema.plain, damaged.damage.touched)
        options = replace(options, run_suite=rerun)
    ledger = ledger_of_copy(ground.drill, ground.history, ground.limit_s, runner, options)
    ledger.drill.restored = damaged.restored
    ledger.drill.take(damaged.seen)
    return ledger


def outcome_of(drill: Drill) -> DrillOutcome:
    """Return what a drill came to."""
    over = closed(drill)
    return DrillOutcome(verdict_of(drill), settle(over.findings, over.checks, over.inventory), over.checks)


def judged_copy(ground: Ground, damaged: Damaged, drill: Drill) -> Judged:
    """Return the row of a damaged copy whose drill is over."""
    fate, by, why = fate_of(outcome_of(drill), ground.outcome)
    return Judged(mutant_of(damaged.damage), fate, damaged.rows, by, why)


def not_judged(mutant: Mutant, error: Exception) -> Judged:
    """Return the row of a mutant that could not be made, or took its judge with it."""
    reason = error.what if isinstance(error, DrillError) else type(error).__name__
    return Judged(mutant, Fate.ERRORED, why=f"it was not judged: {reason}")


def find_remedy(healthy: Healthy, mutant: Mutant, damaged: str) -> str | None:
    """Return the expectation that would have told the database at *damaged* (a URL) from the healthy one."""
    return _remedies(healthy).find(mutant.kind, mutant.table or "", mutant.column, damaged)


@functools.lru_cache(maxsize=1)
def _remedies(healthy: Healthy) -> Remedies:
    """Profiles the healthy database once in this process."""
    return Remedies(healthy.url, healthy.as_of, healthy.parameters, healthy.sensitive)


def remedied(judged: Judged, expectation: str | None) -> Judged:
    """Return the row of a survivor with what would have caught it."""
    if expectation is None:
        return replace(judged, why="no expectation was found that holds on the healthy data and fails here")
    return replace(judged, expectation=expectation)


def mutant_of(damage: Damage) -> Mutant:
    """Return *damage* as the matrix names it."""
    content = damage.kind not in STRUCTURE
    return Mutant(Family.DATA, damage.kind, damage.what, damage.table, damage.column, content)
