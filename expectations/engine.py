"""Great Expectations itself: imported when used, quiet, with nothing shared between tables.

Decisions, each measured (STACK 4): a context, data source and engine per unit of work, so that units run
side by side; `BASIC` without samples, so that no value leaves the server and nothing is sampled; the
deadline is put before every statement, on both engines that a data source has.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from expectations.connections import Database
from expectations.suite import Expectation

_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
_INDEX = "restore_drill"  # GX reorders results; each carries its place in its meta
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")
_QUIET_LOGGERS = ("great_expectations", "great_expectations.execution_engine", "sqlalchemy.engine.Engine")
_import_lock = threading.Lock()
_prepared = False


class DeadlinePassed(Exception):  # noqa: N818
    """The suite's time is over; no further statement is sent."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An expectation with the kwargs of this run.

    Attributes:
        at: its place in the suite.
        condition: SQL that selects the rows it is about; they become a batch of their own.
        as_text: columns that have to be read as text, such as enums: GX sends strings typed.
    """

    at: int
    one: Expectation
    kwargs: dict[str, object]
    condition: str | None = None
    as_text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The rows that expectations are about.

    Attributes:
        table: `schema.name`.
        condition: SQL, or None for all rows.
        columns: of the table; those in `as_text` are read as text.
        deadline: on the monotonic clock.
    """

    database: Database
    table: str
    deadline: float
    condition: str | None = None
    columns: tuple[str, ...] = ()
    as_text: frozenset[str] = frozenset()

    def left_s(self) -> float:
        """Return the seconds left.

        Raises:
            DeadlinePassed: there are none.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlinePassed
        return left


def warm_up() -> None:
    """Import Great Expectations, quietly and once: seconds of CPU, best spent during the restore."""
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


def gx_version() -> str:
    """Return which Great Expectations is installed."""
    return version("great-expectations")


def build(one: Expectation, kwargs: Mapping[str, object], at: int = 0) -> Any:  # noqa: ANN401  GX's own model
    """Return GX's expectation; whatever its model refuses is raised as it is."""
    from great_expectations.expectations.registry import get_expectation_impl  # noqa: PLC0415

    other = kwargs.get("other_table_name")
    if isinstance(other, str):  # GX looks it up in the first one's schema
        kwargs = {**kwargs, "other_table_name": other.rpartition(".")[2]}
    model, fixed = get_expectation_impl(one.type), {"severity": one.severity.value, "meta": {_INDEX: at}}
    if not isinstance(kwargs.get("row_condition"), str):
        return model(**kwargs, **fixed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a condition as a string is old, and still what people paste
        condition = model(**kwargs, **fixed).row_condition
    rest = {key: value for key, value in kwargs.items() if key != "condition_parser"}
    return model(**{**rest, "row_condition": condition}, **fixed)


def validate(source: Source, group: Sequence[Bound]) -> list[tuple[Bound, dict[str, Any]]]:
    """Return GX's result document for each of *group*, judged together; what it raises is one for each."""
    import great_expectations as gx  # noqa: PLC0415

    by_place = {bound.at: bound for bound in group}
    started = time.monotonic()
    try:
        source.left_s()
        built = [build(bound.one, bound.kwargs, bound.at) for bound in group]
        with _batch(source) as batch:
            found = batch.validate(
                gx.ExpectationSuite(name="drill", expectations=built), result_format=_FORMAT
            )
            documents = found.to_json_dict()["results"]
    except Exception as error:  # noqa: BLE001  whatever GX raises is these expectations' trouble, told in words
        text = f"{type(error).__name__}: {error}"
        broken = {"success": False, "exception_info": {"raised_exception": True, "exception_message": text}}
        return [(bound, broken) for bound in group]
    if len(group) == 1:
        documents[0]["seconds"] = time.monotonic() - started
    return [(by_place[_place(document)], document) for document in documents]


@contextmanager
def _batch(source: Source) -> Iterator[Any]:
    """Yield GX's batch of the rows of *source*, on engines of its own."""
    import great_expectations as gx  # noqa: PLC0415
    import sqlalchemy  # noqa: PLC0415
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    schema, _, _ = source.table.partition(".")
    # GX lowers a schema's name; where that would miss it, the session looks there first instead.
    lowered = bool(_PLAIN_NAME.fullmatch(schema))
    url = source.database.gx_url(None if lowered else schema)
    store = context.data_sources.add_postgres("sandbox", connection_string=url)
    engines = (store.get_engine(), store.get_execution_engine().engine)
    try:
        for engine in engines:
            sqlalchemy.event.listen(engine, "before_cursor_execute", _limiter(source))
        yield _asset(store, source, lowered=lowered).add_batch_definition_whole_table("all").get_batch()
    finally:
        for engine in engines:
            engine.dispose()


def _asset(store: Any, source: Source, *, lowered: bool) -> Any:  # noqa: ANN401  GX's own
    schema, _, name = source.table.partition(".")
    if source.condition is None and not source.as_text:
        named = schema if lowered else None
        return store.add_table_asset(name="table", table_name=_quoted(name), schema_name=named)
    rows = f"SELECT * FROM {_quoted(schema)}.{_quoted(name)} WHERE ({source.condition or 'true'})"  # noqa: S608
    if source.as_text:
        listed = ", ".join(_selected(column, source.as_text) for column in source.columns)
        rows = f"SELECT {listed} FROM ({rows}) chosen"  # noqa: S608  quoted names, and the suite's own SQL
    return store.add_query_asset(name="rows", query=rows)


def _selected(column: str, as_text: frozenset[str]) -> str:
    return f"{_quoted(column)}::text AS {_quoted(column)}" if column in as_text else _quoted(column)


def _limiter(source: Source) -> Callable[..., None]:
    """Return a listener that gives each statement what is left of the deadline."""

    def limit(_connection: object, cursor: Any, *_rest: object) -> None:  # noqa: ANN401  the driver's
        cursor.execute(f"SET statement_timeout = {max(1, int(source.left_s() * 1000))}")

    return limit


def _place(document: Mapping[str, Any]) -> int:
    return int(document["expectation_config"]["meta"][_INDEX])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
