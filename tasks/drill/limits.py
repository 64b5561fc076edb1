"""What the process of one drill may use, and how it ends with those it belongs to.

Only private memory counts: pages of shared libraries, and those that it shares with the process that it was
forked from, cost the worker nothing more.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from tasks.jail.kernel import LIBC, LINUX, PR_SET_PDEATHSIG, prctl
from tasks.model.errors import ConfigInvalid
from tasks.model.units import parse_size_bytes

MEMORY_VARIABLE = "RESTORE_DRILL_MEMORY"
DEFAULT_MEMORY_BYTES = 2 << 30
"""A drill's process takes 60 to 300 MiB; the largest table of contents in the field took a few hundred."""
LEAST_MEMORY_BYTES = 256 << 20
_PR_SET_NAME = 15
_PRIVATE = re.compile(r"^(?:RssAnon|VmSwap):\s+(\d+) kB$", re.MULTILINE)


def memory_limit_bytes() -> int:
    """Return how much memory the process of one drill may use on this worker.

    Raises:
        ConfigInvalid: RESTORE_DRILL_MEMORY is no size, or too small for any drill.
    """
    text = os.environ.get(MEMORY_VARIABLE, "")
    if not text:
        return DEFAULT_MEMORY_BYTES
    try:
        size = parse_size_bytes(text)
    except ValueError as error:
        raise ConfigInvalid(f"{MEMORY_VARIABLE}: {error}") from error
    if size < LEAST_MEMORY_BYTES:
        raise ConfigInvalid(f"{MEMORY_VARIABLE}: {text} is too small for a drill; write 1GiB or more")
    return size


def memory_used_bytes(pid: int) -> int:
    """Return the private memory of *pid*, what is swapped out included; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return 0
    return sum(int(kib) << 10 for kib in _PRIVATE.findall(status))


def end_with(parent: int) -> None:
    """Let the kernel kill this process when *parent*, its parent, ends however it ends."""
    if LINUX:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def call_itself(name: str) -> None:
    """Give this process a name that `ps` shows, of at most 15 bytes."""
    if LINUX:
        LIBC.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
