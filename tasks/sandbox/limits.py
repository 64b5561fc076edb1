"""How much of its worker one sandbox may take: the memory, the processes and the files of its processes.

A backend that asks for more memory gets an error from its own PostgreSQL, which is named as the cause;
nothing else on the worker notices. What is shared (the buffers, parallel workers' segments) does not count.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from tasks.model.sandbox import Workspace

_AUTO_BYTES = 4 << 30
"""Twice what the largest value that PostgreSQL holds needs while it is read in."""
_LEAST_BYTES = 256 << 20
_FILE_BYTES = 64 << 30  # a table's files have 1 GiB each, as PostgreSQL is usually built
_OWN_PROCESSES, _SHARED_PROCESSES = 1024, 8192
_CGROUP_LIMITS = (
    ("", "/sys/fs/cgroup", "memory.max"),
    ("memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
)


def process_limits(workspace: Workspace, *, server: bool) -> dict[str, int]:
    """Return the limits of each process of *workspace*, as `tasks.jail.limits` takes them.

    Args:
        workspace: tells what memory it may take.
        server: also limit its files; what a tool writes is one file, as large as the database.
    """
    alone = "own-user" in workspace.isolation or (
        workspace.os_user is None and not workspace.isolation.isdisjoint(("network", "mount", "ipc", "pid"))
    )
    return {
        "data_bytes": workspace.memory_bytes or auto_memory_bytes(),
        **({"file_bytes": _FILE_BYTES} if server else {}),
        "processes": _OWN_PROCESSES if alone else _SHARED_PROCESSES,
    }


def auto_memory_bytes() -> int:
    """Return what one process of a sandbox may take where the fleet file does not say."""
    return max(_LEAST_BYTES, min(_AUTO_BYTES, memory_bytes() // 2))


@functools.cache
def memory_bytes() -> int:
    """Return the memory of this machine, or of the container that we are in."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min((machine, *_container_limits()))


def _container_limits() -> list[int]:
    """Return the limits of the control groups around us, of both versions, as far as they can be read."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    ours = {
        name: path for _, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")
    }
    limits = []
    for controller, top, file in _CGROUP_LIMITS:
        place = Path(top) / ours.get(controller, "/").lstrip("/")
        for folder in (place, *place.parents):
            if folder.is_relative_to(top):
                limits += _number_in(folder / file)
    return limits


def _number_in(path: Path) -> list[int]:
    try:
        text = path.read_text().strip()
    except OSError:
        return []
    return [int(text)] if text.isdigit() else []
