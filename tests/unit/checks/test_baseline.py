"""Which drill is compared with, and how an accepted change moves it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.checks.baseline import adopt, choose_baselines
from tasks.checks.drift import judge_drift
from tasks.model.findings import Severity, Verdict
from tasks.model.history import History, PastDrill
from tasks.model.inventory import Inventory
from tasks.model.target import Drift
from tests.fix_checks import NOW, inventory_of, past


def rows_of(history: History, days_ago: float = 0) -> list[int | None]:
    baselines = choose_baselines(history, NOW - timedelta(days=days_ago), 5)
    return [base.inventory.tables["a.t"].rows for base in baselines]


def failing(
    current: Inventory, *records: PastDrill, seed: Inventory | None = None
) -> set[tuple[str, str | None]]:
    baselines = choose_baselines(History(records, seed), NOW, 5)
    found = judge_drift(current, baselines, Drift())
    return {(one.rule, one.where) for one in found if one.severity is Severity.FAILURE}


def taken_in(rule: str, where: str) -> tuple[dict[str, str], ...]:
    return ({"rule": rule, "where": where, "why": "purged"},)


def test_there_is_no_baseline_without_a_verified_drill_or_a_seed() -> None:
    failed = past(inventory_of({"a.t": 1}), verdict=Verdict.FAILED)
    assert choose_baselines(History((failed,)), NOW, 5) == ()


def test_the_seed_serves_only_until_a_drill_is_verified() -> None:
    seed = inventory_of({"a.t": 7})
    assert rows_of(History((), seed)) == [7]
    assert rows_of(History((past(inventory_of({"a.t": 8})),), seed)) == [8]


def test_a_failed_drill_is_never_a_baseline() -> None:
    good, bad = past(inventory_of({"a.t": 8}), 3), past(inventory_of({"a.t": 1}), 1, Verdict.FAILED)
    assert rows_of(History((good, bad))) == [8]


def test_the_nearest_by_recovery_point_is_compared_with() -> None:
    records = tuple(past(inventory_of({"a.t": days}), days) for days in (1, 5, 9))
    assert rows_of(History(records)) == [1]
    assert rows_of(History(records), 9.4) == [9]
    assert rows_of(History(records), 8) == [9]
    assert rows_of(History(records), 6) == [5, 9]


def test_of_two_drills_of_one_backup_the_later_counts() -> None:
    first = past(inventory_of({"a.t": 1}), 1)
    second = PastDrill(
        "d2",
        first.finished_at + timedelta(hours=1),
        first.as_of,
        first.recovery_point_at,
        Verdict.VERIFIED,
        inventory_of({"a.t": 2}),
    )
    assert rows_of(History((second, first))) == [2]


def test_a_baseline_after_the_judged_point_knows_how_much_later_it_lies() -> None:
    (base,) = choose_baselines(History((past(inventory_of({"a.t": 1}), 1),)), NOW - timedelta(days=11), 5)
    assert base.later_s == 10 * 86400
    assert base.growth == pytest.approx(0.1)
    assert base.may_be_younger


def test_an_accepted_drop_becomes_the_tables_baseline_and_no_other_of_that_drill() -> None:
    good = past(inventory_of({"a.t": 10000, "a.u": 10000}), 2)
    purged = past(inventory_of({"a.t": 4000, "a.u": 100}), 1, Verdict.FAILED, taken_in("rows-dropped", "a.t"))
    assert failing(inventory_of({"a.t": 4000, "a.u": 10000}), good, purged) == set()
    assert failing(inventory_of({"a.t": 4000, "a.u": 100}), good, purged) == {("rows-dropped", "a.u")}


def test_a_further_loss_after_an_accepted_one_is_seen() -> None:
    good = past(inventory_of({"a.t": 10000}), 2)
    purged = past(inventory_of({"a.t": 4000}), 1, Verdict.FAILED, taken_in("rows-dropped", "a.t"))
    assert failing(inventory_of({"a.t": 2000}), good, purged) == {("rows-dropped", "a.t")}


def test_an_accepted_loss_of_a_table_takes_what_belongs_to_it() -> None:
    objects = {"indexes": ["a.u_pkey", "a.t_pkey"], "constraints": ["a.u.u_pkey", "a.t.t_pkey"]}
    good = past(inventory_of({"a.t": 9, "a.u": 9}, objects, keys=("a.t.t_pkey", "a.u.u_pkey")), 2)
    left = inventory_of(
        {"a.t": 9}, {"indexes": ["a.t_pkey"], "constraints": ["a.t.t_pkey"]}, keys=("a.t.t_pkey",)
    )
    dropped = past(left, 1, Verdict.FAILED, taken_in("table-lost", "a.u"))
    assert failing(left, good) == {("table-lost", "a.u")}
    assert failing(left, good, dropped) == set()


@pytest.mark.parametrize("where", ["a.t.t_pkey", "constraints"])
def test_an_accepted_loss_of_an_object_is_no_longer_missed(where: str) -> None:
    good = past(inventory_of({"a.t": 9}, {"constraints": ["a.t.t_pkey"]}, keys=("a.t.t_pkey",)), 2)
    left = inventory_of({"a.t": 9}, {"constraints": []}, keys=())
    dropped = past(left, 1, Verdict.FAILED, taken_in("object-lost", where))
    assert failing(left, good) == {("object-lost", "a.t.t_pkey")}
    assert failing(left, good, dropped) == set()


def test_an_accepted_loss_of_large_objects_moves_their_baseline() -> None:
    good = past(inventory_of({"a.t": 9}, large_objects=500, large_object_bytes=5000), 2)
    left = inventory_of({"a.t": 9}, large_objects=5, large_object_bytes=50)
    purged = past(left, 1, Verdict.FAILED, taken_in("large-objects-dropped", "large objects"))
    assert failing(left, good) == {("large-objects-dropped", "large objects")}
    assert failing(left, good, purged) == set()


def test_an_accepted_loss_of_a_partition_takes_its_rows_out_of_the_parent() -> None:
    leaves = {f"a.t_{n}": (1000, "a.t", n) for n in range(4)}
    good = past(inventory_of({"a.t": 4000} | leaves), 2)
    fewer = inventory_of({"a.t": 3000} | {name: value for name, value in leaves.items() if name != "a.t_2"})
    dropped = past(fewer, 1, Verdict.FAILED, taken_in("partition-lost", "a.t_2"))
    assert ("partition-lost", "a.t_2") in failing(fewer, good)
    assert failing(fewer, good, dropped) == set()


def test_slow_loss_is_counted_from_the_accepted_change() -> None:
    old = [past(inventory_of({"a.t": 10000}), days) for days in range(10, 20)]
    purged = past(inventory_of({"a.t": 5000}), 5, Verdict.FAILED, taken_in("rows-dropped", "a.t"))
    after = past(inventory_of({"a.t": 4900}), 2)
    assert failing(inventory_of({"a.t": 4800}), *old, purged, after) == set()
    (base,) = choose_baselines(History((*old, purged, after)), NOW, 5)
    assert base.past_rows["a.t"] == [5000, 4900]


def test_slow_loss_looks_back_thirty_points_or_as_many_as_the_baseline_names() -> None:
    records = tuple(past(inventory_of({"a.t": days}), days) for days in range(1, 61))
    (base,) = choose_baselines(History(records), NOW, 5)
    assert base.past_rows["a.t"][0] == 30
    (base,) = choose_baselines(History(records), NOW, 50)
    assert base.past_rows["a.t"][0] == 50


def test_the_seed_is_moved_by_accepted_changes_too() -> None:
    seed = inventory_of({"a.t": 10000})
    purged = past(inventory_of({"a.t": 4000}), 1, Verdict.FAILED, taken_in("rows-dropped", "a.t"))
    assert failing(inventory_of({"a.t": 4000}), seed=seed) == {("rows-dropped", "a.t")}
    assert failing(inventory_of({"a.t": 4000}), purged, seed=seed) == set()


def test_a_pattern_adopts_every_name_that_it_matches() -> None:
    base = inventory_of({"a.x1": 10, "a.x2": 10, "a.y": 10})
    adopted = adopt(base, inventory_of({"a.x1": 1, "a.y": 1}), "a.x*")
    assert {name: figures.rows for name, figures in adopted.tables.items()} == {"a.x1": 1, "a.y": 10}


@pytest.mark.parametrize(
    "borrowed", [{"drill_id": "another"}, {"until": "2026-12-31"}], ids=["earlier", "dated"]
)
def test_an_exception_that_was_only_in_use_moves_no_baseline(borrowed: dict[str, str]) -> None:
    good = past(inventory_of({"a.t": 10000, "a.u": 10}), 2)
    entries = ({"rule": "rows-dropped", "where": "a.t", "why": "x"} | borrowed,)
    lost_more = past(
        inventory_of({"a.t": 100}), 1, Verdict.FAILED, (*entries, *taken_in("table-lost", "a.u"))
    )
    assert failing(inventory_of({"a.t": 100}), good, lost_more) == {("rows-dropped", "a.t")}
