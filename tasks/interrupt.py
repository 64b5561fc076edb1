"""Stopping drills that run in other threads: Ctrl-C and cancellation reach the main thread only.

Their tools and servers are ended, so that each drill's own thread comes to its teardown and its record;
what such a drill then meets is the interruption and says nothing about its backup.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tasks.model.sandbox import Workspace
from tasks.sandbox.reaper import end_processes

_lock = threading.Lock()
_live: dict[str, Workspace] = {}
_stopped: set[str] = set()


def began(workspace: Workspace) -> None:
    """Keep that a drill now has processes of its own."""
    with _lock:
        _live[workspace.drill_id] = workspace


def ended(drill_id: str) -> None:
    """Forget a drill that has been torn down."""
    with _lock:
        _live.pop(drill_id, None)


def was_stopped(drill_id: str) -> bool:
    """Return whether the drill was stopped from outside."""
    with _lock:
        return drill_id in _stopped


@contextmanager
def stopping_drills(pool: ThreadPoolExecutor) -> Iterator[None]:
    """Stop every drill of *pool* when the block is interrupted, and wait for their teardown."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        _stop_all()
        raise


def _stop_all() -> None:
    with _lock:
        live = list(_live.values())
        _stopped.update(workspace.drill_id for workspace in live)
    for workspace in live:
        end_processes(workspace.drill_id, workspace.data_dir)
