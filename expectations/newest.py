"""The newest row of a table at the moment that is judged: what counts as a row of then, and what as planned.

Decisions:
- Rows dated after that moment do not count: one row with a planned or mistyped date, or with `infinity`,
  would say for ever that the content is fresh. Five minutes are allowed for clocks; fourteen hours where the
  column has no time zone, for it is taken as UTC and the source may write local time.
- Infinite dates are no dates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import psycopg
from psycopg import sql

CLOCKS = timedelta(minutes=5)
ZONES = timedelta(hours=14)
KINDS: Mapping[str, timedelta] = {"timestamptz": CLOCKS, "timestamp": ZONES, "date": ZONES}
"""Types that tell a time, and how far after the judged moment a row of theirs may be dated."""


@dataclass(frozen=True, slots=True)
class Newest:
    """What a column says.

    Attributes:
        at: of the newest row that counts, aware UTC, a date's midnight; None where there is none.
        future: rows dated later than that can be.
    """

    at: datetime | None
    future: int


def latest(kind: str, as_of: datetime) -> datetime | date:
    """Return the latest value that a row of the moment *as_of* can have, in a column of type *kind*."""
    allowed = as_of.astimezone(UTC) + KINDS[kind]
    if kind == "timestamp":
        return allowed.replace(tzinfo=None)
    return allowed.date() if kind == "date" else allowed


def read_newest(
    connection: psycopg.Connection[tuple[object, ...]],
    source: sql.Composable,
    column: str,
    kind: str,
    as_of: datetime,
) -> Newest:
    """Return the newest row of *source*, and how many rows are dated later than that can be.

    Args:
        source: what stands behind FROM.
        kind: of `KINDS`.
        as_of: aware; the moment that is judged.

    Raises:
        psycopg.Error: it cannot be read.
    """
    parts = {"c": sql.Identifier(column), "source": source, "latest": sql.Literal(latest(kind, as_of))}
    # Two statements: an index on the column answers each of them, and no index one that asks for both.
    (at,) = connection.execute(
        sql.SQL("SELECT max({c}) FROM {source} WHERE {c} <= {latest} AND {c} > '-infinity'").format(**parts)
    ).fetchone() or (None,)
    (future,) = connection.execute(
        sql.SQL("SELECT count(*) FROM {source} WHERE {c} > {latest} AND {c} < 'infinity'").format(**parts)
    ).fetchone() or (0,)
    return Newest(moment(at), future if isinstance(future, int) else 0)


def moment(at: object) -> datetime | None:
    """Return a value of the column as an aware moment, a date's as its midnight in UTC."""
    if isinstance(at, datetime):
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return datetime(at.year, at.month, at.day, tzinfo=UTC) if isinstance(at, date) else None
