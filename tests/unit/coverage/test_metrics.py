"""Metrics say what the evidence says, and nothing that is not known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tasks.coverage.metrics import NAMES, DrillCollector
from tasks.coverage.outlook import look_at
from tasks.model.target import Selection
from tests.unit.coverage.records import NOW, days, fleet, left

MONITORING = Path(__file__).parents[3] / "deployments" / "monitoring"


def collected(folder: Path, *names: str, **keys: Any) -> dict[tuple[str, ...], float]:
    """Return every sample by its name, its database and the values of its other labels."""
    registry = CollectorRegistry()
    registry.register(DrillCollector([look_at(fleet(folder, *names, **keys), NOW)]))
    text = generate_latest(registry).decode()
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = dict(sample.labels)
            assert own.pop("fleet") == "shop"
            database = [own.pop("database")] if "database" in own else []
            samples[sample.name.removeprefix("restore_drill_"), *database, *own.values()] = sample.value
    return samples


def test_a_verified_database(tmp_path: Path) -> None:
    left(tmp_path, "orders", "verified", days(1))
    seen = collected(tmp_path, "orders", database={"verified_within": "8d"})
    begun = (NOW - days(1)).timestamp()
    assert seen["last_verdict", "orders", "verified"] == 1
    assert seen["last_verdict", "orders", "failed"] == seen["last_verdict", "orders", "inconclusive"] == 0
    assert seen["last_verified_timestamp_seconds", "orders"] == begun
    assert seen["last_run_timestamp_seconds", "orders"] == begun
    assert (seen["overdue", "orders"], seen["overdue_seconds", "orders"]) == (0, 0)
    assert seen["rpo_objective_seconds", "orders"] == 26 * 3600
    assert seen["phase_seconds", "orders", "restore"] == 34.6
    assert seen["backup_bytes", "orders"] == 412 << 20
    assert seen["coverage", "orders", "verified"] == 1
    assert not [key for key in seen if key[0] == "finding"]


def test_a_failure_is_named_and_what_was_not_measured_is_absent(tmp_path: Path) -> None:
    left(tmp_path, "orders", "truncated", days(1))
    seen = collected(tmp_path, "orders")
    assert seen["last_verdict", "orders", "failed"] == 1
    assert seen["finding", "orders", "data", "archive-truncated"] == 1
    assert seen["overdue", "orders"] == 1
    for name in ("last_verified_timestamp_seconds", "overdue_seconds", "achieved_rto_seconds"):
        assert (name, "orders") not in seen


def test_what_a_walk_back_found_does_not_hide_the_failure(tmp_path: Path) -> None:
    left(tmp_path, "orders", "truncated", days(1.01), Selection(walk_back=3))
    left(tmp_path, "orders", "verified", days(1), Selection(kind="key", key="s3://b/older"))
    seen = collected(tmp_path, "orders")
    assert seen["last_verdict", "orders", "failed"] == 1
    assert ("newest_recoverable_timestamp_seconds", "orders") in seen


def test_a_database_without_a_drill_has_no_verdict(tmp_path: Path) -> None:
    seen = collected(tmp_path, "orders")
    assert seen["overdue", "orders"] == seen["coverage", "orders", "never"] == 1
    assert not [key for key in seen if key[0].startswith("last_")]


def test_an_old_proof_is_overdue_by_so_much(tmp_path: Path) -> None:
    left(tmp_path, "orders", "verified", days(10))
    seen = collected(tmp_path, "orders", database={"verified_within": "8d"})
    assert (seen["overdue", "orders"], seen["overdue_seconds", "orders"]) == (1, 2 * 86400)


def test_what_nobody_drills_is_counted_and_not_named(tmp_path: Path) -> None:
    (tmp_path / "cmdb.csv").write_text("orders\nlegacy\n")
    seen = collected(tmp_path, "orders", population={"file": "cmdb.csv"})
    assert seen[("population_unknown",)] == 1
    assert not [key for key in seen if "legacy" in key]


def test_no_label_holds_a_key_an_owner_or_an_address(tmp_path: Path) -> None:
    left(tmp_path, "orders", "truncated", days(1))
    text = " ".join(part for key in collected(tmp_path, "orders") for part in key)
    assert "s3://" not in text
    assert "team-dba" not in text


@pytest.mark.parametrize("file", ["alerts.yaml", "dashboard.json"])
def test_what_is_shipped_names_only_metrics_that_there_are(file: str) -> None:
    text = (MONITORING / file).read_text()
    named = set(re.findall(r"restore_drill_(\w+)", text))
    assert named
    assert named <= set(NAMES)


def test_the_dashboard_asks_for_its_data_source() -> None:
    board = json.loads((MONITORING / "dashboard.json").read_text())
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${source}"}
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in board["panels"]]
    assert len(set(places)) == len(places)
