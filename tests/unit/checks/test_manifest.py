"""The manifest: exact in every table and kind, and not fooled by what PostgreSQL names itself."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.checks.baseline import choose_baselines
from tasks.checks.manifest import compare_exactly, read_manifest
from tasks.checks.verify import check_drift, check_manifest, is_exact
from tasks.model.errors import ConfigInvalid
from tasks.model.findings import Outcome, Severity
from tasks.model.history import History
from tests.fix_checks import NOW, check, context_of, failures, inventory_of, past, rules, target_of

SOURCE = inventory_of(
    {"a.t": 1000, "a.p": 10, "a.p1": (10, "a.p", 0)},
    {"indexes": ["a.t_pkey"], "extensions": ["aws_s3", "hstore"], "constraints": ["a.p1.p1_fk"], "views": []},
    large_objects=2,
    large_object_bytes=20,
)


def restored(tables: dict[str, Any] | None = None, **changes: Any) -> Any:
    figures: dict[str, Any] = {"a.t": 1000, "a.p": 10, "a.p1": (10, "a.p", 0)} | (tables or {})
    objects: dict[str, Any] = {kind: list(names) for kind, names in SOURCE.objects.items()}
    objects |= changes.pop("objects", {})
    given = {"large_objects": 2, "large_object_bytes": 20} | changes
    return inventory_of({name: rows for name, rows in figures.items() if rows != "gone"}, objects, **given)


def test_the_same_is_no_difference() -> None:
    assert compare_exactly(restored(), SOURCE) == []


@pytest.mark.parametrize(
    ("current", "where"),
    [
        (restored({"a.t": 999}), "a.t"),
        (restored({"a.t": 1001}), "a.t"),
        (restored({"a.t": "gone"}), "a.t"),
        (restored({"a.p1": (9, "a.p", 0)}), "a.p1"),
        (restored({"a.new": 1}), "tables"),
        (restored(objects={"indexes": []}), "indexes"),
        (restored(objects={"views": ["a.v"]}), "views"),
        (restored(large_objects=1), "large objects"),
        (restored(large_object_bytes=19), "large objects"),
    ],
    ids=["fewer", "more", "lost", "partition", "new", "index", "view", "objects", "bytes"],
)
def test_one_row_or_name_too_few_or_too_many_is_a_difference(current: Any, where: str) -> None:
    assert [(one.rule, one.where) for one in compare_exactly(current, SOURCE)] == [
        ("manifest-mismatch", where)
    ]


def test_constraints_that_postgresql_named_on_partitions_may_differ() -> None:
    assert compare_exactly(restored(objects={"constraints": ["a.p1.p1_fk1"]}), SOURCE) == []


def test_an_extension_left_out_on_purpose_is_no_difference() -> None:
    current = restored(objects={"extensions": ["hstore"]})
    assert compare_exactly(current, SOURCE, ["aws_s3"]) == []
    assert len(compare_exactly(current, SOURCE)) == 1


def test_tables_without_counts_are_compared_by_name_only() -> None:
    assert compare_exactly(restored({"a.t": None}), SOURCE) == []


def test_many_differences_are_told_in_a_few_lines() -> None:
    source = inventory_of({f"a.t{n}": 1 for n in range(100)})
    found = compare_exactly(inventory_of({f"a.t{n}": 0 for n in range(100)}), source)
    assert len(found) == 25
    assert "76 more" in found[-1].message


def test_a_manifest_is_read_from_its_document() -> None:
    document = {"schema": "restore-drill/manifest/v1", "inventory": SOURCE.as_dict()}
    assert read_manifest(document).as_dict() == SOURCE.as_dict()
    assert read_manifest(SOURCE.as_dict()).as_dict() == SOURCE.as_dict()


def test_a_manifest_of_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ConfigInvalid):
        read_manifest({"inventory": {"tables": 5}})


def test_a_manifest_that_promises_no_table_leaves_drift_its_say() -> None:
    empty = inventory_of({})
    history = History((past(inventory_of({"a.t": 10, "a.gone": 5})),))
    baselines = choose_baselines(history, NOW, 3)
    assert is_exact(empty) is False
    assert is_exact(SOURCE) is True
    context = context_of(inventory=inventory_of({"a.t": 10}), history=history)
    seen = check_drift(context, baselines, today=NOW.date(), exact=is_exact(empty))
    assert failures(seen) == {("table-lost", "a.gone")}


def test_without_a_manifest_the_check_is_not_configured() -> None:
    seen = check_manifest(context_of(inventory=restored()), None)
    assert check(seen, "manifest").outcome is Outcome.NOT_CONFIGURED


def test_a_mismatch_fails_the_check() -> None:
    seen = check_manifest(context_of(inventory=restored({"a.t": 1})), SOURCE)
    assert check(seen, "manifest").outcome is Outcome.FAILED
    assert failures(seen) == {("manifest-mismatch", "a.t")}


def test_beside_a_manifest_drift_only_informs() -> None:
    history = History((past(inventory_of({"a.t": 5000, "a.gone": 5})),))
    baselines = choose_baselines(history, NOW, 5)
    context = context_of(inventory=restored(), history=history)
    exact = check_drift(context, baselines, today=NOW.date(), exact=True)
    assert {one.severity for one in exact.findings} == {Severity.INFO}
    assert {one.outcome for one in exact.checks} == {Outcome.PASSED}
    alone = check_drift(context, baselines, today=NOW.date(), exact=False)
    assert {"table-lost", "rows-dropped"} <= rules(alone)
    assert check(alone, "drift-rows").outcome is Outcome.FAILED


def test_a_first_drill_starts_the_baseline_and_says_so() -> None:
    seen = check_drift(context_of(inventory=restored()), (), today=NOW.date(), exact=False)
    assert rules(seen) == {"baseline-started"}
    assert {one.outcome for one in seen.checks} == {Outcome.NOT_CONFIGURED}


def test_a_check_whose_findings_are_all_accepted_has_passed() -> None:
    history = History((past(inventory_of({"a.t": 5000})),))
    accept = [{"rule": "rows-dropped", "where": "a.t", "until": "2026-04-30", "why": "purged"}]
    context = context_of(inventory=restored(), target=target_of(accept=accept), history=history)
    seen = check_drift(context, choose_baselines(history, NOW, 5), today=NOW.date(), exact=False)
    assert check(seen, "drift-rows").outcome is Outcome.PASSED
    assert failures(seen) == {("rows-dropped", "a.t")}  # the record lowers it, and names the exception
