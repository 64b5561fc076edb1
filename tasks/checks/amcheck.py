"""Whether each B-tree agrees with its table.

Decided here: amcheck lives in a schema of the drill's own, made by the drill's superuser after the inventory
was taken; the reader runs it. Each index is checked by itself, with every row of its table looked up in it.
"""

from __future__ import annotations

from psycopg import errors, sql

from tasks.checks.context import Context
from tasks.checks.outcome import judged, lowered, not_run
from tasks.checks.session import Connection, why
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.user_objects import USER_SCHEMA

AMCHECK_SCHEMA = "restore_drill_amcheck"
_CHECK_FUNCTION = "bt_index_check"
_BTREES = f"""
SELECT x.indexrelid::bigint, n.nspname || '.' || i.relname
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid AND i.relkind = 'i'
  JOIN pg_am am ON am.oid = i.relam AND am.amname = 'btree'
  JOIN pg_namespace n ON n.oid = i.relnamespace
 WHERE x.indisvalid AND x.indisready AND {USER_SCHEMA}
 ORDER BY 2
"""  # noqa: S608  our own fragments


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
                message = f"amcheck objects to {name}: {why(exc)}."
                corrupt = finding("index-corrupt", message, where=name)
                findings.append(lowered(corrupt, context.target.checks.amcheck))
    sound = len(indexes) - len(findings)
    return judged("amcheck", findings, observed=f"{sound} of {len(indexes)} indexes sound")
