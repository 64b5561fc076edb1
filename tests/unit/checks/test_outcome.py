"""One way from findings to a check: what did not run is never a pass."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any, Self, cast

import psycopg
import pytest

from tasks.checks import Context
from tasks.checks.collations import check_collations
from tasks.checks.deep import run_check
from tasks.checks.outcome import errored, judged, lowered, not_configured, not_run
from tasks.checks.session import why
from tasks.checks.tables_present import data_only
from tasks.model.findings import Outcome, Severity
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tests.fix_checks import check, context_of, entry, restored_of, rules

LOST = finding("table-lost", "a.t is gone.", where="a.t")
GROWN = finding("rows-grown", "a.t grew.", where="a.t")


def test_a_check_fails_by_a_failure_only() -> None:
    assert check(judged("x"), "x").outcome is Outcome.PASSED
    assert check(judged("x", [LOST]), "x").outcome is Outcome.FAILED
    warned = check(judged("x", [GROWN]), "x")
    assert (warned.outcome, warned.why) == (Outcome.PASSED, "1 warning")


def test_a_level_of_warning_lowers_failures_and_nothing_else() -> None:
    assert lowered(LOST, "warning").severity is Severity.WARNING
    assert lowered(LOST, "failure") is LOST
    info = finding("object-new", "New.")
    assert lowered(info, "warning") is info


def test_what_did_not_run_says_why() -> None:
    assert check(not_run("x", "no time"), "x").outcome is Outcome.NOT_RUN
    assert check(not_configured("x", "off"), "x").outcome is Outcome.NOT_CONFIGURED
    seen = errored("x", "it broke", where="a.t")
    assert check(seen, "x").outcome is Outcome.NOT_RUN
    assert rules(seen) == {"check-errored"}


def test_a_check_that_errs_is_not_run_and_hides_values() -> None:
    def broken(_: Context) -> Checked:
        raise psycopg.errors.InvalidTextRepresentation('invalid input syntax for type integer: "secret"')

    context = context_of()
    seen = run_check("x", "failure", broken, context)
    assert check(seen, "x").outcome is Outcome.NOT_RUN
    assert "secret" not in seen.findings[0].message


def test_a_check_is_timed() -> None:
    context = context_of()
    assert (check(run_check("x", "failure", lambda _: judged("x"), context), "x").seconds or 0) >= 0


def test_an_error_is_told_in_one_line_without_values() -> None:
    told = why(psycopg.Error('invalid input syntax for type integer: "4711"\nDETAIL:  Key (id)=(4711)'))
    assert "4711" not in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("descs", "found"),
    [
        (["TABLE DATA"], {"data-only"}),
        (["TABLE", "TABLE DATA"], set()),
        (["EXTENSION", "TABLE DATA"], set()),
        (["TABLE"], set()),
        ([], set()),
    ],
)
def test_an_archive_with_data_and_no_table_is_data_only(descs: list[str], found: set[str]) -> None:
    restored = restored_of("shop", [entry(desc, "a.t") for desc in descs])
    assert {one.rule for one in data_only(restored.expected)} == found


class _Answers:
    """Stands in for a connection that answers every query with the same rows."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self.rows = rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, _: object) -> _Answers:
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows


@pytest.mark.parametrize("names", [[], ["public.german"]])
def test_a_collation_of_another_version_warns(names: list[str]) -> None:
    context = cast("Context", SimpleNamespace(reading=lambda: _Answers([(name,) for name in names])))
    seen = check_collations(context)
    assert [(one.rule, one.severity, one.where) for one in seen.findings] == [
        ("collation-mismatch", Severity.WARNING, name) for name in names
    ]


def test_what_a_group_of_checks_saw_survives_pickling() -> None:
    seen = judged("x", [LOST], observed=1) + not_run("y", "no time")
    assert pickle.loads(pickle.dumps(seen)) == seen  # noqa: S301  our own bytes
