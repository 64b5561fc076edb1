"""Values that stay in the process of a drill: clients of a store and the like cannot be handed about.

Elsewhere only their number is known; handed back, it is the value again.
"""

from __future__ import annotations

import itertools
import os
from typing import Any, Generic, TypeVar

from tasks.model.errors import PermanentError

T = TypeVar("T")
_numbers = itertools.count(1)
_here: dict[str, Held[Any]] = {}


class Held(Generic[T]):
    """A value, or in any other process than its own the number of one."""

    def __init__(self, value: T) -> None:
        self._value: T | None = value
        self._number = ""

    @property
    def value(self) -> T:
        """The value.

        Raises:
            PermanentError: it is in another process, which has ended or has not been asked.
        """
        if self._value is None:
            raise PermanentError("A step asked for what another process holds.", rule="drill-crashed")
        return self._value

    def __reduce__(self) -> tuple[object, tuple[str]]:
        if not self._number:
            self._number = f"{os.getpid()}-{next(_numbers)}"
            _here[self._number] = self
        return _again, (self._number,)


def _again(number: str) -> Held[Any]:
    held = _here.get(number)
    if held is None:
        held = Held.__new__(Held)
        held._value, held._number = None, number  # noqa: SLF001  of its own kind
    return held
