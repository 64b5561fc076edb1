"""What a database holds, by the names of its catalogue and by exact counts.

Decided here:
- Tables are ordinary and partitioned tables and partitions of the user's schemas. Foreign tables are left
  out and never read: reading one would call a server. Members of extensions are left out; a user's table
  that lies in an extension's schema is not.
- Indexes are all indexes, those behind constraints too.
- Types are enums, domains, ranges, base types and stand-alone composites; not row types, arrays, multiranges.
- A table that others inherit from counts its own rows (ONLY); a partitioned one counts its partitions, each
  of which is counted once.
- Tables are counted over several connections, the largest first, small ones many in a statement: thousands of
  small tables take seconds, and one big one does not wait for them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import psycopg
from psycopg import sql

from tasks.checks.session import (
    Connect,
    Connection,
    raise_if_fatal,
    reading,
    timed_out,
    translated,
    why,
    workers,
)
from tasks.model.deadline import Deadline
from tasks.model.inventory import OBJECT_KINDS, Inventory, TableFigures
from tasks.model.sandbox import Sandbox
from tasks.model.user_objects import USER_RELATION, USER_SCHEMA, not_of_extension

_SMALL_BYTES = 8 << 20
_BATCH_TABLES = 200

_TABLES = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text,
       CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) ELSE 0 END,
       CASE WHEN c.relkind = 'r' THEN pg_total_relation_size(c.oid) ELSE 0 END,
       CASE WHEN c.relispartition THEN i.inhparent::bigint END,
       CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
 WHERE c.relkind IN ('r', 'p') AND {USER_RELATION}
"""  # noqa: S608  our own fragments


_TABLE_NAME = (
    "(SELECT tn.nspname || '.' || t.relname"
    " FROM pg_class t JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE t.oid = {})"
)
# kind, name, the table that it belongs to (or null), whether it is a key of its own
_OBJECTS = f"""
SELECT 'indexes', n.nspname || '.' || c.relname, {_TABLE_NAME.format("x.indrelid")}, false
  FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {USER_SCHEMA} AND {not_of_extension("pg_class", "x.indrelid")}
UNION ALL
SELECT 'constraints', n.nspname || '.' || c.relname || '.' || k.conname,
       CASE WHEN k.contype = 'f' AND k.conparentid <> 0 AND NOT c.relispartition
            THEN {_TABLE_NAME.format("k.confrelid")} ELSE n.nspname || '.' || c.relname END,
       k.contype IN ('p', 'u', 'f') AND k.conparentid = 0
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {USER_SCHEMA} AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND c.relkind IN ('r', 'p')
   AND {not_of_extension("pg_class", "c.oid")}
UNION ALL
SELECT 'triggers', n.nspname || '.' || c.relname || '.' || t.tgname, n.nspname || '.' || c.relname, false
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {USER_SCHEMA} AND NOT t.tgisinternal AND {not_of_extension("pg_trigger", "t.oid")}
UNION ALL
SELECT 'policies', n.nspname || '.' || c.relname || '.' || p.polname, n.nspname || '.' || c.relname, false
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {USER_SCHEMA}
UNION ALL
SELECT CASE c.relkind WHEN 'S' THEN 'sequences' WHEN 'v' THEN 'views' ELSE 'matviews' END,
       n.nspname || '.' || c.relname,
       (SELECT {_TABLE_NAME.format("d.refobjid")} FROM pg_depend d
         WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
           AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0 LIMIT 1),
       false
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('S', 'v', 'm') AND {USER_SCHEMA} AND {not_of_extension("pg_class", "c.oid")}
UNION ALL
SELECT DISTINCT 'functions', n.nspname || '.' || p.proname, NULL, false
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE {USER_SCHEMA} AND {not_of_extension("pg_proc", "p.oid")}
UNION ALL
SELECT 'types', n.nspname || '.' || t.typname, NULL, false
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE {USER_SCHEMA} AND t.typisdefined
   AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')
        OR (t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type el WHERE el.typarray = t.oid)))
   AND {not_of_extension("pg_type", "t.oid")}
   AND (c.oid IS NULL OR {not_of_extension("pg_class", "c.oid")})
UNION ALL
SELECT 'extensions', extname::text, NULL, false FROM pg_extension WHERE extname <> 'plpgsql'
"""  # noqa: S608  our own fragments
_LARGE_OBJECTS = """
SELECT (SELECT count(*) FROM pg_largeobject_metadata),
       (SELECT coalesce(sum(octet_length(data)), 0)::bigint FROM pg_largeobject)
"""
_RANGE = re.compile(r"FOR VALUES FROM \((?P<low>.*)\) TO \(", re.DOTALL)
_DATES = re.compile(r"FOR VALUES IN \((?P<low>'?\d{4}-?\d{2}(?:-?\d{2})?\b[^,]*)(?:,.*)?\)", re.DOTALL)
_BOUND = re.compile(r"MINVALUE|MAXVALUE|'(?:[^']|'')*'|[^,\s]+")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the catalogue.

    Attributes:
        heap_bytes: its own pages, by which counting is spread.
        parent_oid: of the partitioned table that it is a partition of.
        bound: its partition bound, as the catalogue prints it; never leaves this module.
    """

    oid: int
    schema: str
    name: str
    kind: str
    heap_bytes: int
    total_bytes: int
    parent_oid: int | None
    bound: str | None

    @property
    def full_name(self) -> str:
        """`schema.name`, as everywhere."""
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """The name, quoted for a statement."""
        return sql.Identifier(self.schema, self.name)


def take_inventory(
    sandbox: Sandbox, database: str, *, counts: str = "exact", deadline_s: float | None = None
) -> Inventory:
    """Return what *database* holds; with *counts* `exact`, or `off` for no rows, within *deadline_s* seconds.

    Raises:
        PermanentError: the sandbox is at fault, the catalogue cannot be read, or the deadline passed. A table
            that cannot be counted has rows None, which the check `counts` reports.
    """
    limit = Deadline.within(deadline_s)
    with translated("The inventory", limit):
        return inventory_over(partial(reading, sandbox, database, limit), counts=counts)


def inventory_over(connect: Connect, *, counts: str = "exact") -> Inventory:
    """Return what the database behind *connect* holds; every connection must see the same snapshot."""
    with connect() as connection:
        tables = read_tables(connection)
        objects = connection.execute(_OBJECTS).fetchall()
        large_objects, large_object_bytes = _one(connection, _LARGE_OBJECTS)
    rows: Mapping[int, int] = {} if counts == "off" else count_rows(connect, tables)[0]
    return _assemble(tables, rows, objects, large_objects, large_object_bytes)


def read_tables(connection: Connection) -> list[Table]:
    """Return the user's tables, largest first."""
    tables = [Table(*row) for row in connection.execute(_TABLES).fetchall()]
    return sorted(tables, key=lambda table: (-table.heap_bytes, table.full_name))


def count_rows(connect: Connect, tables: Sequence[Table]) -> tuple[dict[int, int], dict[int, str]]:
    """Count the rows of every ordinary table in *tables*.

    Returns:
        oid to rows, and oid to the reason for each table that could not be counted.
    """
    todo: SimpleQueue[list[Table]] = SimpleQueue()
    batches = _batches([table for table in tables if table.kind == "r"])
    for batch in batches:
        todo.put(batch)
    rows: dict[int, int] = {}
    failed: dict[int, str] = {}
    threads = min(workers(), len(batches))
    if threads == 0:
        return rows, failed
    with ThreadPoolExecutor(threads, thread_name_prefix="count") as pool:
        for work in [pool.submit(_count_from, connect, todo, rows, failed) for _ in range(threads)]:
            work.result()
    return rows, failed


def range_order(bounds: Mapping[str, str | None]) -> dict[str, int]:
    """Return each range partition's place among its siblings, by the lower bounds in *bounds*.

    Partitions by lists of dates stand in an order too; other lists, hashes and the default have none.
    """
    lows = {name: low for name, bound in bounds.items() if (low := _low(bound)) is not None}
    return {name: rank for rank, name in enumerate(sorted(lows, key=lambda name: (lows[name], name)))}


def _count_from(
    connect: Connect, todo: SimpleQueue[list[Table]], rows: dict[int, int], failed: dict[int, str]
) -> None:
    with connect() as connection:
        while True:
            try:
                batch = todo.get_nowait()
            except Empty:
                return
            _count_batch(connection, batch, rows, failed)


def _count_batch(
    connection: Connection, batch: list[Table], rows: dict[int, int], failed: dict[int, str]
) -> None:
    statement = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, count(*) FROM ONLY {}").format(sql.Literal(table.oid), table.identifier)
        for table in batch
    )
    try:
        with connection.transaction():
            rows.update(connection.execute(statement).fetchall())
    except psycopg.Error as exc:
        raise_if_fatal(exc, connection)
        if len(batch) == 1 or timed_out(exc):
            failed.update({table.oid: why(exc) for table in batch})
            return
        for table in batch:
            _count_batch(connection, [table], rows, failed)


def _batches(tables: Iterable[Table]) -> list[list[Table]]:
    batches: list[list[Table]] = []
    small: list[Table] = []
    size = 0
    for table in tables:
        if table.heap_bytes > _SMALL_BYTES:
            batches.append([table])
            continue
        if len(small) >= _BATCH_TABLES or size > _SMALL_BYTES:
            batches.append(small)
            small, size = [], 0
        small.append(table)
        size += table.heap_bytes
    return [*batches, small] if small else batches


def _assemble(
    tables: Sequence[Table],
    rows: Mapping[int, int],
    objects: Iterable[tuple[Any, ...]],
    large_objects: int,
    large_object_bytes: int,
) -> Inventory:
    by_kind: dict[str, set[str]] = {kind: set() for kind in OBJECT_KINDS}
    belongs_to: dict[str, str] = {}
    keys: set[str] = set()
    names = frozenset(table.full_name for table in tables)
    for kind, name, table, is_key in objects:
        by_kind[kind].add(name)
        if is_key:
            keys.add(name)
        if table is not None and guess_table(name, names) != table:
            belongs_to[name] = table
    return Inventory(
        tables=_figures(tables, rows),
        objects={kind: tuple(sorted(names)) for kind, names in by_kind.items()},
        large_objects=large_objects,
        large_object_bytes=large_object_bytes,
        keys=tuple(sorted(keys)),
        belongs_to=belongs_to,
    )


def guess_table(name: str, tables: frozenset[str]) -> str | None:
    """Return the table that an object's *name* points to: the longest that begins it, then `.` or `_`."""
    for end in range(len(name) - 1, 0, -1):
        if name[end] in "._" and name[:end] in tables:
            return name[:end]
    return None


def _figures(tables: Sequence[Table], rows: Mapping[int, int]) -> dict[str, TableFigures]:
    by_oid = {table.oid: table for table in tables}
    children: defaultdict[int, list[Table]] = defaultdict(list)
    for table in tables:
        if table.parent_oid is not None:
            children[table.parent_oid].append(table)
    ranks: dict[str, int] = {}
    for siblings in children.values():
        ranks.update(range_order({table.full_name: table.bound for table in siblings}))

    def total(table: Table) -> tuple[int | None, int]:
        if table.kind == "r":
            return rows.get(table.oid), table.total_bytes
        below = [total(child) for child in children[table.oid]]
        counted = [count for count, _ in below if count is not None]
        complete = len(counted) == len(below)
        return (sum(counted) if complete and rows else None), sum(size for _, size in below)

    return {
        table.full_name: TableFigures(
            *total(table),
            partition_of=by_oid[table.parent_oid].full_name if table.parent_oid in by_oid else None,
            partition_rank=ranks.get(table.full_name),
        )
        for table in tables
    }


def _low(bound: str | None) -> tuple[tuple[int, Decimal, str], ...] | None:
    match = _RANGE.match(bound or "") or _DATES.match(bound or "")
    return None if match is None else tuple(_sort_key(part) for part in _BOUND.findall(match["low"]))


def _sort_key(part: str) -> tuple[int, Decimal, str]:
    if part in ("MINVALUE", "MAXVALUE"):
        return (0 if part == "MINVALUE" else 3, Decimal(0), "")
    text = part[1:-1].replace("''", "'") if part.startswith("'") else part
    try:
        return (1, Decimal(text), "")
    except InvalidOperation:
        return (2, Decimal(0), text)


def _one(connection: Connection, statement: str) -> tuple[Any, ...]:
    row = connection.execute(statement).fetchone()
    if row is None:
        raise RuntimeError("an aggregate without a row")
    return row
