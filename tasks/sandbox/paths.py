"""Where things lie on a worker: the drills' folder and the PostgreSQL cache, independent of each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import sys
from pathlib import Path

DRILL_DIR_VARIABLE = "RESTORE_DRILL_DIR"
POSTGRES_DIR_VARIABLE = "RESTORE_DRILL_POSTGRES_DIR"
_GET_FLAGS, _SET_FLAGS, _TOP_OF_HIERARCHIES = 0x80086601, 0x40086602, 0x00020000  # linux/fs.h


def drill_dir() -> Path:
    """Return the one folder below which everything of every drill lies; it need not exist."""
    configured = os.environ.get(DRILL_DIR_VARIABLE)
    return (Path(configured) if configured else _cache() / "restore-drill").expanduser().resolve()


def postgres_dir() -> Path:
    """Return the folder of the fetched PostgreSQL builds; it need not exist."""
    configured = os.environ.get(POSTGRES_DIR_VARIABLE)
    return (
        (Path(configured) if configured else _cache() / "restore-drill" / "postgres").expanduser().resolve()
    )


def make_folder(path: Path, mode: int) -> None:
    """Make *path* with its parents, the new ones with *mode* whatever the umask; others are not touched.

    Raises:
        OSError: it cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        folder.chmod(mode)


def spread(path: Path) -> None:
    """Ask the file system to lay what is made in the folder *path* far apart, where it can.

    ext4 passes over inodes freed in the last minutes one by one, so a cluster made where another was just
    removed took 0.6 to 1.6 s to copy instead of 0.2 s (`chattr +T`, measured on Linux 6).
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            (flags,) = struct.unpack("L", fcntl.ioctl(handle, _GET_FLAGS, struct.pack("L", 0)))
            fcntl.ioctl(handle, _SET_FLAGS, struct.pack("L", flags | _TOP_OF_HIERARCHIES))
        finally:
            os.close(handle)


def first_closed(path: Path, uid: int, gid: int) -> Path | None:
    """Return the uppermost folder on the way to *path*, itself included, that *uid* may not pass."""
    for folder in reversed((path, *path.parents)):
        status = folder.stat()
        if not _may_pass(status, uid, gid):
            return folder
    return None


def _may_pass(status: os.stat_result, uid: int, gid: int) -> bool:
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _cache() -> Path:
    if os.geteuid() == 0:
        return Path("/var/cache")  # root's own ~/.cache is closed to the sandbox's user
    configured = os.environ.get("XDG_CACHE_HOME")
    return Path(configured) if configured else Path.home() / ".cache"
