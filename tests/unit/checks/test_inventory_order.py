"""The pure parts of the inventory: the order of range partitions, and where a name belongs."""

from __future__ import annotations

import pytest

from tasks.checks.inventory import guess_table, range_order


def ranged(low: str) -> str:
    return f"FOR VALUES FROM ({low}) TO (MAXVALUE)"


@pytest.mark.parametrize(
    "lows",
    [
        ["'2024-12-01'", "'2025-01-01'", "'2025-02-01'"],
        ["MINVALUE", "'-100'", "'-5'", "0", "9", "10", "100"],
        ["1, 'b'", "2, 'a'", "10, MINVALUE"],
        ["'a'", "'it''s'", "'z'"],
        ["'2024-12-31 23:00:00+00'", "'2025-01-31 23:00:00+00'"],
    ],
    ids=["dates", "numbers", "columns", "texts", "timestamps"],
)
def test_range_partitions_are_ordered_by_their_lower_bounds(lows: list[str]) -> None:
    bounds = {f"p{index}": ranged(low) for index, low in reversed(list(enumerate(lows)))}
    assert range_order(bounds) == {f"p{index}": index for index in range(len(lows))}


@pytest.mark.parametrize(
    "bound", ["DEFAULT", "FOR VALUES WITH (modulus 4, remainder 0)", "FOR VALUES IN ('a', 'b')", None]
)
def test_partitions_without_a_range_have_no_place(bound: str | None) -> None:
    assert range_order({"p": bound, "q": ranged("1")}) == {"q": 0}


@pytest.mark.parametrize(
    "days", [["'2025-01-01'", "'2025-01-02'"], ["'2024-12'", "'2025-01'"], ["20241231", "20250101"]]
)
def test_lists_of_dates_are_ordered_like_ranges(days: list[str]) -> None:
    bounds = {f"p{index}": f"FOR VALUES IN ({day})" for index, day in reversed(list(enumerate(days)))}
    assert range_order(bounds) == {"p0": 0, "p1": 1}


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("a.orders_pkey", "a.orders"),
        ("a.orders_items_pkey", "a.orders_items"),
        ("a.orders.stamp", "a.orders"),
        ("a.orders.v2.stamp", "a.orders.v2"),
        ("a.ordersx_pkey", None),
        ("b.orders_pkey", None),
    ],
)
def test_a_name_points_to_the_longest_table_that_begins_it(name: str, table: str | None) -> None:
    assert guess_table(name, frozenset({"a.orders", "a.orders_items", "a.orders.v2"})) == table
