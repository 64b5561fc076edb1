from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from expectations.catalogue import Column, Table
from expectations.observed import clean_kwargs, clean_result, number, plain, say_observed
from expectations.suite import Expectation, Parameter, RelativeTime

AS_OF = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def table(rows: float = 1000, nulls: float = 0.0) -> Table:
    columns = {
        "n": Column("n", "numeric", nulls, None),
        "at": Column("at", "timestamptz", nulls, None),
        "d": Column("d", "date", nulls, None),
    }
    return Table("public.orders", rows, columns)


def seen(
    kind: str,
    value: object,
    *,
    sensitive: bool = False,
    rows: float = 1000,
    nulls: float = 0.0,
    result: dict[str, object] | None = None,
    **kwargs: object,
) -> object:
    one = Expectation("public.orders", kind, kwargs, sensitive=sensitive)
    found = {"observed_value": value, **(result or {})}
    return say_observed(one, found, kwargs=kwargs, table=table(rows, nulls), as_of=AS_OF)


def test_counts_and_shares_are_shown() -> None:
    assert seen("expect_table_row_count_to_be_between", 12, min_value=1) == 12
    assert seen("expect_column_proportion_of_unique_values_to_be_between", 0.5, column="n") == 0.5
    assert seen("unexpected_rows_expectation", 3) == 3


def test_means_are_shown_of_enough_rows_only() -> None:
    kind = "expect_column_mean_to_be_between"
    assert seen(kind, 8.123456789, column="n", min_value=3) == 8.12346
    assert seen(kind, 8.1, column="n", min_value=3, rows=3) == "within its bounds"
    assert seen(kind, 8.1, column="n", min_value=9, nulls=0.999) == "below its lower bound"
    assert seen(kind, 8.1, column="n", min_value=3, row_condition="id = 7") == "within its bounds"
    assert seen(kind, 8.1, column="n", max_value=3, sensitive=True) == "above its upper bound"
    assert seen(kind, None, column="n", min_value=3) == "no rows"


@pytest.mark.parametrize("kind", ["min", "max", "median"])
def test_single_values_are_reduced_to_their_relation(kind: str) -> None:
    name = f"expect_column_{kind}_to_be_between"
    assert seen(name, 987654, column="n", min_value=0) == "within its bounds"
    assert seen(name, Decimal(5), column="n", min_value=5, strict_min=True) == "below its lower bound"
    assert seen(name, 5, column="n", max_value=5, strict_max=True) == "above its upper bound"
    assert seen(name, "Zebra", column="n", min_value="Ant") == "not shown"


def test_the_newest_time_is_an_age() -> None:
    kind, at = "expect_column_max_to_be_between", "2026-03-04T09:30:00+00:00"
    low = datetime(2026, 3, 4, tzinfo=UTC)
    assert (
        seen(kind, at, column="at", min_value=low)
        == "within its bounds: 2.5 h before the moment of judgement"
    )
    assert (
        seen(kind, "2026-03-02", column="d", min_value=low) == "too early: 2 d before the moment of judgement"
    )
    assert seen(kind, at, column="at", min_value=low, sensitive=True) == "within its bounds"
    assert seen("expect_column_min_to_be_between", at, column="at", min_value=low) == "within its bounds"


def test_sets_are_counted_not_listed() -> None:
    kind = "expect_column_distinct_values_to_be_in_set"
    found = seen(kind, ["SECRET"], column="n", result={"unexpected_count": 2})
    assert found == "2 unexpected values"
    assert seen("expect_column_most_common_value_to_be_in_set", ["SECRET"], column="n") is None


def test_rows_that_do_not_comply_are_counted() -> None:
    result: dict[str, object] = {"element_count": 2000, "unexpected_count": 10, "unexpected_percent": 0.5}
    words = seen("expect_column_values_to_not_be_null", None, column="n", result=result)
    assert words == "10 of 2,000 rows do not comply (0.5%)"


def test_a_result_keeps_its_counts_and_nothing_else() -> None:
    found = {
        "observed_value": ["SECRET"],
        "unexpected_count": 1,
        "partial_unexpected_list": ["SECRET"],
        "details": {"value_counts": ["SECRET"]},
    }
    assert clean_result(found, "1 unexpected values") == {
        "unexpected_count": 1,
        "observed_value": "1 unexpected values",
    }


def test_kwargs_of_sensitive_columns_are_masked() -> None:
    kwargs = {"column": "email", "value_set": ["a@b.c"], "mostly": 0.9, "min_value": None}
    one = Expectation("public.people", "expect_column_values_to_be_in_set", kwargs, sensitive=True)
    assert clean_kwargs(one, kwargs) == {**kwargs, "value_set": "***"}


def test_everything_kept_is_json() -> None:
    assert plain({"a": (AS_OF, Decimal("1.5"))}) == {"a": [AS_OF.isoformat(), 1.5]}
    assert plain(RelativeTime(-60, "-1m")) == {"as_of": "-1m"}
    assert plain(Parameter("last_rows")) == {"param": "last_rows"}
    assert number(float("nan")) is None
    assert number("x") is None
