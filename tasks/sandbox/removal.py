"""Reading and removing what a sandbox may have written, whatever it is.

Folders as deep as they come, FIFOs, sockets, links that lead out, names that are no text, folders without
permission, files that were made immutable, and all of it changing meanwhile: nothing here follows a link,
waits for a writer, recurses, or stops at the first thing that does not go.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = _OPEN | os.O_DIRECTORY
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # linux/fs.h
_IMMUTABLE_OR_APPEND_ONLY = 0x10 | 0x20
_AT_A_TIME = 10_000  # names of one folder that are held in memory
REMOVE_S = 60.0
"""How long one folder's removal may take; what is left then is for the next sweep."""


def read_regular(path: Path, limit: int) -> bytes:
    """Return the content of the regular file *path*.

    Args:
        path: its last part is not followed as a link; FIFOs and devices are not read.
        limit: bytes; a larger file is refused.

    Raises:
        OSError: it is not there, no regular file, or too large.
    """
    with open_regular(path) as handle:
        content = b""
        while len(content) <= limit and (more := os.read(handle, limit + 1 - len(content))):
            content += more
    if len(content) > limit:
        raise OSError(errno.EFBIG, "larger than anything we wrote", str(path))
    return content


@contextlib.contextmanager
def open_regular(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Open the regular file *path*, and nothing else that may lie there, while the block lasts.

    Raises:
        OSError: it is not there or no regular file.
    """
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield handle
    finally:
        os.close(handle)


def remove_tree(path: Path, last: tuple[str, ...] = (), timeout_s: float = REMOVE_S) -> bool:
    """Remove *path* with all that is in it; say whether it is gone. Never raises OSError.

    Args:
        path: a folder, a file or a link, which is removed itself.
        last: names in it that go only when everything else is gone.
        timeout_s: what is still there then, stays.
    """
    ends_at = time.monotonic() + timeout_s
    with contextlib.suppress(OSError):
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _remove(path.name, parent, last, ends_at)
        finally:
            os.close(parent)
    return not is_there(path)


def empty_folder(path: Path) -> None:
    """Remove all that is in the folder *path*, which stays.

    Raises:
        OSError: it is no folder, or something in it does not go.
    """
    handle = os.open(path, _OPEN_FOLDER)
    try:
        _empty(handle, frozenset(), time.monotonic() + REMOVE_S)
        if _names(handle):
            raise OSError(errno.ENOTEMPTY, "it cannot be emptied", str(path))
    finally:
        os.close(handle)


def is_there(path: Path) -> bool:
    """Say whether anything lies at *path*, a broken link included."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _remove(name: str, parent: int, last: tuple[str, ...], ends_at: float) -> None:
    handle = _enter(name, parent)
    if handle is None:
        _unlink(name, parent)
        return
    try:
        _empty(handle, frozenset(last), ends_at)
        if not _names(handle) - set(last):
            _empty(handle, frozenset(), ends_at)
    finally:
        os.close(handle)
    _rmdir(name, parent)


def _empty(handle: int, spared: frozenset[str], ends_at: float) -> None:
    """Go over the folder behind *handle* until nothing more goes."""
    while time.monotonic() < ends_at and _Pass(spared, ends_at).over(handle):
        pass


@dataclass(slots=True)
class _Level:
    """A folder that we are in: its name above, what it is, and which folders in it are still to be done."""

    name: str
    identity: os.stat_result
    folders: list[str]


class _Pass:
    """One pass over a tree, depth first, holding one folder open.

    The way back up is `..`, believed only if it is the folder that we came from.

    Args:
        spared: names directly in the top folder that stay.
        ends_at: on the monotonic clock.
    """

    def __init__(self, spared: frozenset[str], ends_at: float) -> None:
        self._spared = spared
        self._ends_at = ends_at
        self._removed = 0

    def over(self, top: int) -> int:
        """Remove what goes of the folder behind *top*; return how much that was."""
        handle = os.dup(top)
        try:
            way = [_Level("", os.fstat(handle), self._clear(handle, self._spared))]
            while time.monotonic() < self._ends_at:
                if way[-1].folders:
                    handle = self._descend(handle, way)
                elif len(way) == 1:
                    break
                else:
                    handle = self._ascend(handle, way)
        except OSError:  # the tree was changed under our feet: the next pass sees it anew
            return self._removed
        finally:
            os.close(handle)
        return self._removed

    def _descend(self, handle: int, way: list[_Level]) -> int:
        name = way[-1].folders.pop()
        inner = _enter(name, handle)
        if inner is None:
            return handle
        try:
            identity = os.fstat(inner)
            mounted = identity.st_dev != way[0].identity.st_dev  # something else's, and not ours to empty
            way.append(_Level(name, identity, [] if mounted else self._clear(inner, frozenset())))
        except OSError:
            os.close(inner)
            return handle
        os.close(handle)
        return inner

    def _ascend(self, handle: int, way: list[_Level]) -> int:
        above = os.open("..", _OPEN_FOLDER, dir_fd=handle)
        if not os.path.samestat(os.fstat(above), way[-2].identity):
            os.close(above)
            raise OSError(errno.ESTALE, "the folder was moved meanwhile")
        os.close(handle)
        self._removed += _rmdir(way.pop().name, above)
        return above

    def _clear(self, handle: int, spared: frozenset[str]) -> list[str]:
        """Remove the files in *handle*; return the names of the folders in it."""
        folders = []
        with os.scandir(handle) as entries:
            names = [(entry.name, _is_folder(entry)) for entry in islice(entries, _AT_A_TIME)]
        for name, folder in names:
            if name in spared:
                continue
            if folder:
                folders.append(name)
            else:
                self._removed += _unlink(name, handle)
        return folders


def _names(folder: int) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries}


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _enter(name: str, parent: int) -> int | None:
    """Open the folder *name*, made ours to change; None where it is no folder or stays closed."""
    handle: int | None = None
    try:
        handle = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    except PermissionError:
        handle = _open_closed(name, parent)
    except OSError:
        return None
    if handle is not None and os.fstat(handle).st_mode & 0o700 != 0o700:  # noqa: PLR2004
        with contextlib.suppress(OSError):
            os.fchmod(handle, 0o700)
    return handle


def _open_closed(name: str, parent: int) -> int | None:
    """Open a folder of ours that has no permission for us."""
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.chmod(name, 0o700, dir_fd=parent)
            return os.open(name, _OPEN_FOLDER, dir_fd=parent)
    return None


def _unlink(name: str, parent: int) -> int:
    """Remove a file, whatever kind; return 1 if it is gone."""
    return _delete(name, parent, folder=False)


def _rmdir(name: str, parent: int) -> int:
    return _delete(name, parent, folder=True)


def _delete(name: str, parent: int, *, folder: bool) -> int:
    delete = os.rmdir if folder else os.unlink
    try:
        try:
            delete(name, dir_fd=parent)
        except PermissionError:
            _make_mutable(name, parent)
            delete(name, dir_fd=parent)
    except OSError:
        return 0
    return 1


def _make_mutable(name: str, parent: int) -> None:
    """Take the flags off that keep even root from removing *name* from its folder."""
    _clear_flags(parent)
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        handle = os.open(name, _OPEN, dir_fd=parent)
        try:
            _clear_flags(handle)
        finally:
            os.close(handle)


def _clear_flags(handle: int) -> None:
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        (flags,) = struct.unpack("L", fcntl.ioctl(handle, _GET_FLAGS, struct.pack("L", 0)))
        if flags & _IMMUTABLE_OR_APPEND_ONLY:
            fcntl.ioctl(handle, _SET_FLAGS, struct.pack("L", flags & ~_IMMUTABLE_OR_APPEND_ONLY))
