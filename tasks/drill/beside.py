"""A step at work beside the one that a drill waits for, in a process of its own.

The one use: while a restore builds its last indexes, the suite is asked of the tables that are finished
(`tasks/checks/ahead.py`). Such a step only saves time: it is no task run, whatever ends it is passed over,
and the drill then does without it.
"""

from __future__ import annotations

import logging
import threading
from typing import Generic, TypeVar

from tasks.drill.process import DrillProcess
from tasks.drill.step import Step
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError

R = TypeVar("R")
_log = logging.getLogger(__name__)


class Beside(Generic[R]):
    """A step that has begun.

    Args:
        process: whose one call it is, until it has ended.
        step: what is done.
        deadline: of the step that the drill waits for.
        args: of *step*.
    """

    def __init__(self, process: DrillProcess, step: Step[..., R], deadline: Deadline, *args: object) -> None:
        self._process = process
        self._came_to: R | None = None
        self._thread = threading.Thread(target=self._work, args=(step, args, deadline), daemon=True)
        self._thread.start()

    def wait(self) -> R | None:
        """Wait for its end; return what it came to, None where it failed or was ended."""
        self._thread.join()
        return self._came_to

    def close(self) -> None:
        """End it, whatever it is at, and its process for good."""
        self._process.stop()

    def _work(self, step: Step[..., R], args: tuple[object, ...], deadline: Deadline) -> None:
        try:
            self._came_to = self._process.call(step, args, {}, deadline, overdue=step.overdue)
        except DrillError as error:
            _log.info("%s was given up: %s", step.name, error.rule)
