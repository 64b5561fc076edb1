"""Deadlines: what is left, and that nothing is left says so."""

from __future__ import annotations

import pickle

import pytest

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError


def test_what_is_left_is_what_was_given_less_what_has_passed() -> None:
    assert Deadline.within(60).remaining_s() == pytest.approx(60, abs=1)


def test_a_deadline_that_has_passed_says_so() -> None:
    with pytest.raises(PermanentError) as raised:
        Deadline.within(-1).remaining_s()
    assert raised.value.rule == "stage-deadline"


def test_a_deadline_is_the_same_moment_in_every_process() -> None:
    deadline = Deadline.within(60)
    assert pickle.loads(pickle.dumps(deadline)).ends_at == deadline.ends_at  # noqa: S301  our own bytes
