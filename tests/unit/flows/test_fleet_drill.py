"""A run of a database that left nothing behind is begun once more, and no other is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Crashed, Failed

from flows import fleet_drill as module
from tasks.model.findings import Verdict
from tasks.model.recorded import Recorded
from tasks.states import verdict_of


def drilled(verdict: Verdict) -> State[Any]:
    make = Completed if verdict is Verdict.VERIFIED else Failed
    record = Recorded("fleet", "orders", "d1", verdict, "it was drilled", "/evidence/x.json")
    return make(name=verdict.value.capitalize(), data=[record])


def runs(monkeypatch: pytest.MonkeyPatch, *outcomes: State[Any] | Exception) -> Callable[[], int]:
    """Let the drills of one database come to *outcomes*, in turn; return how many of them were begun."""
    left = list(outcomes)

    def run(*_: object, **__: object) -> State[Any]:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(module, "restore_drill", run)
    return lambda: len(outcomes) - len(left)


@pytest.mark.parametrize("trouble", [Crashed(message="no API"), RuntimeError("no API")])
def test_a_run_that_left_nothing_is_begun_again(
    monkeypatch: pytest.MonkeyPatch, trouble: State[Any] | Exception
) -> None:
    begun = runs(monkeypatch, trouble, drilled(Verdict.VERIFIED))
    assert verdict_of(module.drill_database("fleet.yaml", "orders", "", "")) is Verdict.VERIFIED
    assert begun() == 2


def test_trouble_that_stays_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = runs(monkeypatch, RuntimeError("x"), RuntimeError("x"), drilled(Verdict.VERIFIED))
    assert verdict_of(module.drill_database("fleet.yaml", "orders", "", "")) is Verdict.INCONCLUSIVE
    assert begun() == 2


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_drill_that_has_its_verdict_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, verdict: Verdict
) -> None:
    begun = runs(monkeypatch, drilled(verdict), drilled(Verdict.VERIFIED))
    assert verdict_of(module.drill_database("fleet.yaml", "orders", "", "")) is verdict
    assert begun() == 1


def test_a_run_that_was_cancelled_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = runs(monkeypatch, Cancelled(), drilled(Verdict.VERIFIED))
    assert module.drill_database("fleet.yaml", "orders", "", "").is_cancelled()
    assert begun() == 1
