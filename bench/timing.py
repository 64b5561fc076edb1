"""Medians, ratios and peak memory."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence


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


def peak_memory(goal_mib: int) -> None:
    """Print the most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)
    print(f"peak memory of the flow's process: {peak:.0f} MiB (goal {goal_mib} MiB)", flush=True)
