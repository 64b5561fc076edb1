"""Whether every table can be read from end to end.

Decided here: each table is copied out, over several connections, and nothing is kept. In a UTF-8 database
each row must be UTF-8: PostgreSQL does not look again at bytes once they are stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
from psycopg import sql

from tasks.checks.context import Context
from tasks.checks.inventory import Table, read_tables
from tasks.checks.outcome import judged, lowered
from tasks.checks.session import raise_if_fatal, timed_out, why, workers
from tasks.model.findings import Finding
from tasks.model.restored import Checked
from tasks.model.rules import finding


def check_full_read(context: Context) -> Checked:
    """Return the check `full-read`."""
    with context.reading() as connection:
        tables = [table for table in read_tables(connection) if table.kind == "r"]
        (encoding,) = connection.execute("SELECT current_setting('server_encoding')").fetchone() or ("",)
    read = partial(_read_tables, context, as_utf8=encoding == "UTF8")
    threads = workers()
    findings: list[Finding] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="read") as pool:
        for part in pool.map(read, [tables[start::threads] for start in range(threads)]):
            findings += part
    return judged(
        "full-read", findings, observed=f"{len(tables) - len(findings)} of {len(tables)} tables read"
    )


def _read_tables(context: Context, tables: Iterable[Table], *, as_utf8: bool) -> list[Finding]:
    findings = []
    with context.reading() as connection:
        for table in tables:
            try:
                _read_table(connection, table, as_utf8=as_utf8)
            except psycopg.Error as exc:
                raise_if_fatal(exc, connection)
                if timed_out(exc):
                    raise
                findings.append(_unreadable(context, table, why(exc)))
            except UnicodeDecodeError:
                findings.append(_unreadable(context, table, "it holds bytes that are not UTF-8"))
    return findings


def _read_table(connection: psycopg.Connection[tuple[object, ...]], table: Table, *, as_utf8: bool) -> None:
    """Copy *table* out; UnicodeDecodeError for a row that is not UTF-8, once all of it was read."""
    wrong: UnicodeDecodeError | None = None
    connection.execute("SELECT")  # puts the session back, which a COPY by a cursor does not
    copied = sql.SQL("COPY (SELECT * FROM ONLY {}) TO STDOUT").format(table.identifier)
    with connection.cursor() as cursor, cursor.copy(copied) as copy:
        for row in copy:
            if as_utf8 and wrong is None:
                try:
                    bytes(row).decode("utf-8")
                except UnicodeDecodeError as exc:
                    wrong = exc
    if wrong is not None:
        raise wrong


def _unreadable(context: Context, table: Table, reason: str) -> Finding:
    unreadable = finding(
        "full-read-failed", f"{table.full_name} cannot be read: {reason}.", where=table.full_name
    )
    return lowered(unreadable, context.target.checks.full_read)
