"""What would catch a kind of damage, drawn more closely round the data than a draft dares.

These are offered for a damage that was really done and really missed; whoever takes one over decides whether
so narrow a bound suits the data. Whether it holds and catches is proven by `remedies`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from expectations.draft import Draft
from expectations.draft_history import rounded_up, significant
from expectations.patterns import DAMAGED
from expectations.profile import ColumnProfile, TableProfile
from expectations.profile_catalogue import Kind

_SHAPES = (
    ("[^0-9a-f]", "letters beyond those of a digest"),
    ("[[:space:]]", "several words"),
    ("^[[:upper:]]", "a capital at the start"),
    ("[[:digit:]]", "a digit"),
    ("[[:punct:]]", "a mark such as a dot or a dash"),
)
_SHARES = (0.98, 0.9, 0.7, 0.4)
_TIMES = (0.98, 0.96, 0.9, 0.8)
_HOUR_S = 3600.0
_ROWS = (
    "rows-deleted-newest",
    "rows-deleted-random",
    "rows-deleted-range",
    "partition-lost",
    "table-emptied",
)


def closer(kind: str, table: TableProfile, column: str | None, as_of: datetime) -> Iterator[Draft]:
    """Yield candidates against *kind* of damage to *table* (and *column*), the plainest first."""
    damaged_column = table.columns.get(column or "")
    name = table.facts.name
    if kind in _ROWS:
        yield from _newest(name, damaged_column, as_of)
        yield from _rows(table)
    if kind == "rows-duplicated":
        yield from _once(table)
    if kind == "orphans" and column is not None:
        yield from _found_elsewhere(name, column)
    if damaged_column is None:
        return
    if kind.startswith("column-nulled"):
        yield from _filled(table, damaged_column)
    if (
        kind in {"text-scrambled", "encoding-damaged", "values-shifted"}
        and damaged_column.facts.kind is Kind.TEXT
    ):
        yield from _shapes(name, damaged_column)
    if kind in {"wrong-unit", "values-shifted", "orphans"}:
        yield from _amounts(name, damaged_column)
    if kind in {"times-moved-day", "times-moved-far", "values-shifted"}:
        yield from _newest(name, damaged_column, as_of)
        yield from _first(name, damaged_column)
        yield from _beside(table, damaged_column)


def _rows(table: TableProfile) -> Iterator[Draft]:
    for times in _TIMES:
        bound = {"param": "last_rows", "times": times, "default": table.rows}
        why = f"a loss of more than {round((1 - times) * 100)}% since the last verified drill"
        yield Draft(
            table.facts.name, "expect_table_row_count_to_be_between", {"min_value": bound}, why, "rows"
        )


def _newest(name: str, column: ColumnProfile | None, as_of: datetime) -> Iterator[Draft]:
    """Yield bounds on the newest value, with room for a drill that comes later in the day than this one."""
    if column is None or column.facts.kind is not Kind.TIME or column.facts.sensitive or column.high is None:
        return
    age_h = (as_of.timestamp() - column.high) / _HOUR_S
    if age_h >= -1:
        why = "nothing is dated in the future"
        yield _of(name, column, "expect_column_max_to_be_between", {"max_value": {"as_of": "1h"}}, why)
    for factor, room_h in ((2, 12), (1.5, 2)):
        oldest = math.ceil(max(0.0, age_h) * factor) + room_h
        kwargs: dict[str, object] = {"min_value": {"as_of": f"-{oldest}h"}}
        why = "newer rows should have arrived by then"
        yield _of(name, column, "expect_column_max_to_be_between", kwargs, why)


def _first(name: str, column: ColumnProfile) -> Iterator[Draft]:
    """Yield the month before which nothing has ever been dated."""
    if column.facts.kind is not Kind.TIME or column.facts.sensitive or column.low is None or column.low < 0:
        return
    month = datetime.fromtimestamp(column.low, UTC).date().replace(day=1)
    kwargs: dict[str, object] = {"min_value": month}
    yield _of(name, column, "expect_column_min_to_be_between", kwargs, "nothing has ever been dated earlier")


def _once(table: TableProfile) -> Iterator[Draft]:
    name, key = table.facts.name, set(table.facts.primary_key)
    columns = [field for field in table.columns.values() if field.facts.name not in key]
    column_names = [field.facts.name for field in columns if field.facts.kind is not Kind.OTHER]
    for column in column_names:
        yield Draft(name, "expect_column_values_to_be_unique", {"column": column}, "none occurs twice", "")
    if len(column_names) > 1:
        why = "two rows that agree in everything are one row loaded twice"
        kwargs = {"column_list": column_names}
        yield Draft(name, "expect_compound_columns_to_be_unique", kwargs, why, "")
    bound = {"param": "last_rows", "times": 1.08, "default": table.rows}
    why = "a growth of more than 8% since the last verified drill may be a load that ran twice"
    yield Draft(name, "expect_table_row_count_to_be_between", {"max_value": bound}, why, "rows")


def _found_elsewhere(name: str, column: str) -> Iterator[Draft]:
    """Yield the anti-join with the table that the column's name points to."""
    schema, stem = name.partition(".")[0], column.removesuffix("_id")
    if stem == column:
        return
    for parent in (f"{stem}s", stem, f"{stem}es", f"{stem.removesuffix('y')}ies"):
        child, target = f"c.{_quoted(column)}", f"{_quoted(schema)}.{_quoted(parent)}"
        query = (
            f"SELECT c.* FROM {{batch}} c LEFT JOIN {target} p ON p.id = {child}"  # noqa: S608
            f" WHERE {child} IS NOT NULL AND p.id IS NULL"
        )
        why = f"each {column} refers to a row of {schema}.{parent}"
        yield Draft(name, "unexpected_rows_expectation", {"unexpected_rows_query": query}, why, "")


def _filled(table: TableProfile, column: ColumnProfile) -> Iterator[Draft]:
    share = column.filled / table.rows if table.rows else 0.0
    if share == 1:
        yield _of(table.facts.name, column, "expect_column_values_to_not_be_null", {}, "it is always filled")
    for room in (0.85, 0.95):
        mostly = math.floor(share * room * 100) / 100
        why = "about as many rows are filled as ever"
        if 0 < mostly < 1:
            kwargs: dict[str, object] = {"mostly": mostly}
            yield _of(table.facts.name, column, "expect_column_values_to_not_be_null", kwargs, why)


def _shapes(name: str, column: ColumnProfile) -> Iterator[Draft]:
    kwargs: dict[str, object] = {"regex": DAMAGED}
    why = "these letters are text that was decoded wrongly"
    yield _of(name, column, "expect_column_values_to_not_match_regex", kwargs, why)
    for mostly in _SHARES:
        for regex, what in _SHAPES:
            for kind, words in (("match", "have"), ("not_match", "do not have")):
                kwargs = {"regex": regex, "mostly": mostly}
                why = f"at least {mostly:.0%} {words} {what}"
                yield _of(name, column, f"expect_column_values_to_{kind}_regex", kwargs, why)


def _amounts(name: str, column: ColumnProfile) -> Iterator[Draft]:
    if column.facts.kind is not Kind.NUMBER or column.facts.sensitive or column.mean is None:
        return
    for factor in (2.0, 1.2):
        low, high = sorted((significant(column.mean / factor), significant(column.mean * factor)))
        why = "the mean is about what it always is; another one is another unit"
        yield _of(
            name, column, "expect_column_mean_to_be_between", {"min_value": low, "max_value": high}, why
        )
    if column.high is not None and column.high > 0:
        kwargs: dict[str, object] = {"max_value": rounded_up(column.high)}
        yield _of(name, column, "expect_column_values_to_be_between", kwargs, "none has ever been larger")


def _beside(table: TableProfile, column: ColumnProfile) -> Iterator[Draft]:
    """Yield an order between this time and the others of its row."""
    for other in table.columns.values():
        if other.facts.kind is not Kind.TIME or other.facts.name == column.facts.name:
            continue
        for first, second in ((column, other), (other, column)):
            kwargs: dict[str, object] = {
                "column_A": first.facts.name,
                "column_B": second.facts.name,
                "or_equal": True,
            }
            why = f"{first.facts.name} is never before {second.facts.name}"
            kind = "expect_column_pair_values_a_to_be_greater_than_b"
            yield Draft(table.facts.name, kind, kwargs, why, "")


def _of(name: str, column: ColumnProfile, kind: str, kwargs: dict[str, object], why: str) -> Draft:
    return Draft(name, kind, {"column": column.facts.name, **kwargs}, why, "")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
