"""What the restored database holds of a suite's tables: asked once, before GX touches anything.

Decisions: whether a table or a column is there is read from the catalogue, not out of GX's exceptions. A
missing one is then told apart from every other trouble. A column whose type or collation the dump itself
defined is read as plain text: its casts, its ordering and its equality are the dump's own words.
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
       pg_catalog.format_type(t.oid, null),
       s.null_frac::float8,
       pg_catalog.col_description(c.oid, a.attnum),
       t.typnamespace = 'pg_catalog'::regnamespace
         or exists (select from pg_catalog.pg_depend d
                     where d.classid = 'pg_catalog.pg_type'::regclass and d.deptype = 'e'
                       and d.objid in (t.oid, t.typelem)),
       coalesce(l.collnamespace = 'pg_catalog'::regnamespace, true),
       t.typtype = 'e'
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join lateral (
        with recursive up (oid, base) as (
            select b.oid, b.typbasetype from pg_catalog.pg_type b where b.oid = a.atttypid
            union all
            select b.oid, b.typbasetype from up join pg_catalog.pg_type b on b.oid = up.base
        ) select b.* from up join pg_catalog.pg_type b on b.oid = up.oid where up.base = 0
       ) t on true
  left join pg_catalog.pg_collation l on l.oid = a.attcollation
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
        type: without length, `timestamptz` and `varchar` for the long names; with its schema unless
            PostgreSQL's own.
        nulls: the share of NULLs that ANALYZE saw, None without statistics.
        own_type: PostgreSQL's or an extension's; its operators are no words of the dump's.
        own_collation: PostgreSQL's; the dump's may call any two texts equal.
    """

    name: str
    type: str
    nulls: float | None
    comment: str | None
    own_type: bool = True
    own_collation: bool = True
    enum: bool = False


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
    for name, rows, column, *about in connection.execute(_COLUMNS, (list(names),)):
        _, columns = tables.setdefault(str(name), (_float(rows) or 0.0, {}))
        if column is not None:
            columns[str(column)] = _column(str(column), *about)
    return {name: Table(name, rows, columns) for name, (rows, columns) in tables.items()}


def _column(
    name: str,
    kind: object,
    nulls: object,
    comment: object,
    own_type: object,
    own_collation: object,
    enum: object,
) -> Column:
    return Column(
        name=name,
        type=_short(str(kind)),
        nulls=_float(nulls),
        comment=None if comment is None else str(comment),
        own_type=bool(own_type),
        own_collation=bool(own_collation),
        enum=bool(enum),
    )


def _short(kind: str) -> str:
    return _SHORT.get(kind, kind)


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
