"""Great Expectations itself: imported when used, quiet, with nothing shared between tables.

Decisions, each measured: units of work share one pool of connections and nothing else, so that they run side
by side; `BASIC` without samples, so that no value leaves the server and nothing is sampled; the deadline is
put before every statement; GX's hundred thousand objects are kept out of the collector's sight, which else
goes through all of them again and again.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib.metadata import version
from typing import Any

from expectations.connections import Database, settled
from expectations.suite import Expectation

_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
_INDEX = "restore_drill"  # GX reorders results; each carries its place in its meta
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
        as_text: columns that have to be read as text, with the expression that reads them so.
        until: of the newest value of a time column: the latest that a row of the judged moment can have.
    """

    at: int
    expectation: Expectation
    kwargs: dict[str, object]
    condition: str | None = None
    as_text: Mapping[str, str] = field(default_factory=dict)
    until: datetime | date | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The rows that expectations are about.

    Attributes:
        engine: SQLAlchemy's, of the whole run.
        table: `schema.name`.
        condition: SQL, or None for all rows.
        columns: of the table; those in `as_text` are read by the expression there.
        deadline: on the monotonic clock.
    """

    engine: Any
    table: str
    deadline: float
    condition: str | None = None
    columns: tuple[str, ...] = ()
    as_text: Mapping[str, str] = field(default_factory=dict)

    def left_s(self) -> float:
        """Return the seconds left.

        Raises:
            DeadlinePassed: there are none.
        """
        return _left_s(self.deadline)


def warm_up() -> None:
    """Import Great Expectations, quietly and once: seconds of CPU, best spent during the restore."""
    global _prepared  # noqa: PLW0603  an import is global
    with _import_lock:
        if _prepared:
            return
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
        with warnings.catch_warnings(), _collector_paused():
            warnings.simplefilter("ignore")
            import expectations.one_scan  # noqa: F401, PLC0415  it imports the rest
        for name in _QUIET_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        for rule in (DeprecationWarning, UserWarning, FutureWarning):
            warnings.filterwarnings("ignore", category=rule, module=r"great_expectations(\.|$)")
        _prepared = True


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Import without garbage collections, of which there is nothing to collect; they are a fifth of the time.

    What is there afterwards stays for good, and is not looked through again.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.freeze()
            gc.enable()


def gx_version() -> str:
    """Return which Great Expectations is installed."""
    return version("great-expectations")


def build(expectation: Expectation, kwargs: Mapping[str, object], at: int = 0) -> Any:  # noqa: ANN401  GX's own model
    """Return GX's expectation; whatever its model refuses is raised as it is."""
    from great_expectations.expectations.registry import get_expectation_impl  # noqa: PLC0415

    other = kwargs.get("other_table_name")
    if isinstance(other, str):  # GX looks it up in the first one's schema
        kwargs = {**kwargs, "other_table_name": other.rpartition(".")[2]}
    model, fixed = (
        get_expectation_impl(expectation.type),
        {"severity": expectation.severity.value, "meta": {_INDEX: at}},
    )
    if not isinstance(kwargs.get("row_condition"), str):
        return model(**kwargs, **fixed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a condition as a string is old, and still what people paste
        condition = model(**kwargs, **fixed).row_condition
    rest = {key: value for key, value in kwargs.items() if key != "condition_parser"}
    return model(**{**rest, "row_condition": condition}, **fixed)


def validate(source: Source, group: Sequence[Bound]) -> list[tuple[Bound, dict[str, Any]]]:
    """Return GX's result document for each of *group*, judged together; what it raises is one for each."""
    by_place = {bound.at: bound for bound in group}
    started = time.monotonic()
    try:
        source.left_s()
        documents = _ask(source, [build(bound.expectation, bound.kwargs, bound.at) for bound in group])
    except Exception as error:  # noqa: BLE001  whatever GX raises is these expectations' trouble, told in words
        text = f"{type(error).__name__}: {error}"
        broken = {"success": False, "exception_info": {"raised_exception": True, "exception_message": text}}
        return [(bound, broken) for bound in group]
    if len(group) == 1:
        documents[0]["seconds"] = time.monotonic() - started
    return [(by_place[_place(document)], document) for document in documents]


@contextmanager
def open_engine(database: Database, deadline: float, types: Collection[str] = ()) -> Iterator[Any]:
    """Yield SQLAlchemy's engine on *database*: a connection for each thread, the deadline on each statement.

    One for a whole run, so that a connection is made and a catalogue query compiled once, not once a table.

    Args:
        types: of columns, that are neither PostgreSQL's own, enums nor domains, as the catalogue writes them.
    """
    import sqlalchemy  # noqa: PLC0415

    from expectations.one_scan import know_types  # noqa: PLC0415  imports GX

    engine = sqlalchemy.create_engine(
        database.gx_url(), pool_size=0, execution_options={"postgresql_readonly": True}
    )
    know_types(engine, types)
    sqlalchemy.event.listen(engine, "before_cursor_execute", _limiter(deadline))
    try:
        yield engine
    finally:
        engine.dispose()


def _ask(source: Source, expectations: Sequence[Any]) -> list[dict[str, Any]]:
    from expectations.one_scan import judge_query, judge_table  # noqa: PLC0415  imports GX

    schema, _, name = source.table.partition(".")
    if source.condition is None and not source.as_text:
        return judge_table(source.engine, schema, name, expectations, _FORMAT)
    rows = f"SELECT * FROM {quoted(schema)}.{quoted(name)} WHERE ({source.condition or 'true'}\n)"  # noqa: S608
    if source.as_text:
        select_list = ", ".join(_selected(column, source.as_text) for column in source.columns)
        rows = f"SELECT {select_list} FROM ({rows}) chosen"  # noqa: S608  quoted names, and the suite's own SQL
    return judge_query(source.engine, without_parameters(rows), expectations, _FORMAT)


def _selected(column: str, as_text: Mapping[str, str]) -> str:
    return f"{as_text[column]} AS {quoted(column)}" if column in as_text else quoted(column)


def _limiter(deadline: float) -> Callable[..., None]:
    """Return a listener that gives each statement what is left of the deadline, and its meaning."""

    def limit(_connection: object, cursor: Any, *_rest: object) -> None:  # noqa: ANN401  the driver's
        cursor.execute(settled(_left_s(deadline)))

    return limit


def _left_s(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlinePassed
    return left


def _place(document: Mapping[str, Any]) -> int:
    return int(document["expectation_config"]["meta"][_INDEX])


def without_parameters(sql: str) -> str:
    """Return *sql* in which a colon before a word is one: SQLAlchemy would ask for a parameter's value."""
    return re.sub(r":(?=\w)", r"\:", sql)


def quoted(name: str) -> str:
    """Return *name* as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
