"""A backup that hangs, bloats or kills the process of its drill costs that drill its verdict, no other."""

from __future__ import annotations

from pathlib import Path

import pytest

import flows.drill
import tasks.validate
from tasks.drill.limits import MEMORY_VARIABLE
from tests.fix_drill import Fleet, Here, rules_of, validate, write_suite
from tests.misbehaving import open_badly, read_ahead_badly


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open backups badly in the drills' own processes: the database's name says how."""
    monkeypatch.setattr(flows.drill, "prove_backup", open_badly)


def test_a_parser_that_never_returns_ends_at_its_deadline_and_the_others_are_verified(
    here: Here, fleet: Fleet, orders_dump: Path, misbehaving: None
) -> None:
    fleet.keys |= {"max_parallel": 3}
    fleet.add("spin", orders_dump, deadline="3s")
    for name in ("one", "other"):
        fleet.add(name, orders_dump)
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 2, ran
    assert {d["database"]: d["verdict"] for d in ran.documents} == {
        "spin": "inconclusive",
        "one": "verified",
        "other": "verified",
    }
    spun = ran.of("spin")
    validate(spun)
    assert rules_of(spun) == {"stage-deadline"}
    assert 3 <= spun["phases_s"]["fetch"] < 30
    assert spun["sandbox"]["left_behind"] == []
    assert spun["recovery_point"]["uri"].startswith("file://"), "what the earlier steps found is kept"


def test_a_drill_that_bloats_dies_or_crashes_is_named_so_and_leaves_nothing(
    here: Here, fleet: Fleet, orders_dump: Path, misbehaving: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "512MiB")
    expected = {"bloat": "drill-out-of-memory", "die": "drill-process-died", "crash": "drill-process-died"}
    for name in (*expected, "good"):
        fleet.add(name, orders_dump)
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 2, ran
    assert ran.of("good")["verdict"] == "verified"
    for name, rule in expected.items():
        document = ran.of(name)
        validate(document)
        assert (document["verdict"], rules_of(document)) == ("inconclusive", {rule})
        assert document["sandbox"]["left_behind"] == []
    assert sorted(document["database"] for document in fleet.recorded()) == ["bloat", "crash", "die", "good"]


def test_a_process_that_dies_while_it_reads_ahead_costs_the_drill_nothing(
    here: Here, fleet: Fleet, orders_dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.validate, "read_ahead", read_ahead_badly)
    suite = write_suite(fleet, orders=[("expect_table_row_count_to_be_between", {"min_value": 3000})])
    fleet.add("die", orders_dump, expect={"suite": str(suite)})
    document = here("run", fleet.path, "--json").document
    assert (document["verdict"], rules_of(document)) == ("verified", set())
    (judged,) = [check for check in document["checks"] if check["name"].startswith("suite.shop")]
    assert judged["outcome"] == "passed"
