"""Running a suite with Great Expectations against the restored database.

Decisions, each measured (STACK 4): GX is imported when used; one context, data source and engine per table, so that
tables run side by side; `BASIC` without samples, so that no value leaves the server and nothing is sampled; what
errors in company runs again alone, because GX bundles expectations into one query and one of them spoils the rest.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from expectations.catalogue import Table, read_tables
from expectations.connections import Database
from expectations.faults import exception_texts, explain
from expectations.observed import clean_kwargs, clean_result, number, plain, say_observed
from expectations.plain import say
from expectations.results import Cause, ExpectationResult, Outcome, SuiteResult
from expectations.suite import Expectation, Problem, Suite
from expectations.times import NoHistory, bind

_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
_INDEX = "restore_drill"  # GX reorders results; each carries its place in its meta
# A missing column is what these are about, so that it fails them and is no error.
_ABOUT_COLUMNS = ("expect_column_to_exist", "expect_table_columns_to_match_set")
_UNCONDITIONAL = (
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_in_type_list",
    "expect_column_type_to_be",
)
_GX_CONDITION = re.compile(r"""\bcol\(\s*["']""")
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")
_QUIET_LOGGERS = ("great_expectations", "great_expectations.execution_engine", "sqlalchemy.engine.Engine")
_import_lock = threading.Lock()
_prepared = False
_EMPTY: Mapping[str, object] = {}


class DeadlinePassed(Exception):  # noqa: N818
    """The suite's time is over; no further statement is sent."""


def warm_up() -> None:
    """Import Great Expectations, quietly and once. Takes seconds of CPU: call it in a thread during the restore."""
    global _prepared  # noqa: PLW0603  an import is global
    with _import_lock:
        if _prepared:
            return
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import great_expectations.expectations  # noqa: F401, PLC0415
        for name in _QUIET_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        for rule in (DeprecationWarning, UserWarning, FutureWarning):
            warnings.filterwarnings("ignore", category=rule, module=r"great_expectations(\.|$)")
        _prepared = True


def run_suite(
    suite: Suite,
    url: str,
    *,
    as_of: datetime,
    parameters: Mapping[str, Mapping[str, object]] = {},
    deadline_s: float = 3600.0,
    parallel: int | None = None,
) -> SuiteResult:
    """Judge every expectation of *suite* in the database at *url*.

    Args:
        suite: as loaded.
        url: a libpq DSN or `postgresql://` URL of the restored database, as the reading role.
        as_of: aware; the moment that relative times count from.
        parameters: by table (`schema.name`), figures of earlier drills: `last_rows` (int), `newest_row` and
            `last_verified_at` (aware datetimes), and whatever else a caller knows.
        deadline_s: for the whole suite; what it cuts off is errored with cause `deadline`.
        parallel: tables side by side; the CPUs by default.

    Returns:
        One result per expectation, in the suite's order. Nothing in it holds a value of a row.

    Raises:
        psycopg.OperationalError: the database cannot be reached.
    """
    warm_up()
    started = time.monotonic()
    database = Database.at(url)
    with database.connect(deadline_s) as connection:
        found = read_tables(connection, suite.tables)
    run = _Run(database, as_of, parameters, started + deadline_s)
    jobs = [[(at, one) for at, one in enumerate(suite.expectations) if one.table == t] for t in suite.tables]
    # The largest first: the last to finish should be a small one.
    jobs.sort(key=lambda job: -found[job[0][1].table].rows if job[0][1].table in found else 0)
    with ThreadPoolExecutor(max_workers=parallel or os.cpu_count() or 1) as pool:
        done = list(pool.map(lambda job: run.table(job, found.get(job[0][1].table)), jobs))
    results = {at: result for table in done for at, result in table.results.items()}
    return SuiteResult(
        suite=suite.name,
        gate=suite.gate,
        results=tuple(results[at] for at in range(len(suite.expectations))),
        documents={table.name: table.document for table in done if table.document},
        seconds=time.monotonic() - started,
        table_seconds={table.name: table.seconds for table in done},
        gx_version=_gx_version(),
    )


def deep_problems(suite: Suite) -> tuple[Problem, ...]:
    """Return what GX's own models find wrong in a suite that its structure allows."""
    warm_up()
    moment = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
    file = str(suite.path) if suite.path else suite.name
    problems = []
    for one in suite.expectations:
        stand_in = {name: 1 for value in one.kwargs.values() if (name := getattr(value, "name", None))}
        try:
            _gx_expectation(one, bind(dict(one.kwargs), moment, stand_in, None), 0)
        except Exception as error:  # noqa: BLE001  pydantic v1's, or whatever a model raises: all are the suite's
            what = f"Great Expectations refuses it: {_first_line(error)}"
            problems.append(Problem(what, "correct its kwargs", file, one.line, one.path))
    return tuple(problems)


@dataclass(frozen=True, slots=True)
class _TableDone:
    """A table's results by their place in the suite."""

    name: str
    results: Mapping[int, ExpectationResult]
    document: dict[str, object]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Bound:
    """An expectation with the kwargs of this run."""

    at: int
    one: Expectation
    kwargs: dict[str, object]
    filter: str | None


_Job = Sequence[tuple[int, Expectation]]


@dataclass(frozen=True, slots=True)
class _Run:
    """What the expectations of one run share."""

    database: Database
    as_of: datetime
    parameters: Mapping[str, Mapping[str, object]]
    deadline: float

    def table(self, job: _Job, table: Table | None) -> _TableDone:
        """Judge the expectations of one table."""
        started = time.monotonic()
        name = job[0][1].table
        if table is None:
            missing = {at: _missing(one) for at, one in job}
            return _TableDone(name, missing, {}, time.monotonic() - started)
        results: dict[int, ExpectationResult] = {}
        bound: list[_Bound] = []
        for at, one in job:
            ready = self._bind(at, one, table)
            if isinstance(ready, ExpectationResult):
                results[at] = ready
            else:
                bound.append(ready)
        documents = []
        for condition in dict.fromkeys(ready.filter for ready in bound):
            group = [ready for ready in bound if ready.filter == condition]
            for ready_one, document in self._judge(group, table, condition):
                result = self._result(ready_one, document, table)
                results[ready_one.at] = result
                documents.append(_clean_document(ready_one, document, result))
        return _TableDone(name, results, _document(name, documents), time.monotonic() - started)

    def _bind(self, at: int, one: Expectation, table: Table) -> _Bound | ExpectationResult:
        absent = [column for column in one.columns if column not in table.columns]
        if absent and one.type not in _ABOUT_COLUMNS:
            return _errored(one, Cause.COLUMN_MISSING, f"{table.name} has no column {', '.join(absent)}")
        columns = [table.columns[column] for column in one.columns if column in table.columns]
        known = self.parameters.get(one.table, _EMPTY)
        try:
            kwargs = bind(dict(one.kwargs), self.as_of, known, columns[0].type if columns else None)
        except NoHistory as waiting:
            why = f"no earlier drill has set {waiting.args[0]}; it is judged from the next one on"
            return _unjudged(one, Outcome.NO_HISTORY, None, why)
        kwargs, condition = self._conditioned(one, kwargs if isinstance(kwargs, dict) else {})
        return _Bound(at, one, kwargs, condition)

    def _conditioned(
        self, one: Expectation, kwargs: dict[str, object]
    ) -> tuple[dict[str, object], str | None]:
        """Give GX the conditions that it understands; a condition in SQL selects the rows of a batch of its own."""
        query = kwargs.get("unexpected_rows_query")
        if isinstance(query, str):
            return {**kwargs, "unexpected_rows_query": _braced(self._timed(query))}, None
        condition = kwargs.get("row_condition")
        if not isinstance(condition, str):
            return kwargs, None
        rest = {
            key: value for key, value in kwargs.items() if key not in {"row_condition", "condition_parser"}
        }
        if one.type in _UNCONDITIONAL:
            return rest, None
        if _GX_CONDITION.search(condition):
            return {**rest, "row_condition": condition, "condition_parser": "great_expectations"}, None
        return rest, self._timed(condition)

    def _timed(self, sql: str) -> str:
        return sql.replace("{as_of}", f"timestamptz '{self.as_of.isoformat()}'")

    def _judge(
        self, group: Sequence[_Bound], table: Table, condition: str | None
    ) -> Iterator[tuple[_Bound, dict[str, Any]]]:
        """Judge together, then alone what errored: in a bundle, one bad expectation takes others with it."""
        again = []
        for one, document in self._validate(group, table, condition):
            if len(group) > 1 and exception_texts(document.get("exception_info")):
                again.append(one)
            else:
                yield one, document
        for one in again:
            yield from self._validate([one], table, condition)

    def _validate(
        self, group: Sequence[_Bound], table: Table, condition: str | None
    ) -> list[tuple[_Bound, dict[str, Any]]]:
        import great_expectations as gx  # noqa: PLC0415

        by_index = {one.at: one for one in group}
        started = time.monotonic()
        try:
            self._left()
            expectations = [_gx_expectation(one.one, one.kwargs, one.at) for one in group]
            with _batch(self, table, condition) as batch:
                suite = gx.ExpectationSuite(name="drill", expectations=expectations)
                found = batch.validate(suite, result_format=_FORMAT).to_json_dict()
        except Exception as error:  # noqa: BLE001  whatever GX raises is these expectations' trouble, told in words
            text = f"{type(error).__name__}: {error}"
            broken = {
                "success": False,
                "exception_info": {"raised_exception": True, "exception_message": text},
            }
            return [(one, broken) for one in group]
        results = [(by_index[_index(document)], document) for document in found["results"]]
        if len(group) == 1:
            results[0][1]["seconds"] = time.monotonic() - started
        return results

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlinePassed
        return left

    def limit(self, cursor: Any) -> None:  # noqa: ANN401  SQLAlchemy hands the driver's cursor
        """Give the next statement what is left of the deadline."""
        cursor.execute(f"SET statement_timeout = {max(1, int(self._left() * 1000))}")

    def _result(self, bound: _Bound, document: Mapping[str, Any], table: Table) -> ExpectationResult:
        one = bound.one
        kwargs = {**bound.kwargs, **_written_condition(one)}
        texts = exception_texts(document.get("exception_info"))
        if texts:
            cause, message = explain(texts, _known_words(one, table))
            result = _errored(one, cause, message)
        else:
            found = document.get("result") or {}
            observed = say_observed(one, found, kwargs=kwargs, table=table, as_of=self.as_of)
            outcome = Outcome.PASSED if document.get("success") else Outcome.FAILED
            result = replace(
                _unjudged(one, outcome, None, None),
                observed=observed,
                element_count=_int(found.get("element_count")),
                unexpected_count=_int(found.get("unexpected_count")),
                unexpected_percent=number(found.get("unexpected_percent")),
            )
        return replace(result, kwargs=clean_kwargs(one, kwargs), seconds=document.get("seconds"))


@contextmanager
def _batch(run: _Run, table: Table, condition: str | None) -> Iterator[Any]:
    """Yield GX's batch of *table*, or of its rows that meet *condition*, on an engine of its own."""
    import great_expectations as gx  # noqa: PLC0415
    import sqlalchemy  # noqa: PLC0415
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_postgres("sandbox", connection_string=run.database.gx_url())
    engine = source.get_engine()
    schema, _, name = table.name.partition(".")
    plain_schema = bool(_PLAIN_NAME.fullmatch(schema))

    def limit(_conn: object, cursor: object, *_rest: object) -> None:
        run.limit(cursor)

    def look_into(connection: Any, _record: object) -> None:  # noqa: ANN401
        # GX lowers a schema's name; where that would miss it, the session looks there first instead.
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {_quoted(schema)}, public")
        connection.commit()

    sqlalchemy.event.listen(engine, "before_cursor_execute", limit)
    if not plain_schema:
        engine.dispose()
        sqlalchemy.event.listen(engine, "connect", look_into)
    try:
        if condition is None:
            asset = source.add_table_asset(
                name="table", table_name=_quoted(name), schema_name=schema if plain_schema else None
            )
        else:
            rows = f"SELECT * FROM {_quoted(schema)}.{_quoted(name)} WHERE ({condition})"  # noqa: S608  the suite's
            asset = source.add_query_asset(name="rows", query=rows)
        yield asset.add_batch_definition_whole_table("all").get_batch()
    finally:
        engine.dispose()


def _gx_expectation(one: Expectation, kwargs: Any, index: int) -> Any:  # noqa: ANN401  GX's own model
    from great_expectations.expectations.registry import get_expectation_impl  # noqa: PLC0415

    other = kwargs.get("other_table_name")
    if isinstance(other, str):
        kwargs = {**kwargs, "other_table_name": other.rpartition(".")[2]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a condition as a string is old, and still what people paste
        return get_expectation_impl(one.type)(**kwargs, severity=one.severity.value, meta={_INDEX: index})


def _index(document: Mapping[str, Any]) -> int:
    return int(document["expectation_config"]["meta"][_INDEX])


def _missing(one: Expectation) -> ExpectationResult:
    return _unjudged(one, Outcome.TABLE_MISSING, None, f"the restored database has no table {one.table}")


def _errored(one: Expectation, cause: Cause, message: str) -> ExpectationResult:
    return _unjudged(one, Outcome.ERRORED, cause, message)


def _unjudged(
    one: Expectation, outcome: Outcome, cause: Cause | None, message: str | None
) -> ExpectationResult:
    return ExpectationResult(
        table=one.table,
        type=one.type,
        kwargs=clean_kwargs(one, one.kwargs),
        severity=one.severity,
        outcome=outcome,
        expected=say(one),
        why=one.why,
        owner=one.owner,
        cause=cause,
        message=message,
        line=one.line,
    )


def _clean_document(
    bound: _Bound, document: Mapping[str, Any], result: ExpectationResult
) -> dict[str, object]:
    """Return GX's own result without values: counts, our observation, and our words for its exceptions."""
    return {
        "success": bool(document.get("success")),
        "expectation_config": {
            "type": bound.one.type,
            "kwargs": dict(result.kwargs),
            "meta": plain(dict(bound.one.meta)),
            "severity": bound.one.severity.value,
        },
        "result": clean_result(document.get("result") or {}, result.observed),
        "meta": {},
        "exception_info": {
            "raised_exception": result.outcome is Outcome.ERRORED,
            "exception_traceback": None,
            "exception_message": result.message,
        },
    }


def _document(table: str, results: list[dict[str, object]]) -> dict[str, object]:
    """Return a table's results in the shape of GX's validation result."""
    passed = sum(1 for one in results if one["success"])
    return {
        "success": passed == len(results),
        "results": results,
        "suite_name": table,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(results),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(results) - passed,
            "success_percent": 100.0 * passed / len(results) if results else None,
        },
        "meta": {"great_expectations_version": _gx_version(), "table": table},
        "id": None,
    }


def _written_condition(one: Expectation) -> dict[str, object]:
    condition = one.kwargs.get("row_condition")
    return {"row_condition": condition} if isinstance(condition, str) else {}


def _known_words(one: Expectation, table: Table) -> set[str]:
    """Return the words that an error may repeat: the suite's own, and the catalogue's names."""
    written = " ".join(str(value) for value in one.kwargs.values())
    return {*re.findall(r"\w+", written), *table.columns, table.name, *table.name.split(".", 1)}


def _braced(query: str) -> str:
    """Double every brace but those of GX's own `{batch}`: a quantifier such as `{3}` is none of its placeholders."""
    if "{{" in query:
        return query
    doubled = query.replace("{", "{{").replace("}", "}}")
    return doubled.replace("{{batch}}", "{batch}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _int(value: object) -> int | None:
    found = number(value)
    return None if found is None else int(found)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[1:3]) if len(lines) > 1 else (lines[0] if lines else type(error).__name__)


def _gx_version() -> str:
    from importlib.metadata import version  # noqa: PLC0415

    return version("great-expectations")
