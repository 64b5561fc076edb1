"""Dated exceptions: what they cover, until when, and that only drift can be accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tasks.checks.accept import ACCEPTABLE_RULES, apply_acceptances
from tasks.model.findings import Finding, FindingClass, Severity, Verdict
from tasks.model.history import History
from tasks.model.rules import RULES, finding
from tasks.model.target import Accepted
from tests.fix_checks import inventory_of, past

TODAY = date(2026, 3, 31)
DROPPED = finding("rows-dropped", "a.t holds 1 row.", where="a.t")


def entry(rule: str = "rows-dropped", where: str = "a.t", until: date = TODAY) -> Accepted:
    return Accepted(rule=rule, where=where, until=until, why="purged by ticket 7")


def severities(found: tuple[Finding, ...]) -> list[tuple[str, Severity]]:
    return [(one.rule, one.severity) for one in found]


def test_an_accepted_finding_is_information_and_says_why() -> None:
    (found,), used = apply_acceptances([DROPPED], [entry()], History(), TODAY)
    assert found.severity is Severity.INFO
    assert "purged by ticket 7" in found.message
    assert used == (
        {"rule": "rows-dropped", "where": "a.t", "until": "2026-03-31", "why": "purged by ticket 7"},
    )


@pytest.mark.parametrize("where", ["a.*", "*", "a.t"])
def test_a_pattern_covers_the_places_that_it_matches(where: str) -> None:
    (found,), used = apply_acceptances([DROPPED], [entry(where=where)], History(), TODAY)
    assert found.severity is Severity.INFO
    assert len(used) == 1


@pytest.mark.parametrize(
    "other", [entry(where="a.u"), entry(rule="table-lost"), entry(where="A.T")], ids=["place", "rule", "case"]
)
def test_an_entry_for_something_else_covers_nothing(other: Accepted) -> None:
    assert apply_acceptances([DROPPED], [other], History(), TODAY) == ((DROPPED,), ())


def test_an_expired_entry_is_ignored_with_a_warning() -> None:
    found, used = apply_acceptances([DROPPED], [entry(until=date(2026, 3, 30))], History(), TODAY)
    assert severities(found) == [("rows-dropped", Severity.FAILURE), ("acceptance-expired", Severity.WARNING)]
    assert used == ()


def test_an_expired_entry_that_would_cover_nothing_is_silent() -> None:
    assert apply_acceptances([], [entry(until=date(2026, 1, 1))], History(), TODAY) == ((), ())


@pytest.mark.parametrize(
    "rule", ["archive-truncated", "kms-denied", "rpo-missed", "content-stale", "schema-only"]
)
def test_truncation_access_and_age_cannot_be_accepted(rule: str) -> None:
    found = finding(rule, "It is so.", where="a.t")
    assert apply_acceptances([found], [entry(rule=rule)], History(), TODAY) == ((found,), ())


def test_only_drift_is_acceptable() -> None:
    assert {RULES[rule].klass for rule in ACCEPTABLE_RULES} == {FindingClass.DATA}
    assert "table-lost" in ACCEPTABLE_RULES


def test_one_entry_that_covers_two_findings_is_named_once() -> None:
    two = [DROPPED, finding("rows-dropped", "a.u holds 1 row.", where="a.u")]
    found, used = apply_acceptances(two, [entry(where="a.*")], History(), TODAY)
    assert {one.severity for one in found} == {Severity.INFO}
    assert len(used) == 1


def test_changes_taken_in_since_the_last_verified_drill_are_named() -> None:
    taken = ({"rule": "rows-dropped", "where": "a.t", "who": "ann", "why": "purged"},)
    failed = past(inventory_of(), 1, Verdict.FAILED, taken)
    older = past(inventory_of(), 3)
    assert apply_acceptances([], [], History((older, failed)), TODAY) == ((), taken)
    assert apply_acceptances([], [], History((failed, past(inventory_of(), 0.5))), TODAY) == ((), ())
    again = replace(past(inventory_of(), 1), finished_at=failed.finished_at + timedelta(hours=1))
    assert apply_acceptances([], [], History((failed, again)), TODAY) == ((), ())


def test_what_is_already_information_is_left_alone() -> None:
    info = finding("partition-expired", "Gone.", where="a.t")
    assert apply_acceptances([info], [entry(rule="partition-expired")], History(), TODAY) == ((info,), ())
