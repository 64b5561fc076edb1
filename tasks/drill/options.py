"""What sets one drill apart from the usual one."""

from __future__ import annotations

from dataclasses import dataclass

from expectations.runner import run_suite
from tasks.checks import RunSuite
from tasks.model.history import History


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """How a drill is run and judged, where that is not for its fleet file to say.

    Attributes:
        within: it is a part of another drill, as the self test makes them: what it does is no news.
        stranger: the store is reached with a key that is not valid.
        history: what it is judged by in place of the evidence of earlier drills.
        run_suite: how the suite is run: a self test leaves out what cannot come out otherwise.
    """

    within: bool = False
    stranger: bool = False
    history: History | None = None
    run_suite: RunSuite = run_suite
