"""Drift, whatever the inventories: nothing is lost against oneself, and every loss is found."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tasks.checks.baseline import Baseline, choose_baselines
from tasks.checks.drift import judge_drift
from tasks.checks.manifest import compare_exactly
from tasks.model.findings import Severity
from tasks.model.history import History, inventory_from_dict
from tasks.model.inventory import OBJECT_KINDS, Inventory, TableFigures
from tasks.model.target import Drift
from tests.fix_checks import NOW, inventory_of, past

NAMES = st.from_regex(r"[a-c]\.[a-z]{1,4}(_[0-9]{1,2})?", fullmatch=True)
ROWS = st.one_of(st.none(), st.integers(0, 10**7))


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    tables = draw(st.dictionaries(NAMES, ROWS, max_size=12))
    parents = draw(
        st.dictionaries(st.sampled_from(sorted(tables) or [""]), st.sampled_from(sorted(tables) or [""]))
    )
    figures = {
        name: TableFigures(rows, None, parents[name] if name in parents and parents[name] < name else None)
        for name, rows in tables.items()
    }
    objects = draw(st.dictionaries(st.sampled_from(OBJECT_KINDS), st.sets(NAMES, max_size=8)))
    return Inventory(
        figures,
        {kind: tuple(sorted(names)) for kind, names in objects.items()},
        large_objects=draw(st.integers(0, 1000)),
        large_object_bytes=draw(st.integers(0, 10**6)),
    )


def against(current: Inventory, base: Inventory) -> set[str]:
    return {one.rule for one in judge_drift(current, [Baseline(base, "b")], Drift())}


@given(inventories())
def test_an_inventory_has_not_drifted_from_itself(held: Inventory) -> None:
    assert against(held, held) == set()
    assert compare_exactly(held, held) == []


@given(inventories(), inventories())
def test_drift_can_always_be_told_and_never_names_what_is_not_there(a: Inventory, b: Inventory) -> None:
    named = {*a.tables, *b.tables, *OBJECT_KINDS, "large objects", None}
    named |= {name for side in (a, b) for names in side.objects.values() for name in names}
    for one in judge_drift(a, [Baseline(b, "b")], Drift()):
        assert one.where in named


@given(inventories(), st.data())
def test_every_lost_ordinary_table_fails(held: Inventory, data: st.DataObject) -> None:
    parents = {figures.partition_of for figures in held.tables.values()}
    plain = [n for n, f in held.tables.items() if f.partition_of is None and n not in parents]
    if not plain:
        return
    lost = data.draw(st.sampled_from(sorted(plain)))
    left = {name: figures for name, figures in held.tables.items() if name != lost}
    current = Inventory(left, held.objects, held.large_objects, held.large_object_bytes)
    assert against(current, held) & {"table-lost", "partition-lost", "partition-expired"}


@given(st.integers(1000, 10**7), st.integers(0, 10**7))
def test_rows_fail_exactly_beyond_the_tolerance(before: int, now: int) -> None:
    found = judge_drift(inventory_of({"a.t": now}), [Baseline(inventory_of({"a.t": before}), "b")], Drift())
    failed = any(one.severity is Severity.FAILURE for one in found)
    assert failed is ((before - now) / before > 0.1)


@given(inventories(), inventories())
def test_one_more_baseline_never_adds_a_loss(a: Inventory, b: Inventory) -> None:
    one = judge_drift(a, [Baseline(b, "b")], Drift())
    two = judge_drift(a, [Baseline(b, "b"), Baseline(a, "a")], Drift())
    assert not [found for found in two if found.severity is Severity.FAILURE]
    assert len(two) <= len(one)


@given(inventories())
def test_an_inventory_survives_its_document(held: Inventory) -> None:
    read = inventory_from_dict(json.loads(json.dumps(held.as_dict())))
    assert read.tables == held.tables
    assert read.as_dict() == held.as_dict()


@given(st.lists(st.tuples(st.floats(0.1, 60), st.integers(0, 10**6)), max_size=12), st.floats(0, 60))
def test_a_baseline_is_never_farther_than_another_drill(drills: list[tuple[float, int]], at: float) -> None:
    records = tuple(past(inventory_of({"a.t": rows}), days) for days, rows in drills)
    point_at = past(inventory_of(), at).recovery_point_at
    chosen = choose_baselines(History(records), point_at, 5)
    assert bool(chosen) is bool(records)
    if chosen:
        nearest = min(abs((r.recovery_point_at - point_at).total_seconds()) for r in records)
        same = [r for r in records if abs((r.recovery_point_at - point_at).total_seconds()) == nearest]
        assert any(chosen[0].inventory.tables == r.inventory.tables for r in same)
    assert point_at <= NOW
