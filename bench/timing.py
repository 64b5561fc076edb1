"""Medians, ratios and peak memory."""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def timed(work: Callable[[], object]) -> float:
    """Return the wall seconds of *work*."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratio(name: str, ours: Sequence[float], base: Sequence[float], goal: float) -> None:
    """Print the median of the ratios, round by round, beside its goal."""
    ratios = [a / b for a, b in zip(ours, base, strict=True)]
    print(
        f"{name}: {statistics.median(ratios):.2f} x (rounds {', '.join(f'{r:.2f}' for r in ratios)}; "
        f"{statistics.median(ours):.1f} s against {statistics.median(base):.1f} s; goal {goal:g} x)",
        flush=True,
    )


def seconds(name: str, taken: Sequence[float], goal: float) -> None:
    """Print the median of *taken* beside its goal."""
    rounds = ", ".join(f"{t:.1f}" for t in taken)
    print(f"{name}: {statistics.median(taken):.1f} s (rounds {rounds}; goal {goal:g} s)", flush=True)


@contextmanager
def watched_memory(goal_mib: int) -> Iterator[None]:
    """Print the most memory that this process and those of its drills had together while the block ran.

    Pages that they share count once. PostgreSQL and Prefect's server are not among them.
    """
    peak, done = [0], threading.Event()
    watch = threading.Thread(target=_watch, args=(peak, done), daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()
    flow = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)
    print(
        f"peak memory of the flow with its drills' processes: {peak[0] >> 20} MiB "
        f"(the flow's own {flow:.0f} MiB; goal {goal_mib} MiB)",
        flush=True,
    )


def _watch(peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.1):
        peak[0] = max(peak[0], sum(_share_bytes(pid) for pid in (os.getpid(), *_drill_processes())))


def _drill_processes() -> Iterator[int]:
    """Yield the fork servers of this process and what they have forked."""
    ours = {os.getpid()}
    for pid in sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        with contextlib.suppress(OSError, ValueError):
            name, _, fields = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
            if int(fields.split()[1]) in ours and name.startswith("drill"):
                ours.add(pid)
                yield pid


def _share_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0
