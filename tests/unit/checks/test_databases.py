"""Whether a cluster brought the databases that it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tasks.checks import check_databases
from tasks.drill.entries import add_ages
from tasks.model.drill import Drill
from tasks.model.findings import Outcome, Severity, Verdict
from tasks.model.history import History, PastDrill
from tasks.model.inventory import Inventory
from tests.fix_checks import NOW, inventory_of, past, restored_of, target_of


def cluster(*names: str) -> Inventory:
    return Inventory.of_databases({name: inventory_of({"a.t": 1}) for name in names})


def drill_of(present: tuple[str, ...], *records: PastDrill, **keys: Any) -> Drill:
    backup = {"kind": "basebackup", "at": "/b/%Y", **keys.pop("backup", {"databases": "all"})}
    drill = Drill("d1", target_of(backup=backup, **keys), NOW, history=History(records))
    drill.restored = replace(restored_of("shop"), databases=present)
    return drill


def seen(drill: Drill) -> tuple[list[tuple[str, str | None]], Outcome]:
    checked = check_databases(drill, today=NOW.date())
    failures = [(item.rule, item.where) for item in checked.findings if item.severity is Severity.FAILURE]
    return failures, checked.checks[0].outcome


def test_one_database_by_itself_is_no_question() -> None:
    assert check_databases(drill_of((), backup={"database": "shop"})).checks == ()


def test_what_is_there_is_enough_without_names_and_history() -> None:
    assert seen(drill_of(("crm", "shop"))) == ([], Outcome.PASSED)


def test_a_named_one_must_be_there() -> None:
    expect = {"databases": {"crm": None, "shop": None}}
    assert seen(drill_of(("shop",), expect=expect)) == (
        [("required-database-missing", "crm")],
        Outcome.FAILED,
    )
    assert seen(drill_of(("shop",), backup={"databases": ["crm", "shop"]}))[0] == [
        ("required-database-missing", "crm")
    ]


def test_one_that_was_there_before_is_lost_once() -> None:
    before = past(cluster("crm", "shop"))
    assert seen(drill_of(("shop",), before)) == ([("database-lost", "crm")], Outcome.FAILED)
    named = {"databases": {"crm": None}}
    assert seen(drill_of(("shop",), before, expect=named))[0] == [("required-database-missing", "crm")]


def test_a_list_asks_for_no_more_than_it_names() -> None:
    assert seen(drill_of(("shop",), past(cluster("crm", "shop")), backup={"databases": ["shop"]})) == (
        [],
        Outcome.PASSED,
    )


def test_a_failed_drill_is_no_baseline_and_a_dropped_database_can_be_accepted() -> None:
    before, failed = past(cluster("crm", "shop"), 3), past(cluster("shop"), 1, Verdict.FAILED)
    assert seen(drill_of(("shop",), before, failed))[0] == [("database-lost", "crm")]
    taken_in = replace(failed, accepted=({"rule": "database-lost", "where": "crm", "why": "sold"},))
    assert seen(drill_of(("shop",), before, taken_in)) == ([], Outcome.PASSED)
    entry = {"rule": "database-lost", "where": "crm", "why": "sold", "until": NOW.date()}
    lost = [("database-lost", "crm")]  # for the record to lower, which names the exception
    assert seen(drill_of(("shop",), before, accept=[entry])) == (lost, Outcome.PASSED)


def test_the_oldest_newest_row_counts_and_one_unknown_leaves_none() -> None:
    drill = drill_of(("shop",))
    ages: tuple[tuple[list[float | None], float | None], ...] = (
        ([5.0, 9.0], 9.0),
        ([5.0, None], None),
        ([], None),
    )
    for measured, age_s in ages:
        add_ages(drill, measured)
        assert drill.content_age_s == age_s
