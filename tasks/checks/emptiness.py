"""What the catalogue tells of tables beyond the inventory: which are empty, which hold traces of keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from tasks.checks.inventory import Table, read_tables
from tasks.checks.session import Connection
from tasks.model.inventory import Inventory
from tasks.model.user_objects import USER_SCHEMA

_TRACES = rf"""
SELECT count(DISTINCT a.attrelid)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
   AND {USER_SCHEMA}
   AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) ~ '^nextval\('
        OR (a.attnotnull AND a.attname ~* '^(id|uuid|.*_id)$'))
"""  # noqa: S608  our own fragments


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the catalogue tells beyond the inventory.

    Attributes:
        tables: the user's tables.
        with_traces: how many tables have a column that is nearly always a key.
        empty: ordinary tables without a row, where rows were not counted.
    """

    tables: tuple[Table, ...]
    with_traces: int = 0
    empty: frozenset[str] = frozenset()


def read_catalogue(connection: Connection, *, counted: bool) -> Catalogue:
    """Read it; *counted*: the rows of every table have been counted, and the inventory holds them."""
    tables = tuple(read_tables(connection))
    (traces,) = connection.execute(_TRACES).fetchone() or (0,)
    empty = frozenset() if counted else frozenset(_without_rows(connection, tables))
    return Catalogue(tables, traces, empty)


def empty_tables(inventory: Inventory, catalogue: Catalogue) -> frozenset[str]:
    """Return the tables that are known to hold no row, partitioned ones too."""
    empty = {name for name, figures in inventory.tables.items() if figures.rows == 0} | catalogue.empty
    partitioned = [table.full_name for table in catalogue.tables if table.kind == "p"]
    for _ in partitioned:  # a tree of partitions is as deep as there are parents, at most
        before = len(empty)
        empty |= {
            name
            for name in partitioned
            if all(
                child in empty for child, figures in inventory.tables.items() if figures.partition_of == name
            )
        }
        if len(empty) == before:
            break
    return frozenset(empty)


def _without_rows(connection: Connection, tables: Iterable[Table]) -> Iterable[str]:
    """Yield the ordinary tables without a row: a look at the first page, where nobody counts."""
    for table in tables:
        if table.kind != "r":
            continue
        if table.heap_bytes == 0 or connection.execute(_any_row(table)).fetchone() is None:
            yield table.full_name


def _any_row(table: Table) -> sql.Composed:
    return sql.SQL("SELECT FROM ONLY {} LIMIT 1").format(table.identifier)
