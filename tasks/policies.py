"""How the steps are run: what is retried, what is never repeated, and what an unknown error becomes."""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from tasks.model.errors import DrillError, PermanentError, TransientError

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 2
RETRY_DELAYS_S = (2.0, 10.0)
JITTER = 0.5

_log = logging.getLogger(__name__)
_plain: ContextVar[bool] = ContextVar("plain", default=False)


def transient_only(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001  Prefect's signature
    """Return whether *state* failed with an error that may pass; anything unknown is permanent."""
    try:
        state.result()
    except TransientError:
        return True
    except BaseException:  # noqa: BLE001  whatever it was, it is not ours to retry
        return False
    return True


def step(name: str, *, retried: bool = False) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function one task of the drill.

    Args:
        name: the task run's name; parameters of the function may stand in braces.
        retried: whether transient errors are tried again; a restore is too dear to repeat on hope.
    """

    def decorate(body: Callable[P, R]) -> Task[P, R]:
        return _Step(
            _guarded(body),
            task_run_name=name,
            retries=RETRIES if retried else 0,
            retry_delay_seconds=list(RETRY_DELAYS_S) if retried else None,
            retry_jitter_factor=JITTER if retried else None,
            retry_condition_fn=transient_only if retried else None,
            cache_policy=NO_CACHE,
            persist_result=False,
        )

    return decorate


@contextmanager
def without_task_runs() -> Iterator[None]:
    """Run steps as plain functions in the block: what is meant to fail is no failed task of the run."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


class _Step(Task[P, R]):
    """A task that is one run of Prefect's, but in a drill within another."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override] # Prefect's has overloads
        """Run the step."""
        if _plain.get():
            return self.fn(*args, **kwargs)
        return super().__call__(*args, **kwargs)


def surely(chosen: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a step that must happen even where Prefect's API has gone, such as teardown and record."""
    try:
        return chosen(*args, **kwargs)
    except DrillError:
        raise
    except Exception as error:  # noqa: BLE001  whatever Prefect met, the step itself is ours
        _log.warning("Prefect could not run %s (%s); it runs without", chosen.name, type(error).__name__)
        return chosen.fn(*args, **kwargs)


def _guarded(body: Callable[P, R]) -> Callable[P, R]:
    """Let only our own errors out.

    Prefect writes an exception's text into states and logs, and a foreign one may quote a row or a secret.
    """

    @functools.wraps(body)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return body(*args, **kwargs)
        except DrillError:
            raise
        except Exception as exc:  # noqa: BLE001  see above
            what = f"The drill met an unknown error: {type(exc).__name__}."
            _log.error("%s\n%s", what, "".join(traceback.format_tb(exc.__traceback__)))
            raise PermanentError(what, rule="drill-crashed") from None

    return call
