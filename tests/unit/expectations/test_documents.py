"""From GX's documents to results: what is no plain answer is no pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from expectations.catalogue import Column, Table
from expectations.documents import clean_document, judged, table_document, unjudged
from expectations.engine import Bound
from expectations.results import Cause, ExpectationResult, Outcome
from expectations.suite import Expectation

AS_OF = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
TABLE = Table("public.orders", 100, {"id": Column("id", "integer", 0.0, None)})
NOT_NULL = Expectation("public.orders", "expect_column_values_to_not_be_null", {"column": "id"}, line=4)
RAISED = {"raised_exception": True, "exception_message": "No provider found", "exception_traceback": "t"}


def result_of(document: dict[str, Any], one: Expectation = NOT_NULL) -> ExpectationResult:
    return judged(Bound(0, one, dict(one.kwargs)), document, TABLE, AS_OF)


def test_an_answer_is_passed_or_failed_with_its_counts() -> None:
    result = {"element_count": 100, "unexpected_count": 3, "unexpected_percent": 3.0}
    passed = result_of({"success": True, "result": {"element_count": 100, "unexpected_count": 0}})
    failed = result_of({"success": False, "result": result})
    assert [passed.outcome, failed.outcome] == [Outcome.PASSED, Outcome.FAILED]
    assert (failed.unexpected_count, failed.element_count, failed.line) == (3, 100, 4)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"success": None, "result": {}},
        {"success": "yes"},
        {"success": {}},
        {"success": True, "exception_info": RAISED},
        {"success": True, "exception_info": {"raised_exception": True}},
        {"success": False, "result": {}, "exception_info": {"MetricConfigurationID(x)": RAISED}},
        {
            "success": True,
            "exception_info": {"a": {"raised_exception": False}, "b": {"raised_exception": True}},
        },
    ],
)
def test_no_answer_and_an_exception_are_no_pass(document: dict[str, Any]) -> None:
    result = result_of(document)
    assert result.outcome is Outcome.ERRORED
    assert result.message


def test_sql_is_kept_as_the_suite_has_it() -> None:
    kwargs = {"column": "id", "row_condition": "id::text = '7'"}
    one = Expectation("public.orders", NOT_NULL.type, kwargs)
    bound = Bound(0, one, {"column": "id"}, "id:\\:text = '7'")
    result = judged(bound, {"success": True, "result": {}}, TABLE, AS_OF)
    assert result.kwargs["row_condition"] == "id::text = '7'"


def test_gxs_own_document_keeps_counts_and_no_words_of_the_servers() -> None:
    document = {"success": True, "exception_info": RAISED, "result": {"partial_unexpected_list": ["secret"]}}
    bound = Bound(0, NOT_NULL, dict(NOT_NULL.kwargs))
    clean = clean_document(bound, document, result_of(document))
    assert "secret" not in str(clean)
    assert clean["exception_info"] == {
        "raised_exception": True,
        "exception_traceback": None,
        "exception_message": "Great Expectations cannot judge it in PostgreSQL",
    }
    whole = table_document("shop", "public.orders", [clean, {"success": False}])
    assert whole["statistics"] == {
        "evaluated_expectations": 2,
        "successful_expectations": 1,
        "unsuccessful_expectations": 1,
        "success_percent": 50.0,
    }


def test_what_was_not_asked_says_why() -> None:
    result = unjudged(NOT_NULL, Outcome.ERRORED, "it is gone", Cause.COLUMN_MISSING)
    assert (result.name, result.message, result.cause) == (
        "public.orders.id values_to_not_be_null",
        "it is gone",
        Cause.COLUMN_MISSING,
    )
