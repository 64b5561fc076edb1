"""How the steps are run: in the drill's process, each a task run of Prefect's; what is tried again."""

from __future__ import annotations

import functools
import importlib
import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

from tasks.drill.child import OUT_OF_MEMORY
from tasks.drill.process import DrillProcess, NoProcess
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError, TransientError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 2
RETRY_DELAYS_S = (2.0, 10.0)
JITTER = 0.5

_log = logging.getLogger(__name__)


class Step(Generic[P, R]):
    """One step of a drill. Called, it does its work here; a `Runner` has it done where it belongs.

    Attributes:
        name: of its task runs.
        retried: whether transient errors are tried again; a restore is too dear to repeat on hope.
        overdue: the rule under which it is judged that it did not end.
        validating: it needs Great Expectations.
    """

    def __init__(
        self, body: Callable[P, R], name: str, *, retried: bool, overdue: str, validating: bool
    ) -> None:
        functools.update_wrapper(self, body)
        self.name = name
        self.retried = retried
        self.overdue = overdue
        self.validating = validating
        self._body = body

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the step's work here, and let only our own errors out.

        Prefect writes an exception's text into states and logs; a foreign one may quote a row or a secret.
        """
        try:
            return self._body(*args, **kwargs)
        except DrillError:
            raise
        except MemoryError:
            raise PermanentError(OUT_OF_MEMORY, rule="drill-out-of-memory") from None
        except Exception as exc:  # noqa: BLE001  see above
            what = f"The drill met an unknown error: {type(exc).__name__}."
            _log.error("%s\n%s", what, "".join(traceback.format_tb(exc.__traceback__)))
            raise PermanentError(what, rule="drill-crashed") from None

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        """Travel by name."""
        return _find, (self._body.__module__, self._body.__qualname__)

    @cached_property
    def task(self) -> Task[[Callable[[], R]], R]:
        """The task whose runs Prefect shows; its one parameter is the work, which it need not look into."""
        from prefect.cache_policies import NO_CACHE  # noqa: PLC0415  a second, and a drill's process does without
        from prefect.tasks import Task  # noqa: PLC0415

        return Task(
            _do,
            name=self.name,
            task_run_name=self.name,
            retries=RETRIES if self.retried else 0,
            retry_delay_seconds=list(RETRY_DELAYS_S) if self.retried else None,
            retry_jitter_factor=JITTER if self.retried else None,
            retry_condition_fn=transient_only if self.retried else None,
            cache_policy=NO_CACHE,
            persist_result=False,
        )


def step(
    name: str, *, retried: bool = False, overdue: str = "stage-deadline", validating: bool = False
) -> Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function one step of the drill; see `Step`."""

    def decorate(body: Callable[P, R]) -> Step[P, R]:
        return Step(body, name, retried=retried, overdue=overdue, validating=validating)

    return decorate


class Runner(Protocol):
    """How the steps of one drill are run."""

    def run(self, step: Step[P, R], deadline: Deadline, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *step* and return what it returns; raise what it raises."""
        ...

    def surely(self, step: Step[P, R], deadline: Deadline, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a step that must happen, such as teardown and record, whatever has gone."""
        ...

    def close(self) -> None:
        """Let go of what the steps ran in."""
        ...


class Here:
    """Steps as plain functions, in the process that a drill within another is in already."""

    def run(self, step: Step[P, R], deadline: Deadline, *args: P.args, **kwargs: P.kwargs) -> R:  # noqa: ARG002  each keeps its own
        """Run *step*."""
        return step(*args, **kwargs)

    surely = run

    def close(self) -> None:
        """There is nothing to let go of."""


@dataclass(frozen=True, slots=True)
class TaskRuns:
    """Steps as task runs of the flow's run, their work done in the drill's process.

    Attributes:
        suite: there is one, so that validating needs Great Expectations.
    """

    process: DrillProcess
    suite: bool = False

    def run(self, step: Step[P, R], deadline: Deadline, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *step*."""
        return step.task(self._work(step, deadline, args, kwargs, must=False))

    def surely(self, step: Step[P, R], deadline: Deadline, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *step* even where Prefect's API has gone, or no process can be had any more."""
        work = self._work(step, deadline, args, kwargs, must=True)
        try:
            return step.task(work)
        except NoProcess:
            return step(*args, **kwargs)
        except DrillError:
            raise
        except Exception as error:  # noqa: BLE001  whatever Prefect met, the step itself is ours
            _log.warning("Prefect could not run %s (%s); it runs without", step.name, type(error).__name__)
            return work()

    def close(self) -> None:
        """End the process."""
        self.process.close()

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
            with DrillProcess(self.process.name, validating=True) as process:
                return process.call(step, args, kwargs, deadline, overdue=step.overdue, must=must)

        return work


def transient_only(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001  Prefect's signature
    """Return whether *state* failed with an error that may pass; anything unknown is permanent."""
    try:
        state.result()
    except TransientError:
        return True
    except BaseException:  # noqa: BLE001  whatever it was, it is not ours to retry
        return False
    return True


def _do(work: Callable[[], R]) -> R:
    return work()


def _find(module: str, name: str) -> object:
    return getattr(importlib.import_module(module), name)
