"""Self test, first family: mutants of the restored data, each a copy that a drill's own checks judge.

Decided here: a mutant is judged by what a drill runs after a restore (inventory, structure, drift, deep
checks, freshness, suite, objectives) against the history that the next drill would have, in which the healthy
backup is the newest. What the restore itself would have said of the damage is asked too: keys that its rows
break are reported and gone, views above it are filled again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from expectations.loader import load_suite
from expectations.remedies import Remedies
from expectations.results import SuiteResult
from tasks.checks import RunSuite
from tasks.checks.breaches import broken_keys, violated
from tasks.checks.partial import Rerun
from tasks.checks.suites import parameters_of
from tasks.drill.closing import closed, verdict_of
from tasks.drill.entries import add_error
from tasks.drill.held import Held
from tasks.drill.ledger import Ledger
from tasks.drill.progress import Progress, tell
from tasks.drill.step import step
from tasks.evidence import measure, settle
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.drill import Drill
from tasks.model.errors import DrillError, PermanentError
from tasks.model.findings import Stage, Verdict
from tasks.model.history import History, PastDrill
from tasks.model.restored import Checked, Restored
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.model.selftest import Family, Fate, Judged, Mutant
from tasks.model.target import Target
from tasks.model.units import format_bytes
from tasks.mutants.clones import as_dumped, copied, drop_key, make_copy, refresh_views
from tasks.mutants.damage import Damage, Void, inflict
from tasks.mutants.judging import Said, fate_of
from tasks.mutants.operators import STRUCTURE
from tasks.mutants.sampling import Slot
from tasks.mutants.schema import Schema, read_schema
from tasks.sandbox import connect, free_bytes, url

SIDE_BY_SIDE = 2
"""Mutants judged at once; each runs its suite on all cores besides."""
LEAST_LIMIT_S = 120.0
_TIMES_HEALTHY = 10

Prove = Callable[[Ledger], None]


@dataclass(frozen=True, slots=True)
class Ground:
    """What mutants are made of and held against.

    Attributes:
        fresh: the drill of the healthy backup as the restore left it, before anything was proven.
        history: with the healthy backup as its newest entry.
        twin: the database of an undamaged copy, which stays.
        healthy: what a drill says of that copy.
        suite: how the suite came out there; None without one.
        limit_s: for each stage of a mutant's drill.
        prove: see `judge_copy`.
    """

    fresh: Ledger
    history: History
    schema: Schema
    twin: str
    healthy: Said
    suite: SuiteResult | None
    remedies: Remedies
    limit_s: float
    prove: Prove

    @property
    def sandbox(self) -> Sandbox:
        """Where the copies live."""
        return self.fresh.drill.running_sandbox

    @property
    def source(self) -> str:
        """The restored database; nobody may be connected to it while it is copied."""
        return self.fresh.drill.completed_restore.database


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the flow is told of the ground, which stays in the drill's process."""

    ground: Held[Ground]
    healthy: Said
    limit_s: float


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: how many mutants, under which seed, or only those that matter most."""

    seed: int
    mutants: int
    quick: bool


def for_selftest(target: Target) -> Target:
    """Return *target* without what would judge the worker's speed today or keep a sandbox for a look."""
    sandbox = target.sandbox.model_copy(update={"keep_on_failure": None})
    return target.model_copy(update={"sandbox": sandbox, "rto": None})


def without_candidates(found: Mapping[str, Sequence[Damage]]) -> list[Judged]:
    """Return a row for each kind of damage that the database offers no place for."""
    return [
        Judged(
            Mutant(Family.DATA, kind, kind.replace("-", " ")),
            Fate.NOT_APPLICABLE,
            why="there is nothing of the kind",
        )
        for kind, damages in found.items()
        if not damages
    ]


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


@step("prepare the self test")
def prepare(fresh: Ledger, proven: Drill, prove: Prove) -> Prepared:
    """Copy the healthy database once, judge the copy as every mutant will be, and read what can be damaged.

    Args:
        fresh: as `Ground.fresh`.
        proven: the same drill after its checks, verified.
        prove: see `judge_copy`.
    """
    drill, history = fresh.drill, history_with(proven)
    sandbox, source = drill.running_sandbox, drill.completed_restore.database
    twin = f"selftest_{drill.drill_id}_twin"
    _check_room(sandbox, source)
    _copy_for_good(sandbox, source, twin)
    with connect(sandbox, twin) as ours:
        schema = read_schema(ours, history.records[-1].inventory.tables)
    started = time.monotonic()
    results: list[SuiteResult] = []

    def run(*args: Any, **kwargs: Any) -> SuiteResult:  # noqa: ANN401  called like `run_suite`
        results.append(fresh.options.run_suite(*args, **kwargs))
        return results[-1]

    healthy = judge_copy(_drill_of(fresh, history, drill.target.deadline, run), twin, prove)
    took = time.monotonic() - started
    suite = None if drill.target.expect.suite is None else load_suite(drill.target.expect.suite)
    tables = history.records[-1].inventory.tables
    remedies = Remedies(
        healthy=url(sandbox, twin, sandbox.reader),
        as_of=drill.judged_at,
        parameters=parameters_of(history, drill.judged_at, tables, tables),
        sensitive=() if suite is None else suite.sensitive,
    )
    limit_s = min(drill.target.deadline, max(LEAST_LIMIT_S, _TIMES_HEALTHY * took))
    ran = results[0] if results else None
    ground = Ground(fresh, history, schema, twin, healthy, ran, remedies, limit_s, prove)
    return Prepared(Held(ground), healthy, limit_s)


@step("damage restored data")
def judge_mutants(ground: Held[Ground], slots: Held[Sequence[Slot]], batch: range) -> list[Judged]:
    """Make and judge a mutant for each of *slots* in *batch*, two at a time; the result is in their order."""
    name, count, done = ground.value.fresh.drill.target.name, len(slots.value), batch.start

    def judge(number: int) -> Judged:
        nonlocal done
        judged = make_mutant(ground.value, number, slots.value[number])
        done += 1
        text = f"mutant {done} of {count} of the restored data: {judged.mutant.kind} {judged.fate.value}"
        tell(Progress(name, Stage.VALIDATE, "news", text))
        return judged

    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="mutant") as pool:
        return list(pool.map(judge, batch))


def make_mutant(ground: Ground, number: int, slot: Slot) -> Judged:
    """Do the first damage of *slot* that changes anything, and judge it; never raises for what it meets."""
    started = time.monotonic()
    said = ""
    for damage in slot:
        try:
            judged = _attempt(ground, f"selftest_{ground.fresh.drill.drill_id}_{number}", damage)
        except Void as void:
            said = str(void)
            continue
        except Exception as error:  # noqa: BLE001  whatever it was, this mutant alone was not judged
            judged = Judged(
                mutant_of(damage), Fate.ERRORED, why=f"it could not be made: {type(error).__name__}"
            )
        return replace(judged, seconds=time.monotonic() - started)
    return Judged(mutant_of(slot[0]), Fate.NOT_APPLICABLE, why=said, seconds=time.monotonic() - started)


def not_judged(mutant: Mutant, error: Exception) -> Judged:
    """Return the row of a mutant that took its judge with it, or came after one that did."""
    what = error.what if isinstance(error, DrillError) else type(error).__name__
    return Judged(mutant, Fate.ERRORED, why=f"it was not judged: {what}")


def judge_copy(ledger: Ledger, database: str, prove: Prove) -> Said:
    """Return what a drill says of *database*, a copy of what *ledger*'s drill restored.

    Args:
        ledger: up to its restore, with the history and the time limit that it is judged by.
        database: the copy.
        prove: what a drill does between its restore and its objectives.
    """
    drill = ledger.drill
    drill.restored = replace(drill.completed_restore, database=database)
    try:
        prove(ledger)
        drill.take(measure(closed(drill)))
    except DrillError as error:
        add_error(drill, error)
    return said_by(drill)


def said_by(drill: Drill) -> Said:
    """Return what a drill came to."""
    over = closed(drill)
    return Said(verdict_of(drill), settle(over.findings, over.checks, over.inventory), over.checks)


def _drill_of(fresh: Ledger, history: History, limit_s: float, run: RunSuite) -> Ledger:
    """Return the drill of a copy, up to its restore: within this one, its suite run by *run*."""
    ledger = fresh.copy_within(replace(fresh.options, run_suite=run))
    ledger.drill.history = history
    ledger.drill.target = ledger.drill.target.model_copy(update={"deadline": limit_s})
    return ledger


def _attempt(ground: Ground, name: str, damage: Damage) -> Judged:
    sandbox, limit = ground.sandbox, Deadline.within(ground.limit_s)
    with copied(sandbox, ground.source, name) as copy:
        rows = inflict(sandbox, copy, damage, limit.check())
        restored = _as_restored(sandbox, copy, damage, limit)
        run: RunSuite = ground.fresh.options.run_suite
        if ground.suite is not None:
            run = Rerun(ground.suite, ground.schema.plain, damage.touched)
        ledger = _drill_of(ground.fresh, ground.history, limit.check(), run)
        ledger.drill.take(restored)
        if damage.kind == "sequence-set-back":
            ledger.drill.restored = _sequences_as_dumped(sandbox, copy, ledger.drill.completed_restore)
        said = judge_copy(ledger, copy, ground.prove)
        fate, by, why = fate_of(said, ground.healthy)
        judged = Judged(mutant_of(damage), fate, rows, by, why)
        return _remedied(ground, judged, copy) if fate is Fate.SURVIVED else judged


def _as_restored(sandbox: Sandbox, copy: str, damage: Damage, limit: Deadline) -> Checked:
    """Return what a restore would have said of the damaged data, and leave the copy as it would have."""
    findings = []
    if damage.kind not in STRUCTURE:
        for key in broken_keys(sandbox, copy, damage.touched, limit.check()):
            drop_key(sandbox, copy, key.schema, key.table, key.name)
            findings.append(violated(key))
        view = refresh_views(sandbox, copy, damage.touched, limit.check())
        if view is not None:
            findings.append(finding("restore-error", f"The view {view} cannot be filled.", where=view))
    return Checked((), tuple(findings))


def _sequences_as_dumped(sandbox: Sandbox, copy: str, restored: Restored) -> Restored:
    """Return *restored* as of a backup of the damaged copy, which sets its sequences as they are there."""
    return replace(restored, toc=as_dumped(sandbox, copy, restored.toc))


def _remedied(ground: Ground, judged: Judged, copy: str) -> Judged:
    """Look for the expectation that would have caught a survivor; that there is none is no error."""
    mutant = judged.mutant
    damaged = url(ground.sandbox, copy, ground.sandbox.reader)
    try:
        found = ground.remedies.find(mutant.kind, mutant.table or "", mutant.column, damaged)
    except Exception as error:  # noqa: BLE001  the mutant has been judged; a remedy is a courtesy
        return replace(judged, why=f"no expectation was looked for: {type(error).__name__}")
    if found is None:
        return replace(judged, why="no expectation was found that holds on the healthy data and fails here")
    return replace(judged, expectation=found)


def mutant_of(damage: Damage) -> Mutant:
    """Return *damage* as the matrix names it."""
    content = damage.kind not in STRUCTURE
    return Mutant(Family.DATA, damage.kind, damage.what, damage.table, damage.column, content)


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


def _copy_for_good(sandbox: Sandbox, source: str, twin: str) -> None:
    try:
        make_copy(sandbox, source, twin)
    except psycopg.Error as error:
        raise PermanentError(
            "The restored database could not be copied. Nothing is said about the backup or the drill.",
            rule="postgres-failed",
        ) from error
