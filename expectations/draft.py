"""From a profile to expectations that hold today, on the next healthy backup, and not on a damaged one.

Decisions: what says nothing about damage is not drafted; a sensitive column gets counts, lengths and
shapes, never a value; and what the very backup does not pass is dropped again (`drafting.prove`), because a
draft that cries wolf is thrown away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from expectations.draft_columns import column_rules
from expectations.draft_history import MANY_ROWS, SOME_ROWS, Rule, TableHistory, rounded_down
from expectations.profile import Profile, TableProfile


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
        dated_tables = [
            (profile.tables[name], profile.as_of) for profile in ordered if name in profile.tables
        ]
        readable = [(table, at) for table, at in dated_tables if table.unread is None]
        drafts += _table(TableHistory(tuple(table for table, _ in readable), tuple(at for _, at in readable)))
    return drafts


def _table(table: TableHistory) -> Iterator[Draft]:
    name = table.now.facts.name
    for rule in _of_table(table):
        yield Draft(name, *rule)
    for column in table.now.columns:
        history = table.column(column)
        for rule in column_rules(table, history):
            yield Draft(name, *rule._replace(kwargs={"column": column, **rule.kwargs}))


def _of_table(table: TableHistory) -> Iterator[Rule]:
    now = table.now
    columns = list(now.columns)
    yield Rule(
        "expect_table_columns_to_match_set",
        {"column_set": columns, "exact_match": False},
        "a column that is gone is data that is gone",
        f"{len(columns)} columns",
    )
    if not table.volatile:
        yield from _row_count(table)
        yield from _dense_key(now)
        yield from _timeline(now)
        yield from _months(now)
    if now.rows and len(now.facts.primary_key) == 1:
        yield _unique(now.facts.primary_key[0], "the primary key", now.rows)
    elif now.rows and len(now.facts.primary_key) > 1:
        yield Rule(
            "expect_compound_columns_to_be_unique",
            {"column_list": list(now.facts.primary_key)},
            "the primary key identifies a row",
            f"{now.rows:,} rows, none twice",
        )
    for reference in now.references:
        yield Rule(
            "unexpected_rows_expectation",
            {"unexpected_rows_query": _orphans(reference.column, reference.table, reference.target)},
            f"each {reference.column} refers to a row of {reference.table}, though no foreign key says so",
            "no orphans",
        )


def _row_count(table: TableHistory) -> Iterator[Rule]:
    rows = [point.rows for point in table.points]
    now = rows[0]
    if now < SOME_ROWS:
        if now and min(rows):
            why = "the table has always held rows"
            yield Rule(
                "expect_table_row_count_to_be_between", {"min_value": 1}, why, f"{now:,} rows", "warning"
            )
        return
    share = 0.8 if now < MANY_ROWS else 0.9
    shrunk = min((new / old for new, old in pairwise(rows) if old), default=1.0)
    share = round(min(share, max(0.1, shrunk - 0.05)), 2)
    bound = {"param": "last_rows", "times": share, "default": now}
    moved = f", {min(rows):,} to {max(rows):,} over {len(rows)} points" if len(rows) > 1 else ""
    why = f"a loss of more than {round((1 - share) * 100)}% since the last verified drill is no ordinary day"
    yield Rule(
        "expect_table_row_count_to_be_between",
        {"min_value": bound},
        why,
        f"{now:,} rows{moved}",
    )


def _dense_key(now: TableProfile) -> Iterator[Rule]:
    """Rows deleted from the middle leave holes between the ids."""
    if len(now.facts.primary_key) != 1 or now.rows < MANY_ROWS:
        return
    key = now.columns[now.facts.primary_key[0]]
    if key.low is None or key.high is None or key.facts.type not in {"int2", "int4", "int8"}:
        return
    density = now.rows / (key.high - key.low + 1)
    floor = math.floor((density - 0.05) * 100) / 100
    bound = rounded_down(key.high)
    if not 0.5 <= floor <= 1 or bound <= key.low:  # noqa: PLR2004  sparser keys are drawn otherwise
        return
    column = _quoted(key.facts.name)
    # Only ids up to a round one: a sequence that jumps ahead is no loss.
    query = (
        f"SELECT * FROM (SELECT count(*) AS n, {bound} - min({column}) + 1 AS span FROM {{batch}}"  # noqa: S608
        f" WHERE {column} <= {bound}) held WHERE n < {floor} * span"
    )
    why = f"ids are handed out in order: below {floor:.0%} in use, rows were lost from the middle"
    observed = f"{density:.1%} of the ids between the first and the last"
    yield Rule("unexpected_rows_expectation", {"unexpected_rows_query": query}, why, observed)


def _timeline(now: TableProfile) -> Iterator[Rule]:
    for name, (unit, fewest) in now.buckets.items():
        if fewest < 3 or now.rows < MANY_ROWS:  # noqa: PLR2004  a quiet day may be empty the next time
            continue
        column = _quoted(name)
        query = (
            f"SELECT d FROM (SELECT d, lead(d) OVER (ORDER BY d) AS following FROM (SELECT DISTINCT"  # noqa: S608
            f" date_trunc('{unit}', {column}::timestamp) AS d FROM {{batch}} WHERE {column} IS NOT NULL)"
            " buckets)"
            f" neighbours WHERE following > d + interval '1 {unit}'"
        )
        why = f"rows come in every {unit}: a {unit} without any is a lost partition or a lost load"
        observed = f"no {unit} without rows, at least {fewest:,} in each"
        yield Rule("unexpected_rows_expectation", {"unexpected_rows_query": query}, why, observed)


def _months(now: TableProfile) -> Iterator[Rule]:
    """Months once full are not empty later; those before the oldest row may have been retired."""
    for name, months in now.months.items():
        if len(months) < 2 or now.rows < MANY_ROWS:  # noqa: PLR2004  one alone has nothing between
            continue
        column = _quoted(name)
        month_literals = ", ".join(f"'{month.isoformat()}'" for month in months)
        query = (
            f"SELECT m FROM unnest(ARRAY[{month_literals}]::date[]) m"  # noqa: S608
            f" WHERE m > (SELECT min({column}::timestamp) FROM {{batch}})"
            f" AND m NOT IN (SELECT date_trunc('month', {column}::timestamp)::date FROM {{batch}}"
            f" WHERE {column} IS NOT NULL)"
        )
        why = "each of these months held many rows: one without any is a lost partition"
        observed = f"{len(months)} months with rows, {months[0]:%Y-%m} to {months[-1]:%Y-%m}"
        yield Rule("unexpected_rows_expectation", {"unexpected_rows_query": query}, why, observed)


def _orphans(column: str, parent: str, key: str) -> str:
    schema, _, table = parent.partition(".")
    child, target = f"c.{_quoted(column)}", f"p.{_quoted(key)}"
    return (
        f"SELECT c.* FROM {{batch}} c LEFT JOIN {_quoted(schema)}.{_quoted(table)} p"  # noqa: S608
        f" ON {target} = {child} WHERE {child} IS NOT NULL AND {target} IS NULL"
    )


def _unique(column: str, what: str, rows: int) -> Rule:
    why = f"{what} identifies a row"
    return Rule(
        "expect_column_values_to_be_unique",
        {"column": column},
        why,
        f"{rows:,} values, none twice",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
