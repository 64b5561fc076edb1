"""Two restored databases held against each other, table by table: two ways back of one database.

Decided here:
- Rows are compared as text that PostgreSQL makes of them, hashed in the server: no value leaves it.
- Each table is read once: its rows fall into 256 chunks by the hash of their key, and of each chunk the
  hashes are added up, so that neither order nor a sort matters. Only chunks that differ are read again, in
  order, side by side, and the rows that differ are counted: in time that grows with the rows, in a memory
  that does not.
- Columns are taken by name: a physical copy may hold them in another order than a dump.
- Large objects are compared as what they are stored in, a table of pages; materialised views as tables are.
  Foreign tables are never read; unlogged ones come back empty by design and are named as not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tasks.checks.inventory import take_inventory
from tasks.checks.session import Connection, reading, timed_out, translated, why, workers
from tasks.model.agreement import Agreement, TableDifference
from tasks.model.deadline import Deadline
from tasks.model.inventory import Inventory
from tasks.model.sandbox import Sandbox
from tasks.model.user_objects import USER_RELATION

_TABLES = f"""
SELECT n.nspname || '.' || c.relname, n.nspname::text, c.relname::text,
       c.relpersistence = 'u', c.relispopulated,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname),
       ARRAY(SELECT a.attname::text FROM pg_index x
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (x.indkey::smallint[])
              WHERE x.indrelid = c.oid AND x.indisprimary ORDER BY a.attname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND {USER_RELATION}
"""  # noqa: S608  our own fragments
_FETCHED = 10_000


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: a database in a sandbox."""

    sandbox: Sandbox
    database: str


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    schema: str
    relation: str
    unlogged: bool
    populated: bool
    columns: tuple[str, ...]
    key: tuple[str, ...]


_LARGE_OBJECTS = _Table(
    "large objects",
    "pg_catalog",
    "pg_largeobject",
    unlogged=False,
    populated=True,
    columns=("data", "loid", "pageno"),
    key=("loid", "pageno"),
)
_Chunks = dict[int, tuple[int, object, object]]


def compare_databases(first: Side, second: Side, limit: Deadline) -> Agreement:
    """Compare every table and the names of all objects.

    Raises:
        PermanentError: one of them cannot be read any more.
    """
    sides = (first, second)
    tables = [_tables(side, limit) for side in sides]
    inventories = [_inventory(side, limit) for side in sides]
    both = sorted(tables[0].keys() & tables[1].keys())
    alone = [
        _alone(inventories[mine], inventories[other])
        | {"tables": tuple(sorted(tables[mine].keys() - tables[other].keys()))}
        for mine, other in ((0, 1), (1, 0))
    ]
    not_compared = {
        name: reason for name in both if (reason := _unreadable(tables[0][name], tables[1][name]))
    }
    compared = [name for name in both if name not in not_compared]
    with ThreadPoolExecutor(workers()) as pool:
        outcomes = list(
            pool.map(lambda name: _compare(sides, (tables[0][name], tables[1][name]), limit), compared)
        )
    failed = {outcome[0]: outcome[1] for outcome in outcomes if isinstance(outcome, tuple)}
    differences = [outcome for outcome in outcomes if isinstance(outcome, TableDifference)]
    return Agreement(
        tables=len(compared) - len(failed) - 1,  # large objects are no table
        rows=sum(outcome.rows[0] for outcome in differences if outcome.table != _LARGE_OBJECTS.name),
        differences=tuple(outcome for outcome in differences if _differs(outcome)),
        only_first={kind: names for kind, names in alone[0].items() if names},
        only_second={kind: names for kind, names in alone[1].items() if names},
        not_compared={**not_compared, **failed},
    )


def _tables(side: Side, limit: Deadline) -> dict[str, _Table]:
    with translated("The catalogue", limit), reading(side.sandbox, side.database, limit) as connection:
        rows = connection.execute(_TABLES).fetchall()
    tables = (
        _Table(name, schema, relation, unlogged, populated, tuple(columns), tuple(key))
        for name, schema, relation, unlogged, populated, columns, key in rows
    )
    return {table.name: table for table in tables} | {_LARGE_OBJECTS.name: _LARGE_OBJECTS}


def _inventory(side: Side, limit: Deadline) -> Inventory:
    return take_inventory(side.sandbox, side.database, counts="off", deadline_s=limit.check())


def _alone(mine: Inventory, other: Inventory) -> dict[str, tuple[str, ...]]:
    """Return kind to the names of objects that *other* lacks."""
    return {
        kind: tuple(sorted(set(names) - set(other.objects.get(kind, ()))))
        for kind, names in mine.objects.items()
    }


def _unreadable(first: _Table, second: _Table) -> str:
    if first.unlogged or second.unlogged:
        return "it is unlogged: a physical copy brings it back empty"
    if not (first.populated and second.populated):
        return "it is a materialised view that is not populated"
    return "" if set(first.columns) & set(second.columns) else "the two have no column in common"


def _compare(
    sides: tuple[Side, Side], tables: tuple[_Table, _Table], limit: Deadline
) -> TableDifference | tuple[str, str]:
    """Compare one table; where it cannot be read, its name and the reason."""
    shared = tuple(sorted(set(tables[0].columns) & set(tables[1].columns)))
    key = tables[0].key if tables[0].key == tables[1].key else ()
    try:
        with (
            reading(sides[0].sandbox, sides[0].database, limit) as first,
            reading(sides[1].sandbox, sides[1].database, limit) as second,
        ):
            chunks = [_chunks(session, tables[0], shared, key) for session in (first, second)]
            differing = [number for number in range(256) if chunks[0].get(number) != chunks[1].get(number)]
            counts = (0, 0, 0)
            if differing:
                rows = (_rows(session, tables[0], shared, key, differing) for session in (first, second))
                counts = count_differences(*rows)
    except psycopg.Error as error:
        late = f"not done within {limit.seconds:.0f} s"
        return tables[0].name, late if timed_out(error) else f"it could not be read: {why(error)}"
    return TableDifference(
        tables[0].name,
        (_total(chunks[0]), _total(chunks[1])),
        *counts,
        columns=tuple(sorted(set(tables[0].columns) ^ set(tables[1].columns))),
    )


def _differs(difference: TableDifference) -> bool:
    return bool(difference.only_first or difference.only_second or difference.changed or difference.columns)


def _total(chunks: Mapping[int, tuple[int, object, object]]) -> int:
    return sum(chunk[0] for chunk in chunks.values())


def _hashed(table: _Table, columns: Sequence[str], key: Sequence[str]) -> sql.Composed:
    """Return the query of a table's rows as two hashes: of the key and of the whole."""
    hashes = [
        sql.SQL("pg_catalog.md5(ROW({})::text)").format(sql.SQL(", ").join(map(sql.Identifier, names)))
        for names in (key or columns, columns)
    ]
    return sql.SQL("SELECT {} AS k, {} AS r FROM ONLY {}").format(
        *hashes, sql.Identifier(table.schema, table.relation)
    )


def _chunks(session: Connection, table: _Table, columns: Sequence[str], key: Sequence[str]) -> _Chunks:
    query = sql.SQL(
        "SELECT get_byte(decode(left(k, 2), 'hex'), 0), count(*),"
        " sum(('x' || left(r, 15))::bit(60)::bigint), sum(('x' || right(r, 15))::bit(60)::bigint)"
        " FROM ({}) AS hashed GROUP BY 1"
    ).format(_hashed(table, columns, key))
    return {chunk: (count, low, high) for chunk, count, low, high in session.execute(query)}


def _rows(
    session: Connection, table: _Table, columns: Sequence[str], key: Sequence[str], chunks: Sequence[int]
) -> Iterator[tuple[str, str]]:
    """Yield the hashes of the rows in *chunks*, in order."""
    query = sql.SQL(
        'SELECT k, r FROM ({}) AS hashed WHERE left(k, 2) = ANY ({}) ORDER BY k COLLATE "C", r COLLATE "C"'
    ).format(_hashed(table, columns, key), sql.Literal([f"{number:02x}" for number in chunks]))
    with session.transaction(), session.cursor(name="rows") as cursor:
        session.execute("SELECT")  # puts back what the table's own functions may have set
        cursor.itersize = _FETCHED
        yield from cursor.execute(query)


def count_differences(
    first: Iterator[tuple[str, str]], second: Iterator[tuple[str, str]]
) -> tuple[int, int, int]:
    """Return how many rows only the first has, only the second, and both with one key and another content.

    Args:
        first, second: hash of the key and of the row, ascending. A key that stands more than once is the row
            itself.
    """
    only_first = only_second = changed = 0
    left, right = next(first, None), next(second, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            only_first, left = only_first + 1, next(first, None)
        elif left is None or right[0] < left[0]:
            only_second, right = only_second + 1, next(second, None)
        else:
            changed += left[1] != right[1]
            left, right = next(first, None), next(second, None)
    return only_first, only_second, changed
