"""Prometheus's own tool takes our metrics and rules, and sees each alert fire and stay silent."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tasks.coverage.metrics import DrillCollector
from tasks.coverage.outlook import look_at
from tests.real_tools import ESSENTIAL, promtool
from tests.unit.coverage.records import NOW, days, fleet, left

MONITORING = Path(__file__).parents[3] / "deployments" / "monitoring"
pytestmark = ESSENTIAL


@pytest.fixture
def checker() -> Path:
    path = promtool()
    if path is None:
        pytest.skip("promtool is not here: `make setup` fetches it with apt")
    return path


def run(checker: Path, *arguments: object, text: bytes = b"") -> str:
    command = [str(checker), *map(str, arguments)]
    done = subprocess.run(command, input=text, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return (done.stdout + done.stderr).decode()


def test_it_takes_the_metrics(tmp_path: Path, checker: Path) -> None:
    left(tmp_path, "orders", "truncated", days(1))
    left(tmp_path, "crm", "verified", days(1))
    registry = CollectorRegistry()
    registry.register(DrillCollector([look_at(fleet(tmp_path, "orders", "crm", "erp"), NOW)]))
    assert run(checker, "check", "metrics", text=generate_latest(registry)) == ""


def test_it_takes_the_rules(checker: Path) -> None:
    assert "SUCCESS: 11 rules found" in run(checker, "check", "rules", MONITORING / "alerts.yaml")


def test_every_alert_fires_and_a_healthy_database_is_left_alone(tmp_path: Path, checker: Path) -> None:
    shutil.copy(MONITORING / "alerts.yaml", tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yaml"), tmp_path)
    assert "SUCCESS" in run(checker, "test", "rules", tmp_path / "alerts_test.yaml")


def test_it_parses_what_the_dashboard_asks(tmp_path: Path, checker: Path) -> None:
    board = json.loads((MONITORING / "dashboard.json").read_text())
    asked = [
        target["expr"].replace("$fleet", ".*") for panel in board["panels"] for target in panel["targets"]
    ]
    rules = [{"record": f"asked_{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "asked.yaml").write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))
    assert f"{len(asked)} rules found" in run(checker, "check", "rules", tmp_path / "asked.yaml")
