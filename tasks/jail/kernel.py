"""The kernel's calls that Python has no function for, by libc or by number."""

from __future__ import annotations

import ctypes
import os
import sys

LINUX = sys.platform.startswith("linux")
LIBC = ctypes.CDLL(None, use_errno=True)
MACHINE = os.uname().machine if sys.maxsize > 2**32 else "32 bits"
MACHINES = ("x86_64", "aarch64")
"""Whose numbers of calls we know; elsewhere there is no seccomp filter."""

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC = 1024, 2048, 4096, 16384
MS_PRIVATE, MS_RELATIME = 1 << 18, 1 << 21
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
# What a mount has and a user namespace may not take from it: statvfs's flag, mount's flag.
_KEPT_FLAGS = {
    1: MS_RDONLY,
    2: MS_NOSUID,
    4: MS_NODEV,
    8: MS_NOEXEC,
    1024: MS_NOATIME,
    2048: MS_NODIRATIME,
    4096: MS_RELATIME,
}


def check(result: int, where: str) -> int:
    """Return *result*; raise what errno says where it tells of a failure."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), where)
    return result


def call(where: str, number: int, *arguments: object) -> int:
    """Make the system call *number*; integers are passed in full width."""
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return check(LIBC.syscall(ctypes.c_long(number), *wide), where)


def prctl(option: int, value: int) -> None:
    """Set a property of this process."""
    check(LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl")


def hide_process() -> None:
    """Keep this process's memory and environment from every other process of the same user.

    Inherited by fork, lost with exec. Where the system has no such thing nothing happens.
    """
    if LINUX:
        prctl(PR_SET_DUMPABLE, 0)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Mount, or change a mount."""

    def text(value: str | None) -> bytes | None:
        return None if value is None else os.fsencode(value)

    result = LIBC.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data))
    check(result, target)


def restrict_mount(path: str, flags: int) -> None:
    """Add *flags* to the mount at *path*, whose own stay."""
    had = os.statvfs(path).f_flag
    flags_kept = sum(flag for bit, flag in _KEPT_FLAGS.items() if had & bit)
    mount(None, path, None, MS_REMOUNT | MS_BIND | flags_kept | flags)
