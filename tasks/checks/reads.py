"""Reading everything: indexes by amcheck, tables from end to end, and what sorts text.

Decided here:
- amcheck lives in a schema of the drill's own, made by the drill's superuser after the inventory was taken;
  the reader runs it. Each B-tree is checked with every row of its table looked up in it.
- A full read copies each table out over several connections and keeps nothing. In a UTF-8 database each row
  must be UTF-8: PostgreSQL does not look again at bytes once they are stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
from psycopg import errors, sql

from tasks.checks.context import Context
from tasks.checks.inventory import Table, read_tables
from tasks.checks.outcome import judged, lowered, not_run
from tasks.checks.session import Connection, raise_if_fatal, timed_out, why, workers
from tasks.model.findings import Finding, Severity
from tasks.model.restored import Checked
from tasks.model.rules import finding

AMCHECK_SCHEMA = "restore_drill_amcheck"
_CHECK_FUNCTION = "bt_index_check"

_BTREES = """
SELECT x.indexrelid::bigint, n.nspname || '.' || i.relname
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid AND i.relkind = 'i'
  JOIN pg_am am ON am.oid = i.relam AND am.amname = 'btree'
  JOIN pg_namespace n ON n.oid = i.relnamespace
 WHERE x.indisvalid AND x.indisready AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY 2
"""
_COLLATIONS = """
SELECT n.nspname || '.' || c.collname
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE c.collversion IS NOT NULL
   AND c.collversion <> coalesce(pg_collation_actual_version(c.oid), c.collversion)
 ORDER BY 1
"""
_DISABLED = """
SELECT n.nspname || '.' || c.relname || '.' || t.tgname
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND t.tgenabled = 'D' AND n.nspname !~ '^pg_' AND NOT c.relispartition
 ORDER BY 1
"""


def check_amcheck(context: Context) -> Checked:
    """Return the check `amcheck`; it does not run where the sandbox has no such extension."""
    with context.reading(context.sandbox.superuser) as connection:
        has = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'amcheck'").fetchone()
        if has is None:
            return not_run(
                "amcheck",
                "this PostgreSQL has no amcheck",
                [finding("check-errored", "amcheck is asked for and this PostgreSQL does not have it.")],
            )
        home = _create_amcheck(connection, context.sandbox.reader)
    return _check_indexes(context, home)


def _create_amcheck(connection: Connection, reader: str) -> str:
    """Create amcheck where the dump did not bring it, let *reader* use it, and return its schema."""
    schema = sql.Identifier(AMCHECK_SCHEMA)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA {}").format(schema))
    (home,) = connection.execute(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'amcheck'"
    ).fetchone() or (AMCHECK_SCHEMA,)
    connection.execute(
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(home), sql.Identifier(reader))
    )
    connection.execute(
        sql.SQL("GRANT EXECUTE ON FUNCTION {}(regclass, boolean) TO {}").format(
            sql.Identifier(home, _CHECK_FUNCTION), sql.Identifier(reader)
        )
    )
    return str(home)


def _check_indexes(context: Context, home: str) -> Checked:
    check = sql.SQL("SELECT {}({}::pg_catalog.regclass, true)")
    findings = []
    with context.reading() as connection:
        indexes = connection.execute(_BTREES).fetchall()
        for oid, name in indexes:
            try:
                connection.execute(check.format(sql.Identifier(home, _CHECK_FUNCTION), sql.Literal(oid)))
            except (errors.IndexCorrupted, errors.DataCorrupted) as exc:
                found = finding("index-corrupt", f"amcheck objects to {name}: {why(exc)}.", where=name)
                findings.append(lowered(found, context.target.checks.amcheck))
    sound = len(indexes) - len(findings)
    return judged("amcheck", findings, observed=f"{sound} of {len(indexes)} indexes sound")


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
    found = finding("full-read-failed", f"{table.full_name} cannot be read: {reason}.", where=table.full_name)
    return lowered(found, context.target.checks.full_read)


def check_collations(context: Context) -> Checked:
    """Return the check `collations`: versions that differ from those that indexes were built with."""
    with context.reading() as connection:
        names = [name for (name,) in connection.execute(_COLLATIONS).fetchall()]
    findings = [
        finding("collation-mismatch", f"The collation {name} has another version here.", where=name)
        for name in names
    ]
    return judged("collations", findings, observed=f"{len(names)} differ", expected="none")


def check_triggers(context: Context) -> Checked:
    """Return the check `triggers`: those that are disabled, for whoever recovers to know."""
    with context.reading() as connection:
        names = [name for (name,) in connection.execute(_DISABLED).fetchall()]
    findings = [
        finding("disabled-trigger", f"The trigger {name} is disabled.", where=name, severity=Severity.INFO)
        for name in names
    ]
    return judged("triggers", findings, observed=f"{len(names)} disabled")
