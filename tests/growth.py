"""How cost grows with the input: what tells linear from worse, on a machine that others use too."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

FELT_S = 0.03
"""What takes less, at the largest size, proves nothing either way."""
STEEPEST = 9.0
"""Four times the input may cost so many times as much; four squared is 16."""


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the fastest of up to three runs: others' load only ever adds."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
        if best < FELT_S:
            break
    return best


def assert_linear(work: Callable[[int], object], size: int) -> None:
    """Fail where *work* of four times *size* costs far more than four times *work* of *size*."""
    for _ in range(3):
        large = seconds(lambda: work(4 * size))
        if large < FELT_S:
            return
        small = seconds(lambda: work(size))
        if large < STEEPEST * small:
            return
    raise AssertionError(f"{4 * size} cost {large:.3f} s and {size} cost {small:.3f} s")


def peak_bytes(work: Callable[[], object]) -> int:
    """Return how much memory Python's allocator gave out at once for *work*."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
