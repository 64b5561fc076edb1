"""Steps side by side in processes of their own, which belong to no drill's graph: a self test's many drills.

Decided here: what one lane meets costs that lane its process and its work at hand, no more. Whatever hangs is
ended at the deadline of its step, and the next step of the lane is given a new process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from tasks.drill.process import DrillProcess, NoProcess, open_again, stopping_drills
from tasks.drill.step import Step
from tasks.model.deadline import Deadline

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lane:
    """A `Runner` whose steps are no task runs, and that keeps one process for all of them."""

    process: DrillProcess

    def run(self, step: Step[P, R], deadline: Deadline, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *step*."""
        return self.process.call(step, args, kwargs, deadline, overdue=step.overdue)

    def surely(self, step: Step[P, R], deadline: Deadline, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *step* although the drill was stopped, or no process can be had any more."""
        try:
            return self.process.call(step, args, kwargs, deadline, overdue=step.overdue, must=True)
        except NoProcess:
            return step(*args, **kwargs)

    def beside(self, step: Step[..., R], deadline: Deadline, *args: object) -> None:
        """Begin nothing: the lanes have the cores."""

    def close(self) -> None:
        """End the process."""
        self.process.close()


def each_in_a_lane(name: str, count: int, work: Callable[[Lane, T], R], items: Iterable[T]) -> list[R]:
    """Return what *work* makes of each of *items*, *count* at a time; interrupted, it stops them all."""
    with contextlib.ExitStack() as stack:
        free: SimpleQueue[Lane] = SimpleQueue()
        for _ in range(count):
            free.put(Lane(stack.enter_context(DrillProcess(name, validating=True))))

        def in_a_lane(item: T) -> R:
            lane = free.get()
            try:
                return work(lane, item)
            finally:
                free.put(lane)

        stack.enter_context(open_again())
        pool = stack.enter_context(ThreadPoolExecutor(count, thread_name_prefix="lane"))
        stack.enter_context(stopping_drills(pool))
        return list(pool.map(in_a_lane, items))
