"""What became of partitions: retention is told from loss by their order, and only where they have one."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.checks.partitions import Fate, fates, natural, skeleton
from tasks.model.inventory import Inventory
from tests.fix_checks import inventory_of

PARENT = "a.t"


def family(*months: int, ranked: bool = True, own: tuple[int, ...] = ()) -> Inventory:
    """Return a partitioned table with a partition of each month; *own* are tables by themselves."""
    tables: dict[str, Any] = {PARENT: 100}
    tables |= {f"a.t_{month}": (10, PARENT, month if ranked else None) for month in months}
    tables |= {f"a.t_{month}": 10 for month in own}
    return inventory_of(tables)


def fate(base: Inventory, current: Inventory) -> Fate:
    (only,) = fates(base, current).values()
    return only


BASE = family(1, 2, 3, 10)


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (BASE, Fate(PARENT)),
        (family(2, 3, 10, 11), Fate(PARENT, expired=("a.t_1",))),
        (family(10), Fate(PARENT, expired=("a.t_1", "a.t_2", "a.t_3"))),
        (family(11), Fate(PARENT, expired=("a.t_1", "a.t_2", "a.t_3", "a.t_10"))),
        (family(1, 3, 10), Fate(PARENT, lost=("a.t_2",))),
        (family(2, 10), Fate(PARENT, expired=("a.t_1",), lost=("a.t_3",))),
        (family(1, 2, 3), Fate(PARENT, lost=("a.t_10",))),
        (family(), Fate(PARENT, lost=("a.t_1", "a.t_10", "a.t_2", "a.t_3"))),
        (family(2, 3, 10, own=(1,)), Fate(PARENT, detached=("a.t_1",))),
        (family(3, 10, own=(1,)), Fate(PARENT, expired=("a.t_2",), detached=("a.t_1",))),
    ],
    ids=[
        "all-there",
        "oldest",
        "all-but-the-newest",
        "all-and-a-younger-one-is-there",
        "middle",
        "oldest-and-middle",
        "newest",
        "all",
        "detached",
        "detached-and-the-next",
    ],
)
def test_the_oldest_expire_and_others_are_lost(current: Inventory, expected: Fate) -> None:
    assert fate(BASE, current) == expected


def test_partitions_without_an_order_have_no_oldest() -> None:
    lost = fate(family(1, 2, 3, ranked=False), family(2, 3, ranked=False))
    assert lost == Fate(PARENT, lost=("a.t_1",))


def test_a_baseline_that_knows_no_order_takes_it_from_the_names() -> None:
    assert fate(family(2, 3, 10, ranked=False), family(3, 10)) == Fate(PARENT, expired=("a.t_2",))
    assert fate(family(2, 3, 10, ranked=False), family(2, 3)) == Fate(PARENT, lost=("a.t_10",))


def test_a_baseline_that_knows_no_parents_takes_them_from_what_is_there_and_likeness() -> None:
    seed = inventory_of({PARENT: 100, "a.t_1": 10, "a.t_2": 10, "a.u_1": 10})
    assert fate(seed, family(2, 3)) == Fate(PARENT, expired=("a.t_1",))


def test_a_table_that_is_gone_or_was_never_partitioned_has_no_fate() -> None:
    assert fates(BASE, inventory_of({"a.other": 1})) == {}
    assert fates(inventory_of({"a.other": 1}), BASE) == {}


def test_what_rightly_left_no_longer_counts_in_the_parents_rows() -> None:
    assert Fate(PARENT, expired=("a.t_1",), lost=("a.t_3",), detached=("a.t_2",)).left == ("a.t_1", "a.t_2")


def test_names_are_alike_but_for_their_numbers_which_count_as_numbers() -> None:
    assert skeleton("a.events_2025_01") == skeleton("a.events_2025_12") == "a.events_#_#"
    assert skeleton("a.events") == "a.events"
    assert sorted(["p10", "p2", "q1", "p"], key=natural) == ["p", "p2", "p10", "q1"]
