"""Times as numbers: seconds, milliseconds or microseconds since 1970 in a column of numbers.

Decided here: where nobody says the unit, the size of most of the column's values does, from 2001-09-09 on;
seconds, milliseconds and microseconds do not overlap until the year 5138. A column that holds no such number
is none of times.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from psycopg import sql

from expectations.newest import CLOCKS, Connection, Newest, newest_value

NUMBERS: Mapping[str, str] = {
    "int4": "9223372036854775807",
    "int8": "9223372036854775807",
    "numeric": "'infinity'::numeric",
    "float8": "'infinity'::float8",
}
"""Types whose values may be times, and what those of the type lie below."""
UNITS: Mapping[str, int] = {"s": 1, "ms": 1_000, "us": 1_000_000}
"""How many of each make a second."""
_EARLIEST_S, _END_S = 1_000_000_000, 100_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unit_of(connection: Connection, source: sql.Composable, column: str) -> str | None:
    """Return the unit that most of the column's numbers are in; None where none of them can be a time.

    Raises:
        psycopg.Error: it cannot be read.
    """
    counts = sql.SQL(", ").join(
        sql.SQL("count(*) FILTER (WHERE {c} >= {earliest} AND {c} < {end})").format(
            c=sql.Identifier(column),
            earliest=sql.Literal(_EARLIEST_S * in_a_second),
            end=sql.Literal(_END_S * in_a_second),
        )
        for in_a_second in UNITS.values()
    )
    row = connection.execute(sql.SQL("SELECT {} FROM {}").format(counts, source)).fetchone() or ()
    rows = {unit: count for unit, count in zip(UNITS, row, strict=False) if isinstance(count, int) and count}
    return max(rows, key=lambda unit: rows[unit], default=None)


def read_newest_number(
    connection: Connection, source: sql.Composable, column: str, kind: str, unit: str, as_of: datetime
) -> Newest:
    """Return the newest row of *source*, as `read_newest` does, of a column of numbers.

    Args:
        source: what stands behind FROM.
        kind: of `NUMBERS`.
        unit: of `UNITS`.
        as_of: aware; the moment that is judged.

    Raises:
        psycopg.Error: it cannot be read.
    """
    in_a_second = UNITS[unit]
    largest = int((as_of + CLOCKS).timestamp() * in_a_second)
    value, future = newest_value(
        connection,
        source,
        column,
        (sql.SQL("0"), sql.Literal(largest), sql.SQL(NUMBERS[kind])),
    )
    if not isinstance(value, int | float | Decimal):
        return Newest(None, future)
    return Newest(_EPOCH + timedelta(seconds=float(value) / in_a_second), future)
