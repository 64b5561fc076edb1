"""Namespaces: leaving the host's, and trying which ones may be left."""

from __future__ import annotations

import errno
import os

from tasks.jail.kernel import LIBC, check

CLONE_FLAGS = {
    "mount": 0x00020000,
    "ipc": 0x08000000,
    "userns": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
}


def isolate(parts: list[str], *, userns: bool) -> None:
    """Leave the host's namespaces; an ordinary user first makes a user namespace that maps only himself.

    Raises:
        OSError: the host does not allow it.
    """
    flags = sum(CLONE_FLAGS[part] for part in parts if part in CLONE_FLAGS)
    if userns:
        uid, gid = os.geteuid(), os.getegid()
        check(LIBC.unshare(flags | CLONE_FLAGS["userns"]), "user namespace")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    elif flags:
        check(LIBC.unshare(flags), "namespaces")


def _write(path: str, line: str) -> None:
    try:
        with open(path, "w") as file:  # noqa: PTH123  pathlib would be one more import at every start
            file.write(line)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
