"""What this host lets a sandbox have: found out once per process, by trying all of it in one jail."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.model.sandbox import NAMESPACES, WALL
from tasks.sandbox.launch import probe_host
from tasks.sandbox.stamp import GROUPS

_NEEDED = {"": "memory.max", "memory": "memory.limit_in_bytes", "pids": "pids.max"}
"""What a control group must have, by its hierarchy's controllers; "" is version 2, which has them all."""


@dataclass(frozen=True, slots=True)
class Host:
    """What is had.

    Attributes:
        parts: namespaces and parts of the second wall.
        groups: the control groups in which one for a sandbox may be made, one of each hierarchy.
    """

    parts: frozenset[str]
    groups: tuple[Path, ...]


@functools.cache
def look_at_host() -> Host:
    """Try what a sandbox may have here."""
    candidates = list(_candidates())
    answer = probe_host(
        {
            "probe": [*NAMESPACES, *WALL],
            "userns": os.geteuid() != 0,
            "groups": [[list(map(str, places)), needed] for places, needed in candidates],
        }
    )
    found: list[str | None] = answer.get("groups", [None for _ in candidates])
    limited = {needed for group, (_, needed) in zip(found, candidates, strict=True) if group is not None}
    groups = tuple(Path(group) for group in found if group is not None)
    return Host(frozenset(answer.get("parts", ())), groups if limited - {"pids.max"} else ())


def _candidates() -> Iterator[tuple[list[Path], str]]:
    """Yield for each hierarchy where we are in it, from our own group upwards, and what a group must have."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for controllers, path in (line.split(":", 2)[1:] for line in lines):
        mount = GROUPS / controllers
        if controllers in _NEEDED and mount.is_dir():
            own = mount / path.lstrip("/")
            above = [place for place in (own, *own.parents) if place.is_relative_to(mount)]
            yield above, _NEEDED[controllers]
