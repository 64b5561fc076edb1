"""What a sample database is: statements that make it, and statements that a day in its life adds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Sample:
    """A database that lives: built once, then a day at a time.

    The statements read `demo.now` (the moment that they play) and `demo.scale` (a factor on the rows) as
    settings, so that they need no pasting together.

    Attributes:
        roles: as the superuser, in any database of the cluster; the first is the owner.
        extensions: as the superuser.
        schema, rows: as the owner.
        day: as the owner; the last 24 hours before `demo.now`.
        shows: what a reader learns from its shape, one clause.
    """

    name: str
    owner: str
    shows: str
    roles: tuple[str, ...]
    extensions: tuple[str, ...]
    schema: LiteralString
    rows: LiteralString
    day: LiteralString


def build_sample(
    sample: Sample, server: Connection, database: Connection, now: datetime, scale: float = 1.0
) -> None:
    """Build *sample* with 60 days of history before *now*.

    Args:
        sample: which.
        server: the superuser's connection to any database of the cluster; missing roles are made.
        database: the superuser's connection to the empty database.
        now: aware; the newest row is of this moment.
        scale: factor on the rows; at 1 a dump has some hundred kilobytes.
    """
    for role in sample.roles:
        _make_role(server, role)
    _play(database, now, scale)
    name = sql.Identifier(database.info.dbname)
    server.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(sample.owner)))
    for extension in sample.extensions:
        database.execute(sql.SQL("CREATE EXTENSION {} WITH SCHEMA public").format(sql.Identifier(extension)))
    database.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(sql.Identifier(sample.owner)))
    _as_owner(sample, database, sample.schema, sample.rows)


def live_a_day(sample: Sample, database: Connection, now: datetime) -> None:
    """Add what happens in the 24 hours before *now*."""
    _play(database, now, 1.0)
    _as_owner(sample, database, sample.day)


def _play(database: Connection, now: datetime, scale: float) -> None:
    database.execute("SET search_path = public")
    database.execute(
        "SELECT set_config('demo.now', %s, false), set_config('demo.scale', %s, false)",
        [str(now), str(scale)],
    )


def _as_owner(sample: Sample, database: Connection, *statements: LiteralString) -> None:
    database.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(sample.owner)))
    try:
        for statement in statements:
            database.execute(statement)
    finally:
        database.execute("RESET ROLE")


def _make_role(server: Connection, role: str) -> None:
    if server.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        server.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
