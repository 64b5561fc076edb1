"""Rows of two databases, merged by the hash of their keys."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tasks.checks.agreement import count_differences
from tasks.model.agreement import Agreement, TableDifference

ROWS = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz")), max_size=12)


@given(ROWS, ROWS)
def test_rows_with_keys_are_counted_as_they_differ(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    left, right = dict(first), dict(second)
    counted = count_differences(iter(sorted(left.items())), iter(sorted(right.items())))
    changed = sum(left[key] != right[key] for key in left.keys() & right.keys())
    assert counted == (len(left.keys() - right.keys()), len(right.keys() - left.keys()), changed)


@given(ROWS, ROWS)
def test_rows_without_a_key_are_counted_with_their_copies(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    left, right = ([(a + b, a + b) for a, b in rows] for rows in (first, second))
    only = Counter(left) - Counter(right), Counter(right) - Counter(left)
    assert count_differences(iter(sorted(left)), iter(sorted(right))) == (only[0].total(), only[1].total(), 0)


def test_nothing_compared_is_no_agreement() -> None:
    assert Agreement().word == "untold"
    assert Agreement(tables=1).word == "agree"
    assert Agreement(tables=1, not_compared={"t": "late"}).word == "untold"
    assert Agreement(tables=1, only_second={"views": ("v",)}).word == "differ"
    different = TableDifference("t", (1, 1), 0, 0, 1)
    assert Agreement(tables=1, differences=(different,), not_compared={"u": "late"}).word == "differ"
