"""What of a restored database can be damaged, read from the catalogue alone.

Decided here: views, foreign tables and members of extensions are left alone; a partitioned table is damaged
as a whole, through its root; generated columns, and identities that only the server may set, are never
written; columns of a key are changed only where that is the damage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from expectations.profile_catalogue import Kind, kind_of
from tasks.model.inventory import TableFigures
from tasks.model.user_objects import USER_RELATION

Connection = psycopg.Connection[tuple[Any, ...]]

_TABLES = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind = 'p', c.relispartition,
       (SELECT i.inhparent::bigint FROM pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno LIMIT 1),
       coalesce((SELECT array_agg(a.attname::text) FROM pg_partitioned_table p
                   JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (p.partattrs)
                  WHERE p.partrelid = c.oid), '{{}}')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND {USER_RELATION}
 ORDER BY 2, 3
"""  # noqa: S608  our own fragments
_COLUMNS = """
SELECT a.attrelid::bigint, a.attname::text, b.typname::text, b.typtype = 'e',
       a.attnotnull OR t.typnotnull, a.attgenerated <> '', a.attidentity::text,
       coalesce(pg_get_expr(d.adbin, d.adrelid) ~ '^nextval\\(', false) OR a.attidentity <> ''
  FROM pg_attribute a
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
"""
_KEYS = """
SELECT k.conrelid::bigint, k.conname::text, k.contype::text, k.confrelid::bigint,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, i)
               JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY i),
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, i)
               JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY i)
  FROM pg_constraint k
 WHERE k.conrelid = ANY (%s) AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0 AND k.conislocal
 ORDER BY 1, 2
"""
_INDEXES = """
SELECT x.indrelid::bigint, n.nspname::text, c.relname::text, x.indisunique,
       EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')),
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey))
  FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE x.indrelid = ANY (%s) AND NOT c.relispartition
 ORDER BY 1, 3
"""
_TRIGGERS = """
SELECT t.tgrelid::bigint, t.tgname::text FROM pg_trigger t
 WHERE t.tgrelid = ANY (%s) AND NOT t.tgisinternal ORDER BY 1, 2
"""
_SEQUENCES = """
SELECT d.refobjid::bigint, n.nspname::text, c.relname::text, q.seqmin, q.seqmax, q.seqincrement > 0
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence q ON q.seqrelid = c.oid
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
       AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
 WHERE d.refobjid = ANY (%s) ORDER BY 1, 3
"""
_UNSEEN = TableFigures(None, None)


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        type: of a domain, its base type.
        written: it may be written at all.
        counted: its default comes from a sequence.
    """

    name: str
    type: str
    kind: Kind
    not_null: bool
    written: bool
    counted: bool


@dataclass(frozen=True, slots=True)
class Key:
    """A constraint. *kind* is PostgreSQL's: p, u, f, c or x; *parent* is the table that an f refers to."""

    name: str
    kind: str
    columns: tuple[str, ...]
    parent: str | None = None
    parent_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Index:
    """An index; *of_key* is behind a constraint."""

    schema: str
    name: str
    unique: bool
    of_key: bool
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence that a column owns."""

    schema: str
    name: str
    low: int
    high: int
    ascending: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is no partition, with everything below it.

    Attributes:
        rows: as the inventory counted them, None where it did not.
        bytes: of it and all below it, None where they are not known.
        family: itself, its partitions and the tables that inherit from it, all levels.
        leaves: its range partitions that hold rows, the oldest first.
        partitioned_by: columns whose change would move a row.
    """

    schema: str
    name: str
    rows: int | None
    columns: Mapping[str, Column]
    bytes: int | None = None
    partitioned: bool = False
    keys: tuple[Key, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[str, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    family: frozenset[str] = frozenset()
    leaves: tuple[str, ...] = ()
    partitioned_by: frozenset[str] = frozenset()

    @property
    def full_name(self) -> str:
        """`schema.name`."""
        return f"{self.schema}.{self.name}"

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key."""
        return next((key.columns for key in self.keys if key.kind == "p"), ())

    @property
    def key_columns(self) -> frozenset[str]:
        """Columns of primary and foreign keys: their values are names of rows."""
        return frozenset(column for key in self.keys if key.kind in "pf" for column in key.columns)

    @property
    def source(self) -> sql.Composed:
        """The table as a statement names it: all of a partitioned one, ONLY it otherwise."""
        only = sql.SQL("" if self.partitioned else "ONLY ")
        return sql.SQL("{}{}").format(only, sql.Identifier(self.schema, self.name))


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables that can be damaged, by name, and whether the database's text is UTF-8."""

    tables: Mapping[str, Table]
    utf8: bool = True

    @property
    def plain(self) -> frozenset[str]:
        """Every table, partitions too: what a suite may name and is no view."""
        return frozenset(name for table in self.tables.values() for name in table.family)


@dataclass(slots=True)
class _Row:
    oid: int
    schema: str
    name: str
    partitioned: bool
    partition: bool
    parent: int | None
    key: tuple[str, ...] = ()
    children: list[int] = field(default_factory=list)


def read_schema(connection: Connection, figures: Mapping[str, TableFigures]) -> Schema:
    """Return what the database behind *connection* (search_path pg_catalog) holds that can be damaged.

    Args:
        connection: any role; only the catalogue is read.
        figures: by table, as the inventory has them.
    """
    rows: dict[int, _Row] = {}
    for *facts, key in connection.execute(_TABLES.encode()):
        row = _Row(*facts)
        row.key = tuple(key)
        rows[row.oid] = row
    for member in rows.values():
        if member.parent in rows:
            rows[member.parent].children.append(member.oid)
    roots = [oid for oid, member in rows.items() if not member.partition]
    parts = _Parts(connection, roots, {oid: f"{member.schema}.{member.name}" for oid, member in rows.items()})
    tables = [_table(rows, oid, parts, figures) for oid in roots]
    encoding = connection.execute("SELECT pg_catalog.current_setting('server_encoding')").fetchone()
    return Schema({table.full_name: table for table in tables}, utf8=encoding == ("UTF8",))


class _Parts:
    """What the tables are made of, by oid."""

    def __init__(self, connection: Connection, oids: list[int], names: Mapping[int, str]) -> None:
        self.columns: defaultdict[int, dict[str, Column]] = defaultdict(dict)
        self.keys: defaultdict[int, list[Key]] = defaultdict(list)
        self.indexes: defaultdict[int, list[Index]] = defaultdict(list)
        self.triggers: defaultdict[int, list[str]] = defaultdict(list)
        self.sequences: defaultdict[int, list[Sequence]] = defaultdict(list)
        for oid, *column in connection.execute(_COLUMNS, (oids,)):
            self.columns[oid][column[0]] = _column(*column)
        for oid, name, kind, parent, columns, theirs in connection.execute(_KEYS, (oids,)):
            self.keys[oid].append(Key(name, kind, tuple(columns), names.get(parent), tuple(theirs)))
        for oid, schema, name, unique, of_key, columns in connection.execute(_INDEXES, (oids,)):
            self.indexes[oid].append(Index(schema, name, unique, of_key, tuple(columns)))
        for oid, name in connection.execute(_TRIGGERS, (oids,)):
            self.triggers[oid].append(name)
        for oid, *sequence in connection.execute(_SEQUENCES, (oids,)):
            self.sequences[oid].append(Sequence(*sequence))


def _column(
    name: str, kind: str, enum: bool, not_null: bool, generated: bool, identity: str, counted: bool
) -> Column:
    return Column(name, kind, _kind(kind, enum), not_null, not generated and identity != "a", counted)


def _kind(name: str, enum: bool) -> Kind:
    return Kind.NUMBER if name == "money" else kind_of(name, enum=enum)


def _table(
    rows: Mapping[int, _Row],
    oid: int,
    parts: _Parts,
    figures: Mapping[str, TableFigures],
) -> Table:
    row = rows[oid]
    below = _below(rows, oid)
    names = {f"{rows[child].schema}.{rows[child].name}" for child in below}
    ranks = {leaf: seen.partition_rank for leaf in names if (seen := figures.get(leaf, _UNSEEN)).rows != 0}
    leaves = sorted((rank, leaf) for leaf, rank in ranks.items() if rank is not None)
    name = f"{row.schema}.{row.name}"
    seen = figures.get(name, _UNSEEN)
    return Table(
        schema=row.schema,
        name=row.name,
        rows=seen.rows,
        bytes=seen.bytes,
        columns=parts.columns[oid],
        partitioned=row.partitioned,
        keys=tuple(parts.keys[oid]),
        indexes=tuple(parts.indexes[oid]),
        triggers=tuple(parts.triggers[oid]),
        sequences=tuple(parts.sequences[oid]),
        family=frozenset({name, *names, *_above(rows, oid)}),
        leaves=tuple(leaf for _, leaf in leaves),
        partitioned_by=frozenset(column for part in (oid, *below) for column in rows[part].key),
    )


def _below(rows: Mapping[int, _Row], oid: int) -> list[int]:
    oids = list(rows[oid].children)
    for child in rows[oid].children:
        oids += _below(rows, child)
    return oids


def _above(rows: Mapping[int, _Row], oid: int) -> list[str]:
    parent = rows[oid].parent
    if parent is None or parent not in rows:
        return []
    return [f"{rows[parent].schema}.{rows[parent].name}", *_above(rows, parent)]
