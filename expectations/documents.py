"""From GX's result documents to ours, and to a copy of GX's own that holds no value of a row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from expectations.catalogue import Table
from expectations.engine import Bound, gx_version
from expectations.faults import exception_texts, explain
from expectations.observed import clean_kwargs, clean_result, number, plain, say_observed
from expectations.plain import say
from expectations.results import Cause, ExpectationResult, Outcome
from expectations.suite import Expectation

_SQL = ("row_condition", "unexpected_rows_query")


def judged(bound: Bound, document: Mapping[str, Any], table: Table, as_of: datetime) -> ExpectationResult:
    """Return what GX's *document* says of an expectation: passed, failed, or errored and why."""
    expectation = bound.expectation
    kwargs = {**bound.kwargs, **_written_sql(expectation)}
    texts = exception_texts(document.get("exception_info"))
    if not texts and str(document.get("success")) not in {"True", "False"}:  # numpy's, too
        message = "Great Expectations gave no answer"
        result = unjudged(expectation, Outcome.ERRORED, message, Cause.OTHER)
    elif texts:
        cause, message = explain(
            texts, _known_words(expectation, table), own_sql=bool(_written_sql(expectation))
        )
        result = unjudged(expectation, Outcome.ERRORED, message, cause)
    else:
        gx_result = document.get("result") or {}
        result = replace(
            unjudged(expectation, Outcome.PASSED if document.get("success") else Outcome.FAILED),
            observed=say_observed(expectation, gx_result, kwargs=kwargs, table=table, as_of=as_of),
            element_count=_int(gx_result.get("element_count")),
            unexpected_count=_int(gx_result.get("unexpected_count")),
            unexpected_percent=number(gx_result.get("unexpected_percent")),
        )
    return replace(result, kwargs=clean_kwargs(expectation, kwargs), seconds=document.get("seconds"))


def unjudged(
    expectation: Expectation, outcome: Outcome, message: str | None = None, cause: Cause | None = None
) -> ExpectationResult:
    """Return a result that GX had no part in."""
    return ExpectationResult(
        table=expectation.table,
        type=expectation.type,
        kwargs=clean_kwargs(expectation, expectation.kwargs),
        severity=expectation.severity,
        outcome=outcome,
        expected=say(expectation),
        why=expectation.why,
        owner=expectation.owner,
        cause=cause,
        message=message,
        line=expectation.line,
    )


def clean_document(bound: Bound, document: Mapping[str, Any], result: ExpectationResult) -> dict[str, object]:
    """Return GX's *document* with counts, our observation, and our words for its exceptions."""
    return {
        "success": bool(document.get("success")),
        "expectation_config": {
            "type": bound.expectation.type,
            "kwargs": dict(result.kwargs),
            "meta": plain(dict(bound.expectation.meta)),
            "severity": bound.expectation.severity.value,
        },
        "result": clean_result(document.get("result") or {}, result.observed),
        "meta": {},
        "exception_info": {
            "raised_exception": result.outcome is Outcome.ERRORED,
            "exception_traceback": None,
            "exception_message": result.message,
        },
    }


def table_document(suite: str, table: str, results: Sequence[dict[str, object]]) -> dict[str, object]:
    """Return a table's results in the shape of GX's own validation result."""
    passed = sum(1 for result in results if result["success"])
    return {
        "success": passed == len(results),
        "results": list(results),
        "suite_name": suite,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(results),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(results) - passed,
            "success_percent": 100.0 * passed / len(results) if results else None,
        },
        "meta": {"great_expectations_version": gx_version(), "table": table},
        "id": None,
    }


def _written_sql(expectation: Expectation) -> dict[str, object]:
    """Return the SQL among the kwargs as it stands in the suite, not as GX takes it."""
    return {key: expectation.kwargs[key] for key in _SQL if isinstance(expectation.kwargs.get(key), str)}


def _known_words(expectation: Expectation, table: Table) -> set[str]:
    """Return the words that an error may repeat: the suite's own, and the names of columns."""
    written = " ".join(str(value) for value in expectation.kwargs.values())
    return ({*re.findall(r"\w+", written), *table.columns}) - set(table.name.split("."))


def _int(value: object) -> int | None:
    figure = number(value)
    return None if figure is None else int(figure)
