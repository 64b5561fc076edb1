"""A step of a drill, and who runs it."""

from __future__ import annotations

import functools
import importlib
import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeVar

from tasks.drill.child import OUT_OF_MEMORY
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError

if TYPE_CHECKING:
    from tasks.drill.beside import Beside

P = ParamSpec("P")
R = TypeVar("R")
RETRIES = 2
"""How often a step that is tried again is."""
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

    def beside(self, step: Step[..., R], deadline: Deadline, *args: object) -> Beside[R] | None:
        """Begin *step* beside the next one that is run; None where this runner does one thing at a time."""
        ...

    def close(self) -> None:
        """Let go of what the steps ran in."""
        ...


def _find(module: str, name: str) -> object:
    return getattr(importlib.import_module(module), name)
