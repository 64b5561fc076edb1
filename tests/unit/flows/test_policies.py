"""Retries, and what leaves a step: only our own errors, without a foreign text."""

from __future__ import annotations

import pickle

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from tasks.drill.step import step
from tasks.model.errors import PermanentError, TransientError
from tasks.policies import transient_only


@step("add")
def add(one: int, other: int) -> int:
    """Add."""
    return one + other


@step("break")
def break_(error: Exception) -> None:
    """Raise *error*."""
    raise error


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (TransientError("The line dropped."), True),
        (PermanentError("It is cut.", rule="archive-truncated"), False),
        (ValueError("unknown"), False),
    ],
)
def test_only_a_transient_error_is_tried_again(error: Exception, retried: bool) -> None:
    state: State[object] = Failed(data=error)
    assert transient_only(add, None, state) is retried  # type: ignore[arg-type]


def test_a_completed_state_is_no_reason_to_stop() -> None:
    assert transient_only(add, None, Completed(data=1)) is True  # type: ignore[arg-type]


def test_a_foreign_errors_text_does_not_leave_a_step() -> None:
    foreign = ValueError("duplicate key value\nDETAIL:  Key (email)=(alice@example.org) already exists.")
    with pytest.raises(PermanentError) as raised:
        break_(foreign)
    assert raised.value.rule == "drill-crashed"
    assert "alice" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_our_own_errors_pass_through() -> None:
    mine = PermanentError("It is cut.", "s3://b/x", rule="archive-truncated")
    with pytest.raises(PermanentError) as raised:
        break_(mine)
    assert raised.value is mine


def test_a_step_out_of_memory_is_no_fault_of_the_backup() -> None:
    with pytest.raises(PermanentError) as raised:
        break_(MemoryError())  # type: ignore[arg-type]
    assert raised.value.rule == "drill-out-of-memory"


def test_a_step_travels_by_name() -> None:
    assert pickle.loads(pickle.dumps(add)) is add  # noqa: S301  our own bytes
