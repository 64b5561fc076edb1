"""What a restored database looks like, in figures: read by the reading role, in few passes over each table.

Decision: three passes: a sample finds out which shapes are worth counting, one scan counts them all, and
one grouping counts the categories. Figures of sensitive columns are counts, lengths and shapes only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import LiteralString

import psycopg
from psycopg import sql

from expectations.connections import Database
from expectations.patterns import DAMAGED, PATTERNS
from expectations.profile_catalogue import ColumnFacts, Connection, Kind, TableFacts, read_facts

_SAMPLE_ROWS = 2000
_MOST_CATEGORIES = 25
_LONGEST_CATEGORY = 60
_MOST_GROUPINGS = 30  # a bit each in grouping(), which has 31
_MOST_DISTINCT_COUNTS = 3  # each is a sort of the table
_FEWEST_IN_A_MONTH = 20
_MOST_MONTHS = 120
_BUCKETS = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """A column in figures.

    Attributes:
        filled: rows where it is not NULL.
        low, high, mean, deviation: of numbers; of times low and high, in seconds since 1970.
        shortest, longest: of text, in characters.
        shapes: patterns that every filled row has.
        damaged: rows that look like wrongly decoded text.
        categories: value -> rows, only of columns that hold few values and are not sensitive.
        distinct: exact number of distinct values, where it was worth counting.
    """

    facts: ColumnFacts
    filled: int = 0
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    deviation: float | None = None
    shortest: int | None = None
    longest: int | None = None
    shapes: frozenset[str] = frozenset()
    damaged: int | None = None
    categories: Mapping[str, int] = field(default_factory=dict)
    distinct: int | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that refers to another table without a foreign key, and whose rows all resolve."""

    column: str
    table: str
    target: str


@dataclass(frozen=True, slots=True)
class TableProfile:
    """A table in figures.

    Attributes:
        buckets: for time columns, the finest of day, week and month that has no gap, with its fewest rows.
        months: for time columns whose every unit has gaps, the months that hold many rows, oldest first.
        unread: why there are no figures, None where there are.
    """

    facts: TableFacts
    rows: int
    columns: Mapping[str, ColumnProfile]
    references: tuple[Reference, ...] = ()
    buckets: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    months: Mapping[str, tuple[date, ...]] = field(default_factory=dict)
    unread: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A restored database in figures.

    Attributes:
        as_of: aware; the moment that ages are counted from.
    """

    as_of: datetime
    tables: Mapping[str, TableProfile]


def profile_database(
    url: str, *, as_of: datetime, sensitive: Iterable[str] = (), deadline_s: float = 3600.0
) -> Profile:
    """Read every table of the database at *url*.

    Args:
        url: a libpq DSN or URL, as the reading role.
        as_of: aware; for the newest backup now, else the recovery point's time.
        sensitive: patterns of `schema.table.column`.
        deadline_s: for each statement; a table that takes longer is left unread.

    Raises:
        psycopg.Error: the database cannot be reached, or its catalogue not be read.
    """
    with Database.at(url).connect(deadline_s) as connection:
        facts = read_facts(connection, sensitive)
        tables = {table.name: _profile_table(connection, table, facts) for table in facts}
    return Profile(as_of, tables)


def _profile_table(connection: Connection, facts: TableFacts, others: Sequence[TableFacts]) -> TableProfile:
    try:
        shapes = _sample_shapes(connection, facts)
        rows, columns = _count(connection, facts, shapes)
        columns = _categorise(connection, facts, rows, columns)
        references = _references(connection, facts, columns, others)
        times = _timeline(facts, columns, rows)
        buckets = {name: bucket for name in times if (bucket := _bucket(connection, facts, name)) is not None}
        months = {name: _months(connection, facts, name) for name in times if name not in buckets}
    except psycopg.Error as error:
        return TableProfile(facts, 0, {}, unread=type(error).__name__)
    return TableProfile(facts, rows, columns, references, buckets, months)


def _sample_shapes(connection: Connection, facts: TableFacts) -> dict[str, list[str]]:
    """Return, by text column, the patterns that a sample of rows has without exception."""
    questions = [
        (column.name, name)
        for column in facts.columns.values()
        if column.kind is Kind.TEXT
        for name in PATTERNS
    ]
    shapes: dict[str, list[str]] = {}
    if not questions:
        return shapes
    tests = [_every(column, PATTERNS[name].regex) for column, name in questions]
    query = sql.SQL("SELECT {} FROM (SELECT * FROM {} LIMIT {}) sample").format(
        sql.SQL(", ").join(tests), _table(facts.name), sql.Literal(_SAMPLE_ROWS)
    )
    row = connection.execute(query).fetchone() or ()
    for (column, name), holds in zip(questions, row, strict=False):
        if holds is True:
            shapes.setdefault(column, []).append(name)
    return shapes


def _every(column: str, regex: str) -> sql.Composable:
    return sql.SQL("bool_and({}::text ~ {})").format(sql.Identifier(column), sql.Literal(regex))


_Figure = tuple[str, str, sql.Composable]  # column, figure, expression


def _count(
    connection: Connection, facts: TableFacts, shapes: Mapping[str, list[str]]
) -> tuple[int, dict[str, ColumnProfile]]:
    """Answer every question about every column in one scan."""
    utf8 = connection.info.parameter_status("server_encoding") == "UTF8"
    figures = [
        figure
        for column in facts.columns.values()
        for figure in _figures(column, shapes.get(column.name, []), utf8=utf8)
    ]
    figures += [
        (name, "distinct", _expression("count(DISTINCT {})", name)) for name in _unproven_unique(facts)
    ]
    parts = [sql.SQL("count(*)"), *(expression for _, _, expression in figures)]
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(parts), _table(facts.name))
    row = connection.execute(query).fetchone() or (0,)
    answers: dict[str, dict[str, object]] = {name: {} for name in facts.columns}
    for (column, figure, _), value in zip(figures, row[1:], strict=True):
        answers[column][figure] = value
    return _int(row[0]) or 0, {name: _column(facts.columns[name], values) for name, values in answers.items()}


def _figures(column: ColumnFacts, shapes: Sequence[str], *, utf8: bool) -> list[_Figure]:
    name = column.name
    figures: list[_Figure] = [(name, "filled", _expression("count({})", name))]
    if column.kind is Kind.NUMBER and not column.sensitive:
        for figure, function in (
            ("low", "min"),
            ("high", "max"),
            ("mean", "avg"),
            ("deviation", "stddev_samp"),
        ):
            figures.append((name, figure, _expression(f"{function}({{}})::float8", name)))
    elif column.kind is Kind.TIME and not column.sensitive:
        for figure, function in (("low", "min"), ("high", "max")):
            figures.append((name, figure, _expression(f"extract(epoch from {function}({{}}))::float8", name)))
    elif column.kind is Kind.TEXT:
        figures.append((name, "shortest", _expression("min(length({}::text))", name)))
        figures.append((name, "longest", _expression("max(length({}::text))", name)))
        if utf8:
            figures.append((name, "damaged", _matching(name, DAMAGED)))
        figures += [(name, f"shape {shape}", _matching(name, PATTERNS[shape].regex)) for shape in shapes]
    return figures


def _expression(template: LiteralString, column: str) -> sql.Composable:
    before, after = template.split("{}")
    return sql.SQL("").join((sql.SQL(before), sql.Identifier(column), sql.SQL(after)))


def _matching(column: str, regex: str) -> sql.Composable:
    return sql.SQL("count(*) FILTER (WHERE {}::text ~ {})").format(sql.Identifier(column), sql.Literal(regex))


def _unproven_unique(facts: TableFacts) -> list[str]:
    """Return columns that look unique and that no constraint makes so."""
    proven = {key[0] for key in (facts.primary_key, *facts.unique) if len(key) == 1}
    likely = [
        column.name
        for column in facts.columns.values()
        if column.distinct == -1
        and column.name not in proven
        and not column.name.endswith("_id")
        and column.kind in {Kind.TEXT, Kind.UUID, Kind.NUMBER}
    ]
    return likely[:_MOST_DISTINCT_COUNTS]


def _column(facts: ColumnFacts, figures: Mapping[str, object]) -> ColumnProfile:
    filled = _int(figures.get("filled")) or 0
    shapes = {
        figure.removeprefix("shape ")
        for figure, count in figures.items()
        if figure.startswith("shape ") and count == filled and filled
    }
    return ColumnProfile(
        facts=facts,
        filled=filled,
        low=_finite(figures.get("low")),
        high=_finite(figures.get("high")),
        mean=_finite(figures.get("mean")),
        deviation=_finite(figures.get("deviation")),
        shortest=_int(figures.get("shortest")),
        longest=_int(figures.get("longest")),
        shapes=frozenset(shapes),
        damaged=_int(figures.get("damaged")),
        distinct=_int(figures.get("distinct")),
    )


def _categorise(
    connection: Connection, facts: TableFacts, rows: int, columns: dict[str, ColumnProfile]
) -> dict[str, ColumnProfile]:
    """Count the values of columns that hold few of them, all in one grouping."""
    candidates = [name for name, column in columns.items() if _may_be_category(column, facts, rows)]
    candidates = candidates[:_MOST_GROUPINGS]
    if not candidates:
        return columns
    names = [sql.Identifier(name) for name in candidates]
    query = sql.SQL(
        "SELECT grouping({all}), {texts}, count(*) FROM {table} GROUP BY GROUPING SETS ({sets})"
    ).format(
        all=sql.SQL(", ").join(names),
        # An enum's cast to text may be the dump's own; what it puts out is PostgreSQL's.
        texts=sql.SQL(", ").join(
            sql.SQL("CASE WHEN {0} IS NOT NULL THEN concat({0}) END").format(name) for name in names
        ),
        table=_table(facts.name),
        sets=sql.SQL(", ").join(sql.SQL("({})").format(name) for name in names),
    )
    counts: dict[str, dict[str, int]] = {name: {} for name in candidates}
    for mask, *values, count in connection.execute(query):
        at = _grouped(_int(mask) or 0, len(candidates))
        if values[at] is not None:
            counts[candidates[at]][str(values[at])] = _int(count) or 0
    return {
        name: replace(column, categories=counts[name]) if _are_categories(counts.get(name, {})) else column
        for name, column in columns.items()
    }


def _may_be_category(column: ColumnProfile, facts: TableFacts, rows: int) -> bool:
    about = column.facts
    if about.sensitive or not column.filled or about.name in facts.primary_key:
        return False
    if about.kind is Kind.ENUM:
        return True
    if about.kind is not Kind.TEXT or (column.longest or 0) > _LONGEST_CATEGORY or about.distinct is None:
        return False
    estimate = about.distinct if about.distinct >= 0 else -about.distinct * rows
    return 0 < estimate <= _MOST_CATEGORIES and rows >= estimate * 20


def _are_categories(counts: Mapping[str, int]) -> bool:
    return 0 < len(counts) <= _MOST_CATEGORIES


def _grouped(mask: int, columns: int) -> int:
    """Return which column a row of the grouping sets is about: its bit alone is not set."""
    return next(at for at in range(columns) if not mask & (1 << (columns - 1 - at)))


def _references(
    connection: Connection,
    facts: TableFacts,
    columns: Mapping[str, ColumnProfile],
    others: Sequence[TableFacts],
) -> tuple[Reference, ...]:
    """Return references that only a name tells of, and that hold for every row."""
    references = []
    for name, column in columns.items():
        target = _named_target(facts, column, others)
        if target is None or not column.filled:
            continue
        key = target.primary_key[0]
        query = sql.SQL(
            "SELECT count(*) FROM (SELECT FROM {child} c WHERE c.{column} IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM {parent} p WHERE p.{key} = c.{column}) LIMIT 1) orphans"
        ).format(
            child=_table(facts.name),
            column=sql.Identifier(name),
            parent=_table(target.name),
            key=sql.Identifier(key),
        )
        row = connection.execute(query).fetchone()
        if row is not None and row[0] == 0:
            references.append(Reference(name, target.name, key))
    return tuple(references)


def _named_target(
    facts: TableFacts, column: ColumnProfile, others: Sequence[TableFacts]
) -> TableFacts | None:
    name = column.facts.name
    if (
        not name.endswith("_id")
        or name in facts.referencing
        or column.facts.kind not in {Kind.NUMBER, Kind.UUID}
    ):
        return None
    stem = name.removesuffix("_id")
    schema = facts.name.partition(".")[0]
    plurals = {stem, f"{stem}s", f"{stem}es", f"{stem.removesuffix('y')}ies"}
    for other in others:
        other_schema, _, other_name = other.name.partition(".")
        one_key = len(other.primary_key) == 1
        if other_schema == schema and other_name in plurals and one_key and other.name != facts.name:
            key = other.columns[other.primary_key[0]]
            return other if key.kind is column.facts.kind else None
    return None


def _timeline(facts: TableFacts, columns: Mapping[str, ColumnProfile], rows: int) -> list[str]:
    """Return the time column worth looking for gaps in: the partition key, else one that is always filled."""
    times = [
        name
        for name, column in columns.items()
        if column.facts.kind is Kind.TIME and column.low is not None and column.filled == rows and rows
    ]
    if facts.partition_key in times:
        return [str(facts.partition_key)]
    return times[:1]


def _bucket(connection: Connection, facts: TableFacts, column: str) -> tuple[str, int] | None:
    """Return the finest unit of time in which no bucket between the first and the last is empty."""
    for unit in _BUCKETS:
        query = sql.SQL(
            "SELECT count(*), min(n), bool_or(following > d + {step}::interval) FROM ("
            " SELECT d, n, lead(d) OVER (ORDER BY d) AS following FROM ("
            "  SELECT date_trunc({unit}, {column}::timestamp) AS d, count(*) AS n FROM {table}"
            "   WHERE {column} IS NOT NULL GROUP BY 1) buckets) neighbours"
        ).format(
            step=sql.Literal(f"1 {unit}"),
            unit=sql.Literal(unit),
            column=sql.Identifier(column),
            table=_table(facts.name),
        )
        row = connection.execute(query).fetchone()
        if row is None:
            return None
        buckets, fewest, gap = row
        if gap is False and (_int(buckets) or 0) >= 4:  # noqa: PLR2004  fewer say nothing about gaps
            return unit, _int(fewest) or 0
    return None


def _months(connection: Connection, facts: TableFacts, column: str) -> tuple[date, ...]:
    """Return the months with so many rows that none empties by itself; () where months are many."""
    query = sql.SQL(
        "SELECT date_trunc('month', {column}::timestamp)::date FROM {table} WHERE isfinite({column})"
        " GROUP BY 1 HAVING count(*) >= {fewest} ORDER BY 1 LIMIT {most}"
    ).format(
        column=sql.Identifier(column),
        table=_table(facts.name),
        fewest=sql.Literal(_FEWEST_IN_A_MONTH),
        most=sql.Literal(_MOST_MONTHS + 1),
    )
    months = tuple(month for (month,) in connection.execute(query) if isinstance(month, date))
    return months if len(months) <= _MOST_MONTHS else ()


def _table(name: str) -> sql.Composable:
    schema, _, table = name.partition(".")
    return sql.Identifier(schema, table)


def _int(value: object) -> int | None:
    return int(value) if isinstance(value, (int, float)) else None


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
