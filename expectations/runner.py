"""Running a suite against the restored database.

Decisions: what a table lacks is read from the catalogue before GX is asked; units of work run side by side,
and on a large table the checks for uniqueness, each a sort, are a unit besides the one scan that answers
the rest; what errors in company runs again alone, because GX bundles expectations into one query and one of
them spoils the others.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from expectations.catalogue import Column, Table, read_tables
from expectations.connections import Database, settled
from expectations.documents import clean_document, judged, table_document, unjudged
from expectations.engine import (
    Bound,
    Source,
    build,
    gx_version,
    open_engine,
    quoted,
    validate,
    warm_up,
    without_parameters,
)
from expectations.faults import exception_texts
from expectations.newest import KINDS, latest, read_newest
from expectations.observed import moment_of
from expectations.results import Cause, ExpectationResult, Outcome, SuiteResult
from expectations.suite import Expectation, Parameter, Problem, RelativeTime, Suite
from expectations.times import TIME_PARAMETERS, NoHistory, bind
from expectations.vocabulary import nearest

__all__ = ["deep_problems", "run_suite", "warm_up"]

# A missing column is what these are about, so that it fails them and is no error.
_ABOUT_COLUMNS = (
    "expect_column_to_exist",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_columns_to_match_set",
)
_UNCONDITIONAL = (
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_in_type_list",
    "expect_column_type_to_be",
)
_SORTING = ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")
# What these look at is the same however the values are read.
_READ_NO_VALUE = (
    *_ABOUT_COLUMNS,
    *_UNCONDITIONAL,
    "expect_column_values_to_be_null",
    "expect_column_values_to_not_be_null",
    "expect_column_proportion_of_non_null_values_to_be_between",
)
# Expectations that compare with strings; GX sends these as varchar, and an enum compares with none.
_TEXTUAL = ("_set", "_regex", "_like_pattern", "_value_lengths_", "most_common")
_COMPARABLE = (
    *("text", "varchar", "char", "name"),
    *("smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "money"),
    *("date", "timestamp", "timestamptz", "time", "interval"),
)
_SPLIT_ROWS = 200_000  # a second connection costs about as much as scanning these
_GX_CONDITION = re.compile(r"""\bcol\(\s*["']""")
_NOTHING: Mapping[str, object] = {}
_DECADES_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def run_suite(
    suite: Suite,
    url: str,
    *,
    as_of: datetime,
    parameters: Mapping[str, Mapping[str, object]] | None = None,
    deadline_s: float = 3600.0,
    parallel: int | None = None,
) -> SuiteResult:
    """Judge every expectation of *suite* in the database at *url*.

    Args:
        suite: as loaded.
        url: a libpq DSN or `postgresql://` URL of the restored database, as the reading role.
        as_of: aware; the moment that relative times count from.
        parameters: by table (`schema.name`), figures of earlier drills: `last_rows` (int), `last_verified_at`
            (aware), `newest_row` (column to aware), or an `Unset` that says why there is none; empty while no
            drill has been verified.
        deadline_s: for the whole suite; what it cuts off is errored with cause `deadline`.
        parallel: units of work side by side; the CPUs by default.

    Returns:
        One result per expectation, in the suite's order. Nothing in it holds a value of a row.

    Raises:
        psycopg.Error: the database cannot be reached or read.
    """
    warm_up()
    started = time.monotonic()
    database = Database.at(url)
    run = _Run(as_of, parameters or {}, started + deadline_s)
    with database.connect(deadline_s) as connection:
        tables = read_tables(connection, suite.tables)
        newest = run.measure_newest(connection, suite, tables)
    ready: dict[int, ExpectationResult | Bound] = {
        at: run.prepare(at, expectation, tables.get(expectation.table))
        for at, expectation in enumerate(suite.expectations)
    }
    units = _units([expectation for expectation in ready.values() if isinstance(expectation, Bound)], tables)
    columns = (column for table in tables.values() for column in table.columns.values())
    types = {column.type for column in columns if "." in column.type and not column.enum}
    with open_engine(database, run.deadline, types) as engine:
        judged_units = _side_by_side(partial(run.judge, engine), units, parallel or os.cpu_count() or 1)
    # What GX gives no result for was not judged, and must not be left out.
    results = {
        at: unjudged(expectation, Outcome.ERRORED, "Great Expectations gave no result", Cause.OTHER)
        for at, expectation in enumerate(suite.expectations)
    }
    results |= {at: prepared for at, prepared in ready.items() if isinstance(prepared, ExpectationResult)}
    documents: dict[str, list[tuple[int, dict[str, object]]]] = defaultdict(list)
    seconds: dict[str, float] = dict.fromkeys(suite.tables, 0.0)
    for unit in judged_units:
        seconds[unit.table] += unit.seconds
        results.update({at: result for at, result, _ in unit.judged})
        documents[unit.table] += [(at, document) for at, _, document in unit.judged]
    return SuiteResult(
        suite=suite.name,
        gate=suite.gate,
        results=tuple(results[at] for at in sorted(results)),
        documents={
            table: table_document(
                suite.name, table, [document for _, document in sorted(entries, key=lambda item: item[0])]
            )
            for table, entries in documents.items()
        },
        seconds=time.monotonic() - started,
        table_seconds=seconds,
        gx_version=gx_version(),
        newest=newest,
    )


def deep_problems(suite: Suite) -> tuple[Problem, ...]:
    """Return what GX's own models find wrong in a suite that its structure allows. Imports GX."""
    warm_up()
    file = str(suite.path) if suite.path else suite.name
    problems = []
    for expectation in suite.expectations:
        stand_in = {"last_rows": 1, **dict.fromkeys(TIME_PARAMETERS, _DECADES_AGO)}
        kwargs = {key: bind(value, _DECADES_AGO, stand_in, None) for key, value in expectation.kwargs.items()}
        kwargs.pop("row_condition", None) if isinstance(kwargs.get("row_condition"), str) else None
        try:
            build(expectation, kwargs)
        except Exception as error:  # noqa: BLE001  pydantic's, or whatever a model raises: all are the suite's
            what = f"Great Expectations refuses it: {_said(error)}"
            problems.append(Problem(what, "correct its kwargs", file, expectation.line, expectation.path))
    return tuple(problems)


@dataclass(frozen=True, slots=True)
class _Unit:
    """Expectations that GX judges with one batch: the same rows, and of a similar price."""

    table: Table
    condition: str | None
    as_text: Mapping[str, str]
    group: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of a unit: place in the suite, our result, GX's document."""

    table: str
    judged: tuple[tuple[int, ExpectationResult, dict[str, object]], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Run:
    """What the expectations of one run share."""

    as_of: datetime
    parameters: Mapping[str, Mapping[str, object]]
    deadline: float

    def prepare(self, at: int, expectation: Expectation, table: Table | None) -> ExpectationResult | Bound:
        """Return *expectation* ready to be judged, or the reason why it cannot be."""
        if table is None:
            return unjudged(
                expectation, Outcome.TABLE_MISSING, f"the restored database has no table {expectation.table}"
            )
        trouble = _column_trouble(expectation, table)
        if trouble is not None:
            return unjudged(expectation, Outcome.ERRORED, trouble[1], trouble[0])
        columns = [table.columns[column] for column in expectation.columns if column in table.columns]
        first = columns[0] if columns else None
        kind, name = (first.type, first.name) if first is not None else (None, None)
        figures = self.parameters.get(expectation.table, _NOTHING)
        try:
            kwargs = {
                key: bind(value, self.as_of, figures, kind, name) for key, value in expectation.kwargs.items()
            }
        except NoHistory as waiting:
            return _waiting(expectation, waiting)
        bound = self._conditioned(at, expectation, _whole_bounds(expectation, kwargs))
        return replace(bound, as_text=_read_as_text(expectation, table), until=self._until(expectation, kind))

    def measure_newest(
        self, connection: psycopg.Connection[tuple[object, ...]], suite: Suite, tables: Mapping[str, Table]
    ) -> dict[str, dict[str, datetime | None]]:
        """Return the newest row of each column that the next drill compares its own with."""
        measured: dict[str, dict[str, datetime | None]] = {}
        for expectation in suite.expectations:
            column = (
                tables[expectation.table].columns.get(_column(expectation))
                if expectation.table in tables
                else None
            )
            if column is None or column.type not in KINDS or not _names(expectation, "newest_row"):
                continue
            schema, _, table = expectation.table.partition(".")
            try:
                connection.execute(settled(max(0.001, self.deadline - time.monotonic())).encode())
                source = sql.Identifier(schema, table)
                newest = read_newest(connection, source, column.name, column.type, self.as_of)
            except psycopg.Error:  # the expectation itself says what is wrong with it
                continue
            measured.setdefault(expectation.table, {})[column.name] = newest.at
        return measured

    def judge(self, engine: Any, unit: _Unit) -> _Done:  # noqa: ANN401  SQLAlchemy's, imported late
        """Judge a unit; never raises for what an expectation does."""
        started = time.monotonic()
        source = Source(
            engine=engine,
            table=unit.table.name,
            deadline=self.deadline,
            condition=unit.condition,
            columns=tuple(unit.table.columns),
            as_text=unit.as_text,
        )
        judgements = []
        for bound, document in _judge(source, unit.group):
            result = judged(bound, document, unit.table, self.as_of)
            if bound.until is not None and _is_beyond(document, bound.until):
                document, result = self._judge_until(source, bound, unit.table)  # noqa: PLW2901
            judgements.append((bound.at, result, clean_document(bound, document, result)))
        return _Done(unit.table.name, tuple(judgements), time.monotonic() - started)

    def _judge_until(
        self, source: Source, bound: Bound, table: Table
    ) -> tuple[dict[str, Any], ExpectationResult]:
        """Judge the newest row once more, without the rows that are dated later than rows can be."""
        limit = f"{quoted(_column(bound.expectation))} <= {sql.Literal(bound.until).as_string()}"
        condition = limit if source.condition is None else f"({source.condition}\n) AND {limit}"
        ((bound, document),) = validate(replace(source, condition=condition), [bound])
        result = judged(bound, document, table, self.as_of)
        if isinstance(result.observed, str):
            result = replace(result, observed=f"{result.observed}; rows dated later are left out")
        return document, result

    def _until(self, expectation: Expectation, kind: str | None) -> datetime | date | None:
        """Return the latest time that counts, where only the newest row's age is asked."""
        low = expectation.kwargs.get("min_value")
        has_relative_low = isinstance(low, RelativeTime) and low.offset_s <= 0
        has_relative_low = has_relative_low or (isinstance(low, Parameter) and low.name in TIME_PARAMETERS)
        about_newest = (
            expectation.type == "expect_column_max_to_be_between"
            and expectation.kwargs.get("max_value") is None
        )
        if kind is None or kind not in KINDS or not (has_relative_low and about_newest):
            return None
        return latest(kind, self.as_of)

    def _conditioned(self, at: int, expectation: Expectation, kwargs: dict[str, object]) -> Bound:
        """Give GX the conditions that it understands, and keep SQL for a batch of its own."""
        query, condition = kwargs.get("unexpected_rows_query"), kwargs.get("row_condition")
        if isinstance(query, str):
            query = without_parameters(_braced(self._timed(query)))
            return Bound(at, expectation, {**kwargs, "unexpected_rows_query": query})
        if not isinstance(condition, str):
            return Bound(at, expectation, kwargs)
        rest = {
            key: value for key, value in kwargs.items() if key not in {"row_condition", "condition_parser"}
        }
        if expectation.type in _UNCONDITIONAL:
            return Bound(at, expectation, rest)
        if _GX_CONDITION.search(condition):
            native = {"row_condition": condition, "condition_parser": "great_expectations"}
            return Bound(at, expectation, {**rest, **native})
        return Bound(at, expectation, rest, self._timed(condition))

    def _timed(self, text: str) -> str:
        return text.replace("{as_of}", f"timestamptz '{self.as_of.isoformat()}'")


def _column_trouble(expectation: Expectation, table: Table) -> tuple[Cause, str] | None:
    """Return why *expectation* cannot be asked of the columns that *table* has."""
    absent = [column for column in expectation.columns if column not in table.columns]
    if absent and expectation.type not in _ABOUT_COLUMNS:
        near = nearest(absent[0], list(table.columns), 0.75)
        meant = f"; is it {near}?" if near else ""
        return Cause.COLUMN_MISSING, f"{table.name} has no column {', '.join(absent)}{meant}"
    column = table.columns.get(_column(expectation))
    if column is not None and column.type not in KINDS and _names(expectation, "newest_row"):
        return Cause.WRONG_TYPE, f"newest_row is a time, and {column.name} is {column.type}"
    return None


def _waiting(expectation: Expectation, waiting: NoHistory) -> ExpectationResult:
    """Return what becomes of an expectation whose figure no earlier drill has set."""
    unset = waiting.unset
    if unset.for_now:
        message = f"it waits for {waiting.name}: {unset.why}; it is judged from the next verified drill on"
        return unjudged(expectation, Outcome.NO_HISTORY, message)
    message = f"{waiting.name} has no value: {unset.why}"
    return unjudged(expectation, Outcome.ERRORED, message, Cause.NO_FIGURE)


def _column(expectation: Expectation) -> str:
    column = expectation.kwargs.get("column")
    return column if isinstance(column, str) else ""


def _names(expectation: Expectation, parameter: str) -> bool:
    """Say whether *expectation* is compared with *parameter*."""
    values = list(expectation.kwargs.values())
    while values:
        value = values.pop()
        if isinstance(value, Parameter) and value.name == parameter:
            return True
        values += value if isinstance(value, list) else value.values() if isinstance(value, Mapping) else ()
    return False


def _is_beyond(document: Mapping[str, Any], until: datetime | date) -> bool:
    """Say whether the newest value is dated later than *until*, or is none that Python can hold."""
    if exception_texts(document.get("exception_info")):
        return True
    newest = moment_of((document.get("result") or {}).get("observed_value"))
    limit = moment_of(until)
    return newest is not None and limit is not None and newest > limit


def _side_by_side(judge: Callable[[_Unit], _Done], units: Sequence[_Unit], workers: int) -> list[_Done]:
    """Judge *units* in so many threads; when interrupted, begin no further one and wait for none."""
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        return list(pool.map(judge, units))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _units(bound: Sequence[Bound], tables: Mapping[str, Table]) -> list[_Unit]:
    """Group what one batch answers; the largest tables first, so that the last to finish is a small one."""
    groups: dict[tuple[str, str | None, bool, bool], list[Bound]] = defaultdict(list)
    for member in bound:
        large = tables[member.expectation.table].rows >= _SPLIT_ROWS
        apart = member.expectation.type in _SORTING and (large or bool(member.as_text))
        groups[member.expectation.table, member.condition, bool(member.as_text), apart].append(member)
    units = []
    for (table, condition, _, _), group in groups.items():
        as_text = {column: text for member in group for column, text in member.as_text.items()}
        units.append(_Unit(tables[table], condition, as_text, tuple(group)))
    return sorted(units, key=lambda unit: -unit.table.rows)


def _judge(source: Source, group: Sequence[Bound]) -> Iterator[tuple[Bound, dict[str, Any]]]:
    """Judge together, then alone what errored."""
    again = []
    for bound, document in validate(source, group):
        if len(group) > 1 and exception_texts(document.get("exception_info")):
            again.append(bound)
        else:
            yield bound, document
    for bound in again:
        yield from validate(source, [bound])


def _read_as_text(expectation: Expectation, table: Table) -> dict[str, str]:
    """Return the columns that GX must not read as they are, each with the SQL that reads its text."""
    if expectation.type in _READ_NO_VALUE:
        return {}
    columns = [table.columns[name] for name in expectation.columns if name in table.columns]
    read = {column.name: _text_of(column, expectation.type) for column in columns}
    return {name: text for name, text in read.items() if text is not None}


def _text_of(column: Column, kind: str) -> str | None:
    """Return the SQL for *column* as text; None where an expectation of *kind* may read it as it is.

    A type of the dump's own may have casts, an ordering and an equality of the dump's own: only its output
    function, which is PostgreSQL's, is asked. Nor may a collation of the dump's call two texts equal.
    """
    name = quoted(column.name)
    if not column.own_type:
        return f"CASE WHEN {name} IS NOT NULL THEN pg_catalog.concat({name}) END"
    textual = any(word in kind for word in _TEXTUAL)
    if textual and column.type not in _COMPARABLE and not column.type.endswith("[]"):
        return f"{name}::pg_catalog.text"
    if not column.own_collation and kind not in _SORTING:
        return f'{name} COLLATE pg_catalog."default"'
    return None


def _whole_bounds(expectation: Expectation, kwargs: dict[str, object]) -> dict[str, object]:
    """Round the bounds of counts inwards: GX cuts 100.8 rows to 100."""
    if "_count_" not in expectation.type:
        return kwargs
    rounding = {"min_value": math.ceil, "max_value": math.floor}
    return {
        key: rounding[key](value) if key in rounding and isinstance(value, float) else value
        for key, value in kwargs.items()
    }


def _braced(query: str) -> str:
    """Double every brace but those of GX's own `{batch}`: a quantifier such as `{3}` is no placeholder."""
    if "{{" in query:
        return query
    doubled = query.replace("{", "{{").replace("}", "}}")
    return doubled.replace("{{batch}}", "{batch}")


def _said(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[1:3]) if len(lines) > 1 else (lines[0] if lines else type(error).__name__)
