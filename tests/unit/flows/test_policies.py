"""Retries, and what leaves a step: only our own errors, without a foreign text."""

from __future__ import annotations

import pytest
from prefect.states import Completed, Failed

from tasks.model.errors import PermanentError, TransientError
from tasks.policies import step, surely, transient_only


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
    state = Failed(data=error)
    assert transient_only(add, None, state) is retried  # type: ignore[arg-type]


def test_a_completed_state_is_no_reason_to_stop() -> None:
    assert transient_only(add, None, Completed(data=1)) is True  # type: ignore[arg-type]


def test_a_foreign_errors_text_does_not_leave_a_step() -> None:
    foreign = ValueError("duplicate key value\nDETAIL:  Key (email)=(alice@example.org) already exists.")
    with pytest.raises(PermanentError) as raised:
        break_.fn(foreign)
    assert raised.value.rule == "drill-crashed"
    assert "alice" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_our_own_errors_pass_through() -> None:
    mine = PermanentError("It is cut.", "s3://b/x", rule="archive-truncated")
    with pytest.raises(PermanentError) as raised:
        break_.fn(mine)
    assert raised.value is mine


def test_what_must_happen_happens_without_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> int:
        raise ConnectionError

    monkeypatch.setattr(type(add), "__call__", unreachable)
    assert surely(add, 2, 3) == 5
