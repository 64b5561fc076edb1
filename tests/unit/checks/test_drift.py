"""Drift: what is a loss, what is a warning, and what is only information."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.checks.baseline import Baseline, choose_baselines
from tasks.checks.drift import judge_drift, tolerance_of
from tasks.model.findings import Finding, Severity
from tasks.model.history import History, PastDrill
from tasks.model.inventory import Inventory
from tasks.model.target import Drift, TableDrift
from tests.fix_checks import NOW, inventory_of, past

DEFAULT = Drift()


def drift(
    current: Inventory, base: Inventory, rules: Drift = DEFAULT, **baseline: Any
) -> tuple[Finding, ...]:
    return judge_drift(current, [Baseline(base, "the verified drill of yesterday", **baseline)], rules)


def said(found: tuple[Finding, ...], severity: Severity = Severity.FAILURE) -> set[tuple[str, str | None]]:
    return {(one.rule, one.where) for one in found if one.severity is severity}


def test_the_same_again_is_no_drift() -> None:
    held = inventory_of(
        {"a.t": 5000}, {"indexes": ["a.t_pkey"], "constraints": ["a.t.t_pkey"]}, keys=("a.t.t_pkey",)
    )
    assert drift(held, held) == ()


def test_without_a_baseline_nothing_is_drift() -> None:
    assert judge_drift(inventory_of({"a.t": 1}), [], DEFAULT) == ()


# --- tables and rows


def test_a_lost_table_fails() -> None:
    found = drift(inventory_of({"a.t": 10}), inventory_of({"a.t": 10, "a.u": 20}))
    assert said(found) == {("table-lost", "a.u")}
    assert "20 rows" in found[0].message


@pytest.mark.parametrize(
    ("before", "now", "severity"),
    [
        (10000, 9000, None),
        (10000, 8999, Severity.FAILURE),
        (1000, 0, Severity.FAILURE),
        (999, 0, Severity.FAILURE),
        (1, 0, Severity.FAILURE),
        (999, 1, Severity.WARNING),
        (999, 500, Severity.WARNING),
        (1000, 900, None),
        (0, 0, None),
    ],
)
def test_rows_may_drop_to_the_tolerance_and_small_tables_only_warn(
    before: int, now: int, severity: Severity | None
) -> None:
    found = drift(inventory_of({"a.t": now}), inventory_of({"a.t": before}))
    assert [(one.rule, one.severity) for one in found] == ([("rows-dropped", severity)] if severity else [])


@pytest.mark.parametrize(
    ("before", "now", "warned"), [(1000, 1500, False), (1000, 1501, True), (0, 99999, False)]
)
def test_growth_beyond_the_tolerance_warns_and_growth_from_nothing_is_not_judged(
    before: int, now: int, warned: bool
) -> None:
    found = drift(inventory_of({"a.t": now}), inventory_of({"a.t": before}))
    assert said(found) == set()
    assert said(found, Severity.WARNING) == ({("rows-grown", "a.t")} if warned else set())


@pytest.mark.parametrize("rows", [None, 5000])
def test_rows_that_were_not_counted_are_not_compared(rows: int | None) -> None:
    other = None if rows else 5000
    assert drift(inventory_of({"a.t": rows}), inventory_of({"a.t": other})) == ()


def test_a_table_has_its_own_tolerance_or_is_ignored() -> None:
    rules = Drift(tables={"a.log_*": "ignore", "a.queue": TableDrift(rows_drop="90%", min_rows=0)})
    base = inventory_of({"a.log_x": 9000, "a.log_gone": 9000, "a.queue": 100, "a.t": 9000})
    assert drift(inventory_of({"a.log_x": 0, "a.queue": 11, "a.t": 9000}), base, rules) == ()
    assert said(drift(inventory_of({"a.log_x": 0, "a.queue": 9, "a.t": 9000}), base, rules)) == {
        ("rows-dropped", "a.queue")
    }


def test_an_exact_name_goes_before_a_pattern() -> None:
    rules = Drift(tables={"a.*": "ignore", "a.t": TableDrift(rows_drop="20%")})
    assert tolerance_of("a.u", rules) is None
    exact = tolerance_of("a.t", rules)
    assert exact is not None
    assert (exact.rows_drop, exact.rows_grow) == (0.2, 0.5)


def test_new_tables_and_objects_are_one_piece_of_information() -> None:
    found = drift(
        inventory_of({"a.t": 1, "a.u": 1, "a.v": 1}, {"indexes": ["a.i"], "views": []}),
        inventory_of({"a.t": 1}, {"indexes": [], "views": []}),
    )
    assert [(one.rule, one.severity) for one in found] == [("object-new", Severity.INFO)]
    assert "2 tables, 1 indexes" in found[0].message


# --- objects


def test_a_lost_key_fails_and_its_index_is_not_named_again() -> None:
    base = inventory_of(
        {"a.t": 10},
        {
            "constraints": ["a.t.t_pkey", "a.t.t_c_check"],
            "indexes": ["a.t_pkey", *(f"a.i{n}" for n in range(9))],
        },
        keys=("a.t.t_pkey",),
    )
    current = inventory_of(
        {"a.t": 10}, {"constraints": ["a.t.t_c_check"], "indexes": [f"a.i{n}" for n in range(9)]}, keys=()
    )
    found = drift(current, base)
    assert said(found) == {("object-lost", "a.t.t_pkey")}
    assert said(found, Severity.WARNING) == {("object-lost-minor", "indexes")}


@pytest.mark.parametrize(("lost", "failed"), [(1, False), (2, False), (3, True), (10, True)])
def test_other_lost_objects_warn_and_fail_above_a_fifth_of_their_kind(lost: int, failed: bool) -> None:
    views = [f"v.view{n}" for n in range(10)]
    found = drift(
        inventory_of({"a.t": 1}, {"views": views[lost:]}), inventory_of({"a.t": 1}, {"views": views})
    )
    expected = ("object-lost", "views") if failed else ("object-lost-minor", "views")
    assert [(one.rule, one.where) for one in found] == [expected]


def test_what_belongs_to_a_lost_table_is_not_named_again() -> None:
    base = inventory_of(
        {"a.t": 10, "a.u": 10},
        {
            "constraints": ["a.u.u_pkey", "a.u.u_t_fkey"],
            "indexes": ["a.u_pkey", "a.odd_name"],
            "sequences": ["a.u_id_seq"],
            "triggers": ["a.u.stamp"],
        },
        keys=("a.u.u_pkey", "a.u.u_t_fkey"),
        belongs_to={"a.odd_name": "a.u"},
    )
    empty: dict[str, list[str]] = {kind: [] for kind in base.objects}
    assert said(drift(inventory_of({"a.t": 10}, empty, keys=()), base)) == {("table-lost", "a.u")}


def test_a_kind_that_a_seed_leaves_out_is_not_compared() -> None:
    current = inventory_of({"a.t": 1}, {"indexes": [], "views": []})
    assert drift(current, inventory_of({"a.t": 1}, {"views": []})) == ()


@pytest.mark.parametrize(
    ("constraint", "is_key"),
    [
        ("t_pkey", True),
        ("t_email_key", True),
        ("fk_customer", True),
        ("t_customer_fkey", True),
        ("named", True),
        ("t_total_check", False),
        ("positive_total", False),
    ],
)
def test_a_seed_that_does_not_say_which_constraints_are_keys_is_read_by_their_names(
    constraint: str, is_key: bool
) -> None:
    names = [f"a.t.{constraint}", *(f"a.t.c{n}_check" for n in range(9))]
    base = inventory_of({"a.t": 1}, {"constraints": names, "indexes": ["a.named"]})
    current = inventory_of({"a.t": 1}, {"constraints": names[1:], "indexes": ["a.named"]})
    assert (("object-lost", f"a.t.{constraint}") in said(drift(current, base))) is is_key


def test_an_extension_left_out_on_purpose_is_no_loss() -> None:
    base = Baseline(inventory_of({"a.t": 1}, {"extensions": ["aws_s3"]}), "b")
    current = inventory_of({"a.t": 1}, {"extensions": []})
    assert judge_drift(current, [base], DEFAULT, ("aws_s3",)) == ()
    assert said(judge_drift(current, [base], DEFAULT)) == {("object-lost", "extensions")}


def test_hundreds_of_lost_tables_are_told_in_a_few_lines() -> None:
    found = drift(inventory_of({"a.t": 1}), inventory_of({"a.t": 1} | {f"a.x{n}": 1 for n in range(300)}))
    assert len(found) == 25
    assert "276 more" in found[-1].message
    assert {one.severity for one in found} == {Severity.FAILURE}


# --- large objects


@pytest.mark.parametrize(
    ("before", "now", "severity"),
    [
        ((500, 5000), (440, 4400), Severity.FAILURE),
        ((500, 5000), (500, 4500), None),
        ((25, 2500), (25, 500), Severity.FAILURE),
        ((3, 300), (2, 200), Severity.WARNING),
        ((3, 300), (0, 0), Severity.FAILURE),
        ((0, 0), (5, 50), None),
    ],
)
def test_large_objects_are_compared_in_number_and_bytes(
    before: tuple[int, int], now: tuple[int, int], severity: Severity | None
) -> None:
    base = inventory_of({"a.t": 1}, large_objects=before[0], large_object_bytes=before[1])
    found = drift(inventory_of({"a.t": 1}, large_objects=now[0], large_object_bytes=now[1]), base)
    assert [(one.rule, one.severity) for one in found] == (
        [("large-objects-dropped", severity)] if severity else []
    )


# --- partitions


def year(months: range, rows: int = 1000, *, ranks: bool = True) -> dict[str, Any]:
    leaves: dict[str, Any] = {
        f"a.t_{month:02}": (rows, "a.t", rank) if ranks else (rows, "a.t")
        for rank, month in enumerate(months)
    }
    return {"a.t": rows * len(months)} | leaves


def test_the_oldest_partitions_expire_without_a_loss_of_rows() -> None:
    found = drift(inventory_of(year(range(4, 14))), inventory_of(year(range(1, 13))))
    assert said(found) == said(found, Severity.WARNING) == set()
    assert said(found, Severity.INFO) == {("partition-expired", "a.t"), ("object-new", None)}


def test_all_partitions_may_have_expired_where_younger_ones_are_there() -> None:
    found = drift(inventory_of(year(range(40, 52))), inventory_of(year(range(1, 13))))
    assert said(found) == set()


def test_a_partition_from_the_middle_is_a_loss() -> None:
    current = year(range(1, 13))
    del current["a.t_06"]
    assert ("partition-lost", "a.t_06") in said(
        drift(inventory_of(current), inventory_of(year(range(1, 13))))
    )


def test_the_newest_partition_is_a_loss() -> None:
    assert ("partition-lost", "a.t_12") in said(
        drift(inventory_of(year(range(1, 12))), inventory_of(year(range(1, 13))))
    )


def test_a_table_that_lost_all_its_partitions_lost_them() -> None:
    assert ("partition-lost", "a.t_03") in said(
        drift(inventory_of({"a.t": 0}), inventory_of(year(range(1, 13))))
    )


def test_partitions_without_an_order_have_no_oldest() -> None:
    base = {"a.t": 4000} | {f"a.t_p{n}": (1000, "a.t") for n in range(4)}
    current = {"a.t": 3000} | {f"a.t_p{n}": (1000, "a.t") for n in range(1, 4)}
    assert ("partition-lost", "a.t_p0") in said(drift(inventory_of(current), inventory_of(base)))


def test_a_seed_without_partitions_parents_is_read_by_likeness() -> None:
    seed = inventory_of({"a.t": 12000} | {f"a.t_{month:02}": 1000 for month in range(1, 13)})
    assert said(drift(inventory_of(year(range(2, 14))), seed)) == set()
    gap = year(range(1, 13))
    del gap["a.t_06"]
    assert ("partition-lost", "a.t_06") in said(drift(inventory_of(gap), seed))


def test_a_parent_that_lost_rows_fails_and_its_partitions_are_not_compared() -> None:
    current = year(range(1, 13))
    current |= {"a.t": 6000, "a.t_05": (0, "a.t", 4), "a.t_06": (500, "a.t", 5)}
    found = said(drift(inventory_of(current), inventory_of(year(range(1, 13)))))
    assert ("rows-dropped", "a.t") in found
    assert ("rows-dropped", "a.t_06") not in found


def test_one_emptied_partition_of_many_is_a_loss_though_its_parent_is_within_tolerance() -> None:
    current = year(range(1, 13)) | {"a.t": 11000, "a.t_05": (0, "a.t", 4)}
    assert said(drift(inventory_of(current), inventory_of(year(range(1, 13))))) == {
        ("rows-dropped", "a.t_05")
    }


def test_rows_that_move_between_partitions_are_no_loss() -> None:
    current = year(range(1, 13)) | {"a.t_05": (0, "a.t", 4), "a.t_06": (2000, "a.t", 5)}
    assert drift(inventory_of(current), inventory_of(year(range(1, 13)))) == ()


def test_a_detached_partition_takes_its_rows_along() -> None:
    current = year(range(1, 13)) | {"a.t": 11000, "a.t_01": 1000}
    found = drift(inventory_of(current), inventory_of(year(range(1, 13))))
    assert said(found) == said(found, Severity.WARNING) == set()


def test_indexes_of_partitions_go_with_them() -> None:
    def with_indexes(months: range) -> Inventory:
        names = [f"a.t_{month:02}_pkey" for month in months]
        constraints = [f"a.t_{month:02}.t_{month:02}_pkey" for month in months]
        return inventory_of(
            year(months),
            {"indexes": ["a.t_pkey", *names], "constraints": ["a.t.t_pkey", *constraints]},
            keys=("a.t.t_pkey",),
        )

    found = drift(with_indexes(range(7, 13)), with_indexes(range(1, 13)))
    assert said(found) == said(found, Severity.WARNING) == set()


def test_a_partitioned_table_that_is_gone_is_named_once() -> None:
    found = drift(inventory_of({"a.u": 1}), inventory_of({"a.u": 1} | year(range(1, 5))))
    assert said(found) == {("table-lost", "a.t")}


# --- slow loss


def losing(share: float, days: int, start: int = 10000) -> list[int]:
    return [round(start * (1 - share) ** day) for day in range(days)]


def slow(rows: list[int]) -> list[str]:
    """Drill each day's count against all verified days before it; return the first day's failing rules."""
    records: list[PastDrill] = []
    for day, count in enumerate(rows):
        current = inventory_of({"a.t": count})
        at = len(rows) - day
        baselines = choose_baselines(History(tuple(records)), past(current, at).recovery_point_at, 5)
        failed = [
            one.rule for one in judge_drift(current, baselines, DEFAULT) if one.severity is Severity.FAILURE
        ]
        if failed:
            return failed
        records.append(past(current, at))
    return []


@pytest.mark.parametrize("share", [0.09, 0.05, 0.02, 0.01])
def test_loss_under_the_tolerance_is_caught_when_it_adds_up(share: float) -> None:
    assert slow(losing(share, 40)) == ["rows-drifted-slowly"]


def test_a_table_that_stays_or_grows_or_sways_is_not_slowly_lost() -> None:
    assert slow([10000 + 50 * day for day in range(40)]) == []
    assert slow([10000 + (700 if day % 2 else 0) for day in range(40)]) == []
    assert slow([10000, 10900, 10000, *[10000] * 10]) == []
    assert slow(losing(0.005, 30)) == []


def test_an_odd_first_count_does_not_condemn_those_after_it() -> None:
    found = drift(
        inventory_of({"a.t": 9500}),
        inventory_of({"a.t": 10000}),
        past_rows={"a.t": [12500, 10000, 10000, 10000]},
    )
    assert found == ()


# --- a younger baseline


def test_an_older_backup_may_hold_less_than_a_younger_baseline() -> None:
    base, current = inventory_of({"a.t": 10000}), inventory_of({"a.t": 8500})
    assert said(drift(current, base)) == {("rows-dropped", "a.t")}
    assert drift(current, base, later_s=10 * 86400.0) == ()
    assert said(drift(current, base, later_s=86400.0)) == {("rows-dropped", "a.t")}


def test_a_table_missing_from_a_much_older_backup_only_warns() -> None:
    base, current = inventory_of({"a.t": 1, "a.u": 1}), inventory_of({"a.t": 1})
    assert said(drift(current, base, later_s=86400.0)) == {("table-lost", "a.u")}
    older = drift(current, base, later_s=20 * 86400.0)
    assert said(older) == set()
    assert said(older, Severity.WARNING) == {("table-lost", "a.u")}


def test_between_two_baselines_a_loss_must_show_against_both() -> None:
    younger, older = past(inventory_of({"a.t": 9000, "a.u": 1}), 1), past(inventory_of({"a.t": 5000}), 20)
    at = past(inventory_of(), 2).recovery_point_at
    baselines = choose_baselines(History((younger, older)), at, 5)
    assert said(judge_drift(inventory_of({"a.t": 5000}), baselines, DEFAULT)) == set()
    assert said(judge_drift(inventory_of({"a.t": 100}), baselines, DEFAULT)) == {("rows-dropped", "a.t")}
    assert at < NOW
