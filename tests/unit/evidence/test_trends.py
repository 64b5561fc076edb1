"""What of the suites' results is drawn over many drills."""

from __future__ import annotations

from typing import Any

from tasks.evidence.report.trends import newest_ages_s, null_shares


def stored(*results: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"results": [{"table": "public.orders", "outcome": "passed", **one} for one in results]}]


def test_shares_of_nulls_come_from_both_kinds_that_count_them() -> None:
    shares = null_shares(
        stored(
            {
                "type": "expect_column_values_to_not_be_null",
                "kwargs": {"column": "note"},
                "outcome": "failed",
                "unexpected_percent": 12.5,
            },
            {
                "type": "expect_column_proportion_of_non_null_values_to_be_between",
                "kwargs": {"column": "paid_at"},
                "observed": 0.75,
            },
        )
    )
    assert shares == {"public.orders.note": 12.5, "public.orders.paid_at": 25.0}


def test_what_was_judged_on_some_rows_or_not_at_all_is_left_out() -> None:
    kind = "expect_column_values_to_not_be_null"
    assert (
        null_shares(
            stored(
                {"type": kind, "kwargs": {"column": "a", "row_condition": "b > 1"}, "unexpected_percent": 1},
                {"type": kind, "kwargs": {"column": "c"}, "outcome": "errored", "unexpected_percent": None},
                {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 1}, "observed": 1},
            )
        )
        == {}
    )
    assert null_shares([{}]) == {}


def test_ages_are_read_back_from_what_was_told() -> None:
    kind = "expect_column_max_to_be_between"
    told = "within its bounds: 22.5 h before the moment of judgement"
    assert newest_ages_s(stored({"type": kind, "kwargs": {"column": "at"}, "observed": told})) == {
        "public.orders.at": 81000.0
    }
    assert (
        newest_ages_s(stored({"type": kind, "kwargs": {"column": "n"}, "observed": "within its bounds"}))
        == {}
    )
