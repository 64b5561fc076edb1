"""The file system that a sandbox sees: the host's, with everything hidden that no sandbox needs.

Paths stay what they are outside, so nobody has to translate them. What the sandbox may write lies on mounts
from which nothing can be executed or mapped as code.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any

from tasks.jail.kernel import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    mount,
    restrict_mount,
)

_BARE = MS_NOSUID | MS_NODEV | MS_NOEXEC
_EMPTY = "mode=0755,size=1m"


def build_view(view: dict[str, Any]) -> None:
    """Build the view in a mount namespace of our own.

    Args:
        view: `cover`: folders to hide behind empty ones; `devices`, `read`, `write`: paths brought back, with
            their devices, read-only, and writable but without execution; `made`: files of ours, by path;
            `shared_memory`: folders for small files in memory.

    Raises:
        OSError: the host does not allow a part of it.
    """
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    flags = {"devices": MS_NOSUID | MS_NOEXEC, "read": MS_NOSUID | MS_NODEV | MS_RDONLY, "write": _BARE}
    brought_back = [
        (path, os.open(path, os.O_PATH | os.O_CLOEXEC), flags[kind])
        for kind in flags
        for path in view.get(kind, ())
    ]
    for folder in view["cover"]:
        mount("tmpfs", folder, "tmpfs", _BARE, _EMPTY)
    for path, handle, restrictions in brought_back:
        _bring_back(path, handle, restrictions)
    for path, content in view.get("made", {}).items():
        _make(path, content)
    for folder in view.get("shared_memory", ()):
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103  pathlib would be one more import
        mount("tmpfs", folder, "tmpfs", _BARE, "mode=1777,size=16m")
    for folder in view["cover"]:
        restrict_mount(folder, MS_RDONLY | _BARE)
    with contextlib.suppress(
        OSError
    ):  # refused where the host's own flags are locked; the user still protects
        restrict_mount("/", MS_RDONLY)


def hide_processes() -> None:
    """Hide /proc, which belongs to the host's processes; PostgreSQL needs nothing of it."""
    mount("tmpfs", "/proc", "tmpfs", _BARE | MS_RDONLY, _EMPTY)


def _bring_back(path: str, handle: int, restrictions: int) -> None:
    with contextlib.suppress(OSError):  # beside the covered ones it is there already
        _make_place(path, folder=stat.S_ISDIR(os.fstat(handle).st_mode))
    mount(f"/proc/self/fd/{handle}", path, None, MS_BIND)
    os.close(handle)
    restrict_mount(path, restrictions)


def _make_place(path: str, *, folder: bool) -> None:
    os.makedirs(path if folder else os.path.dirname(path), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
    if not folder:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644))


def _make(path: str, content: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "w") as file:
        file.write(content)
