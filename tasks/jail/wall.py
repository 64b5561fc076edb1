"""The second wall, put up in the last moment before a process becomes PostgreSQL; and whether it stands here.

Its parts: `exec`, `files`, `tcp` and `scopes` by Landlock, `seccomp` by a filter, which is `exec` too where
there is no Landlock and makes it tighter where there is: Landlock must let the loader run, and the loader
runs programs.
"""

from __future__ import annotations

import array  # noqa: F401  socket.send_fds imports it, when the file system is already hidden
import contextlib
import ctypes
import errno
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from tasks.jail import landlock, seccomp
from tasks.jail.kernel import LIBC, LINUX, MACHINE, MACHINES, PR_SET_NO_NEW_PRIVS, prctl
from tasks.jail.namespaces import CLONE_FLAGS

_CANARY_S = 10
_AF_VSOCK = 40
_REFUSED = {errno.EACCES, errno.EPERM}
_NO_ASKING = {errno.EINVAL, errno.EBUSY, errno.EOPNOTSUPP}


def put_up(orders: dict[str, Any], door: socket.socket) -> None:
    """Put the wall over this process; whoever is to open the door for its program gets the key over *door*.

    Raises:
        OSError: a part that was promised cannot be had.
    """
    parts, execs = orders["parts"], orders["execs"]
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    program = orders["argv"][0] if execs else None
    landlock.restrict(parts, program, orders["read"], orders["write"], orders["helpers"])
    if "seccomp" not in parts:
        return
    guarded = bool(execs) and "exec" in parts
    listener = _filter(ask_exec=guarded, connect=orders["connect"])
    if listener >= 0:
        socket.send_fds(door, [b"k"], [listener])
        os.close(listener)
    elif guarded and not landlock.abi():
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), "exec")


def take_key(
    door: socket.socket, child: int, times: int, helpers: tuple[str, ...] = ()
) -> seccomp.Doorkeeper | None:
    """Return who opens the door for *child*, *times* times, and for others to *helpers*.

    None where it has no such door.
    """
    with contextlib.suppress(OSError):
        _, handles, _, _ = socket.recv_fds(door, 1, 1)
        if handles:
            return seccomp.Doorkeeper(handles[0], child, times, helpers)
    return None


def had() -> list[str]:
    """Return the parts of the wall that stand here; each was shown by a child that tried to get past it."""
    if not LINUX:
        return []
    parts = landlock.parts_of(landlock.abi())
    stands = parts if parts and _try(_behind_landlock, parts) else set()
    if MACHINE in MACHINES:
        if _try(_behind_filter_and_door, {"seccomp", "exec"}):
            stands |= {"seccomp", "exec"}
        elif _try(_behind_filter, {"seccomp"}):
            stands |= {"seccomp"}
    return [*sorted(stands), "limits"]


def _filter(*, ask_exec: bool, connect: bool) -> int:
    if ask_exec:
        try:
            return seccomp.install(ask_exec=True, connect=connect)
        except OSError as error:
            if error.errno not in _NO_ASKING:
                raise
    return seccomp.install(ask_exec=False, connect=connect)


def _try(canary: Callable[[], bool], parts: set[str]) -> bool:
    """Say whether *canary*, in a child behind the wall of *parts*, was stopped at every attempt."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _sing(canary, parts, theirs)
    theirs.close()
    with ours:
        _keep_door(take_key(ours, child, 1) if "seccomp" in parts else None, ours, child)
    return os.waitpid(child, 0)[1] == 0


def _sing(canary: Callable[[], bool], parts: set[str], door: socket.socket) -> None:
    orders = {
        "parts": parts,
        "execs": 1,
        "helpers": [],
        "argv": [os.devnull],
        "read": [],
        "write": [],
        "connect": False,
    }
    signal.alarm(_CANARY_S)
    with contextlib.suppress(BaseException):
        put_up(orders, door)
        os._exit(0 if canary() else 1)
    os._exit(1)


def _keep_door(keeper: seccomp.Doorkeeper | None, ended: socket.socket, child: int) -> None:
    """Answer the canary until it has *ended*."""
    if keeper is None:
        return
    awaited: list[Any] = [keeper, ended]
    try:
        while ended not in select.select(awaited, [], [])[0]:
            keeper.answer()
    except OSError:  # a kernel that asks, and does not let us say yes
        os.kill(child, signal.SIGKILL)
    os.close(keeper.fileno())


def _behind_landlock() -> bool:
    attempts: list[Callable[[], object]] = [
        partial(os.execv, sys.executable, [sys.executable, "-V"]),
        partial(os.open, sys.executable, os.O_RDONLY),
    ]
    return _REFUSED.issuperset(map(_error_of, attempts))


def _behind_filter() -> bool:
    families = (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, _AF_VSOCK)
    errors = {_error_of(partial(socket.socket, family, socket.SOCK_STREAM)) for family in families}
    return errors == {errno.EAFNOSUPPORT} and _error_of(_make_user_namespace) == errno.EPERM


def _behind_filter_and_door() -> bool:
    """Ask twice for what does not exist: the first time we are let through and the kernel finds nothing."""
    attempt = partial(os.execv, "/nonexistent/program", ["x"])
    return _behind_filter() and [_error_of(attempt) for _ in range(2)] == [errno.ENOENT, errno.EACCES]


def _make_user_namespace() -> None:
    if LIBC.unshare(CLONE_FLAGS["userns"]) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def _error_of(attempt: Callable[[], object]) -> int:
    try:
        attempt()
    except OSError as error:
        return error.errno or 0
    return 0
