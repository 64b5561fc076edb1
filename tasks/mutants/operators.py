"""Every kind of damage to restored data, and where in a schema it can be done.

A kind yields its candidates for one table, the most telling first; choosing among tables and kinds is
`choose`'s. The words of a candidate are what the report shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from psycopg import sql

from expectations.profile_catalogue import Kind
from tasks.mutants.damage import Damage, hit, salt_of
from tasks.mutants.schema import Column, Key, Schema, Table

_FEW = 3  # fewer partitions have no middle
_PLURALS = ("", "s", "es")
_MOJIBAKE = "\u00c3\u00bc"
_COMPARED = (Kind.NUMBER, Kind.TIME, Kind.TEXT, Kind.ENUM, Kind.BOOL, Kind.UUID)


@dataclass(frozen=True, slots=True)
class Site:
    """Where candidates are looked for: a table of a schema, under a seed."""

    schema: Schema
    table: Table
    seed: int

    def salt(self, kind: str, column: str | None = None) -> int:
        """Return the number by which rows are chosen."""
        return salt_of(self.seed, kind, self.table.full_name, column)

    def damage(
        self,
        kind: str,
        what: str,
        *attempts: sql.Composed,
        column: str | None = None,
        also: frozenset[str] = frozenset(),
        content: bool = True,
    ) -> Damage:
        """Return a damage to this table."""
        touched = self.table.family | also
        return Damage(kind, what, attempts, touched, self.table.full_name, column, content)


Candidates = Callable[[Site], Iterator[Damage]]


def candidates(schema: Schema, seed: int) -> dict[str, list[Damage]]:
    """Return every damage that *schema* allows, by kind, in the order of the tables."""
    sites = [Site(schema, table, seed) for table in schema.tables.values()]
    return {kind: [damage for site in sites for damage in find(site)] for kind, find in KINDS.items()}


# --- rows


def _deleted_random(site: Site) -> Iterator[Damage]:
    kind = "rows-deleted-random"
    for per_mille in (200, 50):
        statement = _delete(site, hit(site.salt(kind), per_mille))
        yield site.damage(kind, f"{per_mille / 10:g}% of the rows deleted, here and there", statement)


def _deleted_newest(site: Site) -> Iterator[Damage]:
    for column in _order(site.table):
        c = sql.Identifier(column.name)
        for share in (10, 3):
            edge = _edge(site, c, f"{share}")
            what = f"the newest {share}% of the rows by {column.name} deleted"
            yield site.damage(
                "rows-deleted-newest",
                what,
                _delete(site, sql.SQL("{} > {}").format(c, edge)),
                column=column.name,
            )


def _deleted_range(site: Site) -> Iterator[Damage]:
    for column in _order(site.table):
        c = sql.Identifier(column.name)
        for high, low in ((60, 40), (52, 48)):
            between = sql.SQL("{c} <= {top} AND {c} > {bottom}").format(
                c=c, top=_edge(site, c, f"{100 - high}"), bottom=_edge(site, c, f"{100 - low}")
            )
            what = f"a range from the middle by {column.name} deleted, {high - low}% of the rows"
            yield site.damage("rows-deleted-range", what, _delete(site, between), column=column.name)


def _emptied(site: Site) -> Iterator[Damage]:
    yield site.damage("table-emptied", "every row deleted", _delete(site, sql.SQL("true").format()))


def _duplicated(site: Site) -> Iterator[Damage]:
    """Rows a second time, as a load that ran twice leaves them: under new numbers, where a key counts."""
    table = site.table
    counted = [c for c in table.columns.values() if c.counted]
    unique = {index.columns for index in table.indexes if index.unique}
    if any(not any(column.name in key for column in counted) for key in unique):
        return
    columns = [sql.Identifier(c.name) for c in table.columns.values() if c.written and not c.counted]
    if not columns:
        return
    column_list = sql.SQL(", ").join(columns)
    kind = "rows-duplicated"
    statement = sql.SQL(
        "INSERT INTO {into} ({columns}) SELECT {columns} FROM {source} WHERE {chosen}"
    ).format(
        into=sql.Identifier(table.schema, table.name),
        columns=column_list,
        source=table.source,
        chosen=hit(site.salt(kind), 100),
    )
    yield site.damage(kind, "10% of the rows stored a second time", statement)


def _partition_lost(site: Site) -> Iterator[Damage]:
    leaves = site.table.leaves
    if len(leaves) < _FEW:
        return
    middle = leaves[1:-1]
    start = site.salt("partition-lost") % len(middle)
    for leaf in (*middle[start:], *middle[:start]):
        statement = sql.SQL("DROP TABLE {}").format(_named(leaf))
        yield site.damage("partition-lost", f"the partition {leaf} lost", statement, content=False)


# --- values


def _nulled(site: Site) -> Iterator[Damage]:
    for column in _nullable(site.table):
        c = sql.Identifier(column.name)
        filled = sql.SQL("{} IS NOT NULL").format(c)
        yield _update(
            site, "column-nulled", column, sql.SQL("NULL").format(), filled, "set to NULL throughout"
        )


def _nulled_partly(site: Site) -> Iterator[Damage]:
    kind = "column-nulled-partly"
    for column in _nullable(site.table):
        c = sql.Identifier(column.name)
        chosen = sql.SQL("{} IS NOT NULL AND {}").format(c, hit(site.salt(kind, column.name), 300))
        yield _update(site, kind, column, sql.SQL("NULL").format(), chosen, "set to NULL in 30% of the rows")


def _scrambled(site: Site) -> Iterator[Damage]:
    for column in _values(site.table, Kind.TEXT):
        c = sql.Identifier(column.name)
        salt = site.salt("text-scrambled", column.name)
        noise = sql.SQL(
            "left(repeat(md5({c}::text || {salt}), 1 + length({c}::text) / 32), length({c}::text))"
        )
        value = noise.format(c=c, salt=sql.Literal(str(salt)))
        filled = sql.SQL("length({}::text) > 0").format(c)
        yield _update(site, "text-scrambled", column, value, filled, "replaced by noise of the same length")


def _shifted(site: Site) -> Iterator[Damage]:
    """Each row gets its neighbour's value: every figure of the column alone stays as it is."""
    for column in _values(site.table, *_COMPARED):
        statement = sql.SQL(
            "UPDATE {t} AS t SET {c} = s.v FROM (SELECT tableoid AS o, ctid AS i, {c} AS was,"
            " lag({c}) OVER (ORDER BY tableoid, ctid) AS v, row_number() OVER (ORDER BY tableoid, ctid) AS n"
            " FROM {source}) s WHERE t.tableoid = s.o AND t.ctid = s.i AND s.n > 1"
            " AND s.v IS DISTINCT FROM s.was AND (s.v IS NOT NULL OR {nullable})"
        ).format(
            t=site.table.source,
            c=sql.Identifier(column.name),
            source=site.table.source,
            nullable=sql.Literal(not column.not_null),
        )
        what = f"the values of {column.name} shifted by one row"
        yield site.damage("values-shifted", what, statement, column=column.name)


def _wrong_unit(site: Site) -> Iterator[Damage]:
    for column in _values(site.table, Kind.NUMBER):
        c = sql.Identifier(column.name)
        value, chosen = sql.SQL("{} * 100").format(c), sql.SQL("{} <> 0").format(c)
        yield _update(site, "wrong-unit", column, value, chosen, "multiplied by 100")


def _moved_day(site: Site) -> Iterator[Damage]:
    kind = "times-moved-day"
    for column in _values(site.table, Kind.TIME):
        forward = site.salt(kind, column.name) % 2 == 0
        yield _moved(site, kind, column, "1 day", "a day", forward=forward)


def _moved_far(site: Site) -> Iterator[Damage]:
    for column in _values(site.table, Kind.TIME):
        c = sql.Identifier(column.name)
        moved = sql.SQL(
            "{c}::timestamp - (SELECT max({c}::timestamp) - min({c}::timestamp) + interval '1 day'"
            " FROM {source} WHERE isfinite({c}))"
        ).format(c=c, source=site.table.source)
        value = sql.SQL("({})::{}").format(moved, sql.Identifier("pg_catalog", column.type))
        chosen = sql.SQL("isfinite({})").format(c)
        yield _update(
            site, "times-moved-far", column, value, chosen, "moved back by all the time that it spans"
        )


def _encoding(site: Site) -> Iterator[Damage]:
    """UTF-8 read as Latin-1; where all is ASCII, what such a reading leaves behind, in 10% of the rows."""
    if not site.schema.utf8:
        return
    kind = "encoding-damaged"
    for column in _values(site.table, Kind.TEXT):
        c = sql.Identifier(column.name)
        statement = sql.SQL("UPDATE {t} SET {c} = {value} WHERE {chosen}")
        read_wrongly = sql.SQL("convert_from(convert_to({c}::text, 'UTF8'), 'LATIN1')").format(c=c)
        beyond_ascii = sql.SQL("octet_length({c}::text) > length({c}::text)").format(c=c)
        spoilt = sql.SQL("left({c}::text, length({c}::text) - 2) || {m}").format(
            c=c, m=sql.Literal(_MOJIBAKE)
        )
        some = sql.SQL("length({}::text) > 2 AND {}").format(c, hit(site.salt(kind, column.name), 100))
        yield site.damage(
            kind,
            f"the letters of {column.name} decoded wrongly",
            statement.format(t=site.table.source, c=c, value=read_wrongly, chosen=beyond_ascii),
            statement.format(t=site.table.source, c=c, value=spoilt, chosen=some),
            column=column.name,
        )


def _orphans(site: Site) -> Iterator[Damage]:
    kind = "orphans"
    for column, parent, key in _references(site):
        value = _no_parent(column, parent, key)
        if value is None:
            continue
        chosen = sql.SQL("{} IS NOT NULL AND {}").format(
            sql.Identifier(column.name), hit(site.salt(kind, column.name), 20)
        )
        what = f"points to rows of {parent.full_name} that do not exist, in 2% of the rows"
        yield _update(site, kind, column, value, chosen, what)


# --- structure


def _sequence(site: Site) -> Iterator[Damage]:
    for sequence in site.table.sequences:
        first = sequence.low if sequence.ascending else sequence.high
        name = sql.Identifier(sequence.schema, sequence.name)
        statement = sql.SQL("SELECT setval({}::regclass, {}, false) FROM {} WHERE is_called").format(
            sql.Literal(name.as_string(None)), sql.Literal(first), name
        )
        what = f"the sequence {sequence.schema}.{sequence.name} set back to its start"
        yield site.damage("sequence-set-back", what, statement)


def _constraint(site: Site) -> Iterator[Damage]:
    for key in sorted(site.table.keys, key=lambda key: "pfucx".index(key.kind)):
        statement = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {} CASCADE").format(
            _named(site.table.full_name), sql.Identifier(key.name)
        )
        what = f"the {_KEY_WORDS[key.kind]} {key.name} dropped"
        yield site.damage("constraint-dropped", what, statement, also=_referring(site, key), content=False)


def _index(site: Site) -> Iterator[Damage]:
    for index in site.table.indexes:
        if not index.of_key:
            statement = sql.SQL("DROP INDEX {}").format(sql.Identifier(index.schema, index.name))
            yield site.damage("index-dropped", f"the index {index.name} dropped", statement, content=False)


def _trigger(site: Site) -> Iterator[Damage]:
    for name in site.table.triggers:
        statement = sql.SQL("DROP TRIGGER {} ON {}").format(
            sql.Identifier(name), _named(site.table.full_name)
        )
        yield site.damage("trigger-dropped", f"the trigger {name} dropped", statement, content=False)


def _table_dropped(site: Site) -> Iterator[Damage]:
    statement = sql.SQL("DROP TABLE {} CASCADE").format(_named(site.table.full_name))
    yield site.damage("table-dropped", "the table dropped", statement, content=False)


# --- fragments


def _named(name: str) -> sql.Identifier:
    schema, _, table = name.partition(".")
    return sql.Identifier(schema, table)


def _delete(site: Site, condition: sql.Composed) -> sql.Composed:
    return sql.SQL("DELETE FROM {} WHERE {}").format(site.table.source, condition)


def _edge(site: Site, column: sql.Identifier, from_the_top: str) -> sql.Composed:
    """Return the value above which that many per cent of the rows lie."""
    return sql.SQL(
        "(SELECT {c} FROM {source} WHERE {c} IS NOT NULL ORDER BY {c} DESC"
        " OFFSET (SELECT count({c}) * {share} / 100 FROM {source}) LIMIT 1)"
    ).format(c=column, source=site.table.source, share=sql.Literal(int(from_the_top)))


def _update(
    site: Site, kind: str, column: Column, value: sql.Composed, chosen: sql.Composed, what: str
) -> Damage:
    statement = sql.SQL("UPDATE {t} SET {c} = {value} WHERE {chosen}").format(
        t=site.table.source, c=sql.Identifier(column.name), value=value, chosen=chosen
    )
    return site.damage(kind, f"{column.name} {what}", statement, column=column.name)


def _moved(site: Site, kind: str, column: Column, step: str, words: str, *, forward: bool) -> Damage:
    c = sql.Identifier(column.name)
    value = sql.SQL("({c} {sign} {step}::interval)::{kind}").format(
        c=c,
        sign=sql.SQL("+" if forward else "-"),
        step=sql.Literal(step),
        kind=sql.Identifier("pg_catalog", column.type),
    )
    what = f"moved {'on' if forward else 'back'} by {words}"
    return _update(site, kind, column, value, sql.SQL("isfinite({})").format(c), what)


def _order(table: Table) -> list[Column]:
    """Return the columns by which rows follow one another: filled times first, then a counted key."""
    times = [c for c in table.columns.values() if c.kind is Kind.TIME]
    key = [table.columns[name] for name in table.primary_key if name in table.columns]
    counted = [c for c in key[:1] if c.type in ("int2", "int4", "int8") and len(key) == 1]
    return [*sorted(times, key=lambda c: not c.not_null), *counted]


def _nullable(table: Table) -> Iterator[Column]:
    for column in table.columns.values():
        if column.written and not column.not_null and column.name not in table.partitioned_by:
            yield column


def _values(table: Table, *kinds: Kind) -> Iterator[Column]:
    """Yield the columns of *kinds* whose values can be changed: no keys, nothing that moves a row."""
    fixed = table.key_columns | table.partitioned_by
    for column in table.columns.values():
        if column.kind in kinds and column.written and not column.counted and column.name not in fixed:
            yield column


def _references(site: Site) -> Iterator[tuple[Column, Table, str]]:
    """Yield columns that refer to another table, by a foreign key or by their name alone."""
    table, tables, fixed = site.table, site.schema.tables, site.table.partitioned_by
    declared = [key for key in table.keys if key.kind == "f" and len(key.columns) == 1]
    for key in declared:
        parent = tables.get(key.parent or "")
        column = table.columns.get(key.columns[0])
        if parent is not None and column is not None and column.written and column.name not in fixed:
            yield column, parent, key.parent_columns[0]
    for column in _values(table, Kind.NUMBER, Kind.BOOL, Kind.UUID):
        referenced = _meant(column.name, table, tables)
        if referenced is not None:
            yield column, referenced, referenced.primary_key[0]


def _meant(column: str, table: Table, tables: Mapping[str, Table]) -> Table | None:
    stem = column.removesuffix("_id")
    if stem == column:
        return None
    names = [f"{table.schema}.{stem}{end}" for end in _PLURALS]
    names.append(f"{table.schema}.{stem.removesuffix('y')}ies")
    parent = next((tables[name] for name in names if name in tables), None)
    return parent if parent is not None and parent is not table and len(parent.primary_key) == 1 else None


def _no_parent(column: Column, parent: Table, key: str) -> sql.Composed | None:
    """Return a value that no row of *parent* has; None for types without a way to one."""
    if column.kind is Kind.NUMBER:
        return sql.SQL("(SELECT max({}) + 1 FROM {})").format(sql.Identifier(key), parent.source)
    if column.type == "uuid":
        return sql.SQL("md5({}::text)::uuid").format(sql.Identifier(column.name))
    if column.kind is Kind.TEXT:
        name = sql.Identifier(column.name)
        return sql.SQL("left(md5({c}::text), greatest(length({c}::text), 1))").format(c=name)
    return None


def _referring(site: Site, key: Key) -> frozenset[str]:
    """Return the tables whose foreign keys go with *key*."""
    if key.kind not in "pu":
        return frozenset()
    return frozenset(
        name
        for name, table in site.schema.tables.items()
        for other in table.keys
        if other.kind == "f" and other.parent == site.table.full_name
    )


_KEY_WORDS = {
    "p": "primary key",
    "f": "foreign key",
    "u": "unique constraint",
    "c": "check constraint",
    "x": "exclusion constraint",
}
KINDS: dict[str, Candidates] = {
    "rows-deleted-newest": _deleted_newest,
    "table-emptied": _emptied,
    "wrong-unit": _wrong_unit,
    "text-scrambled": _scrambled,
    "column-nulled": _nulled,
    "rows-deleted-random": _deleted_random,
    "sequence-set-back": _sequence,
    "constraint-dropped": _constraint,
    "orphans": _orphans,
    "partition-lost": _partition_lost,
    "rows-deleted-range": _deleted_range,
    "rows-duplicated": _duplicated,
    "times-moved-far": _moved_far,
    "times-moved-day": _moved_day,
    "column-nulled-partly": _nulled_partly,
    "values-shifted": _shifted,
    "encoding-damaged": _encoding,
    "table-dropped": _table_dropped,
    "index-dropped": _index,
    "trigger-dropped": _trigger,
}
"""Kind to where it finds its candidates; those that matter most come first."""
QUICK = tuple(KINDS)[:8]
"""The kinds of a quick self test, one mutant each."""
STRUCTURE = frozenset(
    {"sequence-set-back", "constraint-dropped", "table-dropped", "index-dropped", "trigger-dropped"}
)
"""Kinds that leave the rows that are there as they are."""
