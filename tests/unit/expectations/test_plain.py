from __future__ import annotations

from datetime import date

import pytest

from expectations.plain import MASK, say, say_value
from expectations.suite import Expectation, Parameter, RelativeTime
from expectations.vocabulary import UNSUPPORTED, expectation_types


def expect(kind: str, *, sensitive: bool = False, **kwargs: object) -> Expectation:
    return Expectation("public.orders", kind, kwargs, sensitive=sensitive)


@pytest.mark.parametrize(
    ("expectation", "words"),
    [
        (expect("expect_column_values_to_not_be_null", column="id"), "each id is filled"),
        (
            expect("expect_column_values_to_not_be_null", column="id", mostly=0.95),
            "each id is filled, in at least 95% of the rows",
        ),
        (
            expect("expect_table_row_count_to_be_between", min_value=1000, max_value=20000),
            "the number of rows is at least 1,000 and at most 20,000",
        ),
        (
            expect("expect_column_values_to_be_between", column="n", min_value=0, strict_min=True),
            "each n is more than 0",
        ),
        (
            expect("expect_column_sum_to_be_between", column="n", min_value=2, max_value=2),
            "the sum of n is exactly 2",
        ),
        (
            expect("expect_column_max_to_be_between", column="at", min_value=RelativeTime(-93600, "-26h")),
            "the newest at is no earlier than 26 hours before the moment of judgement",
        ),
        (
            expect(
                "expect_column_min_to_be_between",
                column="at",
                min_value=RelativeTime(-86400 * 90, "-90d"),
                strict_min=True,
                max_value=RelativeTime(0, "0h"),
            ),
            "the oldest at is later than 90 days before the moment of judgement "  # noqa: ISC004  one sentence
            "and no later than the moment of judgement",
        ),
        (
            expect(
                "expect_column_values_to_be_between", column="at", max_value="2026-01-01", strict_max=True
            ),
            "each at is earlier than 2026-01-01",
        ),
        (
            expect(
                "expect_column_max_to_be_between", column="at", min_value=Parameter("newest_row", plus=-3600)
            ),
            "the newest at is no earlier than 1 hour before the newest row of the last verified drill",
        ),
        (
            expect("expect_table_row_count_to_be_between", min_value=Parameter("last_rows", 0.9)),
            "the number of rows is at least 0.9 x the rows of the last verified drill",
        ),
        (
            expect("expect_column_value_lengths_to_be_between", column="s", max_value=40),
            "each s is at most 40 characters long",
        ),
        (
            expect("expect_multicolumn_sum_to_equal", column_list=["a", "b", "c"], sum_total=5),
            "a, b and c add up to 5",
        ),
        (
            expect(
                "expect_column_pair_values_to_be_in_set",
                column_A="a",
                column_B="b",
                value_pairs_set=[["x", 1], ["y", 2]],
            ),
            "a and b form one of (x, 1), (y, 2)",
        ),
        (
            expect(
                "expect_column_values_to_be_in_set", column="s", value_set=["a", "b"], row_condition="n > 3"
            ),
            "each s is one of a, b, where n > 3",
        ),
        (
            expect(
                "expect_column_pair_values_a_to_be_greater_than_b", column_A="b", column_B="a", or_equal=True
            ),
            "b is greater than or equal to a",
        ),
    ],
)
def test_an_expectation_reads_as_a_sentence(expectation: Expectation, words: str) -> None:
    assert say(expectation) == words


def test_a_description_is_taken_as_it_is() -> None:
    written = Expectation("a.b", "unexpected_rows_expectation", {}, description="No order is paid twice.")
    assert say(written) == "No order is paid twice."


def test_bounds_of_a_sensitive_column_are_not_said() -> None:
    bounded = expect("expect_column_values_to_be_between", column="salary", min_value=12345, sensitive=True)
    assert "12345" not in say(bounded).replace(",", "")
    listed = expect("expect_column_values_to_be_in_set", column="zip", value_set=["10115"], sensitive=True)
    assert say(listed) == f"each zip is one of {MASK}"


def test_every_type_that_can_run_has_its_sentence() -> None:
    for name in set(expectation_types()) - set(UNSUPPORTED):
        words = say(expect(name, column="c", column_list=["a"]))
        assert "_" not in words.replace("_list", ""), name


def test_long_lists_are_cut() -> None:
    assert say_value(list(range(20))).endswith("and 12 more")


def test_values_are_said_as_people_write_them() -> None:
    assert say_value(1234567) == "1,234,567"
    assert say_value(0.25) == "0.25"
    assert say_value(date(2026, 1, 2)) == "2026-01-02"
    assert say_value(value=True) == "true"
