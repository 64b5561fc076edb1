"""What may be kept of what GX saw: counts and shares yes, a row's value never.

Decision: an allow-list, by expectation type. A largest or smallest value *is* a row's value, so only its
relation to the bounds is kept, and of the newest time its age. Means and sums are kept only of so many rows
that no single one shows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from expectations.catalogue import TIME_TYPES, Column, Table
from expectations.plain import MASK
from expectations.suite import Expectation, Parameter, RelativeTime

FEWEST_ROWS = 5  # below it a mean or a sum says too much about one row
_TOLD_AGE = re.compile(r"(?<![\d.])(?P<amount>[\d.]{1,30}) (?P<step>[dh]) (?P<side>before|after) ")
_COUNTS = (
    "element_count",
    "unexpected_count",
    "unexpected_percent",
    "missing_count",
    "missing_percent",
    "unexpected_percent_total",
    "unexpected_percent_nonmissing",
)
_COUNTED = (
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_unique_value_count_to_be_between",
    "expect_table_column_count_to_be_between",
    "expect_table_column_count_to_equal",
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
    "expect_table_row_count_to_equal_other_table",
    "unexpected_rows_expectation",
    # names and types are the catalogue's, not the rows'
    "expect_column_type_to_be",
    "expect_column_values_to_be_in_type_list",
    "expect_column_values_to_be_of_type",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_columns_to_match_set",
)
_AGGREGATES = (
    "expect_column_mean_to_be_between",
    "expect_column_stdev_to_be_between",
    "expect_column_sum_to_be_between",
)
_SINGLE = (
    "expect_column_max_to_be_between",
    "expect_column_median_to_be_between",
    "expect_column_min_to_be_between",
)
_BOUNDS = ("min_value", "max_value", "value", "value_set", "value_pairs_set", "quantile_ranges", "sum_total")


def say_observed(
    expectation: Expectation,
    result: Mapping[str, object],
    *,
    kwargs: Mapping[str, object],
    table: Table,
    as_of: datetime,
) -> str | int | float | None:
    """Return what of GX's *result* may be shown.

    Args:
        expectation: the expectation as written.
        result: GX's.
        kwargs: as bound for this run.
        table: what the catalogue says of it.
        as_of: aware; the moment of judgement.
    """
    value = result.get("observed_value")
    if expectation.type in _COUNTED:
        return _counted(value)
    if expectation.type in _AGGREGATES:
        return _aggregate(expectation, value, kwargs, table)
    if expectation.type in _SINGLE:
        return _single(expectation, value, kwargs, table, as_of)
    if "distinct_values" in expectation.type:
        return _sets(result)
    if expectation.type == "expect_column_to_exist":
        return "present" if kwargs.get("column") in table.columns else "absent"
    return _unexpected(result)


def age_in(observed: str) -> float | None:
    """Return the seconds before the moment of judgement that *observed* tells; None where it tells none."""
    match = _TOLD_AGE.search(observed)
    if match is None:
        return None
    sign = 1 if match["side"] == "before" else -1
    return sign * float(match["amount"]) * (86400 if match["step"] == "d" else 3600)


def clean_result(result: Mapping[str, object], observed: str | float | None) -> dict[str, object]:
    """Return GX's result document with counts and *observed* only."""
    document: dict[str, object] = {key: number(result[key]) for key in _COUNTS if key in result}
    if "observed_value" in result:
        document["observed_value"] = observed
    return document


def clean_kwargs(expectation: Expectation, kwargs: Mapping[str, object]) -> dict[str, object]:
    """Return bound *kwargs* JSON-able, and masked where the expectation is about a sensitive column."""
    plain_kwargs = {key: plain(value) for key, value in kwargs.items()}
    if expectation.sensitive:
        plain_kwargs.update({key: MASK for key in _BOUNDS if plain_kwargs.get(key) is not None})
    return plain_kwargs


def plain(value: object) -> object:
    """Return *value* as JSON can hold it."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(member) for member in value]
    if isinstance(value, (RelativeTime, Parameter)):
        return {"as_of": value.text} if isinstance(value, RelativeTime) else {"param": value.name}
    if value is None or isinstance(value, (str, bool, int)):
        return value
    return number(value)


def number(value: object) -> int | float | None:
    """Return a JSON number, None for what is none (NaN too)."""
    if value is None or isinstance(value, (int, bool)):
        return value
    try:
        figure = float(str(value))
    except ValueError:
        return None
    return figure if math.isfinite(figure) else None


def _counted(value: object) -> str | int | float | None:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {number(member)}" for key, member in value.items())
    if isinstance(value, list):
        return ", ".join(str(member) for member in value)
    return value if isinstance(value, str) else number(value)


def _aggregate(
    expectation: Expectation, value: object, kwargs: Mapping[str, object], table: Table
) -> str | float | None:
    if value is None:
        return "no rows"
    column = table.columns.get(str(kwargs.get("column")))
    filled = table.rows * (1 - ((column.nulls if column else None) or 0.0))
    if expectation.sensitive or kwargs.get("row_condition") is not None or filled < FEWEST_ROWS:
        return _relation(value, kwargs)
    figure = number(value)
    return None if figure is None else float(f"{figure:.6g}")


def _single(
    expectation: Expectation, value: object, kwargs: Mapping[str, object], table: Table, as_of: datetime
) -> str | None:
    if value is None:
        return "no rows"
    column = table.columns.get(str(kwargs.get("column")))
    relation = _relation(value, kwargs)
    newest = expectation.type == "expect_column_max_to_be_between"
    if not newest or expectation.sensitive or column is None or column.type not in TIME_TYPES:
        return relation
    age = _age(value, column, as_of)
    return relation if age is None else f"{relation}: {age}"


def _relation(value: object, kwargs: Mapping[str, object]) -> str:
    low, high = _comparable(kwargs.get("min_value")), _comparable(kwargs.get("max_value"))
    comparable = _comparable(value)
    if comparable is None:
        return "not shown"
    time = moment_of(value) is not None
    if low is not None and (comparable < low or (kwargs.get("strict_min") and comparable == low)):
        return "too early" if time else "below its lower bound"
    if high is not None and (comparable > high or (kwargs.get("strict_max") and comparable == high)):
        return "too late" if time else "above its upper bound"
    return "within its bounds"


def _comparable(value: object) -> float | None:
    """Return a number to compare by; times count in seconds."""
    moment = moment_of(value)
    return moment.timestamp() if moment is not None else number(value)


def moment_of(value: object) -> datetime | None:
    """Return a value of GX's that is a time, aware; None for what is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None


def _age(value: object, column: Column, as_of: datetime) -> str | None:
    moment = moment_of(value)
    if moment is None:
        return None
    gap = as_of - moment
    side = "before" if gap >= timedelta(0) else "after"
    step = "d" if column.type == "date" else "h"
    amount = abs(gap).total_seconds() / (86400 if step == "d" else 3600)
    return (
        f"{amount:.0f} {step} {side} the moment of judgement"
        if step == "d"
        else f"{amount:.1f} {step} {side} the moment of judgement"
    )


def _sets(result: Mapping[str, object]) -> str:
    words = {"unexpected_count": "unexpected", "missing_count": "missing"}
    parts = [
        f"{number(result[key])} {word} values" for key, word in words.items() if result.get(key) is not None
    ]
    return ", ".join(parts) or "as expected"


def _unexpected(result: Mapping[str, object]) -> str | None:
    count, of = number(result.get("unexpected_count")), number(result.get("element_count"))
    if of is None:
        return None
    share = number(result.get("unexpected_percent"))
    percent = f" ({share:.3g}%)" if share else ""
    return f"{count or 0:,} of {of:,} rows do not comply{percent}"
