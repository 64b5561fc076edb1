"""The newest row of a table at the moment that is judged: what counts as a row of then, and what as planned.

Decisions:
- Rows dated after that moment do not count: one row with a planned or mistyped date, or with `infinity`,
  would say for ever that the content is fresh. Five minutes are allowed for clocks; fourteen hours where the
  column has no time zone and none is given, for it is taken as UTC and the source may write local time.
- A local time that a clock change repeats is the later of its two moments, if that is not after the judged
  one: the age may be an hour too small on that night, and nothing fresh is called old.
- Infinite dates are no dates, and numbers up to 0 neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

import psycopg
from psycopg import sql

CLOCKS = timedelta(minutes=5)
ZONES = timedelta(hours=14)
KINDS: Mapping[str, timedelta] = {"timestamptz": CLOCKS, "timestamp": ZONES, "date": ZONES}
"""Types that tell a time, and how far after the judged moment a row of theirs may be dated."""
_SINCE_CHANGE = timedelta(hours=3)
"""So long after clocks went back, local times of before are larger than the present one."""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Newest:
    """What a column says.

    Attributes:
        at: of the newest row that counts, aware UTC, a date's midnight; None where there is none.
        future: rows dated later than that can be.
    """

    at: datetime | None
    future: int


def latest(kind: str, as_of: datetime, zone: tzinfo | None = None) -> datetime | date:
    """Return the latest value that a row of the moment *as_of* can have, in a column of type *kind*.

    Args:
        kind: of `KINDS`.
        as_of: aware; the moment that is judged.
        zone: that a column without one is written in; None where that is not known.
    """
    if kind == "timestamptz":
        return as_of.astimezone(UTC) + CLOCKS
    allowed = as_of.astimezone(UTC) + (KINDS[kind] if zone is None else CLOCKS)
    local = _local(allowed, zone or UTC)
    return local.date() if kind == "date" else local


def read_newest(
    connection: Connection,
    source: sql.Composable,
    column: str,
    kind: str,
    as_of: datetime,
    zone: tzinfo | None = None,
) -> Newest:
    """Return the newest row of *source*, and how many rows are dated later than that can be.

    Args:
        source: what stands behind FROM.
        kind: of `KINDS`.
        as_of: aware; the moment that is judged.
        zone: as in `latest`.

    Raises:
        psycopg.Error: it cannot be read.
    """
    value, future = newest_value(
        connection,
        source,
        column,
        (sql.Literal("-infinity"), sql.Literal(latest(kind, as_of, zone)), sql.Literal("infinity")),
    )
    return Newest(moment(value, zone, as_of), future)


def newest_value(
    connection: Connection,
    source: sql.Composable,
    column: str,
    bounds: tuple[sql.Composable, sql.Composable, sql.Composable],
) -> tuple[object, int]:
    """Return the largest value, and how many are larger than one can be.

    Args:
        bounds: what every value lies above, the largest that counts, and what every value lies below.

    Raises:
        psycopg.Error: it cannot be read.
    """
    lowest, largest, beyond = bounds
    parts = {"c": sql.Identifier(column), "source": source}
    parts |= {"lowest": lowest, "largest": largest, "beyond": beyond}
    # Two statements: an index on the column answers each of them, and no index one that asks for both.
    (value,) = connection.execute(
        sql.SQL("SELECT max({c}) FROM {source} WHERE {c} <= {largest} AND {c} > {lowest}").format(**parts)
    ).fetchone() or (None,)
    (future,) = connection.execute(
        sql.SQL("SELECT count(*) FROM {source} WHERE {c} > {largest} AND {c} < {beyond}").format(**parts)
    ).fetchone() or (0,)
    return value, future if isinstance(future, int) else 0


def moment(value: object, zone: tzinfo | None = None, as_of: datetime | None = None) -> datetime | None:
    """Return a value of the column as an aware moment, a date's as its midnight.

    Args:
        zone: of a value without one; UTC when None.
        as_of: aware; of the two moments of a repeated hour the later counts that is not after it.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else _moment_of(value, zone or UTC, as_of)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=zone or UTC).astimezone(UTC)
    return None


def _moment_of(local: datetime, zone: tzinfo, as_of: datetime | None) -> datetime:
    moments = sorted(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if as_of is not None and moments[1] > as_of + CLOCKS:
        return moments[0]
    return moments[1]


def _local(at: datetime, zone: tzinfo) -> datetime:
    """Return the largest local time that *zone* has shown up to *at*, naive."""
    local, before = at.astimezone(zone), (at - _SINCE_CHANGE).astimezone(zone)
    gone_back = (before.utcoffset() or timedelta(0)) - (local.utcoffset() or timedelta(0))
    return local.replace(tzinfo=None) + max(gone_back, timedelta(0))
