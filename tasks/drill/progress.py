"""Live progress: what a drill is doing, told to whoever listens in this process.

The command line listens and draws; in a worker nobody does and the log lines stand alone; the process of a
drill listens to itself and hands on what it hears to its flow. A listener that fails must not fail a drill.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tasks.model.findings import Stage

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of one drill.

    Attributes:
        state: `started`, `running`, `ended` (of the stage), `verdict`, or `news` worth a line of its own.
        done, total: bytes or entries of the running stage, where known.
    """

    database: str
    stage: Stage
    state: str
    text: str = ""
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Reporter:
    """Tells what one stage of a drill is at, from whatever thread or process it is called in.

    Attributes:
        told: a drill within another is not news.
    """

    database: str
    stage: Stage
    told: bool = True

    def count(self, done: int, total: int) -> None:
        """Tell how many bytes of how many are done."""
        if self.told:
            tell(Progress(self.database, self.stage, "running", done=done, total=total))

    def say(self, text: str) -> None:
        """Tell what the stage is at."""
        if self.told:
            tell(Progress(self.database, self.stage, "running", text))


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []
_lock = threading.Lock()


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hand every progress of this process to *listener* while the block runs."""
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)


def tell(progress: Progress) -> None:
    """Tell all listeners."""
    with _lock:
        listeners = tuple(_listeners)
    for listener in listeners:
        try:
            listener(progress)
        except Exception:  # noqa: BLE001  whatever it was, it is not the drill's
            _log.exception("a progress listener failed; the drill goes on")
