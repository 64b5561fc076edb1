"""What the catalogue says of every table before a row is read: columns, keys, partitions, statistics.

Decision: partitions are profiled through their parent, and what ANALYZE estimated decides which columns are
worth an exact count. The profile of a table then takes a handful of passes, however many columns it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import psycopg

from expectations.sensitive import is_sensitive

Connection = psycopg.Connection[tuple[object, ...]]

_TABLES = """
select c.oid::int8, n.nspname || '.' || c.relname, greatest(c.reltuples, 0)::float8, c.relkind = 'p',
       (select a.attname from pg_catalog.pg_partitioned_table p
          join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = p.partattrs[0]
         where p.partrelid = c.oid)
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and not c.relispartition
   and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   and not exists (select from pg_catalog.pg_depend d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
 order by 2
"""
_COLUMNS = """
select a.attrelid::int8, a.attname,
       case when b.typnamespace = 'pg_catalog'::regnamespace or exists (
              select from pg_catalog.pg_depend d
               where d.classid = 'pg_catalog.pg_type'::regclass and d.objid = b.oid and d.deptype = 'e')
            then b.typname::text else pg_catalog.format_type(b.oid, null) end,
       b.typtype, a.attnotnull, s.n_distinct::float8, pg_catalog.col_description(a.attrelid, a.attnum)
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join lateral (
        with recursive up (oid, base) as (
            select t.oid, t.typbasetype from pg_catalog.pg_type t where t.oid = a.atttypid
            union all
            select t.oid, t.typbasetype from up join pg_catalog.pg_type t on t.oid = up.base
        ) select t.* from up join pg_catalog.pg_type t on t.oid = up.oid where up.base = 0
       ) b on true
  left join pg_catalog.pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname
        and s.attname = a.attname and s.inherited = (c.relkind = 'p')
 where a.attrelid = any(%s) and a.attnum > 0 and not a.attisdropped
 order by a.attrelid, a.attnum
"""
_KEYS = """
select k.conrelid::int8, k.contype::text,
       array(select a.attname::text from unnest(k.conkey) with ordinality u(num, place)
               join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num
              order by u.place)
  from pg_catalog.pg_constraint k
 where k.conrelid = any(%s) and k.contype in ('p', 'u', 'f')
"""
_NUMBERS = ("int2", "int4", "int8", "numeric", "float4", "float8")
_TIMES = ("date", "timestamp", "timestamptz")
_TEXTS = ("text", "varchar", "bpchar", "citext")


class Kind(StrEnum):
    """What can be asked of a column."""

    NUMBER = "number"
    TIME = "time"
    TEXT = "text"
    ENUM = "enum"
    BOOL = "bool"
    UUID = "uuid"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column as the catalogue has it.

    Attributes:
        distinct: ANALYZE's estimate; negative is a share of the rows, -1 is unique; None without statistics.
    """

    name: str
    type: str
    kind: Kind
    not_null: bool
    distinct: float | None
    sensitive: bool


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table as the catalogue has it.

    Attributes:
        estimated_rows: ANALYZE's.
        partition_key: first column of a partitioned table's key.
        primary_key, unique, referencing: columns of its keys; of its foreign keys, single columns only.
    """

    name: str
    estimated_rows: float
    partitioned: bool
    partition_key: str | None
    columns: Mapping[str, ColumnFacts]
    primary_key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    referencing: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """Columns that identify or refer: their values mean nothing."""
        unique = {column for key in self.unique for column in key}
        return frozenset({*self.primary_key, *unique, *self.referencing})


def kind_of(name: str, *, enum: bool) -> Kind:
    """Return the kind of a column of the type called *name*, of a domain's base type."""
    if enum:
        return Kind.ENUM
    if name in _NUMBERS:
        return Kind.NUMBER
    if name in _TIMES:
        return Kind.TIME
    if name in _TEXTS:
        return Kind.TEXT
    return {"bool": Kind.BOOL, "uuid": Kind.UUID}.get(name, Kind.OTHER)


@dataclass(slots=True)
class _Keys:
    primary: tuple[str, ...] = ()
    unique: list[tuple[str, ...]] = field(default_factory=list)
    referencing: list[str] = field(default_factory=list)


def read_facts(connection: Connection, sensitive: Iterable[str] = ()) -> list[TableFacts]:
    """Return every table of the database but partitions and what extensions own.

    Args:
        connection: as the reading role.
        sensitive: patterns of `schema.table.column` that are sensitive besides the well-known names.
    """
    patterns = tuple(sensitive)
    tables = list(connection.execute(_TABLES))
    oids = [row[0] for row in tables]
    columns: dict[object, dict[str, ColumnFacts]] = defaultdict(dict)
    names = {row[0]: str(row[1]) for row in tables}
    for oid, *row in connection.execute(_COLUMNS, (oids,)):
        column = _column(names[oid], row, patterns)
        columns[oid][column.name] = column
    keys = _keys(connection, oids)
    return [
        TableFacts(
            name=str(name),
            estimated_rows=_float(rows) or 0.0,
            partitioned=bool(partitioned),
            partition_key=None if key is None else str(key),
            columns=columns[oid],
            primary_key=keys[oid].primary,
            unique=tuple(keys[oid].unique),
            referencing=tuple(keys[oid].referencing),
        )
        for oid, name, rows, partitioned, key in tables
    ]


def _keys(connection: Connection, oids: list[object]) -> dict[object, _Keys]:
    keys: dict[object, _Keys] = defaultdict(_Keys)
    for oid, kind, members in connection.execute(_KEYS, (oids,)):
        columns = tuple(str(member) for member in members) if isinstance(members, list) else ()
        if kind == "p":
            keys[oid].primary = columns
        elif kind == "u":
            keys[oid].unique.append(columns)
        elif len(columns) == 1:
            keys[oid].referencing.append(columns[0])
    return keys


def _column(table: str, row: list[object], patterns: tuple[str, ...]) -> ColumnFacts:
    name, kind, category, not_null, distinct, comment = row
    text = None if comment is None else str(comment)
    return ColumnFacts(
        name=str(name),
        type=str(kind),
        kind=kind_of(str(kind), enum=category == "e"),
        not_null=bool(not_null),
        distinct=_float(distinct),
        sensitive=is_sensitive(table, str(name), patterns, text),
    )


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
