"""The document of a self test: what it takes of the healthy drill, the matrix and the suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from expectations.loader import load_suite
from expectations.suite import SuiteInvalid
from tasks.drill.closing import closed
from tasks.evidence.selftest import build_selftest
from tasks.model.clock import utc_now
from tasks.model.drill import Drill
from tasks.model.selftest import Judged
from tasks.model.target import Target
from tasks.selftest.restored import Request


def document_of(drill: Drill, rows: Sequence[Judged], request: Request) -> dict[str, Any]:
    """Return the document; *drill* is the healthy backup's, torn down."""
    return build_selftest(
        closed(drill),
        rows,
        seed=request.seed,
        wanted=request.mutants,
        quick=request.quick,
        finished_at=utc_now(),
        gate=gate_of(drill.target),
    )


def gate_of(target: Target) -> str | None:
    """Return the gate of the target's suite; None without one, or where it cannot be read."""
    path = target.expect.suite
    try:
        return None if path is None else load_suite(path).gate.value
    except SuiteInvalid:
        return None
