"""Final states: what the UI and the shell are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.objects import State, StateType
from prefect.states import Crashed, Failed

from tasks.model.findings import Verdict
from tasks.model.recorded import Recorded
from tasks.states import conclude, conclude_fleet, drills_of, verdict_of, worst_of

VERDICTS = st.sampled_from(list(Verdict))


def recorded(verdict: Verdict) -> Recorded:
    return Recorded(
        "shop", "orders", "d1f0a7c2", verdict, f"{verdict.value} for a reason", "/evidence/x.json"
    )


@pytest.mark.parametrize(
    ("verdict", "name", "kind"),
    [
        (Verdict.VERIFIED, "Verified", StateType.COMPLETED),
        (Verdict.FAILED, "Failed", StateType.FAILED),
        (Verdict.INCONCLUSIVE, "Inconclusive", StateType.FAILED),
    ],
)
def test_each_verdict_has_its_named_state(verdict: Verdict, name: str, kind: StateType) -> None:
    state = conclude([recorded(verdict)])

    assert (state.name, state.type) == (name, kind)
    assert state.message == f"{verdict.value} for a reason"
    assert verdict_of(state) is verdict
    assert drills_of(state) == [recorded(verdict)]


@given(st.lists(VERDICTS, min_size=1, max_size=6))
def test_a_fleet_is_failed_by_one_failure_else_inconclusive_by_one(verdicts: list[Verdict]) -> None:
    state = conclude_fleet("shop", [], {f"db{i}": verdict for i, verdict in enumerate(verdicts)})

    expected = (
        Verdict.FAILED
        if Verdict.FAILED in verdicts
        else Verdict.INCONCLUSIVE
        if Verdict.INCONCLUSIVE in verdicts
        else Verdict.VERIFIED
    )
    assert verdict_of(state) is expected


def test_the_fleets_message_counts_and_names_the_bad_ones() -> None:
    state = conclude_fleet(
        "shop", [], {"a": Verdict.VERIFIED, "orders": Verdict.FAILED, "users": Verdict.INCONCLUSIVE}
    )
    assert state.message == "shop: 1 verified, 1 inconclusive, 1 failed of 3 databases: orders, users"


def test_nothing_drilled_is_inconclusive() -> None:
    assert worst_of([]) is Verdict.INCONCLUSIVE


def test_a_crashed_run_is_inconclusive_and_carries_no_drill() -> None:
    state: State[object] = Crashed(message="the process died")
    assert verdict_of(state) is Verdict.INCONCLUSIVE
    assert drills_of(state) == []


def test_a_flow_that_raised_ends_in_prefects_own_failed_which_is_no_verdict() -> None:
    state: State[object] = Failed(
        message="Flow run encountered an exception", data=RuntimeError("unforeseen")
    )
    assert state.name == "Failed"
    assert verdict_of(state) is Verdict.INCONCLUSIVE
    assert drills_of(state) == []


def test_walking_back_keeps_the_newests_verdict() -> None:
    drills = [recorded(Verdict.FAILED), recorded(Verdict.VERIFIED)]
    assert verdict_of(conclude(drills, walked_back=True)) is Verdict.FAILED
    drills = [recorded(Verdict.VERIFIED), recorded(Verdict.FAILED)]
    assert verdict_of(conclude(drills, walked_back=True)) is Verdict.VERIFIED
    assert verdict_of(conclude(drills)) is Verdict.FAILED
