"""One jailed process, from its orders to its end.

Started with the socket FD, the jail reads its orders from it, enters the namespaces it is told to, gives up
its privileges and puts up the second wall in the child, and then watches: a drill that dies closes the
socket, and the child is ended; a jail that dies takes the child along by its parent-death signal. All that it
needs is imported before the file system is hidden.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from tasks.jail import groups, wall
from tasks.jail.kernel import (
    LINUX,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    hide_process,
    mount,
    prctl,
    restrict_mount,
)
from tasks.jail.limits import die_first, set_limits
from tasks.jail.namespaces import CLONE_FLAGS, isolate
from tasks.jail.seccomp import Doorkeeper
from tasks.jail.view import build_view, hide_processes

END_GRACE_S = 5.0  # how long a server may take to shut down once its drill is dead
POLL_S = 1.0
_SETUP_FAILED = 125


def main(arguments: list[str]) -> NoReturn:
    """Take orders from the socket whose number is the only argument; exit as the child does."""
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    orders = json.loads(_read_line(control))
    if "probe" in orders:
        _reply(control, probe(orders["probe"], orders["userns"], orders["groups"]))
        os._exit(0)
    try:
        child = start(orders)
    except OSError as error:
        _reply(control, {"error": f"{error.strerror or error}", "where": str(error.filename or "")})
        os._exit(_SETUP_FAILED)
    _reply(control, {"pid": child})
    end_as(watch(control, child, orders))


def start(orders: dict[str, Any]) -> int:
    """Enter the namespaces, start the child in them and return its pid as the host sees it.

    Raises:
        OSError: a namespace, the view or the program could not be had.
    """
    wakeup_read, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if LINUX else os.pipe()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    orders["wakeup"] = wakeup_read
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    die_first()
    orders["doors"] = groups.open_doors(orders["groups"])  # while they are in sight and we may
    isolate(orders["parts"], userns=orders["userns"])
    if "mount" in orders["parts"]:
        build_view(orders["view"])
        if "pid" in orders["parts"]:
            hide_processes()
    hide_process()
    return _fork(orders)


def probe(parts: list[str], userns: bool, candidates: list[Any]) -> dict[str, Any]:
    """Return what this host allows.

    Args:
        parts: which parts of an isolation are asked for.
        userns: try namespaces as an ordinary user does.
        candidates: see `groups.usable`, which is asked for each.

    Returns:
        `parts`: those that are had, namespaces each alone and all at once; `groups`: one or None for each.
    """
    usable = [groups.usable(*candidate) for candidate in candidates]
    namespaces = [part for part in parts if part in CLONE_FLAGS and _try([part], userns=userns)]
    while namespaces and not _try(namespaces, userns=userns):
        namespaces.pop()
    return {"parts": [*namespaces, *(part for part in wall.had() if part in parts)], "groups": usable}


def watch(control: socket.socket, child: int, orders: dict[str, Any]) -> int:
    """Wait until the child ends, or end it when the drill is gone; return its wait status."""
    parent, keeper = os.getppid(), orders["keeper"]
    awaited = [control, orders["wakeup"], *([keeper] if keeper else [])]
    while True:
        ready, _, _ = select.select(awaited, [], [], POLL_S)
        if keeper in ready:
            keeper.answer()
        if orders["wakeup"] in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(orders["wakeup"], 512)
        status = _reap(child)
        if status is not None:
            break
        if control in ready:
            signals = control.recv(64)
            for number in signals:
                _signal_group(child, number)
            if not signals:
                status = _end(child, orders["death_signal"])
                break
        if os.getppid() != parent:
            status = _end(child, orders["death_signal"])
            break
    _end_adopted()
    return status


def end_as(status: int) -> NoReturn:
    """Exit exactly as the child did, its signal included."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        set_limits({})  # no core of ours
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        time.sleep(1)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _fork(orders: dict[str, Any]) -> int:
    """Fork and exec; one pipe tells the child that we live while it arms its death signal, one us of exec."""
    go_read, go_write = os.pipe()  # not inheritable, like all of these: gone with exec
    error_read, error_write = os.pipe()
    door, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        for handle in (go_write, error_read, door.detach()):
            os.close(handle)
        try:
            _become(orders, go_read, theirs)
        except OSError as error:
            os.write(error_write, json.dumps([error.errno, error.strerror, str(error.filename)]).encode())
        os._exit(_SETUP_FAILED)
    os.close(go_read)
    os.close(error_write)
    theirs.close()
    os.write(go_write, b"1")
    with door:
        orders["keeper"] = wall.take_key(door, child, orders["execs"], orders["helpers"])
    failed = _await_exec(error_read, orders["keeper"])
    if failed:
        os.waitpid(child, 0)
        raise OSError(*json.loads(failed))
    orders["go"] = go_write  # stays open: the child of a dead jail reads an end of file
    _let_go_of_streams()
    return child


def _await_exec(error_read: int, keeper: Doorkeeper | None) -> bytes:
    """Open the door until the child has become its program; return what it said of a failure, or nothing."""
    awaited: list[Any] = [error_read, keeper]
    while keeper is not None and error_read not in select.select(awaited, [], [])[0]:
        keeper.answer()
    with os.fdopen(error_read, "rb") as errors:
        return errors.read()


def _let_go_of_streams() -> None:
    """Leave the child's pipes to the child: who feeds or reads them must see when it closes them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)


def _become(orders: dict[str, Any], go_read: int, door: socket.socket) -> NoReturn:
    """In the child: give up everything that is not needed, then become the program."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    groups.enter(orders["doors"])
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if orders["uid"] is not None:
        os.setgroups([number for number in (orders["gid"], orders.get("also_in")) if number is not None])
        os.setgid(orders["gid"])
        os.setuid(orders["uid"])
    set_limits(orders["limits"])
    os.umask(0o077)
    os.chdir(orders["cwd"])
    if LINUX:
        prctl(PR_SET_PDEATHSIG, orders["death_signal"])  # after setuid, which clears it
    if os.read(go_read, 1) != b"1":
        os._exit(_SETUP_FAILED)
    if LINUX:
        wall.put_up(orders, door)
    door.close()
    os.execve(orders["argv"][0], orders["argv"], orders["env"])  # noqa: S606  an argument list, no shell


def _end(child: int, number: int) -> int:
    """End the child for good: its own way first, the kernel's after a grace."""
    _signal_group(child, number)
    deadline = time.monotonic() + END_GRACE_S
    while time.monotonic() < deadline:
        status = _reap(child)
        if status is not None:
            return status
        time.sleep(0.02)
    _signal_group(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _end_adopted() -> None:
    """Kill what the child left: as a subreaper we inherit every orphan, whatever session it fled to."""
    if not LINUX:
        return
    deadline = time.monotonic() + END_GRACE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        orphans = _children()
        if not orphans:
            return
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _children() -> list[int]:
    """Return our children; with /proc hidden there is a pid namespace, which died with its first process."""
    pids = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
                fields = stat.read().rpartition(b")")[2].split()
                if int(fields[1]) == os.getpid():
                    pids.append(int(name))
    return pids


def _reap(child: int) -> int | None:
    """Reap whatever has ended; return the child's status once it has."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                return status
            if pid == 0:
                return None
    return None


def _signal_group(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, number)


def _try(parts: list[str], *, userns: bool) -> bool:
    child = os.fork()
    if child == 0:
        try:
            isolate(parts, userns=userns)
            if "mount" in parts:
                _try_mounts()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _try_mounts() -> None:
    """Do each kind of thing that a view is made of, where it hurts nobody: in a child's own namespace."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    device = os.open(os.devnull, os.O_PATH)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m")  # noqa: S108
    with open("/tmp/null", "w"):  # noqa: PTH123, S108
        mount(f"/proc/self/fd/{device}", "/tmp/null", None, MS_BIND)  # noqa: S108
    restrict_mount("/tmp/null", MS_NOSUID | MS_NOEXEC)  # noqa: S108
    restrict_mount("/tmp", MS_RDONLY)  # noqa: S108


def _read_line(control: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        more = control.recv(65536)
        if not more:
            os._exit(0)
        received += more
    return received


def _reply(control: socket.socket, answer: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
