"""`restore-drill suite try`: how a try ends, and the lines that it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployments.commands.suite_try import Wish, exit_code, report_lines, try_on_kept
from expectations.results import ExpectationResult, Outcome, SuiteResult
from expectations.suite import Gate, Severity, Suite
from tasks.model.errors import ConfigInvalid
from tests.unit.deployments.commands.test_small_commands import SUITE, fleet_with

OF_OUTCOME = {
    Outcome.PASSED: 0,
    Outcome.NO_HISTORY: 0,
    Outcome.FAILED: 1,
    Outcome.ERRORED: 2,
    Outcome.TABLE_MISSING: 2,
}


def judged(outcome: Outcome, **changed: Any) -> ExpectationResult:
    fields: dict[str, Any] = {
        "table": "public.orders",
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": "id"},
        "severity": Severity.CRITICAL,
        "outcome": outcome,
        "expected": "id is never null",
    }
    return ExpectationResult(**fields | changed)


def tried(*results: ExpectationResult) -> SuiteResult:
    return SuiteResult("orders", Gate.FAIL, results, {}, 2.0, {"public.orders": 0.25}, "1.0")


def lines(*results: ExpectationResult) -> list[str]:
    suite = Suite("orders", Gate.FAIL, (), path=Path("orders.yaml"))
    return [line for line, _ in report_lines(suite, tried(*results))]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_has_its_exit_code(outcome: Outcome) -> None:
    assert exit_code(tried(judged(Outcome.PASSED), judged(outcome))) == OF_OUTCOME[outcome]


def test_a_failure_goes_before_what_could_not_be_evaluated_and_nothing_tried_is_no_success() -> None:
    assert exit_code(tried(judged(Outcome.ERRORED), judged(Outcome.FAILED))) == 1
    assert exit_code(tried()) == 2


def test_what_holds_is_a_line_and_what_does_not_says_where_it_stands() -> None:
    failed = judged(Outcome.FAILED, observed=1200, line=7, why="it cannot be shipped", seconds=0.5)
    assert lines(judged(Outcome.PASSED), failed) == [
        "public.orders  (0.25 s)",
        "  pass  id is never null",
        "  FAIL  id is never null: 1,200 (0.50 s)",
        "        orders.yaml:7; why: it cannot be shipped",
        "2 expectations in 2.0 s: 1 hold, 1 do not hold",
        "The data came out of a backup, so production may hold the same: look there too.",
    ]


def test_a_warning_and_its_message_are_told_too() -> None:
    errored = judged(Outcome.ERRORED, severity=Severity.WARNING, message="there is no column idd")
    assert lines(errored)[1:4] == [
        "  ERROR id is never null (warning)",
        "        there is no column idd",
        "        orders.yaml",
    ]


def test_without_a_suite_or_with_a_bad_time_nothing_is_restored(tmp_path: Path) -> None:
    fleet = fleet_with(tmp_path, [])
    with pytest.raises(ConfigInvalid, match="no such suite") as failure:
        try_on_kept(fleet, "orders", Wish(tmp_path / "absent.yaml", "4h", fresh=False))
    assert "restore-drill draft" in failure.value.hint
    (tmp_path / "orders.yaml").write_text(SUITE)
    with pytest.raises(ConfigInvalid, match=r"--keep: .*no unit"):
        try_on_kept(fleet, "orders", Wish(tmp_path / "orders.yaml", "4", fresh=False))
