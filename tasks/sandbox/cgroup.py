"""A control group around the server of a sandbox, where this worker may make one.

Limits of single processes leave their sum open; a group bounds it, and the number of processes whatever their
user. Version 2 as root on a host with systemd, or in a tree that was delegated; version 1 where a host still
has that. Whether one may be made and entered is found out by doing it.
"""

from __future__ import annotations

import time
from pathlib import Path

from tasks.sandbox.host import look_at_host
from tasks.sandbox.limits import memory_bytes
from tasks.sandbox.stamp import GROUP_PREFIX

_PROCESSES = 1024
_SHARE = (3, 4)  # of the worker's memory: the page cache counts, and a smaller one makes restores slower
_REMOVE_S = 2.0
_POLL_S = 0.01


def make_groups(drill_id: str, process_bytes: int) -> tuple[Path, ...]:
    """Make the groups of *drill_id* and set their limits; () where that is not to be had.

    Args:
        drill_id: in their names.
        process_bytes: what one process may take; all together get at least that.
    """
    limits = _limits(max(process_bytes, memory_bytes() * _SHARE[0] // _SHARE[1]))
    groups: list[Path] = []
    try:
        for parent in look_at_host().groups:
            group = parent / f"{GROUP_PREFIX}{drill_id}"
            group.mkdir()
            groups.append(group)
            _set(group, limits)
    except OSError:
        remove_groups(groups)
        return ()
    return tuple(groups)


def remove_groups(groups: tuple[Path, ...] | list[Path]) -> tuple[str, ...]:
    """Remove *groups*, whose processes were ended; return what is left."""
    return tuple(str(group) for group in groups if not _remove(group))


def _limits(total_bytes: int) -> dict[str, str]:
    """Return the limits by their files, those of both versions; a group has only some of them."""
    return {
        "memory.max": str(total_bytes),
        "memory.limit_in_bytes": str(total_bytes),
        "memory.oom.group": "1",
        "pids.max": str(_PROCESSES),
    }


def _set(group: Path, limits: dict[str, str]) -> None:
    for name, value in limits.items():
        if (group / name).exists():
            (group / name).write_text(value)


def _remove(group: Path) -> bool:
    """Remove an empty group; its last processes may take a moment to be gone."""
    ends_at = time.monotonic() + _REMOVE_S
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            if time.monotonic() >= ends_at:
                return False
            time.sleep(_POLL_S)
        else:
            return True
