from __future__ import annotations

import pytest

from tasks.evidence.verdict import judge, settle
from tasks.model.findings import Check, FindingClass, Outcome, Severity, Stage, Verdict
from tasks.model.inventory import Inventory, TableFigures
from tasks.model.rules import RULES, finding

PROVEN = Check("tables-restored", Stage.VERIFY, Outcome.PASSED)
RULE_OF = {rule.klass: rule.name for rule in RULES.values() if rule.severity is Severity.FAILURE}


def test_every_class_of_failure_has_a_rule_to_judge_by() -> None:
    assert set(RULE_OF) == set(FindingClass)


@pytest.mark.parametrize(
    "klass", [FindingClass.DATA, FindingClass.PATH, FindingClass.STALE, FindingClass.SLOW]
)
def test_a_failure_of_the_backup_fails_the_drill(klass: FindingClass) -> None:
    assert judge([finding(RULE_OF[klass], "x")], [PROVEN]) is Verdict.FAILED


def test_a_failure_of_the_drill_itself_is_inconclusive() -> None:
    assert judge([finding(RULE_OF[FindingClass.DRILL], "x")], [PROVEN]) is Verdict.INCONCLUSIVE


def test_a_failure_of_the_backup_outweighs_one_of_the_drill() -> None:
    both = [finding("disk-full", "x"), finding("archive-truncated", "x")]
    assert judge(both, []) is Verdict.FAILED


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.INFO])
def test_warnings_and_infos_leave_the_verdict_alone(severity: Severity) -> None:
    mild = [finding(name, "x", severity=severity) for name in RULES]
    assert judge(mild, [PROVEN]) is Verdict.VERIFIED


def test_a_check_that_did_not_run_is_never_a_pass() -> None:
    assert judge([], [PROVEN, Check("rto", Stage.MEASURE, Outcome.NOT_RUN)]) is Verdict.INCONCLUSIVE


def test_a_check_that_is_not_configured_is_no_obstacle() -> None:
    assert judge([], [PROVEN, Check("rto", Stage.MEASURE, Outcome.NOT_CONFIGURED)]) is Verdict.VERIFIED


@pytest.mark.parametrize(
    "checks",
    [
        [],
        [Check("restore-errors", Stage.RESTORE, Outcome.PASSED)],
        [Check("suite.orders", Stage.VALIDATE, Outcome.PASSED)],
        [Check("tables-restored", Stage.VERIFY, Outcome.NOT_CONFIGURED)],
    ],
)
def test_nothing_looked_at_in_the_restored_database_is_never_verified(checks: list[Check]) -> None:
    assert judge([], checks) is Verdict.INCONCLUSIVE


def test_a_failed_check_without_a_finding_becomes_one() -> None:
    failed = Check("sequences", Stage.VERIFY, Outcome.FAILED)
    settled = settle([finding("baseline-started", "first")], [PROVEN, failed])
    assert [item.rule for item in settled] == ["check-errored", "baseline-started"]
    assert judge(settled, [PROVEN, failed]) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("severity", list(Severity))
def test_a_failed_check_is_explained_by_a_finding_of_its_stage_however_mild(severity: Severity) -> None:
    failed = Check("rows-against-history", Stage.VERIFY, Outcome.FAILED)
    said = finding("rows-dropped", "x", severity=severity)
    assert settle([said], [PROVEN, failed]) == (said,)


def test_a_failed_check_is_explained_by_a_failure_of_any_stage() -> None:
    failed = Check("preflight-completed", Stage.PREFLIGHT, Outcome.FAILED)
    said = finding("archive-truncated", "x")
    assert settle([said], [failed]) == (said,)


def test_a_restored_database_without_a_table_is_failed() -> None:
    settled = settle([], [PROVEN], Inventory({}))
    assert [item.rule for item in settled] == ["nothing-restored"]


def test_a_missing_table_list_is_not_told_twice() -> None:
    said = finding("table-lost", "x", where="public.orders")
    assert settle([said], [PROVEN], Inventory({})) == (said,)


def test_no_table_for_a_reason_that_lies_with_the_drill_is_not_called_the_backups() -> None:
    own = [finding("superuser-entry", "x")]
    settled = settle(own, (), Inventory({}))
    assert [item.rule for item in settled] == ["superuser-entry"]
    assert judge(settled, [Check("c", Stage.VERIFY, Outcome.PASSED)]) is Verdict.INCONCLUSIVE


def test_tables_that_came_back_add_nothing() -> None:
    assert settle([], [PROVEN], Inventory({"public.a": TableFigures(1, 1)})) == ()


def test_findings_come_worst_first_then_in_drill_order_and_once() -> None:
    warning = finding("archive-misnamed", "x")
    late, early = finding("rpo-missed", "x"), finding("archive-truncated", "x")
    assert settle([warning, late, early, warning], [PROVEN]) == (early, late, warning)
