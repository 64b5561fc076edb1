"""A suite's results: which fail, which could not be judged, which are only reported."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from expectations.results import Cause, ExpectationResult, SuiteResult
from expectations.results import Outcome as Result
from expectations.suite import Gate, Suite
from expectations.suite import Severity as Weight
from expectations.times import Unset
from tasks.checks.suites import judge_suite, known_tables, parameters_of, without_kept_out
from tasks.model.findings import Outcome, Severity, Verdict
from tasks.model.history import History
from tasks.model.restored import Checked
from tests.fix_checks import NOW, failures, inventory_of, past, rules, target_of

KNOWN = frozenset({"a.t"})


def result(outcome: Result, table: str = "a.t", **changes: Any) -> ExpectationResult:
    given: dict[str, Any] = {
        "table": table,
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": "x"},
        "severity": Weight.CRITICAL,
        "outcome": outcome,
        "expected": "no nulls",
        "observed": "3 nulls",
    }
    return ExpectationResult(**given | changes)


def judged(*results: ExpectationResult, gate: Gate = Gate.FAIL) -> Checked:
    ran = SuiteResult("orders", gate, results, {}, 1.0, {}, "1")
    return judge_suite(Suite("orders", gate, ()), ran, KNOWN)


def outcome(seen: Checked) -> Outcome:
    (check,) = seen.checks
    return check.outcome


def test_an_expectation_that_holds_is_a_check_that_passed() -> None:
    seen = judged(result(Result.PASSED))
    assert seen.findings == ()
    (check,) = seen.checks
    assert check.name == "suite.orders: a.t.x values_to_not_be_null"
    assert (check.outcome, check.expected) == (Outcome.PASSED, "no nulls")


@pytest.mark.parametrize("seen", [Result.PASSED, Result.FAILED, Result.TABLE_MISSING, Result.ERRORED])
def test_rows_that_this_host_kept_out_are_judged_neither_good_nor_bad(seen: Result) -> None:
    ran = SuiteResult("orders", Gate.FAIL, (result(seen), result(Result.FAILED, "a.u")), {}, 1.0, {}, "1")
    judgement = judge_suite(
        Suite("orders", Gate.FAIL, ()), without_kept_out(ran, {"a.t": "superuser-entry"}), KNOWN
    )
    assert [check.outcome for check in judgement.checks] == [Outcome.NOT_RUN, Outcome.FAILED]
    assert {rule for rule, _ in failures(judgement)} == {"expectation-errored", "expectation-failed"}
    assert "superuser-entry" in judgement.findings[0].message
    assert without_kept_out(ran, {}) is ran


def test_a_critical_expectation_that_does_not_hold_fails_and_points_to_production() -> None:
    seen = judged(result(Result.FAILED, unexpected_count=3, why="cannot be shipped."))
    assert failures(seen) == {("expectation-failed", "a.t.x values_to_not_be_null")}
    assert outcome(seen) is Outcome.FAILED
    assert "cannot be shipped" in seen.findings[0].message
    assert "production" in seen.findings[0].hint


@pytest.mark.parametrize(
    ("weight", "severity"), [(Weight.WARNING, Severity.WARNING), (Weight.INFO, Severity.INFO)]
)
def test_a_lighter_expectation_is_only_reported(weight: Weight, severity: Severity) -> None:
    seen = judged(result(Result.FAILED, severity=weight))
    assert [(one.rule, one.severity) for one in seen.findings] == [("expectation-failed-minor", severity)]


def test_a_drafted_suite_never_fails_a_drill() -> None:
    seen = judged(
        result(Result.FAILED),
        result(Result.ERRORED, kwargs={"column": "y"}),
        result(Result.TABLE_MISSING, table="a.u"),
        result(Result.TABLE_MISSING),
        gate=Gate.REPORT,
    )
    assert failures(seen) == set()
    assert len(seen.findings) == 4
    assert Outcome.NOT_RUN not in {check.outcome for check in seen.checks}


def test_an_expectation_that_errored_did_not_run() -> None:
    seen = judged(result(Result.ERRORED, cause=Cause.COLUMN_MISSING, message="there is no column x"))
    assert failures(seen) == {("expectation-errored", "a.t.x values_to_not_be_null")}
    assert outcome(seen) is Outcome.NOT_RUN


def test_what_the_deadline_cut_off_is_named_so() -> None:
    seen = judged(result(Result.ERRORED, cause=Cause.DEADLINE, message="not in time"))
    assert rules(seen) == {"stage-deadline"}


def test_a_table_that_the_backup_should_hold_fails_and_a_mistyped_one_is_inconclusive() -> None:
    lost = judged(result(Result.TABLE_MISSING))
    assert failures(lost) == {("suite-table-missing", "a.t")}
    assert outcome(lost) is Outcome.FAILED
    mistyped = judged(result(Result.TABLE_MISSING, table="a.typo"))
    assert failures(mistyped) == {("suite-table-unknown", "a.typo")}
    assert outcome(mistyped) is Outcome.NOT_RUN


def test_a_missing_table_is_one_finding_however_many_expectations_name_it() -> None:
    two = judged(result(Result.TABLE_MISSING), result(Result.TABLE_MISSING, kwargs={"column": "y"}))
    assert len(two.findings) == 1
    assert len(two.checks) == 2


def test_checks_of_the_same_name_are_numbered() -> None:
    seen = judged(result(Result.PASSED), result(Result.PASSED))
    assert len({check.name for check in seen.checks}) == 2


def test_an_expectation_that_waits_for_history_is_not_configured() -> None:
    seen = judged(result(Result.NO_HISTORY))
    assert seen.findings == ()
    assert outcome(seen) is Outcome.NOT_CONFIGURED


def test_a_table_that_is_a_pattern_names_nothing() -> None:
    seen = judged(result(Result.TABLE_MISSING, "a.orders_*"))
    assert failures(seen) == {("suite-table-unknown", "a.orders_*")}
    assert seen.findings[0].message.endswith("Names are no patterns.")


def test_a_suite_that_holds_nothing_validated_nothing() -> None:
    seen = judged()
    assert ("suite-empty", "orders") in failures(seen)
    assert outcome(seen) is Outcome.NOT_RUN


def test_the_tables_that_a_backup_should_hold_are_the_required_and_the_baselines() -> None:
    history = History((past(inventory_of({"a.t": 1})),))
    target = target_of(expect={"required_tables": ["a.r"]})
    assert known_tables(target, history, NOW) == {"a.t", "a.r"}


def test_a_suites_parameters_come_from_the_last_verified_drill() -> None:
    good = past(
        inventory_of({"a.t": 7, "a.off": None}, newest_age_s={"a.t": {"at": 3600.0, "never": None}}), 2
    )
    bad = past(inventory_of({"a.t": 1}), 1, Verdict.FAILED)
    known = parameters_of(History((good, bad)), NOW, ("a.t", "a.off", "a.new", "a.view"), ("a.t", "a.new"))
    assert {figures["last_verified_at"] for figures in known.values()} == {good.finished_at}
    assert known["a.t"]["last_rows"] == 7
    assert known["a.t"]["newest_row"] == {
        "at": good.as_of - timedelta(hours=1),
        "never": Unset("no row had a time in never in the last verified drill", for_now=True),
    }
    waits = {table: figures["last_rows"] for table, figures in known.items() if table != "a.t"}
    assert {table: unset.for_now for table, unset in waits.items() if isinstance(unset, Unset)} == {
        "a.off": False,
        "a.new": True,
        "a.view": False,
    }


def test_before_a_drill_is_verified_a_suite_has_no_parameters() -> None:
    failed = past(inventory_of({"a.t": 1}), 1, Verdict.FAILED)
    assert parameters_of(History((failed,)), NOW, ("a.t",)) == {}


def test_the_newest_row_is_the_last_verified_drills_or_that_of_the_inconclusive_one_that_measured_it() -> (
    None
):
    verified = past(inventory_of({"a.t": 7}), 3)
    first = past(inventory_of({"a.t": 7}, newest_age_s={"a.t": {"at": 60.0}}), 2, Verdict.INCONCLUSIVE)
    known = parameters_of(History((first, verified)), NOW, ("a.t",))
    assert known["a.t"]["newest_row"] == {"at": first.as_of - timedelta(minutes=1)}
    again = past(inventory_of({"a.t": 7}, newest_age_s={"a.t": {"at": 30.0}}), 1)
    known = parameters_of(History((again, first, verified)), NOW, ("a.t",))
    assert known["a.t"]["newest_row"] == {"at": again.as_of - timedelta(seconds=30)}


def test_an_expectation_that_will_never_have_its_figure_was_not_judged() -> None:
    seen = judged(
        result(Result.ERRORED, cause=Cause.NO_FIGURE, message="last_rows has no value: it is a view")
    )
    assert outcome(seen) is Outcome.NOT_RUN
    assert failures(seen) == {("expectation-errored", "a.t.x values_to_not_be_null")}
    assert "no figure" in seen.findings[0].message
