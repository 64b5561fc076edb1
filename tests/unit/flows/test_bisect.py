"""Halving a window: the first bad backup, in as few restores as possible."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.bisect import search
from tasks.model.backup import DumpPoint, RecoveryPoint, StoredObject
from tasks.model.findings import Verdict

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def points(count: int) -> list[RecoveryPoint]:
    days = [NOON + timedelta(days=day) for day in range(count)]
    return [DumpPoint.of(StoredObject(f"file:///b/{day:%d}.dump", 1, day), day) for day in days]


@given(st.integers(1, 200), st.data())
def test_the_first_bad_one_is_found_with_a_logarithm_of_restores(count: int, data: st.DataObject) -> None:
    first_bad = data.draw(st.integers(0, count))
    window = points(count)
    drilled: list[int] = []

    def drill(point: RecoveryPoint) -> Verdict:
        drilled.append(window.index(point))
        return Verdict.FAILED if window.index(point) >= first_bad else Verdict.VERIFIED

    good, bad, unclear = search(window, drill)

    assert unclear is None
    assert bad == (first_bad if first_bad < count else None)
    assert good == (first_bad - 1 if first_bad else None)
    assert len(drilled) <= 2 + math.ceil(math.log2(count + 1))
    assert len(set(drilled)) == len(drilled)


def test_a_good_newest_ends_the_search_after_one_restore() -> None:
    seen: list[RecoveryPoint] = []

    def drill(point: RecoveryPoint) -> Verdict:
        seen.append(point)
        return Verdict.VERIFIED

    assert search(points(30), drill) == (29, None, None)
    assert len(seen) == 1


def test_an_inconclusive_drill_ends_the_search_and_is_named() -> None:
    window = points(8)

    def drill(point: RecoveryPoint) -> Verdict:
        return Verdict.FAILED if point is window[-1] else Verdict.INCONCLUSIVE

    good, bad, unclear = search(window, drill)

    assert (good, bad) == (None, 7)
    assert unclear is not None
    assert unclear < 7


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.VERIFIED])
def test_a_single_point_needs_one_restore(verdict: Verdict) -> None:
    good, bad, unclear = search(points(1), lambda _: verdict)
    assert (good, bad, unclear) == ((0, None, None) if verdict is Verdict.VERIFIED else (None, 0, None))
