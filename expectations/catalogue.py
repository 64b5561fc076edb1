"""What the restored database holds of a suite's tables: asked once, before GX touches anything.

Decision: whether a table or a column is there is read from the catalogue, not out of GX's exceptions. A
missing one is then told apart from every other trouble.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import psycopg

# Relations that can be selected from; a partitioned parent is a table.
_COLUMNS = """
select n.nspname || '.' || c.relname,
       c.reltuples::float8,
       a.attname,
       case when t.typtype = 'd' then t.typbasetype else t.oid end::regtype::text,
       s.null_frac::float8,
       col_description(c.oid, a.attnum)
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_catalog.pg_type t on t.oid = a.atttypid
  left join pg_catalog.pg_stats s
         on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname and not s.inherited
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname || '.' || c.relname = any(%s)
 order by 1, a.attnum
"""
_SHORT = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "character varying": "varchar",
    "character": "char",
}
TIME_TYPES = ("date", "timestamp", "timestamptz")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalogue has it; a domain counts as its base type.

    Attributes:
        type: without length, `timestamptz` and `varchar` for the long names.
        nulls: the share of NULLs that ANALYZE saw, None without statistics.
    """

    name: str
    type: str
    nulls: float | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table, view or materialised view.

    Attributes:
        rows: as ANALYZE estimated them; negative when it never ran.
    """

    name: str
    rows: float
    columns: Mapping[str, Column]


def read_tables(
    connection: psycopg.Connection[tuple[object, ...]], names: Collection[str]
) -> dict[str, Table]:
    """Return those of *names* (`schema.name`) that the database holds."""
    tables: dict[str, tuple[float, dict[str, Column]]] = {}
    for name, rows, column, kind, nulls, comment in connection.execute(_COLUMNS, (list(names),)):
        _, columns = tables.setdefault(str(name), (_float(rows) or 0.0, {}))
        if column is not None:
            text = None if comment is None else str(comment)
            columns[str(column)] = Column(str(column), _short(str(kind)), _float(nulls), text)
    return {name: Table(name, rows, columns) for name, (rows, columns) in tables.items()}


def _short(kind: str) -> str:
    return _SHORT.get(kind, kind)


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
