"""The data team's suite: run on the restored tables, and what its results say of the backup.

Decided here:
- A table that the suite names and the database lacks was lost if it is required or in the baseline;
  otherwise the suite names it wrongly, and the drill is inconclusive.
- An expectation that errored did not run. One on a column that is gone errs too: whether the column was lost
  or mistyped cannot be told.
- A suite with `gate: report` never fails a drill: what it finds are warnings, what it could not do is told.
- An expectation that waits for an earlier drill's figure is not configured, as long as the next verified
  drill will set it. What still waits although a verified drill exists was not judged: inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg

from expectations.loader import load_suite
from expectations.results import Cause, ExpectationResult, SuiteResult
from expectations.results import Outcome as Result
from expectations.runner import run_suite
from expectations.suite import Gate, Suite, SuiteInvalid
from expectations.suite import Severity as Weight
from expectations.times import Unset
from tasks.checks.baseline import choose_baselines
from tasks.checks.context import Context
from tasks.checks.outcome import errored, not_configured
from tasks.model.errors import ConfigInvalid, PermanentError
from tasks.model.findings import Check, Finding, Outcome, Severity, Stage, Verdict
from tasks.model.history import History, PastDrill
from tasks.model.located import located
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.target import Target
from tasks.sandbox import url

STAGE = Stage.VALIDATE
_OUTCOMES = {
    Result.PASSED: Outcome.PASSED,
    Result.FAILED: Outcome.FAILED,
    Result.ERRORED: Outcome.NOT_RUN,
    Result.TABLE_MISSING: Outcome.NOT_RUN,
    Result.NO_HISTORY: Outcome.NOT_CONFIGURED,
}


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    """What a suite showed.

    Attributes:
        ran: its results; None without a suite.
        sha256: of the suite's file.
        newest_age_s: what the next drill compares its newest rows with, as the inventory keeps it.
        database: of a cluster with several, the one that it ran in.
    """

    seen: Checked
    ran: SuiteResult | None = None
    sha256: str | None = None
    newest_age_s: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    database: str | None = None

    @property
    def results(self) -> Mapping[str, Mapping[str, Any]]:
        """Suite name to its results, as they are stored beside the evidence."""
        if self.ran is None:
            return {}
        results: dict[str, Any] = self.ran.as_dict()
        tables = [
            {**result, "table": located(self.database, str(result["table"]))} for result in results["results"]
        ]
        return {located(self.database, self.ran.suite): {**results, "results": tables}}

    def within(self, database: str | None) -> SuiteOutcome:
        """Return the same as a drill of several databases calls it; None stands for the only one."""
        return replace(self, seen=self.seen.within(database), database=database)


RunSuite = Callable[..., SuiteResult]
"""How a suite is run: called like `run_suite`."""


def read_suite(target: Target) -> Suite | None:
    """Return the suite of *target*, None where it names none.

    Raises:
        ConfigInvalid: the suite cannot be used.
    """
    path = target.expect.suite
    if path is None:
        return None
    try:
        return load_suite(path)
    except SuiteInvalid as exc:
        raise ConfigInvalid(str(exc), str(path), "Correct the suite: nothing was validated.") from exc


def check_suite(context: Context, run: RunSuite = run_suite) -> SuiteOutcome:
    """Run the target's suite in the database and judge it; what the drill kept out of that is not judged.

    Raises:
        ConfigInvalid: the suite cannot be used.
        PermanentError: the sandbox cannot be reached.
    """
    suite = read_suite(context.target)
    if suite is None:
        return SuiteOutcome(not_configured("suite", "no suite is named", stage=STAGE))
    inventory, as_of = context.inventory, context.as_of
    tables = known_tables(context.target, context.history, as_of)
    try:
        ran = run(
            suite,
            url(context.sandbox, context.restored.database, context.sandbox.reader),
            as_of=as_of,
            parameters=parameters_of(context.history, as_of, suite.tables, inventory.tables),
            deadline_s=context.deadline.check(),
        )
    except psycopg.Error as exc:
        raise PermanentError(
            "The restored database could not be reached for validation.", rule="postgres-failed"
        ) from exc
    ran = without_kept_out(ran, context.kept_out)
    checked = judge_suite(suite, ran, tables | frozenset(inventory.tables))
    return SuiteOutcome(checked, ran, suite.sha256, _ages(ran, as_of))


def known_tables(target: Target, history: History, as_of: datetime) -> frozenset[str]:
    """Return the tables that the backup should hold: required, or in the baseline."""
    baselines = choose_baselines(history, as_of, target.expect.drift.baseline.last)
    held = frozenset(name for baseline in baselines for name in baseline.inventory.tables)
    return held | frozenset(target.expect.required_tables)


def parameters_of(
    history: History, as_of: datetime, tables: Collection[str], counted: Collection[str] | None = None
) -> dict[str, dict[str, object]]:
    """Return what earlier drills tell a suite of each of its *tables*; nothing while none was verified.

    Args:
        counted: the tables whose rows this drill counts, where that is known: a view is none of them.
    """
    before = [record for record in history.verified if record.recovery_point_at <= as_of]
    if not before:
        return {}
    last = before[-1]
    earlier = sorted(
        (record for record in history.records if record.recovery_point_at <= as_of and record is not last),
        key=lambda record: (record.verdict is Verdict.VERIFIED, record.recovery_point_at, record.finished_at),
    )
    measured = [*earlier, last]
    return {
        table: {
            "last_verified_at": last.finished_at,
            "last_rows": _last_rows(table, last, counted),
            "newest_row": _newest_rows(table, measured),
        }
        for table in tables
    }


def _last_rows(table: str, last: PastDrill, counted: Collection[str] | None) -> int | Unset:
    figures = last.inventory.tables.get(table)
    if figures is not None and figures.rows is not None:
        return figures.rows
    if figures is not None:
        return Unset("the last verified drill did not count the table's rows (checks.counts)", for_now=False)
    if counted is not None and table not in counted:
        return Unset(f"rows are counted of tables, and {table} is none; write a figure", for_now=False)
    return Unset("the table was not in the last verified drill", for_now=True)


def _newest_rows(table: str, measured: Collection[PastDrill]) -> dict[str, datetime | Unset]:
    """Return the newest row of each column as the last drill that measured it saw it."""
    newest: dict[str, datetime | Unset] = {}
    for record in measured:
        for column, age_s in record.inventory.newest_age_s.get(table, {}).items():
            if age_s is None:
                newest[column] = Unset(
                    f"no row had a time in {column} in the last verified drill", for_now=True
                )
            else:
                newest[column] = record.as_of - timedelta(seconds=age_s)
    return newest


def _ages(ran: SuiteResult, as_of: datetime) -> dict[str, dict[str, float | None]]:
    return {
        table: {
            column: None if at is None else (as_of - at).total_seconds() for column, at in columns.items()
        }
        for table, columns in ran.newest.items()
    }


def without_kept_out(ran: SuiteResult, kept_out: Mapping[str, str]) -> SuiteResult:
    """Return *ran* with no answer for tables whose rows this host or policy kept out, good or bad."""
    if not kept_out:
        return ran
    return replace(ran, results=tuple(_unanswered(result, kept_out) for result in ran.results))


def _unanswered(result: ExpectationResult, kept_out: Mapping[str, str]) -> ExpectationResult:
    rule = kept_out.get(result.table)
    if rule is None:
        return result
    message = f"{result.table} was not restored whole here ({rule})."
    return replace(result, outcome=Result.ERRORED, cause=None, message=message, observed=None)


def judge_suite(suite: Suite, ran: SuiteResult, tables: frozenset[str]) -> Checked:
    """Return a check for each expectation, and the findings of those that did not pass."""
    if not ran.results:
        empty = finding("suite-empty", f"The suite {suite.name} holds no expectation.", where=suite.name)
        return errored("suite", "it holds no expectation", stage=STAGE) + Checked((), (empty,))
    gated = suite.gate is Gate.FAIL
    findings: dict[tuple[str, str | None], Finding] = {}
    for result in ran.results:
        for shown in _findings_of(result, suite.name, tables, gated=gated):
            findings.setdefault((shown.rule, shown.where), shown)
    return Checked(_checks(suite, ran, tables, gated=gated), tuple(findings.values()))


def _checks(suite: Suite, ran: SuiteResult, tables: frozenset[str], *, gated: bool) -> tuple[Check, ...]:
    checks = []
    names: dict[str, int] = {}
    for result in ran.results:
        name = f"suite.{suite.name}: {result.name}"
        names[name] = names.get(name, 0) + 1
        numbered = name if names[name] == 1 else f"{name} #{names[name]}"
        checks.append(_check(numbered, result, tables, gated=gated))
    return tuple(checks)


def _check(name: str, result: ExpectationResult, tables: frozenset[str], *, gated: bool) -> Check:
    outcome = _OUTCOMES[result.outcome]
    if result.outcome is Result.TABLE_MISSING and result.table in tables:
        outcome = Outcome.FAILED
    counts = gated and result.severity is Weight.CRITICAL
    why = result.message or result.why
    if outcome is Outcome.NOT_RUN and not counts:
        # Nobody asked for more than a report of it, so the verdict must not hang on it.
        outcome, why = Outcome.NOT_CONFIGURED, f"only reported: {why or 'it could not be evaluated'}"
    return Check(name, STAGE, outcome, result.observed, result.expected, why, result.seconds)


def _findings_of(
    result: ExpectationResult, suite: str, tables: frozenset[str], *, gated: bool
) -> list[Finding]:
    if result.outcome is Result.FAILED:
        return [_failed(result, gated=gated)]
    if result.outcome is Result.ERRORED:
        return [_errored(result, gated=gated)]
    if result.outcome is Result.TABLE_MISSING:
        return [_table_missing(result, suite, tables, gated=gated)]
    return []


def _failed(result: ExpectationResult, *, gated: bool) -> Finding:
    rows = f" in {result.unexpected_count:,} rows" if result.unexpected_count else ""
    reason = f" Why it matters: {result.why.rstrip('.')}." if result.why else ""
    message = (
        f"{result.name} does not hold{rows}: expected {result.expected}, observed {result.observed}.{reason}"
    )
    if gated and result.severity is Weight.CRITICAL:
        return finding("expectation-failed", message, where=result.name)
    severity = Severity.INFO if result.severity is Weight.INFO else None
    return finding("expectation-failed-minor", message, where=result.name, severity=severity)


def _errored(result: ExpectationResult, *, gated: bool) -> Finding:
    counts = gated and result.severity is Weight.CRITICAL
    cause = f" ({result.cause.value.replace('_', ' ')})" if result.cause is not None else ""
    rule = "stage-deadline" if result.cause is Cause.DEADLINE else "expectation-errored"
    return finding(
        rule,
        f"{result.name} could not be evaluated{cause}: {result.message or 'no reason was given'}",
        where=result.name,
        severity=None if counts else Severity.WARNING,
        stage=STAGE,
    )


def _table_missing(result: ExpectationResult, suite: str, tables: frozenset[str], *, gated: bool) -> Finding:
    severity = None if gated else Severity.WARNING
    if result.table in tables:
        message = f"The suite {suite} names {result.table}, which the backup should hold and does not."
        return finding("suite-table-missing", message, where=result.table, severity=severity)
    pattern = " Names are no patterns." if set(result.table) & set("*%?") else ""
    message = (
        f"The suite {suite} names {result.table}, which neither this backup nor its history knows.{pattern}"
    )
    return finding("suite-table-unknown", message, where=result.table, severity=severity)
