"""Steps side by side in processes of their own: what one meets costs no other; an interruption stops all."""

from __future__ import annotations

import _thread
import os
import threading

import pytest

from tasks.drill.lanes import Lane, each_in_a_lane
from tasks.drill.process import Stopped
from tasks.drill.step import step
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError
from tests import misbehaving


@step("say who")
def who() -> int:
    """Return the process's number."""
    return os.getpid()


@step("hang")
def hang() -> None:
    """Never return."""
    misbehaving.spin()


@step("wait")
def wait() -> None:
    """Wait for long."""
    misbehaving.wait()


def test_a_lane_keeps_its_process_until_a_step_hangs_and_then_has_another() -> None:
    def work(lane: Lane, number: int) -> tuple[int, str]:
        if number == 2:
            with pytest.raises(DrillError) as late:
                lane.run(hang, Deadline.within(0.2))
            return 0, late.value.rule
        return lane.run(who, Deadline.within(60)), ""

    rows = each_in_a_lane("test", 1, work, range(5))
    pids = [pid for pid, _ in rows]
    assert rows[2] == (0, "stage-deadline")
    assert pids[0] == pids[1] != os.getpid()
    assert pids[3] == pids[4] != pids[0]


def test_results_are_in_the_order_of_the_items_and_no_lane_is_shared() -> None:
    used: list[int] = []
    guard = threading.Lock()

    def work(lane: Lane, number: int) -> int:
        pid = lane.run(who, Deadline.within(60))
        with guard:
            used.append(pid)
        return number * 10

    assert each_in_a_lane("test", 2, work, range(6)) == [0, 10, 20, 30, 40, 50]
    assert len(set(used)) <= 2
    assert os.getpid() not in used


def test_an_interruption_stops_every_lane_but_what_must_be_done() -> None:
    ended: list[str] = []

    def work(lane: Lane, number: int) -> None:
        if number == 1:
            _thread.interrupt_main()
            return
        try:
            lane.run(wait, Deadline.within(600))
        except Stopped:
            ended.append("stopped")
            ended.append("teardown" if lane.surely(who, Deadline.within(60)) else "")
            raise

    with pytest.raises(KeyboardInterrupt):
        each_in_a_lane("test", 2, work, range(2))
    assert ended == ["stopped", "teardown"]
    assert each_in_a_lane("test", 1, lambda lane, _: lane.run(who, Deadline.within(60)), [0])
