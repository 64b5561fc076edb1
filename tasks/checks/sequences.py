"""Whether the next INSERT after a recovery gets a key that is free.

Decided here:
- A sequence is held against every integer column that takes its default from it: identity columns, and
  defaults that are a plain nextval(). Owned sequences without such a default are the application's own
  business.
- The number that comes *next* is looked at, not the last one, and only numbers that the sequence can ever
  give: two writers with odd and even numbers, and allocators that take fifty at a time, do not disturb each
  other.
- Behind is a failure where the numbers just ahead are taken, or a tenth of the table lies ahead. A lone
  value far ahead, such as a sentinel, only warns; so does a column without a unique index, where no INSERT
  would fail.
- A sequence that cycles is not judged.
- A sequence that stands where the backup itself sets it was behind at the source: a warning. One that the
  backup does not set, or that stands elsewhere, is not what was dumped.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from tasks.checks.context import Context
from tasks.checks.outcome import at_source, judged, lowered
from tasks.checks.session import Connection
from tasks.model.findings import Finding
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.user_objects import USER_RELATION

NEAR = 1000
"""Numbers just ahead of a sequence: one of them taken means that it will soon collide."""
_A_TENTH = 0.1

_PAIRS = rf"""
WITH used AS (
    SELECT d.objid AS seq, d.refobjid AS rel, d.refobjsubid AS col
      FROM pg_depend d
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
       AND d.deptype = 'i' AND d.refobjsubid > 0
    UNION
    SELECT d.refobjid, ad.adrelid, ad.adnum
      FROM pg_depend d
      JOIN pg_attrdef ad ON ad.oid = d.objid
     WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
       AND pg_get_expr(ad.adbin, ad.adrelid) ~ '^nextval\(''.*''::regclass\)(::(smallint|integer|bigint))?$'
)
SELECT sn.nspname, s.relname, n.nspname, c.relname, a.attname, c.relkind = 'p',
       q.seqincrement, q.seqmin, q.seqmax,
       EXISTS (SELECT FROM pg_index x
                WHERE x.indrelid = c.oid AND x.indisunique AND a.attnum = ANY (x.indkey))
  FROM used u
  JOIN pg_class s ON s.oid = u.seq AND s.relkind = 'S'
  JOIN pg_namespace sn ON sn.oid = s.relnamespace
  JOIN pg_sequence q ON q.seqrelid = s.oid
  JOIN pg_class c ON c.oid = u.rel AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = u.rel AND a.attnum = u.col AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE coalesce(nullif(t.typbasetype, 0), t.oid) IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
   AND NOT q.seqcycle AND {USER_RELATION}
 ORDER BY 3, 4, 5
"""  # noqa: S608  our own fragments


@dataclass(frozen=True, slots=True)
class Pair:
    """A sequence and a column that takes its default from it.

    Attributes:
        whole: the table is partitioned.
        unique: the column is in a unique index.
    """

    sequence_schema: str
    sequence: str
    schema: str
    table: str
    column: str
    whole: bool
    increment: int
    minimum: int
    maximum: int
    unique: bool


@dataclass(frozen=True, slots=True)
class Ahead:
    """How a column stands to the number that its sequence gives next.

    Attributes:
        at: its last value, and whether that was given out.
        near: how many of the numbers just ahead are taken.
        ahead: how many rows hold a number that is still to come.
    """

    next: int
    at: tuple[int, bool]
    near: int
    ahead: int
    rows: int


def check_sequences(context: Context) -> Checked:
    """Return the check `sequences`."""
    findings: list[Finding] = []
    with context.reading() as connection:
        pairs = read_pairs(connection)
        for pair in pairs:
            stands = _measure(connection, pair)
            if stands is not None and stands.ahead:
                findings.append(_behind(context, pair, stands))
    behind = f"{len(findings)} of {len(pairs)} behind"
    return judged("sequences", findings, observed=behind, expected="none behind")


def read_pairs(connection: Connection) -> list[Pair]:
    """Return every integer column with the sequence that feeds it."""
    return [Pair(*row) for row in connection.execute(_PAIRS).fetchall()]


def _measure(connection: Connection, pair: Pair) -> Ahead | None:
    """Return how the column stands; None where nothing lies ahead, which an index answers at once."""
    edge = sql.SQL("max" if pair.increment > 0 else "min")
    column, source = sql.Identifier(pair.column), _source(pair)
    row = connection.execute(
        sql.SQL("SELECT last_value, is_called, (SELECT {}({}) FROM {}) FROM {}").format(
            edge, column, source, sql.Identifier(pair.sequence_schema, pair.sequence)
        )
    ).fetchone()
    if row is None or row[2] is None:
        return None
    last, called, furthest = row
    following = last + pair.increment if called else last
    if (following - furthest) * (1 if pair.increment > 0 else -1) > 0:
        return None
    return _count_ahead(connection, pair, following, (last, called))


def _count_ahead(connection: Connection, pair: Pair, following: int, at: tuple[int, bool]) -> Ahead:
    """Count the rows that hold numbers which the sequence can still give."""
    step = abs(pair.increment)
    low, high = (following, pair.maximum) if pair.increment > 0 else (pair.minimum, following)
    near = following + NEAR * pair.increment
    statement = sql.SQL(
        "SELECT count(*) FILTER (WHERE {c} BETWEEN {near_low} AND {near_high}), count(*),"
        " (SELECT count(*) FROM {source})"
        " FROM {source} WHERE {c} BETWEEN {low} AND {high} AND ({c}::numeric - {next}) % {step} = 0"
    ).format(
        c=sql.Identifier(pair.column),
        source=_source(pair),
        near_low=sql.Literal(min(following, near)),
        near_high=sql.Literal(max(following, near)),
        low=sql.Literal(low),
        high=sql.Literal(high),
        next=sql.Literal(following),
        step=sql.Literal(step),
    )
    taken, ahead, rows = connection.execute(statement).fetchone() or (0, 0, 0)
    return Ahead(following, at, taken, ahead, rows)


def _behind(context: Context, pair: Pair, stands: Ahead) -> Finding:
    table, sequence = f"{pair.schema}.{pair.table}", f"{pair.sequence_schema}.{pair.sequence}"
    collides = stands.near > 0 or stands.ahead >= _A_TENTH * stands.rows
    message = (
        f"The sequence {sequence} is behind {table}.{pair.column}:"
        f" {stands.ahead:,} rows hold numbers that it is still to give."
    )
    behind = finding("sequence-behind", message, where=sequence)
    level = context.target.checks.sequences
    if stands.at in context.expected.positions_of(pair.sequence_schema, pair.sequence):
        return at_source(behind, level, asked=context.asked("sequences"))
    return lowered(behind, level if collides and pair.unique else "warning")


def _source(pair: Pair) -> sql.Composed:
    return sql.SQL("{} {}").format(
        sql.SQL("" if pair.whole else "ONLY"), sql.Identifier(pair.schema, pair.table)
    )
