"""Deadlines: what is left, and that nothing is left says so."""

from __future__ import annotations

import pickle

import pytest

from tasks.model.deadline import Deadline, statement_ms
from tasks.model.errors import PermanentError


def test_what_is_left_is_what_was_given_less_what_has_passed() -> None:
    assert Deadline.within(60).check() == pytest.approx(60, abs=1)


def test_a_deadline_that_has_passed_says_so() -> None:
    with pytest.raises(PermanentError) as raised:
        Deadline.within(-1).check()
    assert raised.value.rule == "stage-deadline"


def test_a_deadline_is_the_same_moment_in_every_process() -> None:
    deadline = Deadline.within(60)
    assert pickle.loads(pickle.dumps(deadline)).ends_at == deadline.ends_at  # noqa: S301  our own bytes


def test_the_message_says_during_what_and_that_the_backup_is_not_to_blame() -> None:
    with pytest.raises(PermanentError) as raised:
        Deadline.within(0.0).check("the backup was read", "orders.dump")
    assert raised.value.where == "orders.dump"
    assert "passed while the backup was read" in raised.value.what
    assert "nothing about the backup" in raised.value.what


def test_the_sooner_of_two_keeps_its_own_rule() -> None:
    stage, budget = Deadline.within(100), Deadline.within(1, "check-over-budget")
    assert stage.sooner(budget) is budget
    assert budget.sooner(stage) is budget
    with pytest.raises(PermanentError) as raised:
        Deadline.within(0, "check-over-budget").check()
    assert raised.value.rule == "check-over-budget"


def test_no_limit_is_further_than_any_stage_and_a_statement_never_gets_none() -> None:
    assert Deadline.within(None).left_s > 86400
    assert Deadline.within(None).statement_ms == 2**31 - 1
    assert Deadline.within(-5).statement_ms == 1
    assert statement_ms(365 * 86400.0) == 2**31 - 1
    assert statement_ms(float("inf")) == 2**31 - 1
    assert (Deadline.within(-5).left_s, Deadline.within(60).over_s) == (0.0, 0.0)
    assert Deadline.within(-5).over_s == pytest.approx(5, abs=1)
