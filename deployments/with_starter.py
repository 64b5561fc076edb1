"""Servers of ours that end with the process that started them, however that ends (Linux's PR_SET_PDEATHSIG).

Run as a program it takes the place of another one. The signal comes when the starting thread ends, so such
servers are started from the main thread.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

from tasks.model.child_python import child_python

_PR_SET_PDEATHSIG = 1


def end_with_starter(starter: int) -> None:
    """Ask for SIGTERM when the process *starter*, our parent, ends; end at once if it has already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != starter:
        sys.exit(0)


def command(program: Sequence[str]) -> list[str]:
    """Return the argument list that runs *program* so."""
    return [*child_python("-m", "deployments.with_starter"), str(os.getpid()), *program]


if __name__ == "__main__":
    end_with_starter(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  the program stands in for us
