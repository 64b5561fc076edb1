"""The process that forks the processes of drills: it has imported what they need, and has no thread.

A flow's own process has threads, of Prefect's and of other drills, and whoever forks such a process may copy
a lock that nobody will ever release. So the flow starts this program once, without waiting for it, and asks
it for a copy of itself whenever a drill begins. It does nothing else: no byte of a backup reaches it.

A request is one byte with two sockets. Over the first the copy talks to the flow; over the second this server
says how the copy ended, and is told to end it. When the flow ends, however it ends, its sockets close: every
copy is killed, and the server goes too. Great Expectations takes seconds to import and most steps do without,
so a second server, a copy of this one, has it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import NoReturn

from tasks.drill import child
from tasks.drill.limits import call_itself, end_with
from tasks.model.child_python import child_python
from tasks.sandbox.install import list_postgres
from tasks.sandbox.isolation import host_parts

DRILL, SERVER = b"D", b"S"
"""Requests: for the process of a drill, and for a server that has imported Great Expectations."""
KILL = b"K"
_MODULES = (
    "tasks.discover",
    "tasks.draft",
    "tasks.fetch",
    "tasks.keep",
    "tasks.measure",
    "tasks.preflight",
    "tasks.provision",
    "tasks.record",
    "tasks.restore",
    "tasks.teardown",
    "tasks.validate",
    "tasks.verify",
)


def command(end: int) -> list[str]:
    """Return the argument list of a server that takes requests from the socket *end*."""
    return child_python("-m", __name__, str(end))


def main(end: int) -> NoReturn:
    """Be a server on the socket *end*, the flow's."""
    requests = socket.socket(fileno=end)
    requests.set_inheritable(False)
    call_itself("drill-server")
    for module in _MODULES:
        importlib.import_module(module)
    _look_around()
    serve(requests)


def serve(requests: socket.socket) -> NoReturn:
    """Fork what is asked for until the flow has gone."""
    gc.collect()
    gc.freeze()  # so that collections in a copy do not touch, and thereby copy, every page
    wakeup_read, wakeup_write = os.pipe()
    for end in (wakeup_read, wakeup_write):
        os.set_blocking(end, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        # a handler, since what is ignored stays ignored in every program started from here
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    copies: dict[int, socket.socket] = {}
    unwanted: set[int] = set()
    while True:
        ends = [end for pid, end in copies.items() if pid not in unwanted]
        watched: list[socket.socket | int] = [requests, wakeup_read, *ends]
        ready, _, _ = select.select(watched, [], [])
        if wakeup_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup_read, 512)
        unwanted |= _end_unwanted(copies, ready)
        _reap(copies)
        unwanted &= copies.keys()
        if requests in ready and not _take(requests, copies):
            _end_all(copies)


def _look_around() -> None:
    """Ask once, for all drills, what this worker offers: each copy remembers it too."""
    with contextlib.suppress(Exception):  # whoever needs it asks again, and says what is wrong
        host_parts()
        list_postgres()


def _take(requests: socket.socket, copies: dict[int, socket.socket]) -> bool:
    """Do one request; False where the flow has gone."""
    try:
        kind, ends, _, _ = socket.recv_fds(requests, 1, 2)
    except ConnectionError:
        return False
    if not kind:
        return False
    talk, status = (socket.socket(fileno=end) for end in ends)
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        for inherited in (requests, status, *copies.values()):
            inherited.close()
        _become(kind, talk, server)
    talk.close()
    copies[pid] = status
    return True


def _become(kind: bytes, talk: socket.socket, server: int) -> NoReturn:
    """In the copy: be what was asked for, and never come back."""
    try:
        signal.set_wakeup_fd(-1)
        os.setsid()  # killed with whatever it has started, and out of reach of the terminal's Ctrl-C
        end_with(server)
        if kind == SERVER:
            from expectations.runner import warm_up  # noqa: PLC0415  what this server is for

            os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            warm_up()
            serve(talk)
        child.serve(talk)
    finally:
        os._exit(1)


def _reap(copies: dict[int, socket.socket]) -> None:
    """Say of every copy that has ended how it ended."""
    while copies:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        end = copies.pop(pid)
        report = {"code": os.waitstatus_to_exitcode(status), "peak_bytes": usage.ru_maxrss << 10}
        with contextlib.suppress(OSError):
            end.sendall(json.dumps(report).encode())
        end.close()


def _end_unwanted(copies: dict[int, socket.socket], ready: list[socket.socket | int]) -> set[int]:
    """Kill the copies whose flow says so, or listens no more; return which they are."""
    unwanted = {pid for pid, end in copies.items() if end in ready}
    for pid in unwanted:
        _kill(pid)
    return unwanted


def _end_all(copies: dict[int, socket.socket]) -> NoReturn:
    for pid in copies:
        _kill(pid)
    os._exit(0)


def _kill(pid: int) -> None:
    """Kill a copy with its process group; it is ours until it is waited for, so the pid is no other's."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
