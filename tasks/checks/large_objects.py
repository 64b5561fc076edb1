"""Whether the large objects that tables refer to are there and hold bytes.

Decided here:
- A column of type `lo` refers to large objects. A column of type oid may: it does when some of its values
  resolve. Where none does, the archive decides: with large objects of its own it has lost nothing, so the
  column means something else. Without any, the column's values decide: all beyond the system's own oids, no
  two alike, and a name that does not point to the catalogue look like what `--no-large-objects` leaves
  behind.
- Empty large objects are legitimate one by one; several, and more than half of all, look like an archive
  that was cut among them: pg_restore then exits 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg import sql

from tasks.checks.context import Context
from tasks.checks.outcome import judged, lowered
from tasks.checks.session import Connection
from tasks.model.findings import Finding, Severity
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.user_objects import USER_RELATION

_FIRST_USER_OID = 16384
_HALF = 0.5
_CATALOGUE_NAME = re.compile(
    r"(^|_)(rel|reg|typ|type|db|dat|database|class|obj|object|table|tab|index|idx|role|user|usr|owner|proc|func"
    r"|function|nsp|namespace|schema|seq|sequence|attr|constraint|con|trigger|policy|opr|lang)_?(oid|id)$|^oid$",
    re.IGNORECASE,
)
_COLUMNS = f"""
SELECT n.nspname, c.relname, a.attname, t.typname = 'lo', c.relkind = 'p'
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND {USER_RELATION}
   AND (t.oid = 'oid'::regtype OR (t.typname = 'lo' AND t.typbasetype = 'oid'::regtype))
 ORDER BY 1, 2, 3
"""  # noqa: S608  our own fragments
_EMPTY = """
SELECT count(*) FROM pg_largeobject_metadata m
 WHERE NOT EXISTS (SELECT FROM pg_largeobject l WHERE l.loid = m.oid AND octet_length(l.data) > 0)
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that may refer to large objects."""

    schema: str
    table: str
    name: str
    is_lo: bool
    whole: bool

    @property
    def full_name(self) -> str:
        """`schema.table.column`."""
        return f"{self.schema}.{self.table}.{self.name}"


@dataclass(frozen=True, slots=True)
class References:
    """What a column's values resolve to.

    Attributes:
        rows, distinct: values that are neither null nor 0.
        resolved: distinct values that are large objects.
        lowest: the smallest value.
    """

    rows: int
    distinct: int
    resolved: int
    lowest: int


def check_large_objects(context: Context) -> Checked:
    """Return the check `large-objects`."""
    level = context.target.checks.large_objects
    held = context.inventory.large_objects
    findings: list[Finding] = []
    with context.reading() as connection:
        for row in connection.execute(_COLUMNS).fetchall():
            column = Column(*row)
            findings += judge_references(column, _references(connection, column), held)
        (empty,) = connection.execute(_EMPTY).fetchone() or (0,)
    findings += judge_empty(empty, held)
    return judged(
        "large-objects",
        [lowered(finding, level) for finding in findings],
        observed=f"{held} large objects, {context.inventory.large_object_bytes} bytes",
    )


def judge_references(column: Column, references: References, held: int) -> list[Finding]:
    """Return what is missing of the large objects that *column* refers to; *held* are in the database."""
    missing = references.distinct - references.resolved
    if not missing:
        return []
    if column.is_lo or references.resolved:
        return [_missing(column, missing, references)]
    looks_like_one = (
        references.lowest >= _FIRST_USER_OID
        and references.distinct == references.rows
        and not _CATALOGUE_NAME.search(column.name)
    )
    return [_missing(column, missing, references)] if looks_like_one and not held else []


def judge_empty(empty: int, held: int) -> list[Finding]:
    """Return what *empty* of the *held* large objects means."""
    if not empty:
        return []
    cut = empty > 1 and empty > _HALF * held
    message = f"{empty:,} of {held:,} large objects hold no byte."
    return [finding("large-objects-empty", message, severity=None if cut else Severity.INFO)]


def _missing(column: Column, missing: int, references: References) -> Finding:
    message = (
        f"{missing:,} of {references.distinct:,} large objects that {column.full_name} refers to"
        " are not there."
    )
    return finding("large-objects-missing", message, where=column.full_name)


def _references(connection: Connection, column: Column) -> References:
    statement = sql.SQL(
        "SELECT coalesce(sum(v.n), 0)::bigint, count(*), count(m.oid), coalesce(min(v.ref), 0)::bigint"
        " FROM (SELECT {c}::oid::bigint AS ref, count(*) AS n FROM {source}"
        " WHERE {c} IS NOT NULL AND {c}::oid <> 0 GROUP BY 1) v"
        " LEFT JOIN pg_largeobject_metadata m ON m.oid::bigint = v.ref"
    ).format(
        c=sql.Identifier(column.name),
        source=sql.SQL("{} {}").format(
            sql.SQL("" if column.whole else "ONLY"), sql.Identifier(column.schema, column.table)
        ),
    )
    return References(*(connection.execute(statement).fetchone() or (0, 0, 0, 0)))
