"""The stages of one drill: timed, told, bounded; the record that they fill is handed out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from tasks.checks.ahead import Ahead
from tasks.drill.beside import Beside
from tasks.drill.held import Held
from tasks.drill.options import DrillOptions
from tasks.drill.progress import Progress, Reporter, tell
from tasks.drill.step import Runner, Step
from tasks.model.deadline import Deadline
from tasks.model.drill import Drill
from tasks.model.errors import PermanentError
from tasks.model.findings import Stage
from tasks.model.printable import printable
from tasks.stores import Store

_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class StageRun:
    """A stage that has been entered: its steps are run by it, and end with it.

    Attributes:
        deadline: of the stage, the retries of its steps included.
    """

    deadline: Deadline
    runner: Runner

    def run(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *step* and return what it returns; raise what it raises."""
        return self.runner.run(step, self.deadline, *args, **kwargs)

    def surely(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a step that must happen, whatever has gone."""
        return self.runner.surely(step, self.deadline, *args, **kwargs)


@dataclass(slots=True)
class Ledger:
    """One drill under way.

    Attributes:
        drill: its record.
        runner: how its steps are run.
        store: of its backups, once it has been opened in the drill's process.
        ahead: what reads finished tables while others are restored, once that has begun.
    """

    drill: Drill
    options: DrillOptions
    runner: Runner
    store: Held[Store] | None = None
    ahead: Beside[Ahead] | None = None

    @property
    def reached_store(self) -> Held[Store]:
        """The store; it has been opened."""
        if self.store is None:
            raise PermanentError("a step asked for a store before there is one", rule="drill-crashed")
        return self.store

    @contextmanager
    def entering(self, stage: Stage, least_s: float = 0.0) -> Iterator[StageRun]:
        """Time the stage, log its start and end, bound it by the target's deadline, at *least_s* seconds."""
        drill = self.drill
        drill.stage = stage
        drill.reached = (*drill.reached, stage)
        started = time.monotonic()
        self._announce("started")
        try:
            yield self.working(max(drill.target.deadline, least_s))
        finally:
            seconds = time.monotonic() - started
            before = drill.phases_s.get(stage.value, 0.0)
            drill.phases_s = {**drill.phases_s, stage.value: before + seconds}
            self._announce("ended", f"after {seconds:.1f} s")

    def working(self, seconds: float) -> StageRun:
        """Return what runs steps that belong to no stage, and have *seconds* for it."""
        return StageRun(Deadline.within(seconds), self.runner)

    def reporter(self, stage: Stage) -> Reporter:
        """Return what tells how far *stage* is."""
        return Reporter(self.drill.target.name, stage, told=not self.options.within)

    def _announce(self, state: str, text: str = "") -> None:
        if self.options.within:
            return
        drill = self.drill
        label = f" {printable(drill.point.label)}" if drill.point else ""
        _log.info(
            "%s/%s: %s %s%s %s", drill.target.fleet, drill.target.name, drill.stage.value, state, label, text
        )
        tell(Progress(drill.target.name, drill.stage, state, text))
