"""A cluster with several databases: one restore, each verified and judged by itself, one verdict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks.sandbox import find_postgres
from tests.corpus.base_backups import Production, production
from tests.fix_drill import Fleet, Here, hours_ago, validate

CRM = """
CREATE TABLE public.contacts (id int PRIMARY KEY, seen_at timestamptz NOT NULL);
INSERT INTO public.contacts SELECT i, now() - i * interval '1 s' FROM generate_series(1, 5000) AS i;
"""
LOSSES = "DELETE FROM public.contacts WHERE id > 1000"
FRESH = {"table": "public.contacts", "column": "seen_at", "max_age": "3h"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base backups of a cluster with `shop`, `crm` and `ledger`: `whole`, and `less` when much was gone."""
    folder = tmp_path_factory.mktemp("repository")
    with production(find_postgres(17)) as source:
        for name, statements in (("crm", CRM), ("ledger", "CREATE TABLE public.bookings (id int)")):
            source.execute(f"CREATE DATABASE {name}")
            source.execute(statements, name)
        store(source, folder / "whole", 2)
        source.execute(LOSSES, "crm")
        source.execute("UPDATE shop.orders SET note = '' WHERE id = 7", "shop")
        source.execute("DROP DATABASE ledger")
        store(source, folder / "less", 1)
    return folder


def store(source: Production, folder: Path, age_h: float) -> None:
    base = source.base_backup(folder.name, "-Ft", "-z")
    shutil.copytree(base, folder / f"{hours_ago(age_h):%Y%m%dT%H%M%SZ}")


def add(fleet: Fleet, base: Path, databases: dict[str, Any], **backup: Any) -> None:
    """Name the cluster `main`, whose backups lie in *base*."""
    fleet.folder.mkdir(parents=True, exist_ok=True)
    notes = {
        "type": "expect_column_value_lengths_to_be_between",
        "kwargs": {"column": "note", "min_value": 1},
    }
    suite = {"suite": "orders", "tables": {"shop.orders": [notes]}}
    (fleet.folder / "orders.yaml").write_text(json.dumps(suite))
    place = {"kind": "basebackup", "at": f"{base}/%Y%m%dT%H%M%SZ/", "database": None, **backup}
    fleet.databases.clear()
    fleet.add("main", backup=place, expect={"databases": databases})
    fleet.databases[0]["backup"].pop("database")
    fleet.write()


def test_each_database_is_verified_and_judged_by_its_own_history(
    here: Here, fleet: Fleet, repository: Path
) -> None:
    expected = {
        "shop": {"suite": "./orders.yaml", "required_tables": ["shop.orders"]},
        "crm": {"required_tables": ["public.contacts"], "freshness": FRESH},
    }
    add(fleet, repository / "whole", expected)
    ran = here("run", fleet.path, "--json")
    assert (failures(ran.document), ran.document["verdict"]) == ([], "verified")
    holds_each_database(ran.document)
    shows_each_database(fleet, ran.document)

    add(fleet, repository / "less", {**expected, "archive": None})
    ran = here("run", fleet.path, "--json")
    validate(ran.document)
    assert (ran.exit_code, ran.document["verdict"]) == (1, "failed")
    assert failures(ran.document) == [
        ("database-lost", "ledger"),
        ("expectation-failed", "shop:shop.orders.note value_lengths_to_be_between"),
        ("required-database-missing", "archive"),
        ("rows-dropped", "crm:public.contacts"),
    ]
    assert set(ran.document["inventory"]["databases"]) == {"shop", "crm"}


def holds_each_database(document: dict[str, Any]) -> None:
    validate(document)
    databases = document["inventory"]["databases"]
    assert {name: set(held["tables"]) for name, held in databases.items()} == {
        "shop": {"shop.orders", "shop.marks"},
        "crm": {"public.contacts"},
        "ledger": {"public.bookings"},
    }
    assert databases["crm"]["tables"]["public.contacts"]["rows"] == 5000
    outcomes = {check["name"]: check["outcome"] for check in document["checks"]}
    assert outcomes["databases"] == "passed"
    assert outcomes["ledger:counts"] == outcomes["crm:freshness"] == "passed"
    assert [name for name in outcomes if ":suite." in name] == [
        "shop:suite.orders: shop.orders.note value_lengths_to_be_between"
    ]
    assert document["objectives"]["content_age_s"] < 3600
    assert [suite["name"] for suite in document["suites"]] == ["shop:orders"]
    assert document["config"]["suites"]["shop"]["suite"] == "orders"
    assert any("in crm, ledger: no suite is named" in line for line in document["not_proven"])


def shows_each_database(fleet: Fleet, document: dict[str, Any]) -> None:
    page = fleet.evidence / "report" / "tests" / "main" / fleet.evidence_file(document).name
    text = page.with_suffix(".html").read_text()
    assert "<h2>Databases</h2>" in text
    assert "crm:public.contacts" in text


def failures(document: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted(
        (item["rule"], item["where"]) for item in document["findings"] if item["severity"] == "failure"
    )
