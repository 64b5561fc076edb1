from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tasks.evidence.measure import measure, objectives_of
from tasks.model.drill import Drill
from tasks.model.findings import Outcome
from tasks.model.rules import finding
from tasks.model.target import BaseBackup, Expect, Recover, Rto, Selection
from tests.unit.evidence import samples
from tests.unit.evidence.samples import HOUR, NOW


def outcome_of(facts: Drill, name: str) -> Outcome:
    return next(check.outcome for check in measure(facts).checks if check.name == name)


def rules_of(facts: Drill) -> list[str]:
    return [item.rule for item in measure(facts).findings]


def with_target(facts: Drill, **changed: Any) -> Drill:
    return replace(facts, target=facts.target.model_copy(update=changed))


def aged(hours: float, content_hours: float | None = None) -> Drill:
    newest = samples.point(NOW - hours * HOUR)
    content_s = None if content_hours is None else content_hours * 3600.0
    return replace(samples.verified(), point=newest, content_age_s=content_s)


def test_a_healthy_drill_meets_both_objectives_and_finds_nothing() -> None:
    facts = samples.verified()
    assert rules_of(facts) == []
    assert (outcome_of(facts, "rpo"), outcome_of(facts, "rto")) == (Outcome.PASSED, Outcome.PASSED)


def test_the_older_of_name_and_newest_row_is_the_achieved_rpo() -> None:
    by_name, by_content = objectives_of(aged(5, 4)), objectives_of(aged(4, 5))
    assert (by_name.achieved_rpo_s, by_name.rpo_basis) == (5 * 3600, "name")
    assert (by_content.achieved_rpo_s, by_content.rpo_basis) == (5 * 3600, "content")


def test_a_recovery_point_dated_by_last_modified_says_so() -> None:
    facts = aged(5, 4)
    assert (
        objectives_of(replace(facts, point=replace(facts.point, dated_by="modified"))).rpo_basis == "modified"
    )


@pytest.mark.parametrize(("hours", "content"), [(27, 27), (27, None), (4, 27)])
def test_an_age_beyond_the_rpo_is_missed_by_name_or_by_content(hours: float, content: float | None) -> None:
    assert rules_of(aged(hours, content)) == ["rpo-missed"]
    assert outcome_of(aged(hours, content), "rpo") is Outcome.FAILED


def test_the_message_of_a_missed_rpo_names_what_is_old() -> None:
    assert "newest row" in measure(aged(4, 27)).findings[0].message
    assert "newest backup" in measure(aged(27, 27.2)).findings[0].message


def test_exactly_the_rpo_is_met() -> None:
    assert outcome_of(aged(26, 26), "rpo") is Outcome.PASSED


def test_an_unmeasured_newest_row_is_not_a_pass() -> None:
    assert outcome_of(aged(4), "rpo") is Outcome.NOT_RUN


def test_without_freshness_the_name_is_enough() -> None:
    assert outcome_of(with_target(aged(4), expect=Expect()), "rpo") is Outcome.PASSED


def test_the_rpo_is_judged_for_the_newest_only() -> None:
    facts = replace(aged(400, 1), selection=Selection(kind="random"))
    assert outcome_of(facts, "rpo") is Outcome.NOT_CONFIGURED
    assert objectives_of(facts).achieved_rpo_s is None
    assert objectives_of(facts).age_s == 400 * 3600
    assert rules_of(facts) == []


def test_no_objective_is_not_configured() -> None:
    facts = with_target(samples.verified(), rpo=None, rto=None)
    assert (outcome_of(facts, "rpo"), outcome_of(facts, "rto")) == (
        Outcome.NOT_CONFIGURED,
        Outcome.NOT_CONFIGURED,
    )


def test_nothing_found_leaves_both_objectives_unjudged() -> None:
    facts = samples.unreachable()
    assert (outcome_of(facts, "rpo"), outcome_of(facts, "rto")) == (Outcome.NOT_RUN, Outcome.NOT_RUN)


def test_a_clock_that_runs_behind_does_not_give_a_negative_age() -> None:
    assert objectives_of(aged(-2)).age_s == 0


def test_the_recovery_time_is_what_the_person_on_call_waits_for() -> None:
    # fetch 3.2, provision 1.9, restore 34.6, analyze 1.3, overhead 15 min; verify and validate are beside it
    facts = samples.verified()
    assert objectives_of(facts).achieved_rto_s == pytest.approx(41.0 + 900)
    assert objectives_of(facts).rto_basis == "lower_bound"


def test_production_settings_measure_and_fast_ones_bound() -> None:
    facts = samples.verified()
    assert (
        objectives_of(replace(facts, sandbox=replace(facts.sandbox, profile="production"))).rto_basis
        == "measured"
    )


def test_untimed_phases_are_taken_from_the_steps_own_figures() -> None:
    facts = replace(samples.verified(), phases_s={"provision": 1.0})
    assert objectives_of(facts).achieved_rto_s == pytest.approx(1.0 + 3.2 + 34.6 + 1.3 + 900)


def test_a_recovery_beyond_the_rto_is_missed_also_as_a_lower_bound() -> None:
    facts = with_target(samples.verified(), rto=Rto(objective="15m", overhead="15m"))
    assert rules_of(facts) == ["rto-missed"]
    assert outcome_of(facts, "rto") is Outcome.FAILED


@pytest.mark.parametrize("rule", ["rows-not-restored", "deadline-exceeded", "hostile-content"])
def test_a_restore_that_did_not_complete_has_no_recovery_time(rule: str) -> None:
    facts = replace(samples.verified(), findings=(finding(rule, "x"),))
    assert objectives_of(facts).achieved_rto_s is None
    assert outcome_of(facts, "rto") is Outcome.NOT_RUN


def test_a_missing_role_does_not_make_the_restore_incomplete() -> None:
    facts = replace(samples.verified(), findings=(finding("required-role-missing", "x"),))
    assert objectives_of(facts).achieved_rto_s is not None


def gapped() -> Drill:
    facts = samples.verified()
    points = tuple(at for at in facts.discovery.points_at if at.day not in {15, 16})
    return replace(facts, discovery=replace(facts.discovery, points_at=points))


def test_a_gap_beyond_the_rpo_is_a_warning_with_both_ends() -> None:
    found = measure(gapped()).findings
    assert [item.rule for item in found] == ["cadence-gap"]
    assert "2026-11-14 03:00 and 2026-11-17 03:00 UTC" in found[0].message
    assert objectives_of(gapped()).worst_gap_s == timedelta(days=3).total_seconds()


def test_a_gap_that_discovery_has_told_is_not_told_again() -> None:
    assert rules_of(replace(gapped(), findings=(finding("cadence-gap", "x"),))) == []


def test_a_single_recovery_point_has_no_gap() -> None:
    facts = samples.verified()
    lone = replace(facts, discovery=replace(facts.discovery, points_at=facts.discovery.points_at[:1]))
    assert objectives_of(lone).worst_gap_s is None


def by_wal(hours: float | None, to: str = "latest", content_hours: float = 0.2) -> Drill:
    """A drill of a base backup of a day ago, whose WAL brings everything back up to *hours* ago."""
    backup = BaseBackup(at="s3://b/base/%Y%m%d/", wal="s3://b/wal/", recover=Recover(to=to))
    facts = with_target(aged(24, content_hours), backup=backup, rpo=3600.0)
    assert facts.restored is not None
    moment = None if hours is None else NOW - hours * HOUR
    return replace(facts, restored=replace(facts.restored, recoverable_to=moment))


def test_with_an_archive_of_wal_the_rpo_is_judged_by_it_and_not_by_the_base_backups_age() -> None:
    young = by_wal(0.5)
    assert (rules_of(young), outcome_of(young, "rpo")) == ([], Outcome.PASSED)
    assert (objectives_of(young).achieved_rpo_s, objectives_of(young).rpo_basis) == (1800, "wal")
    stopped = by_wal(3)
    assert (rules_of(stopped), outcome_of(stopped, "rpo")) == (["archiving-stopped"], Outcome.FAILED)


def test_old_rows_in_young_wal_are_still_old() -> None:
    assert objectives_of(by_wal(0.5, content_hours=2)).rpo_basis == "content"
    assert rules_of(by_wal(0.5, content_hours=2)) == ["rpo-missed"]


def test_a_recovery_that_was_not_seen_to_reach_anything_does_not_meet_the_rpo() -> None:
    assert outcome_of(by_wal(None), "rpo") is Outcome.NOT_RUN


def test_a_recovery_that_is_to_end_early_says_nothing_of_the_rpo() -> None:
    assert (rules_of(by_wal(None, "immediate")), outcome_of(by_wal(None, "immediate"), "rpo")) == (
        [],
        Outcome.NOT_CONFIGURED,
    )
