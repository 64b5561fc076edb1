from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tasks.evidence.not_proven import _FINDINGS, _OF_KIND, _SWITCHED_OFF, not_proven
from tasks.model.drill import Drill
from tasks.model.findings import Check, Outcome, Stage
from tasks.model.rules import RULES, finding
from tasks.model.target import (
    Backup,
    BarmanBackup,
    Checks,
    Expect,
    PgBackRestBackup,
    Rto,
    Selection,
    WalgBackup,
)
from tests.unit.evidence import samples


def said(facts: Drill) -> str:
    return "\n".join(not_proven(facts))


def full() -> Drill:
    """A drill that leaves as little open as one can."""
    facts = samples.verified()
    target = facts.target.model_copy(
        update={"checks": Checks(amcheck="warning", full_read="warning")},
    )
    return replace(facts, target=target, findings=(), sandbox=replace(facts.sandbox, profile="production"))


def test_a_drill_that_looked_at_everything_leaves_nothing_open() -> None:
    assert not_proven(full()) == ()


@pytest.mark.parametrize("check", _SWITCHED_OFF)
def test_every_check_that_is_off_is_named(check: str) -> None:
    facts = full()
    checks = facts.target.checks.model_copy(update={check: "off"})
    off = replace(facts, target=facts.target.model_copy(update={"checks": checks}))
    assert f"checks.{check}" in said(off)


@pytest.mark.parametrize("rule", _FINDINGS)
def test_findings_that_limit_the_proof_are_repeated(rule: str) -> None:
    assert rule in RULES
    assert not_proven(replace(full(), findings=(finding(rule, "x"),))) == (_FINDINGS[rule],)


@pytest.mark.parametrize(
    "backup",
    [
        PgBackRestBackup(at="/r", stanza="orders"),
        BarmanBackup(at="/r", server="orders"),
        WalgBackup(at="/r"),
    ],
    ids=_OF_KIND,
)
def test_a_tools_own_way_that_was_not_gone_is_said(backup: Backup) -> None:
    facts = full()
    own = replace(facts, target=facts.target.model_copy(update={"backup": backup}))
    (kind,) = [kind for kind in _OF_KIND if kind == own.target.backup.kind]
    assert not_proven(own) == (_OF_KIND[kind],)
    assert _OF_KIND[kind] not in not_proven(replace(own, restored=None))


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"expect": Expect()}, "no suite is named"),
        ({"expect": Expect()}, "no freshness"),
        ({"rpo": None}, "no RPO"),
        ({"rto": None}, "no RTO"),
        ({"rto": Rto(objective="1h")}, "no overhead"),
    ],
)
def test_what_is_not_configured_is_said(changed: dict[str, Any], word: str) -> None:
    facts = full()
    assert word in said(replace(facts, target=facts.target.model_copy(update=changed)))


@pytest.mark.parametrize(
    ("integrity", "word"), [("none", "no bit has flipped"), ("format", "format's own checksum")]
)
def test_bytes_without_an_outside_checksum_are_said(integrity: str, word: str) -> None:
    facts = full()
    assert word in said(replace(facts, backup=replace(facts.backup, integrity=integrity)))


def test_fast_settings_are_said() -> None:
    facts = full()
    assert "profile fast" in said(replace(facts, sandbox=replace(facts.sandbox, profile="fast")))


def test_entries_and_databases_left_out_are_named_up_to_a_few() -> None:
    facts = full()
    left = tuple(f"USER MAPPING m{n}" for n in range(7))
    restored = replace(facts.restored, not_restored=left, other_databases=("crm",))
    text = said(replace(facts, restored=restored))
    assert "USER MAPPING m4 and 2 more" in text
    assert "crm" in text


def test_another_backup_than_the_newest_says_nothing_of_its_age() -> None:
    assert "took another one (random)" in said(replace(full(), selection=Selection(kind="random")))


def test_how_far_the_drill_came_is_said() -> None:
    assert "none was taken" in said(samples.unreachable())
    assert "can be restored" in said(samples.truncated())
    broken = replace(full(), findings=(finding("rows-not-restored", "x"),))
    assert "did not complete" in said(broken)
    assert "was not looked at" in said(replace(full(), inventory=None))


def test_checks_that_did_not_run_are_named_with_their_reason() -> None:
    assert "rto: did not run (the restore did not complete)." in not_proven(samples.truncated())


def test_a_suite_that_only_reports_is_named() -> None:
    facts = full()
    assert "only reports" in said(replace(facts, suite_results={"orders": {"gate": "report"}}))


def suite_said(*results: dict[str, Any]) -> str:
    return said(replace(full(), suite_results={"orders": {"gate": "fail", "results": list(results)}}))


def test_a_suite_that_can_fail_nothing_is_named() -> None:
    warning = {"name": "a", "outcome": "passed", "severity": "warning"}
    assert "none of them is critical" in suite_said(warning)
    assert "none of them is critical" not in suite_said(warning, {**warning, "severity": "critical"})


def test_expectations_that_wait_or_met_no_row_are_named() -> None:
    waits = {
        "name": "public.t table_row_count_to_be_between",
        "outcome": "no_history",
        "severity": "critical",
    }
    assert "Compared with an earlier drill: public.t table_row_count_to_be_between" in suite_said(waits)
    passed = {"name": "public.t.id values_to_be_unique", "outcome": "passed", "severity": "critical"}
    assert "That any row meets public.t.id values_to_be_unique" in suite_said({**passed, "element_count": 0})
    assert "That any row meets" not in suite_said(
        {**passed, "element_count": 3}, {**passed, "element_count": None}
    )


def test_exceptions_are_shown_with_date_and_reason() -> None:
    entry = {"rule": "rows-dropped", "where": "public.orders", "until": "2026-12-31", "why": "purge"}
    assert "Accepted until 2026-12-31: rows-dropped at public.orders (purge)." in not_proven(
        replace(full(), accepted=(entry,))
    )


def test_one_cause_that_skipped_many_stages_is_told_once() -> None:
    cause = "The gzip stream ends before its own end."
    skipped = tuple(
        Check(f"{stage}-completed", stage, Outcome.NOT_RUN, why=cause)
        for stage in (Stage.RESTORE, Stage.VERIFY)
    )
    lines = not_proven(replace(full(), checks=skipped))
    assert [line for line in lines if cause.rstrip(".") in line] == [
        f"restore, verify: did not run ({cause.rstrip('.')})."
    ]
