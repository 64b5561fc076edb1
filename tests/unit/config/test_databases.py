"""What a fleet file says of a cluster with several databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.config.fleets import refusal, target_of

CLUSTER = {"kind": "basebackup", "at": "/b/%Y%m%d/"}
SUITE = "suite: orders\ntables: {}\n"


def cluster(expect: dict[str, Any] | None = None, **backup: Any) -> dict[str, Any]:
    return {"name": "main", "backup": {**CLUSTER, **backup}, "expect": expect or {}}


@pytest.mark.parametrize(
    ("database", "several"),
    [
        (cluster(), None),
        (cluster(database="crm"), None),
        (cluster(databases="all"), "all"),
        (cluster(databases=["crm", "shop"]), ("crm", "shop")),
        (cluster({"databases": {"crm": None}}), "all"),
        (cluster({"databases": {"crm": {}}}, databases=["crm", "shop"]), ("crm", "shop")),
    ],
)
def test_one_or_several_are_verified(database: dict[str, Any], several: object, tmp_path: Path) -> None:
    assert target_of(tmp_path, database).several == several


def test_a_dump_is_one_database(tmp_path: Path) -> None:
    assert target_of(tmp_path, {}).several is None


def test_suites_are_found_and_named_by_the_database_inside(tmp_path: Path) -> None:
    suites = tmp_path / "expectations" / "suites"
    suites.mkdir(parents=True)
    (suites / "main_crm.yaml").write_text(SUITE)
    target = target_of(tmp_path, cluster({"databases": {"crm": {"suite": "main_{database}"}, "shop": None}}))
    assert target.expect.of("crm").suite == suites / "main_crm.yaml"
    assert target.expect.of("shop").suite is None
    assert (target.has_suite, target.asks_freshness) == (True, False)


def test_defaults_of_drift_and_a_databases_own_word(tmp_path: Path) -> None:
    expect = {"databases": {"crm": {"drift": {"rows_drop": "1%"}}}}
    target = target_of(tmp_path, cluster(expect), defaults={"expect": {"drift": {"rows_drop": "30%"}}})
    assert target.expect.of("crm").drift.rows_drop == 0.01
    assert target.expect.of("shop").drift.rows_drop == 0.3


FRESH = {"table": "public.t", "column": "at", "max_age": "1h"}


@pytest.mark.parametrize(
    ("database", "said"),
    [
        (cluster({"databases": {"crm": None}}, database="crm"), "backup.database: one database is named"),
        (cluster(database="crm", databases="all"), "backup: database names one and databases several"),
        (
            cluster({"databases": {"log": None}}, databases=["crm"]),
            'expect.databases.log: "log" is not among backup.databases',
        ),
        (
            cluster({"required_tables": ["public.t"]}, databases="all"),
            "expect.required_tables: of which of the cluster's databases is not said",
        ),
        (
            cluster({"freshness": FRESH, "databases": {"crm": None}}),
            "expect.freshness: of which of the cluster's databases is not said",
        ),
        (
            cluster({"databases": {"crm": {"required_tables": ["t"]}}}),
            'expect.databases.crm.required_tables[0]: "t" has no schema',
        ),
        (cluster({"databases": {"crm": {"suite": "nowhere"}}}), 'there is no suite "nowhere"'),
        (cluster({"databases": {"crm": {"databases": {}}}}), "unknown key"),
        (cluster(databases="some"), "backup.databases"),
        (cluster(databases=[]), "backup.databases"),
        ({"expect": {"databases": {"crm": None}}}, "expect.databases: a dump is of one database"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(
    database: dict[str, Any], said: str, tmp_path: Path
) -> None:
    assert said in refusal(tmp_path, database)
