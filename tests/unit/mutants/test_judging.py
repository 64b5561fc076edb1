"""What counts as caught: what the healthy copy does not say, and nothing that is the worker's own trouble."""

from __future__ import annotations

import pytest

from tasks.model.findings import Check, Finding, Outcome, Severity, Stage, Verdict
from tasks.model.rules import RULES, finding
from tasks.model.selftest import Fate
from tasks.mutants.judging import THE_WORKERS, DrillOutcome, fate_of

HEALTHY = DrillOutcome(Verdict.VERIFIED, (finding("object-new", "x", where="public.t"),), ())


def said(
    *findings: Finding, verdict: Verdict = Verdict.FAILED, checks: tuple[Check, ...] = ()
) -> DrillOutcome:
    return DrillOutcome(verdict, (*HEALTHY.findings, *findings), checks)


def test_a_new_failure_catches_and_is_named_with_its_place() -> None:
    lost = finding("rows-dropped", "x", where="public.orders")
    assert fate_of(said(lost), HEALTHY) == (Fate.CAUGHT, ("rows-dropped public.orders",), None)


def test_what_the_healthy_one_says_too_catches_nothing() -> None:
    assert fate_of(said(verdict=Verdict.VERIFIED), HEALTHY) == (Fate.SURVIVED, (), None)


def test_new_warnings_alone_only_notice() -> None:
    minor = finding("object-lost-minor", "x", where="indexes")
    fate, by, _ = fate_of(said(minor, verdict=Verdict.VERIFIED), HEALTHY)
    assert (fate, by) == (Fate.NOTICED, ("object-lost-minor indexes",))


def test_a_warning_of_the_healthy_one_that_became_a_failure_is_new() -> None:
    warned = finding("sequence-behind", "x", where="s", severity=Severity.WARNING)
    failed = finding("sequence-behind", "x", where="s")
    healthy = DrillOutcome(Verdict.VERIFIED, (warned,), ())
    assert fate_of(DrillOutcome(Verdict.FAILED, (failed,), ()), healthy)[0] is Fate.CAUGHT


def test_information_is_no_notice() -> None:
    expired = finding("partition-expired", "x", where="p", severity=Severity.INFO)
    assert fate_of(said(expired, verdict=Verdict.VERIFIED), HEALTHY)[0] is Fate.SURVIVED


def test_a_check_that_did_not_run_catches_by_its_name() -> None:
    check = Check("suite", Stage.VALIDATE, Outcome.NOT_RUN)
    fate, by, _ = fate_of(said(verdict=Verdict.INCONCLUSIVE, checks=(check,)), HEALTHY)
    assert (fate, by) == (Fate.CAUGHT, ("suite",))


@pytest.mark.parametrize("rule", sorted(THE_WORKERS))
def test_the_workers_trouble_is_never_a_catch(rule: str) -> None:
    assert rule in RULES
    trouble = finding(rule, "x", severity=Severity.FAILURE)
    lost = finding("rows-dropped", "x", where="public.orders")
    fate, by, why = fate_of(said(trouble, lost), HEALTHY)
    assert (fate, by) == (Fate.ERRORED, ())
    assert rule in (why or "")
