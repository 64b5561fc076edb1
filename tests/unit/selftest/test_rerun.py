"""Which results of a suite may be kept for a copy that differs in a few tables, and which may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from expectations.results import ExpectationResult, Outcome, SuiteResult
from expectations.suite import Expectation, Gate, Severity, Suite
from tasks.selftest import rerun as rerunning
from tasks.selftest.rerun import Rerun

PLAIN = frozenset({"public.a", "public.b", "public.b_2026"})
AS_OF = datetime(2026, 3, 4, tzinfo=UTC)


def one(table: str, **kwargs: Any) -> Expectation:
    return Expectation(table, "expect_column_values_to_not_be_null", {"column": "x", **kwargs})


def result_of(expectation: Expectation, outcome: Outcome = Outcome.PASSED) -> ExpectationResult:
    return ExpectationResult(expectation.table, expectation.type, {}, Severity.CRITICAL, outcome, "")


def rerun(before: SuiteResult, *touched: str) -> Rerun:
    return Rerun(before, PLAIN, frozenset(touched))


def suite_result(*results: ExpectationResult) -> SuiteResult:
    return SuiteResult("s", Gate.FAIL, results, {}, 1.0, {}, "1")


@pytest.mark.parametrize(
    ("expectation", "again"),
    [
        (one("public.a"), True),
        (one("public.b"), False),
        (one("public.a_view"), True),
        (one("public.b", row_condition="x in (select x from public.a)"), True),
        (one("public.b", other_table_name="a"), True),
        (one("public.b", unexpected_rows_query="select 1 from {batch}, public.a"), True),
    ],
)
def test_only_what_can_come_out_otherwise_is_judged_again(expectation: Expectation, again: bool) -> None:
    assert rerun(suite_result(), "public.a").may_differ(expectation) is again


def test_results_come_back_in_the_suites_order(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Expectation, ...]] = []

    def run_suite(suite: Suite, url: str, **_: Any) -> SuiteResult:
        asked.append(suite.expectations)
        return suite_result(*(result_of(each, Outcome.FAILED) for each in suite.expectations))

    monkeypatch.setattr(rerunning, "run_suite", run_suite)
    expectations = (one("public.b"), one("public.a"), one("public.b", column="y"))
    suite = Suite("s", Gate.FAIL, expectations)
    before = suite_result(*map(result_of, expectations))
    ran = rerun(before, "public.a")(suite, "url", as_of=AS_OF)
    assert asked == [(expectations[1],)]
    assert [each.outcome for each in ran.results] == [Outcome.PASSED, Outcome.FAILED, Outcome.PASSED]
    assert rerun(before)(suite, "url", as_of=AS_OF) is before
    everything = rerun(before, "public.a", "public.b")(replace(suite), "url", as_of=AS_OF)
    assert {each.outcome for each in everything.results} == {Outcome.FAILED}
