"""Commands that need neither a server nor Prefect: what they print and how they end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from deployments.commands.accept import accept_change
from deployments.commands.check import check_fleet, check_target
from deployments.commands.draft import check_suites, load_checked
from deployments.commands.list import list_recovery_points
from deployments.commands.postgres import show_installs
from deployments.commands.run import EXIT_CODES, read_back
from deployments.commands.selftest import EXIT_CODES as ABILITY_CODES
from deployments.commands.selftest import document_of, show
from tasks.evidence import build_evidence
from tasks.evidence.store import write_evidence
from tasks.model.errors import ConfigInvalid, PermanentError
from tasks.model.findings import Verdict
from tasks.model.recorded import Recorded
from tasks.model.selftest import Ability
from tasks.model.target import StoreConfig
from tasks.stores.blobs import BlobMissing
from tests.fix_drill import hours_ago
from tests.unit.evidence import samples
from tests.unit.evidence.test_selftest import CAUGHT, CUT, SURVIVED, document

SUITE = (
    "suite: orders\ntables:\n  public.orders:\n"
    "    - {type: expect_column_values_to_not_be_null, kwargs: {column: id}}\n"
)


def fleet_with(folder: Path, backups: Sequence[str], **database: Any) -> Path:
    (folder / "backups").mkdir(exist_ok=True)
    for name in backups:
        (folder / "backups" / name).write_bytes(b"PGDMP")
    at = f"{folder}/backups/orders_%Y%m%dT%H%M%SZ.dump"
    named = {"name": "orders", "backup": {"at": at}, **database}
    path = folder / "fleet.yaml"
    path.write_text(json.dumps({"version": 1, "fleet": "shop", "evidence": "e", "databases": [named]}))
    return path


def dumped(hours: float) -> str:
    return f"orders_{hours_ago(hours):%Y%m%dT%H%M%SZ}.dump"


def test_a_list_names_what_is_taken_and_why_the_rest_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    newest, older = dumped(1), dumped(25)
    fleet = fleet_with(tmp_path, [newest, older, f"{older}.partial"])
    assert list_recovery_points(fleet, "orders", "", as_json=True) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    told = {row["uri"].rsplit("/", 1)[-1]: row["taken"] for row in rows}
    assert told == {newest: True, older: False, f"{older}.partial": False}
    assert list_recovery_points(fleet, "orders", "", as_json=False) == 0
    assert "the newest that matches" in capsys.readouterr().out


def test_a_list_of_nothing_ends_as_a_drill_of_it_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list_recovery_points(fleet_with(tmp_path, []), "orders", "", as_json=False) == 1
    assert "orders_%Y" in capsys.readouterr().out


def test_a_check_ends_with_the_class_of_the_worst_that_it_saw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_fleet(fleet_with(tmp_path, []), (), as_json=True) == 1
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["database"], row["findings"][0]["rule"]) == ("orders", "no-backup-found")
    assert check_fleet(fleet_with(tmp_path, [dumped(1)]), (), as_json=False) == 1
    assert "x orders" in capsys.readouterr().out
    with pytest.raises(ConfigInvalid):
        check_fleet(fleet_with(tmp_path, [], expect={"suite": "none-such"}), (), as_json=False)


def test_a_checked_target_says_what_is_good_about_it(tmp_path: Path) -> None:
    newest = dumped(1)
    fleet_with(tmp_path, [newest])
    target = samples.target().model_copy()
    backup = target.backup.model_copy(update={"at": f"{tmp_path}/backups/orders_%Y%m%dT%H%M%SZ.dump"})
    update = {"backup": backup, "store": StoreConfig()}
    findings, lines = check_target(target.model_copy(update=update))
    assert lines[0].startswith(f"1 recovery point; newest {newest}")
    assert {finding.rule for finding in findings} == {"archive-truncated"}


def test_a_suite_is_checked_with_its_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(SUITE)
    assert check_suites([file]) == 0
    assert capsys.readouterr().out == f"{file}: 1 expectations, gate fail\n"
    file.write_text(SUITE.replace("column: id", "colum: id"))
    with pytest.raises(ConfigInvalid, match="did you mean column"):
        load_checked(file)


def test_the_builds_that_are_here_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    show_installs(as_json=True)
    majors = [json.loads(line)["major"] for line in capsys.readouterr().out.splitlines()]
    assert {14, 15, 16, 17, 18} <= set(majors)


@pytest.fixture
def shrunk(tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """Evidence with drift, where it lies and what it says."""
    written = build_evidence(samples.shrunk())
    place = write_evidence(written, str(tmp_path), StoreConfig(), suite_results={}, spare=tmp_path / "spare")
    return place, json.loads(Path(place.removeprefix("file://")).read_text())


def test_an_acceptance_is_of_a_finding_that_the_evidence_holds(shrunk: tuple[str, dict[str, Any]]) -> None:
    place, evidence = shrunk
    found = next(row for row in evidence["findings"] if row["rule"] == "rows-dropped")
    how: dict[str, Any] = {"rule": "rows-dropped", "why": "archived", "store": StoreConfig()}
    assert accept_change(place, where=found["where"], **how).startswith(
        f"accepted rows-dropped at {found['where']}"
    )
    with pytest.raises(ConfigInvalid, match="holds no rows-dropped at public"):
        accept_change(place, where="public.none", **how)
    with pytest.raises(ConfigInvalid, match="only drift can"):
        accept_change(place, where="x", **how | {"rule": "archive-truncated"})
    with pytest.raises(ConfigInvalid, match="needs a reason"):
        accept_change(place, where=found["where"], **how | {"why": " "})
    with pytest.raises(BlobMissing):
        accept_change(str(Path(place).with_name("none.json")), where="x", **how)


def test_evidence_that_cannot_be_read_back_is_said_and_the_rest_is_shown(
    shrunk: tuple[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    place, evidence = shrunk
    drills = [
        Recorded("shop", "inventory", "1", Verdict.FAILED, "failed", place),
        Recorded("shop", "orders", "2", Verdict.VERIFIED, "verified (0)", "/nowhere/x.json"),
    ]
    targets = {name: samples.target(name) for name in ("inventory", "orders")}
    assert read_back(drills, targets) == [evidence]
    assert capsys.readouterr().err == "orders: the evidence cannot be read back: verified (0)\n"


def test_exit_codes_are_those_of_the_contract() -> None:
    assert EXIT_CODES == {Verdict.VERIFIED: 0, Verdict.FAILED: 1, Verdict.INCONCLUSIVE: 2}
    assert ABILITY_CODES == {Ability.CAN_FAIL: 0, Ability.CANNOT_FAIL: 1, Ability.INCONCLUSIVE: 2}


class Final:
    """A flow's final state."""

    def __init__(self, value: object) -> None:
        self.value = value

    def result(self, *, raise_on_failure: bool) -> object:
        assert not raise_on_failure
        return self.value


def test_a_self_test_without_a_document_raises_what_its_flow_met() -> None:
    assert document_of(Final({"rows": []})) == {"rows": []}  # type: ignore[arg-type]
    for value, error in ((ValueError("x"), ValueError), (None, PermanentError)):
        with pytest.raises(error):
            document_of(Final(value))  # type: ignore[arg-type]


def test_a_self_test_is_shown_with_its_sentence_last(capsys: pytest.CaptureFixture[str]) -> None:
    show(document(CAUGHT, SURVIVED, CUT), "/evidence/")
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-1].startswith("The drill can fail: it caught 2 of 3 damages")
    assert any(line.startswith("result: /evidence/") for line in lines)
