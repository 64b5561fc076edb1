"""Copies of the restored database: one for each mutant, gone when it has been judged.

Decision 0007 says why a copy and no transaction. What belongs to the database and not to its content, such as
settings of ALTER DATABASE, is copied too: a drill reads the database as it was restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from psycopg import errors, sql

from tasks.model.expected import Expected, Position
from tasks.model.sandbox import Sandbox
from tasks.mutants.schema import Connection
from tasks.sandbox import connect

_STRATEGY_SINCE = 15
_SETTINGS = """
INSERT INTO pg_catalog.pg_db_role_setting
SELECT copy.oid, s.setrole, s.setconfig FROM pg_catalog.pg_db_role_setting s, pg_catalog.pg_database copy
 WHERE copy.datname = %(copy)s
   AND s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = %(source)s)
"""
_DEPENDENT_VIEWS = """
WITH RECURSIVE deep (oid, depth) AS (
    SELECT c.oid, 0 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname || '.' || c.relname = ANY (%s)
    UNION
    SELECT r.ev_class, deep.depth + 1
      FROM deep JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = deep.oid
           AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> deep.oid
     WHERE deep.depth < 100
)
SELECT n.nspname, c.relname
  FROM deep JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND c.relispopulated GROUP BY 1, 2 ORDER BY max(depth)
"""


@contextmanager
def copied(sandbox: Sandbox, source: str, name: str) -> Iterator[str]:
    """Give a copy of the database *source*, to which nobody may be connected; it is dropped at the end.

    Raises:
        psycopg.Error: it could not be made, as on a full disk.
    """
    make_copy(sandbox, source, name)
    try:
        yield name
    finally:
        drop_copy(sandbox, name)


def make_copy(sandbox: Sandbox, source: str, name: str) -> None:
    """Copy the database *source*, to which nobody may be connected, to one called *name*.

    Raises:
        psycopg.Error: it could not be made, as on a full disk.
    """
    with connect(sandbox) as ours:
        _create(ours, sandbox, source, name)


def refresh_views(sandbox: Sandbox, database: str, touched: frozenset[str], timeout_s: float) -> str | None:
    """Fill the materialised views above *touched* again, as a restore of the damaged data would.

    Returns:
        The first view that cannot be filled any more, or None.
    """
    with connect(sandbox, database) as ours:
        views = ours.execute(_DEPENDENT_VIEWS, (sorted(touched),)).fetchall()
    if not views:
        return None
    with connect(sandbox, database, sandbox.owner, statement_timeout_s=timeout_s) as session:
        for schema, name in views:
            try:
                session.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(schema, name)))
            except psycopg.OperationalError:
                raise
            except psycopg.Error:
                return f"{schema}.{name}"
    return None


def as_dumped(sandbox: Sandbox, database: str, expected: Expected) -> Expected:
    """Return *expected* with each sequence set to where it stands in *database*, as in a backup of that.

    Raises:
        psycopg.Error: a sequence could not be read.
    """
    with connect(sandbox, database) as ours:
        return replace(expected, sequences={name: _position(ours, *name) for name in expected.sequences})


def _position(ours: Connection, schema: str, sequence: str) -> frozenset[Position]:
    name = sql.Identifier(*filter(None, (schema, sequence)))
    try:
        row = ours.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(name)).fetchone()
    except errors.UndefinedTable:  # gone with its table
        return frozenset()
    return frozenset({row or (0, False)})


def _create(ours: Connection, sandbox: Sandbox, source: str, name: str) -> None:
    strategy = " STRATEGY file_copy" if sandbox.postgres.major >= _STRATEGY_SINCE else ""
    ours.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}" + strategy).format(
            sql.Identifier(name), sql.Identifier(sandbox.owner), sql.Identifier(source)
        )
    )
    ours.execute(_SETTINGS, {"copy": name, "source": source})


def drop_copy(sandbox: Sandbox, name: str) -> None:
    """Drop a copy; where the server is gone, the whole sandbox goes with it."""
    try:
        with connect(sandbox) as ours:
            ours.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    except psycopg.OperationalError:
        return


def drop_key(sandbox: Sandbox, database: str, schema: str, table: str, name: str) -> None:
    """Drop a foreign key that a restore could not have created.

    Raises:
        psycopg.Error: it could not be dropped.
    """
    with connect(sandbox, database, sandbox.owner) as session:
        session.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                sql.Identifier(schema, table), sql.Identifier(name)
            )
        )
