"""Names of a cluster's several databases: put on what checks saw, taken off what they are held against."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.model.findings import Check, Outcome, Stage
from tasks.model.history import History, inventory_from_dict
from tasks.model.inventory import Inventory
from tasks.model.located import located, place_in
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tests.fix_checks import inventory_of, past, restored_of, target_of

CLUSTER = Inventory.of_databases(
    {"crm": inventory_of({"a.t": 7}, large_objects=2), "shop": inventory_of({"a.t": 9}, large_objects=1)}
)
ACCEPTED = {"rule": "rows-dropped", "why": "purged"}


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        ("crm:a.t", "a.t"),
        ("shop:a.t", None),
        ("c*:a.*", "a.*"),
        ("*:a.t", "a.t"),
        ("*.t", "*.t"),
        ("a.t", None),
        ("crm", None),
    ],
)
def test_a_place_counts_within_the_database_that_it_names(pattern: str, place: str | None) -> None:
    assert place_in("crm", pattern) == place


def test_a_database_with_a_colon_in_its_name_is_still_told() -> None:
    assert place_in("a:b", located("a:b", "s.t")) == "s.t"


def test_what_checks_saw_says_where_and_of_the_only_database_nothing_changes() -> None:
    seen = Checked(
        (Check("counts", Stage.VERIFY, Outcome.PASSED),),
        (
            finding("table-lost", "Gone.", where="a.t", names=("a.t", "a.u")),
            finding("baseline-started", "First."),
        ),
    )
    assert seen.within(None) is seen
    within = seen.within("crm")
    assert [check.name for check in within.checks] == ["crm:counts"]
    assert [item.where for item in within.findings] == ["crm:a.t", "crm"]
    assert within.findings[0].names == ("crm:a.t", "crm:a.u")


def test_a_clusters_inventory_is_read_as_it_was_written() -> None:
    assert inventory_from_dict(CLUSTER.as_dict()).as_dict() == CLUSTER.as_dict()
    assert (CLUSTER.large_objects, CLUSTER.tables) == (3, {})
    assert CLUSTER.of("crm") == inventory_of({"a.t": 7}, large_objects=2)
    assert CLUSTER.of("gone") is None
    assert CLUSTER.of(None) is CLUSTER


def test_history_is_each_databases_own_with_what_was_accepted_there() -> None:
    accepted = ({**ACCEPTED, "where": "crm:a.t"}, {**ACCEPTED, "where": "shop:a.t"})
    history = History((past(CLUSTER, accepted=accepted),)).of_database("crm")
    (record,) = history.records
    assert record.inventory.tables["a.t"].rows == 7
    assert record.accepted == ({**ACCEPTED, "where": "a.t"},)
    assert History((past(CLUSTER),)).of_database("ledger").records == ()


def test_what_was_drilled_by_itself_is_remembered_where_it_is_one_of_several_and_back() -> None:
    alone = replace(past(inventory_of({"a.t": 5})), source_database="crm")
    assert History((alone,)).of_database("crm").records == (alone,)
    assert History((alone,)).of_database("shop").records == ()
    (record,) = History((past(CLUSTER),)).of_only("shop").records
    assert record.inventory.tables["a.t"].rows == 9
    assert History((alone,)).of_only("whatever it is called").records == (alone,)


def test_a_database_is_held_against_what_is_said_of_it_and_of_all() -> None:
    accept = [{**ACCEPTED, "where": place, "until": "2026-12-31"} for place in ("crm:a.t", "shop:b", "*")]
    expect = {
        "drift": {"rows_drop": "50%"},
        "required_roles": ["app"],
        "databases": {
            "crm": {"required_tables": ["a.t"]},
            "shop": {"drift": {"rows_drop": "1%"}},
            "log": None,
        },
    }
    target = target_of(backup={"kind": "basebackup", "at": "/b/%Y"}, expect=expect, accept=accept)
    crm, shop, other = (target.of_database(name) for name in ("crm", "shop", "other"))
    assert crm.expect.required_tables == ("a.t",)
    assert (crm.expect.drift.rows_drop, shop.expect.drift.rows_drop, other.expect.drift.rows_drop) == (
        0.5,
        0.01,
        0.5,
    )
    assert crm.expect.required_roles == other.expect.required_roles == ("app",)
    assert [entry.where for entry in crm.accept] == ["a.t", "*"]
    assert target.of_database(None) is target
    assert target.several == "all"


def test_restored_databases_are_looked_at_one_by_one() -> None:
    alone = restored_of("shop")
    assert (alone.each, alone.of(None)) == ((None,), alone)
    assert alone.of("crm").database == "crm"
