"""`overdue` as people run it: what it prints, what it exits with, whom it tells."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from deployments.commands import overdue
from tests.unit.coverage.records import NOW, days, fleet, left

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "utc_now", lambda: NOW)


def asked(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    ran = RUNNER.invoke(app, ["overdue", str(folder / "fleet.yaml"), "--json", *options])
    return ran.exit_code, json.loads(ran.stdout.splitlines()[0])


def states(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["database"], item["state"]) for item in document["databases"]]


def test_all_is_well(tmp_path: Path) -> None:
    fleet(tmp_path, "orders", database={"verified_within": "8d"})
    left(tmp_path, "orders", "verified", days(1))
    code, document = asked(tmp_path)
    assert (code, states(document)) == (0, [("orders", "verified")])
    assert document["said"] == "shop: 1 of 1 databases verified in time"


def test_the_worst_comes_first_and_the_line_counts_them(tmp_path: Path) -> None:
    until = NOW.date() + timedelta(30)
    entry = {"name": "hr", "why": "moves", "by": "it", "until": until}
    fleet(tmp_path, "orders", "crm", "erp", "hr", database={"verified_within": "8d"}, exempt=[entry])
    left(tmp_path, "orders", "verified", days(1))
    left(tmp_path, "crm", "verified", days(146))
    code, document = asked(tmp_path)
    assert code == 1
    assert [name for name, _ in states(document)] == ["erp", "crm", "orders", "hr"]
    assert document["said"] == (
        f"shop: 1 of 4 databases verified in time; 1 never (erp); 1 overdue (crm); 1 exempt until {until}"
    )


def test_a_database_that_only_others_know_is_named(tmp_path: Path) -> None:
    (tmp_path / "cmdb.csv").write_text("name\norders\nlegacy\n")
    fleet(tmp_path, "orders", population={"file": "cmdb.csv"})
    left(tmp_path, "orders", "verified", days(1))
    code, document = asked(tmp_path)
    assert (code, states(document)) == (1, [("legacy", "unknown"), ("orders", "verified")])


def test_evidence_that_cannot_be_listed_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    fleet(tmp_path, "orders")
    path = tmp_path / "fleet.yaml"
    bucket = {"evidence": "s3://drills/e", "store": {"endpoint_url": "http://127.0.0.1:9"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | bucket))
    code, document = asked(tmp_path)
    assert (code, document["exit_code"], states(document)) == (2, 2, [("orders", "untold")])
    assert document["said"] == "shop: 0 of 1 databases verified in time; 1 untold (orders)"


def test_people_read_a_table_and_what_to_do(tmp_path: Path) -> None:
    fleet(tmp_path, "orders")
    ran = RUNNER.invoke(app, ["overdue", str(tmp_path / "fleet.yaml")])
    assert ran.exit_code == 1
    assert "never-verified" in ran.stdout
    assert "restore-drill run" in ran.stdout
    assert "0 of 1 databases verified in time; 1 never (orders)" in ran.stdout


def test_a_heartbeat_that_reaches_nobody_is_said_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRILLS_BEAT", raising=False)
    fleet(tmp_path, "orders", heartbeat_url_env="DRILLS_BEAT")
    left(tmp_path, "orders", "verified", days(1))
    ran = RUNNER.invoke(app, ["overdue", str(tmp_path / "fleet.yaml")])
    assert ran.exit_code == 0
    assert "the heartbeat of shop reached nobody: DRILLS_BEAT holds no" in ran.stdout


def test_a_look_adds_what_a_preflight_says(tmp_path: Path) -> None:
    place = str(tmp_path / "backups" / "{database}_%Y%m%d.dump")
    fleet(tmp_path, "orders", database={"backup": {"at": place}, "verified_within": "8d"})
    left(tmp_path, "orders", "verified", days(1))
    assert asked(tmp_path)[0] == 0
    code, document = asked(tmp_path, "--look")
    assert code == 1
    rules = [item["rule"] for item in document["databases"][0]["findings"]]
    assert rules == ["path-missing"]
