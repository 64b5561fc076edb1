"""How checks reach the sandbox: as its reader, within a deadline, with every error translated here.

The reader may read everything and change nothing; functions and views that a dump brought may be hostile, so
no check runs as a superuser. `search_path` is pg_catalog alone: names resolve to PostgreSQL's own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NoReturn

import psycopg
from psycopg import errors, sql

from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.model.server_words import of_error
from tasks.sandbox import connect

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[[], AbstractContextManager[Connection]]
"""Opens a connection on which a check may read."""

NO_LIMIT_S = 30 * 86400.0
_FATAL: tuple[tuple[type[psycopg.Error], str, str], ...] = (
    (errors.DiskFull, "disk-full", "The disk ran full while the restored data was read."),
    (errors.OutOfMemory, "out-of-memory", "The sandbox ran out of memory while the restored data was read."),
    (errors.AdminShutdown, "postgres-failed", "The sandbox's server was stopped while it was read."),
    (errors.CrashShutdown, "postgres-failed", "The sandbox's server crashed while it was read."),
    (errors.CannotConnectNow, "postgres-failed", "The sandbox's server is not up."),
)


class Limit:
    """A moment by which work must be done, on the monotonic clock.

    Args:
        seconds: from now; None for no limit.
        rule: what is said when it is over: the stage's own deadline or the budget of the deep checks.
    """

    def __init__(self, seconds: float | None, rule: str = "stage-deadline") -> None:
        self.seconds = NO_LIMIT_S if seconds is None else seconds
        self.ends_at = time.monotonic() + self.seconds
        self.rule = rule

    def left_s(self) -> float:
        """Seconds left; at least a millisecond, for PostgreSQL takes 0 as no limit."""
        return max(0.001, self.ends_at - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self.ends_at

    def earlier(self, other: Limit) -> Limit:
        """Return the one that ends first."""
        return self if self.ends_at <= other.ends_at else other


@contextmanager
def reading(
    sandbox: Sandbox, database: str, limit: Limit | None = None, role: str | None = None
) -> Iterator[Connection]:
    """Open a connection to *database* as the sandbox's reader (or as *role*), within *limit*.

    Raises:
        PermanentError: the server is gone, its disk or memory is full; anything about a single statement
            stays a `psycopg.Error` for the check to judge.
    """
    limit = limit or Limit(None)
    try:
        opened = connect(sandbox, database, role=role or sandbox.reader)
    except psycopg.OperationalError as exc:
        _raise(f"The restored database cannot be reached: {why(exc)}", "postgres-failed", exc)
    with opened as connection:
        settle(connection, limit.left_s())
        try:
            yield connection
        except psycopg.Error as exc:
            raise_if_fatal(exc, connection)
            raise


def settle(connection: Connection, left_s: float) -> None:
    """Make *connection* read in UTF-8, resolve names in pg_catalog alone and stop after *left_s* seconds."""
    connection.execute(
        "SELECT pg_catalog.set_config('client_encoding', 'UTF8', false),"
        " pg_catalog.set_config('search_path', 'pg_catalog', false),"
        " pg_catalog.set_config('TimeZone', 'UTC', false)"
    )
    limit_statement(connection, left_s)


def limit_statement(connection: Connection, left_s: float) -> None:
    """Give every statement from now on at most *left_s* seconds."""
    milliseconds = max(1, min(int(left_s * 1000), 2**31 - 1))
    connection.execute(sql.SQL("SET statement_timeout TO {}").format(sql.Literal(milliseconds)))


def raise_if_fatal(exc: psycopg.Error, connection: Connection) -> None:
    """Raise the drill's own error if *exc* means that the sandbox, not a statement, is at fault."""
    for kind, rule, what in _FATAL:
        if isinstance(exc, kind):
            _raise(what, rule, exc)
    if connection.broken:
        _raise("The sandbox's server closed the connection while it was read.", "postgres-failed", exc)


@contextmanager
def translated(what: str, limit: Limit) -> Iterator[None]:
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
