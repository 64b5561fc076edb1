"""How checks reach the sandbox: as its reader, within a deadline, with every error translated here.

The reader may read everything and change nothing; functions and views that a dump brought may be hostile, so
no check runs as a superuser. `search_path` is pg_catalog alone: names resolve to PostgreSQL's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NoReturn

import psycopg
from psycopg import errors, sql

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.model.server_words import of_error
from tasks.sandbox import connect

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[[], AbstractContextManager[Connection]]
"""Opens a connection on which a check may read."""

_FATAL: tuple[tuple[type[psycopg.Error], str, str], ...] = (
    (errors.DiskFull, "disk-full", "The disk ran full while the restored data was read."),
    (errors.OutOfMemory, "out-of-memory", "The sandbox ran out of memory while the restored data was read."),
    (errors.AdminShutdown, "postgres-failed", "The sandbox's server was stopped while it was read."),
    (errors.CrashShutdown, "postgres-failed", "The sandbox's server crashed while it was read."),
    (errors.CannotConnectNow, "postgres-failed", "The sandbox's server is not up."),
)


@contextmanager
def reading(
    sandbox: Sandbox, database: str, limit: Deadline | None = None, role: str | None = None
) -> Iterator[Connection]:
    """Open a connection to *database* as the sandbox's reader (or as *role*), within *limit*.

    Raises:
        PermanentError: the server is gone, its disk or memory is full; anything about a single statement
            stays a `psycopg.Error` for the check to judge.
    """
    limit = limit or Deadline.within(None)
    try:
        opened = connect(sandbox, database, role=role or sandbox.reader)
    except psycopg.OperationalError as exc:
        _raise(f"The restored database cannot be reached: {why(exc)}", "postgres-failed", exc)
    with opened as connection:
        settle(connection, limit)
        try:
            yield connection
        except psycopg.Error as exc:
            raise_if_fatal(exc, connection)
            raise


def settle(connection: Connection, limit: Deadline) -> None:
    """Make *connection* read in UTF-8, resolve names in pg_catalog alone and stop at *limit*."""
    connection.execute(
        "SELECT pg_catalog.set_config('client_encoding', 'UTF8', false),"
        " pg_catalog.set_config('search_path', 'pg_catalog', false),"
        " pg_catalog.set_config('TimeZone', 'UTC', false)"
    )
    limit_statement(connection, limit)


def limit_statement(connection: Connection, limit: Deadline) -> None:
    """Give every statement from now on at most what is left until *limit*."""
    connection.execute(sql.SQL("SET statement_timeout TO {}").format(sql.Literal(limit.statement_ms)))


def raise_if_fatal(exc: psycopg.Error, connection: Connection) -> None:
    """Raise the drill's own error if *exc* means that the sandbox, not a statement, is at fault."""
    for kind, rule, what in _FATAL:
        if isinstance(exc, kind):
            _raise(what, rule, exc)
    if connection.broken:
        _raise("The sandbox's server closed the connection while it was read.", "postgres-failed", exc)


@contextmanager
def translated(what: str, limit: Deadline) -> Iterator[None]:
    """Turn what PostgreSQL objects to into the drill's own error: *what* could not be read.

    Raises:
        PermanentError: `stage-deadline` (or the rule of *limit*) or `check-errored`.
    """
    try:
        yield
    except psycopg.Error as exc:
        if timed_out(exc):
            _raise(f"{what} could not be read within {limit.seconds:.0f} s.", limit.rule, exc)
        _raise(
            f"{what} could not be read: {why(exc)}. That says nothing about the backup.", "check-errored", exc
        )


def timed_out(exc: psycopg.Error) -> bool:
    """Whether *exc* is a statement that ran into its time limit."""
    return isinstance(exc, errors.QueryCanceled)


def why(exc: psycopg.Error) -> str:
    """Return in our words what PostgreSQL refused: its own may quote rows."""
    return of_error(exc)


def workers() -> int:
    """How many connections read at once: one for each core, and no more than eight."""
    return max(1, min(os.cpu_count() or 1, 8))


def _raise(what: str, rule: str, exc: psycopg.Error) -> NoReturn:
    raise PermanentError(what, rule=rule) from exc
