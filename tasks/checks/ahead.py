"""A suite's answers from tables that are finished, read while a restore still builds the others.

Decided here what may be asked so early: all that a suite expects of a table, where none of it looks at
anything else. What may be kept of it: good answers only, from a table that has not changed since. All else is
asked again when the restore is over, so that reading ahead can save time and nothing more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg

from expectations.connections import Database
from expectations.results import Outcome, SuiteResult
from expectations.runner import run_suite
from expectations.suite import Suite
from tasks.checks.suites import parameters_of, read_suite
from tasks.model.deadline import Deadline
from tasks.model.history import History
from tasks.model.sandbox import Sandbox
from tasks.model.target import Target
from tasks.sandbox import url
from tasks.sandbox.settled import Settled, settled_tables

_GOOD = frozenset({Outcome.PASSED, Outcome.NO_HISTORY})
_STATE = """
SELECT n.nspname || '.' || c.relname, pg_relation_filenode(c.oid)::bigint, pg_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname || '.' || c.relname = ANY(%s)
"""
State = tuple[int, int]
"""The file that holds a table's rows, and its size in bytes."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one table answered, and its state at that time."""

    state: State
    ran: SuiteResult


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was read ahead, by table. Called like `run_suite`, it asks for the rest and returns all."""

    answered: Mapping[str, Answered]

    def __call__(
        self,
        suite: Suite,
        url: str,
        *,
        as_of: datetime,
        parameters: Mapping[str, Mapping[str, object]] | None = None,
        deadline_s: float = 3600.0,
    ) -> SuiteResult:
        """Return the results of all of *suite*, those that were read ahead taken over."""
        kept = self._kept(url, deadline_s)
        rest = replace(suite, expectations=tuple(one for one in suite.expectations if one.table not in kept))
        ran = run_suite(rest, url, as_of=as_of, parameters=parameters, deadline_s=deadline_s)
        return merged(suite, ran, kept)

    def _kept(self, url: str, deadline_s: float) -> dict[str, SuiteResult]:
        states = _states(url, self.answered, deadline_s)
        return {
            table: answered.ran
            for table, answered in self.answered.items()
            if answered.state == states.get(table)
        }


def read_tables_ahead(
    target: Target, sandbox: Sandbox, history: History, as_of: datetime, deadline: Deadline
) -> Ahead:
    """Ask the target's suite of tables as they are told to be finished, until the restore is over."""
    suite = read_suite(target)
    answered: dict[str, Answered] = {}
    if suite is None:
        return Ahead(answered)
    for told in settled_tables(sandbox.workspace, deadline):
        for one in told:
            part = _part(suite, one.table)
            if part.expectations:
                answered |= _ask(part, one, sandbox, history, as_of, deadline)
    return Ahead(answered)


def merged(suite: Suite, ran: SuiteResult, ahead: Mapping[str, SuiteResult]) -> SuiteResult:
    """Return the results of *suite* in its order: those of the tables *ahead*, else those that *ran*."""
    late, early = iter(ran.results), {table: iter(part.results) for table, part in ahead.items()}
    parts = (*ahead.values(), ran)
    return replace(
        ran,
        results=tuple(next(early.get(one.table, late)) for one in suite.expectations),
        documents={table: document for part in parts for table, document in part.documents.items()},
        table_seconds={table: seconds for part in parts for table, seconds in part.table_seconds.items()},
        newest={table: columns for part in parts for table, columns in part.newest.items()},
    )


def _part(suite: Suite, table: str) -> Suite:
    """Return what *suite* expects of *table*; nothing where some of that looks at more."""
    wanted = tuple(one for one in suite.expectations if one.table == table)
    return replace(suite, expectations=() if any(one.sees_more for one in wanted) else wanted)


def _ask(
    part: Suite, one: Settled, sandbox: Sandbox, history: History, as_of: datetime, deadline: Deadline
) -> Iterator[tuple[str, Answered]]:
    """Yield what the table answered, if that is good; a core is free, so one unit of work at a time."""
    place = url(sandbox, one.database, sandbox.reader)
    try:
        state = _states(place, (one.table,), deadline.left_s).get(one.table)
        ran = run_suite(
            part,
            place,
            as_of=as_of,
            parameters=parameters_of(history.of_only(one.database), as_of, part.tables, (one.table,)),
            deadline_s=deadline.left_s,
            parallel=1,
        )
    except psycopg.Error:
        return
    if state is not None and all(result.outcome in _GOOD for result in ran.results):
        yield one.table, Answered(state, ran)


def _states(place: str, tables: Collection[str], timeout_s: float) -> dict[str, State]:
    """Return the state of each of *tables* that is an ordinary one."""
    with Database.at(place).connect(max(0.001, timeout_s)) as session:
        rows = session.execute(_STATE, (list(tables),)).fetchall()
    return {str(name): (int(str(file)), int(str(size))) for name, file, size in rows}
