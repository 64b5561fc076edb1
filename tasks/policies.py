"""How Prefect sees the steps: each a task run, its work done in the drill's process; what is tried again."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from tasks.drill.beside import Beside
from tasks.drill.process import DrillProcess, NoProcess
from tasks.drill.step import RETRIES, Step
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, TransientError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")
Work = Callable[[], Any]

RETRY_DELAYS_S = (2.0, 10.0)
JITTER = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskRuns:
    """Steps as task runs of the flow's run, their work done in the drill's process.

    Attributes:
        suite: there is one, so that validating needs Great Expectations.
        validator: the process that has it.
    """

    process: DrillProcess
    suite: bool = False
    validator: DrillProcess = field(init=False)

    def __post_init__(self) -> None:
        """Name the second process; it is started when it is needed."""
        object.__setattr__(self, "validator", DrillProcess(self.process.name, validating=True))

    def run(self, step: Step[P, R], deadline: Deadline, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *step*."""
        value: Any = task_of(step)(self._work(step, deadline, args, kwargs, must=False))
        return cast("R", value)

    def surely(self, step: Step[P, R], deadline: Deadline, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *step* even where Prefect's API has gone, or no process can be had any more."""
        work = self._work(step, deadline, args, kwargs, must=True)
        try:
            value: Any = task_of(step)(work)
        except NoProcess:
            return step(*args, **kwargs)
        except DrillError:
            raise
        except Exception as error:  # noqa: BLE001  whatever Prefect met, the step itself is ours
            _log.warning("Prefect could not run %s (%s); it runs without", step.name, type(error).__name__)
            return work()
        return cast("R", value)

    def beside(self, step: Step[..., R], deadline: Deadline, *args: object) -> Beside[R]:
        """Begin *step* in the process that validates."""
        return Beside(self.validator, step, deadline, *args)

    def close(self) -> None:
        """End the processes."""
        self.process.close()
        self.validator.close()

    def _work(
        self,
        step: Step[P, R],
        deadline: Deadline,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        must: bool,
    ) -> Callable[[], R]:
        def work() -> R:
            if not (step.validating and self.suite):
                return self.process.call(step, args, kwargs, deadline, overdue=step.overdue, must=must)
            with self.validator as process:
                return process.call(step, args, kwargs, deadline, overdue=step.overdue, must=must)

        return work


@functools.cache
def task_of(step: Step[..., Any]) -> Task[[Work], Any]:
    """Return the task whose runs Prefect shows; its one parameter is the work, not looked into."""
    from prefect.cache_policies import NO_CACHE  # noqa: PLC0415  a second, and a drill's process does without
    from prefect.tasks import Task  # noqa: PLC0415

    return Task(
        _do,
        name=step.name,
        task_run_name=step.name,
        retries=RETRIES if step.retried else 0,
        retry_delay_seconds=list(RETRY_DELAYS_S) if step.retried else None,
        retry_jitter_factor=JITTER if step.retried else None,
        retry_condition_fn=transient_only if step.retried else None,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def transient_only(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001  Prefect's signature
    """Return whether *state* failed with an error that may pass; anything unknown is permanent."""
    try:
        state.result()
    except TransientError:
        return True
    except BaseException:  # noqa: BLE001  whatever it was, it is not ours to retry
        return False
    return True


def _do(work: Work) -> Any:  # noqa: ANN401  whatever the step returns
    return work()
