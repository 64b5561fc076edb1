"""How much of the host one process of a sandbox may take, and who dies first where memory ends."""

from __future__ import annotations

import contextlib
import resource

from tasks.jail.kernel import LINUX

_LIMITS = {
    "data_bytes": resource.RLIMIT_DATA,
    "file_bytes": resource.RLIMIT_FSIZE,
    "processes": resource.RLIMIT_NPROC,
}
_FIRST_TO_DIE = "1000"


def set_limits(limits: dict[str, int]) -> None:
    """Lower this process's limits, as far as they are not lower already.

    Args:
        limits: `data_bytes`: its own memory, what is shared not counted; `file_bytes`: its largest file;
            `processes`: of its user, in its user namespace.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, kind in _LIMITS.items():
        if name in limits:
            hard = resource.getrlimit(kind)[1]
            limit = limits[name] if hard == resource.RLIM_INFINITY else min(hard, limits[name])
            resource.setrlimit(kind, (limit, limit))


def die_first() -> None:
    """Let the kernel choose this process, not the drill or its neighbours, when memory is short."""
    if LINUX:
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write(_FIRST_TO_DIE)
