"""Live progress: what a drill is doing, told to whoever listens in this process.

The command line listens and draws; in a worker nobody does and the log lines stand alone. A listener that
fails must not fail a drill, so listeners only ever receive, from the drill's own thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []
_lock = threading.Lock()
_muted: ContextVar[bool] = ContextVar("muted", default=False)


@contextmanager
def muted() -> Iterator[None]:
    """Tell nothing of what this thread does in the block: a drill within another is not news."""
    token = _muted.set(True)
    try:
        yield
    finally:
        _muted.reset(token)


def is_muted() -> bool:
    """Say whether a drill within another is at work."""
    return _muted.get()


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
    if is_muted():
        return
    with _lock:
        listeners = tuple(_listeners)
    for listener in listeners:
        try:
            listener(progress)
        except Exception:  # noqa: BLE001  whatever it was, it is not the drill's
            _log.exception("a progress listener failed; the drill goes on")


def count_bytes(database: str, stage: Stage) -> Callable[[int, int], None]:
    """Return a counter that tells how many bytes of how many are done; called from any thread."""

    def counted(done: int, total: int) -> None:
        tell(Progress(database, stage, "running", done=done, total=total))

    return counted


def say(database: str, stage: Stage) -> Callable[[str], None]:
    """Return a teller of what a stage is at."""

    def said(text: str) -> None:
        tell(Progress(database, stage, "running", text))

    return said
