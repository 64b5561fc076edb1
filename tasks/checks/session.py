"""How checks reach the sandbox: as its reader, within a deadline, with every error translated here.

The reader may read everything and change nothing; functions and views that a dump brought may be hostile, so
no check runs as a superuser. `search_path` is pg_catalog alone: names and operators resolve to PostgreSQL's
own, in every statement anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
from psycopg import errors, sql

from expectations.connections import settled
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.model.server_words import of_error
from tasks.sandbox import dsn

if TYPE_CHECKING:
    from psycopg.abc import Params, QueryNoTemplate

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[[], AbstractContextManager[Connection]]
"""Opens a connection on which a check may read."""

_LONGEST_S = 2_000_000.0  # PostgreSQL counts the milliseconds of a statement's limit in 31 bits
_FATAL: tuple[tuple[type[psycopg.Error], str, str], ...] = (
    (errors.DiskFull, "disk-full", "The disk ran full while the restored data was read."),
    (errors.OutOfMemory, "out-of-memory", "The sandbox ran out of memory while the restored data was read."),
    (errors.AdminShutdown, "postgres-failed", "The sandbox's server was stopped while it was read."),
    (errors.CrashShutdown, "postgres-failed", "The sandbox's server crashed while it was read."),
    (errors.CannotConnectNow, "postgres-failed", "The sandbox's server is not up."),
)


class _Reading(psycopg.Connection[tuple[Any, ...]]):
    """A connection that means the same by every statement, within its limit.

    A view that is read, or a check constraint that the planner tries out, calls functions that a dump
    brought, and such a function may change the session. What it could change is put back before each
    statement, as suites do it.
    """

    limit: Deadline | None = None

    def execute(  # type: ignore[override]  # the base takes templates too, which nobody here writes
        self,
        query: QueryNoTemplate,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool = False,
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        self.put_back()
        return super().execute(query, params, prepare=prepare, binary=binary)

    def put_back(self) -> None:
        """Put the session's settings back, for a statement that `execute` does not run."""
        if self.limit is not None:
            super().execute(settled(min(self.limit.left_s, _LONGEST_S)).encode())


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
        opened = _Reading.connect(dsn(sandbox, database, role or sandbox.reader), autocommit=True)
    except psycopg.OperationalError as exc:
        _raise(f"The restored database cannot be reached: {why(exc)}", "postgres-failed", exc)
    with opened as connection:
        connection.limit = limit
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
