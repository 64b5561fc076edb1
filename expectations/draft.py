"""From a profile to expectations that hold today, on the next healthy backup, and not on a damaged one.

Decisions: bands are wide where one point is all there is and follow how the data moved where there are several; what
says nothing about damage is not drafted; a sensitive column gets counts, lengths and shapes, never a value; and what
the very backup does not pass is dropped again, because a draft that cries wolf is thrown away.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from expectations.patterns import DAMAGED, telling
from expectations.profile import ColumnProfile, Profile, TableProfile
from expectations.profile_catalogue import Kind

_MANY_ROWS = 200  # fewer say little about what is normal
_SOME_ROWS = 30
_DAY_S = 86400.0
# Tables that empty and fill as the day goes: only their shape is expected.
_VOLATILE = re.compile(
    r"session|queue|(^|_)jobs?($|_)|tmp|temp|cache|lock|token|outbox|staging|scratch", re.IGNORECASE
)
_QUANTITY = 3.0  # room above the largest amount, before it is rounded up


@dataclass(frozen=True, slots=True)
class Draft:
    """One drafted expectation.

    Attributes:
        why: what its failure would mean.
        observed: the figure that it was drawn from; no value of a row.
    """

    table: str
    type: str
    kwargs: Mapping[str, object]
    why: str
    observed: str
    severity: str = "critical"


@dataclass(frozen=True, slots=True)
class _Table:
    """A table at several recovery points, the newest first."""

    points: tuple[TableProfile, ...]
    as_of: tuple[datetime, ...]

    @property
    def now(self) -> TableProfile:
        return self.points[0]

    @property
    def volatile(self) -> bool:
        return bool(_VOLATILE.search(self.now.facts.name.partition(".")[2]))

    def column(self, name: str) -> _Column:
        seen = [
            (point, at) for point, at in zip(self.points, self.as_of, strict=True) if name in point.columns
        ]
        return _Column(
            tuple(point.columns[name] for point, _ in seen),
            tuple(point.rows for point, _ in seen),
            tuple(at for _, at in seen),
        )


@dataclass(frozen=True, slots=True)
class _Column:
    """A column at several recovery points, the newest first."""

    points: tuple[ColumnProfile, ...]
    rows: tuple[int, ...]
    as_of: tuple[datetime, ...] = field(default=())

    @property
    def now(self) -> ColumnProfile:
        return self.points[0]

    @property
    def name(self) -> str:
        return self.now.facts.name

    @property
    def filled_shares(self) -> list[float]:
        return [point.filled / rows for point, rows in zip(self.points, self.rows, strict=True) if rows]

    def figures(self, get: Callable[[ColumnProfile], float | None]) -> list[float]:
        """Return a figure at each point that has it."""
        return [value for point in self.points if (value := get(point)) is not None]


def draft_expectations(profiles: Sequence[Profile]) -> list[Draft]:
    """Return what may be expected of the tables of the newest of *profiles*.

    Args:
        profiles: of one database, at least one, in any order.
    """
    ordered = sorted(profiles, key=lambda profile: profile.as_of, reverse=True)
    drafts: list[Draft] = []
    for name, newest in ordered[0].tables.items():
        if newest.unread is not None or not newest.columns:
            continue
        seen = [(profile.tables[name], profile.as_of) for profile in ordered if name in profile.tables]
        readable = [(table, at) for table, at in seen if table.unread is None]
        drafts += _table(_Table(tuple(table for table, _ in readable), tuple(at for _, at in readable)))
    return drafts


def _table(table: _Table) -> Iterator[Draft]:
    name = table.now.facts.name
    for type_, kwargs, why, observed, severity in _of_table(table):
        yield Draft(name, type_, kwargs, why, observed, severity)
    for column in table.now.columns:
        history = table.column(column)
        for type_, kwargs, why, observed, severity in _of_column(table, history):
            yield Draft(name, type_, {"column": column, **kwargs}, why, observed, severity)


_Rule = tuple[str, dict[str, object], str, str, str]  # type, kwargs, why, observed, severity


def _of_table(table: _Table) -> Iterator[_Rule]:
    now = table.now
    columns = list(now.columns)
    yield (
        "expect_table_columns_to_match_set",
        {"column_set": columns, "exact_match": False},
        "a column that is gone is data that is gone",
        f"{len(columns)} columns",
        "critical",
    )
    if not table.volatile:
        yield from _row_count(table)
        yield from _dense_key(now)
        yield from _timeline(now)
    if now.rows and len(now.facts.primary_key) == 1:
        yield _unique(now.facts.primary_key[0], "the primary key", now.rows)
    elif now.rows and len(now.facts.primary_key) > 1:
        yield (
            "expect_compound_columns_to_be_unique",
            {"column_list": list(now.facts.primary_key)},
            "the primary key identifies a row",
            f"{now.rows:,} rows, none twice",
            "critical",
        )
    for reference in now.references:
        yield (
            "unexpected_rows_expectation",
            {"unexpected_rows_query": _orphans(reference.column, reference.table, reference.target)},
            f"each {reference.column} refers to a row of {reference.table}, though no foreign key says so",
            "no orphans",
            "critical",
        )


def _row_count(table: _Table) -> Iterator[_Rule]:
    rows = [point.rows for point in table.points]
    now = rows[0]
    if now < _SOME_ROWS:
        if now and min(rows):
            why = "the table has always held rows"
            yield "expect_table_row_count_to_be_between", {"min_value": 1}, why, f"{now:,} rows", "warning"
        return
    share = 0.8 if now < _MANY_ROWS else 0.9
    shrunk = min((new / old for new, old in pairwise(rows) if old), default=1.0)
    share = round(min(share, max(0.1, shrunk - 0.05)), 2)
    bound = {"param": "last_rows", "times": share, "default": now}
    moved = f", {min(rows):,} to {max(rows):,} over {len(rows)} points" if len(rows) > 1 else ""
    why = f"a loss of more than {round((1 - share) * 100)}% since the last verified drill is no ordinary day"
    yield (
        "expect_table_row_count_to_be_between",
        {"min_value": bound},
        why,
        f"{now:,} rows{moved}",
        "critical",
    )


def _dense_key(now: TableProfile) -> Iterator[_Rule]:
    """Rows deleted from the middle leave holes between the ids."""
    if len(now.facts.primary_key) != 1 or now.rows < _MANY_ROWS:
        return
    key = now.columns[now.facts.primary_key[0]]
    if key.low is None or key.high is None or key.facts.type not in {"int2", "int4", "int8"}:
        return
    density = now.rows / (key.high - key.low + 1)
    floor = math.floor((density - 0.05) * 100) / 100
    if not 0.5 <= floor <= 1:  # noqa: PLR2004  sparser keys are drawn otherwise
        return
    column = _quoted(key.facts.name)
    query = (
        f"SELECT * FROM (SELECT count(*) AS n, max({column}) - min({column}) + 1 AS span FROM {{batch}}) held"  # noqa: S608
        f" WHERE n < {floor} * span"
    )
    why = f"ids are handed out in order: below {floor:.0%} in use, rows were lost from the middle"
    observed = f"{density:.1%} of the ids between the first and the last"
    yield "unexpected_rows_expectation", {"unexpected_rows_query": query}, why, observed, "critical"


def _timeline(now: TableProfile) -> Iterator[_Rule]:
    for name, (unit, fewest) in now.buckets.items():
        if fewest < 3 or now.rows < _MANY_ROWS:  # noqa: PLR2004  a quiet day may be empty the next time
            continue
        column = _quoted(name)
        query = (
            f"SELECT d FROM (SELECT d, lead(d) OVER (ORDER BY d) AS following FROM (SELECT DISTINCT"  # noqa: S608
            f" date_trunc('{unit}', {column}::timestamp) AS d FROM {{batch}} WHERE {column} IS NOT NULL) buckets)"
            f" neighbours WHERE following > d + interval '1 {unit}'"
        )
        why = f"rows come in every {unit}: a {unit} without any is a lost partition or a lost load"
        observed = f"no {unit} without rows, at least {fewest:,} in each"
        yield "unexpected_rows_expectation", {"unexpected_rows_query": query}, why, observed, "critical"


def _orphans(column: str, parent: str, key: str) -> str:
    schema, _, table = parent.partition(".")
    return (
        f"SELECT c.* FROM {{batch}} c LEFT JOIN {_quoted(schema)}.{_quoted(table)} p"  # noqa: S608
        f" ON p.{_quoted(key)} = c.{_quoted(column)} WHERE c.{_quoted(column)} IS NOT NULL AND p.{_quoted(key)} IS NULL"
    )


def _unique(column: str, what: str, rows: int) -> _Rule:
    why = f"{what} identifies a row"
    return (
        "expect_column_values_to_be_unique",
        {"column": column},
        why,
        f"{rows:,} values, none twice",
        "critical",
    )


def _of_column(table: _Table, column: _Column) -> Iterator[_Rule]:
    yield from _filled(table, column)
    kind = column.now.facts.kind
    if kind is Kind.NUMBER and not column.now.facts.sensitive:
        yield from _amounts(table, column)
    elif kind is Kind.TIME and not column.now.facts.sensitive:
        yield from _times(table, column)
    elif kind in {Kind.TEXT, Kind.ENUM}:
        yield from _categories(table, column)
        yield from _texts(column)
    yield from _distinct(column)


def _filled(table: _Table, column: _Column) -> Iterator[_Rule]:
    rows, shares = column.rows[0], column.filled_shares
    if not rows or not shares:
        return
    observed = f"{shares[0]:.1%} filled of {rows:,} rows" if shares[0] < 1 else f"filled in all {rows:,} rows"
    if column.now.facts.not_null and min(shares) == 1:
        yield "expect_column_values_to_not_be_null", {}, "it is declared NOT NULL", observed, "critical"
        return
    if rows < _MANY_ROWS or table.volatile:
        return
    # Room for chance (three deviations), for what the points moved, and a little more.
    low = min(shares)
    chance = 3 * math.sqrt(low * (1 - low) / rows)
    room = max(0.05, chance, 2 * (max(shares) - low))
    mostly = math.floor((low - room) * 100) / 100
    if mostly >= 0.05:  # noqa: PLR2004  below, almost nothing is expected
        why = "a flood of NULLs is a failed load or a broken migration"
        yield "expect_column_values_to_not_be_null", {"mostly": mostly}, why, observed, "critical"


def _amounts(table: _Table, column: _Column) -> Iterator[_Rule]:
    now = column.now
    lows, highs = column.figures(lambda point: point.low), column.figures(lambda point: point.high)
    if not lows or not highs or now.facts.name in table.now.facts.keys or now.facts.name.endswith("_id"):
        return
    if min(lows) >= 0 and now.filled >= _SOME_ROWS:
        bounds: dict[str, object] = {"min_value": 0}
        high = _rounded_up(max(highs) * _QUANTITY)
        if high and now.filled >= _MANY_ROWS and not table.volatile:
            bounds["max_value"] = high
        observed = f"none negative among {now.filled:,}; the bound is rounded and leaves room"
        yield (
            "expect_column_values_to_be_between",
            {**bounds, "mostly": 0.99},
            "an amount beyond is a unit or sign error",
            observed,
            "critical",
        )
    yield from _mean(table, column)


def _mean(table: _Table, column: _Column) -> Iterator[_Rule]:
    """A change of unit moves the mean by a factor; the ordinary course of things does not."""
    now = column.now
    means = column.figures(lambda point: point.mean)
    if now.filled < _MANY_ROWS or table.volatile or not means or now.deviation is None or not now.mean:
        return
    error = now.deviation / (abs(now.mean) * math.sqrt(now.filled))
    if error > 0.1 or min(means) * max(means) <= 0:  # noqa: PLR2004  a mean that chance moves says nothing
        return
    factor = 1.5 if error < 0.02 else 2.0  # noqa: PLR2004
    factor *= max(map(abs, means)) / min(map(abs, means))
    low, high = sorted(
        (_significant(min(means, key=abs) / factor), _significant(max(means, key=abs) * factor))
    )
    observed = f"mean {_significant(now.mean):,g} of {now.filled:,} values"
    moved = (
        f", {_significant(min(means)):,g} to {_significant(max(means)):,g} over {len(means)} points"
        if len(means) > 1
        else ""
    )
    why = "a mean outside this band is a change of unit or a wrong load"
    yield (
        "expect_column_mean_to_be_between",
        {"min_value": low, "max_value": high},
        why,
        observed + moved,
        "critical",
    )


def _times(table: _Table, column: _Column) -> Iterator[_Rule]:
    now, as_of = column.now, column.as_of[0]
    if now.high is None or now.low is None or now.filled < _SOME_ROWS:
        return
    if now.high <= as_of.timestamp() + _DAY_S:
        bounds: dict[str, object] = {"max_value": {"as_of": "2d"}, "mostly": 0.99}
        year = datetime.fromtimestamp(now.low, UTC).year - 1 if now.low > -1e9 else None  # noqa: PLR2004  about 1938
        if year is not None:
            bounds["min_value"] = datetime(year, 1, 1, tzinfo=UTC).date()
        why = "a time in the future or long before the first is a shifted or broken clock"
        yield "expect_column_values_to_be_between", bounds, why, "none in the future", "critical"
    ages = [
        at.timestamp() - point.high
        for point, at in zip(column.points, column.as_of, strict=True)
        if point.high is not None
    ]
    oldest = max(ages)
    if table.volatile or now.filled < _SOME_ROWS or oldest < 0 or oldest > 30 * _DAY_S:
        return
    limit = max(2 * oldest, oldest + 36 * 3600)
    hours = math.ceil(limit / 3600)
    why = "newer rows should have arrived: an older newest one is a stale copy or a lost tail"
    observed = f"newest {ages[0] / 3600:.1f} h before the moment of judgement"
    yield "expect_column_max_to_be_between", {"min_value": {"as_of": f"-{hours}h"}}, why, observed, "critical"


def _categories(table: _Table, column: _Column) -> Iterator[_Rule]:
    now = column.now
    held = [point.categories for point in column.points if point.categories]
    if not held or now.facts.sensitive:
        return
    values = sorted({value for counts in held for value in counts})
    observed = f"{len(now.categories)} values in {now.filled:,} rows"
    why = "an unknown value in more than a few rows is scrambled or wrongly mapped text"
    yield (
        "expect_column_values_to_be_in_set",
        {"value_set": values, "mostly": 0.95},
        why,
        observed,
        "critical",
    )
    frequent = sorted(
        value
        for value in now.categories
        if all(counts.get(value, 0) >= max(_SOME_ROWS, 0.02 * sum(counts.values())) for counts in held)
    )
    if len(frequent) > 1 and not table.volatile:
        why = "a value that has always been common and is gone is a lost partition or a lost tenant"
        yield (
            "expect_column_distinct_values_to_contain_set",
            {"value_set": frequent},
            why,
            observed,
            "critical",
        )


def _texts(column: _Column) -> Iterator[_Rule]:
    now = column.now
    if now.facts.kind is not Kind.TEXT or now.filled < _SOME_ROWS:
        return
    shared = set.intersection(*(set(point.shapes) for point in column.points if point.filled))
    observed = f"all {now.filled:,} values"
    for pattern in telling(shared)[:2]:
        kwargs: dict[str, object] = {"regex": pattern.regex, "mostly": 0.98}
        why = f"each looks like {pattern.what}; scrambled, cut or shifted text does not"
        yield "expect_column_values_to_match_regex", kwargs, why, observed, "critical"
    if now.damaged == 0:
        why = "these letters are text that was decoded wrongly"
        yield (
            "expect_column_values_to_not_match_regex",
            {"regex": DAMAGED, "mostly": 0.99},
            why,
            observed,
            "critical",
        )
    yield from _lengths(column)


def _lengths(column: _Column) -> Iterator[_Rule]:
    shortest = column.figures(lambda point: point.shortest)
    longest = column.figures(lambda point: point.longest)
    if not shortest or not longest:
        return
    low, high = int(min(shortest)), int(max(longest))
    observed = f"{low} to {high} characters"
    if low == high and column.now.filled >= _MANY_ROWS:
        why = "all are equally long; anything else was cut or padded"
        yield (
            "expect_column_value_lengths_to_equal",
            {"value": low, "mostly": 0.98},
            why,
            observed,
            "critical",
        )
        return
    bounds: dict[str, object] = {"min_value": max(0, low // 2), "max_value": high * 2 + 10, "mostly": 0.98}
    why = "much longer or shorter text was padded, cut, joined or scrambled"
    yield "expect_column_value_lengths_to_be_between", bounds, why, observed, "warning"


def _distinct(column: _Column) -> Iterator[_Rule]:
    now = column.now
    if now.distinct is None or now.distinct != now.filled or now.filled < _MANY_ROWS:
        return
    why = "no constraint says so, and yet none occurs twice: duplicates are a load that ran twice"
    observed = f"{now.filled:,} values, none twice"
    yield "expect_column_values_to_be_unique", {}, why, observed, "warning"


def _rounded_up(value: float) -> float | int:
    """Return *value* rounded up to one digit, so that nobody's amount stands in the file."""
    if value <= 0:
        return 0
    step = 10 ** math.floor(math.log10(value))
    rounded = math.ceil(value / step) * step
    return int(rounded) if float(rounded).is_integer() else rounded


def _significant(value: float) -> float | int:
    rounded = float(f"{value:.3g}")
    return int(rounded) if rounded.is_integer() else rounded


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
