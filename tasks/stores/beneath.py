"""Opening what lies beneath a folder, and nothing else, whatever links stand there.

Whoever writes backups can write links, and the drill may read more than they: a link out of the store would
bring any file of this worker into the drill. The root and the folders above it are the operator's; from there
on each part of a path is looked up in the folder before it (`openat` with O_NOFOLLOW), and links are followed
by us, as long as they stay beneath the root: `latest -> 2026-11-25.dump` works. Pipes, devices and sockets
are never opened: they hang, or do things.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from tasks.model.errors import PermanentError

_LINKS = 40
"""As many as Linux follows in one path."""
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LinkLeavesStore(PermanentError):  # noqa: N818  what went wrong
    """A link on the way leads out of the store."""

    default_rule = "link-leaves-store"


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that paths are held beneath.

    Attributes:
        path: absolute; links in it are the operator's and are followed.
    """

    path: str

    def holds(self, path: str) -> bool:
        """Tell whether *path* lies beneath this folder, by its name."""
        return path.startswith(f"{self.path.rstrip('/')}/")

    @contextmanager
    def looked_up(self, path: str) -> Iterator[int]:
        """Find what *path* leads to and yield it as a descriptor that only names it (O_PATH).

        Raises:
            LinkLeavesStore: the way leads out of the root.
            OSError: there is nothing, or nothing that may be looked at.
        """
        handle = _Walk(self, path).end()
        try:
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """Yield the regular file at *path*, open for reading.

        Raises:
            LinkLeavesStore: the way leads out of the root.
            PermanentError: `not-a-file`.
            OSError: there is nothing, or nothing that may be read.
        """
        with self.looked_up(path) as path_handle:
            if not stat.S_ISREG(os.fstat(path_handle).st_mode):
                raise not_a_file(path)
            # The very file that was looked up: its name may lead elsewhere by now.
            handle = os.open(f"/proc/self/fd/{path_handle}", _READ)
        try:
            yield handle
        finally:
            os.close(handle)

    def state(self, path: str) -> os.stat_result:
        """Return the state of what *path* leads to; raises as `looked_up`."""
        with self.looked_up(path) as handle:
            return os.fstat(handle)


def not_a_file(where: str) -> PermanentError:
    """Return the error of a pipe, device, socket or folder where a file should be."""
    return PermanentError(
        "What lies there is no regular file but a folder, pipe, device or socket: there is nothing to read.",
        where,
        rule="not-a-file",
    )


class _Walk:
    """One way down from a root, folder by folder."""

    def __init__(self, root: Root, path: str) -> None:
        self._root, self._path = root, path
        self._folders = [os.open(root.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
        self._names = _parts(path.removeprefix(root.path))
        self._links = 0

    def end(self) -> int:
        """Return the descriptor of what the path leads to; the folders on the way are closed."""
        try:
            while self._names:
                self._step(self._names.pop())
            return os.dup(self._folders[-1])
        finally:
            for handle in self._folders:
                os.close(handle)

    def _step(self, name: str) -> None:
        if name == "..":
            if len(self._folders) == 1:
                raise self._leaves()
            os.close(self._folders.pop())
            return
        handle = os.open(name, _LOOK, dir_fd=self._folders[-1])
        try:
            is_link = stat.S_ISLNK(os.fstat(handle).st_mode)
            if is_link:
                self._follow(os.readlink("", dir_fd=handle))
        except BaseException:
            os.close(handle)
            raise
        if is_link:
            os.close(handle)
        else:
            self._folders.append(handle)

    def _follow(self, to: str) -> None:
        self._links += 1
        if self._links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        if to.startswith("/"):
            to = self._from_root(to)
        self._names += _parts(to)

    def _from_root(self, to: str) -> str:
        """Return an absolute link's way from the root, and start there again."""
        for top in (self._root.path, os.path.realpath(self._root.path)):
            if to == top or Root(top).holds(to):
                while len(self._folders) > 1:
                    os.close(self._folders.pop())
                return to.removeprefix(top)
        raise self._leaves()

    def _leaves(self) -> LinkLeavesStore:
        return LinkLeavesStore(
            f"A link leads out of the store's folder {self._root.path}. It was not followed: whoever writes "
            "backups could have any file of this worker read. Nothing is said about the backup.",
            self._path,
        )


def _parts(path: str) -> list[str]:
    """Return a path's parts, the last one first."""
    return [part for part in PurePosixPath(path).parts if part != "/"][::-1]
