"""One damage to restored data: what it is in words, the statements that do it, and doing it.

Decided here:
- Rows are chosen by a hash of the seed and of where the row lies, so that the same seed on the same backup
  gives the same damage.
- Damage is done as the role that restored, never as a superuser: a trigger or a type's function that the dump
  brought must not gain rights by it. Keys and triggers are passed over with `session_replication_role`, which
  the superuser sets for that role in this one copy.
- What the database itself refuses (a unique or check constraint) or what changes nothing is no mutant: a
  backup that holds such rows does not restore, and a drill cannot be blamed for what is not there.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from psycopg import errors, sql

from tasks.model.sandbox import Sandbox
from tasks.mutants.schema import Connection
from tasks.sandbox import connect

_REFUSED = (
    errors.IntegrityError,
    errors.DataError,
    errors.FeatureNotSupported,
    errors.DependentObjectsStillExist,
    errors.InsufficientPrivilege,
    errors.RaiseException,
    errors.UndefinedFunction,
)


@dataclass(frozen=True, slots=True)
class Damage:
    """One damage, ready to be done.

    Attributes:
        kind: of `kinds.KINDS`.
        what: in words; no value of a row.
        attempts: statements of which the first that touches a row is the damage; several where the plainest
            form of it may find nothing to damage.
        touched: every table whose rows or structure may differ afterwards.
        content: rows or values change; a statement that reports no row then did nothing.
    """

    kind: str
    what: str
    attempts: tuple[sql.Composed, ...]
    touched: frozenset[str]
    table: str
    column: str | None = None
    content: bool = True

    @property
    def name(self) -> str:
        """What tells it from every other."""
        return " ".join(part for part in (self.kind, self.table, self.column, self.what) if part)


class Void(Exception):  # noqa: N818
    """The damage changed nothing or was refused by the database itself; the text says which."""


def inflict(sandbox: Sandbox, database: str, damage: Damage, timeout_s: float) -> int | None:
    """Do *damage* in *database*, a copy of its own; return the rows that it touched, None where it has none.

    Raises:
        Void: there is nothing to damage, or the database refuses it.
        psycopg.Error: the sandbox is at fault.
    """
    with connect(sandbox, database) as ours:
        ours.execute(
            sql.SQL("ALTER ROLE {} IN DATABASE {} SET session_replication_role = replica").format(
                sql.Identifier(sandbox.owner), sql.Identifier(database)
            )
        )
    with connect(sandbox, database, sandbox.owner, statement_timeout_s=timeout_s) as session:
        session.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)")
        touched = _first(session, damage)
        if damage.content:
            for table in sorted(damage.touched):
                _analyze(session, table)
    return touched


def salt_of(seed: int, *parts: str | None) -> int:
    """Return a number that stands for *seed* and *parts*, the same in every run."""
    return zlib.crc32("\0".join([str(seed), *(part or "" for part in parts)]).encode())


def hit(salt: int, per_mille: int) -> sql.Composed:
    """Return a condition that holds for *per_mille* of 1000 rows, chosen by *salt*."""
    return sql.SQL(
        "(hashtextextended(tableoid::regclass::text || ctid::text, {}) & 9223372036854775807) % 1000 < {}"
    ).format(sql.Literal(salt), sql.Literal(per_mille))


def _first(session: Connection, damage: Damage) -> int | None:
    """Return the rows of the first attempt that touches any."""
    for statement in damage.attempts:
        try:
            cursor = session.execute(statement)
        except _REFUSED as error:
            raise Void(f"the database refuses it ({type(error).__name__})") from None
        if not damage.content:
            return None
        if cursor.rowcount > 0:
            return cursor.rowcount
    raise Void("it changes nothing here")


def _analyze(session: Connection, table: str) -> None:
    """Refresh the statistics, as a restore of such data would have them."""
    schema, _, name = table.partition(".")
    try:
        session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, name)))
    except errors.UndefinedTable:  # the damage dropped it
        return
