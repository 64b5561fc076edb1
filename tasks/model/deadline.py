"""A moment by which something must have ended, and what is left until then.

It is monotonic time of this machine since its start, the same in all its processes, so that a deadline can be
handed from one to another.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from tasks.model.errors import PermanentError
from tasks.model.units import format_duration

NO_LIMIT_S = 30 * 86400.0
_LONGEST_MS = 2**31 - 1  # of PostgreSQL's statement_timeout


@dataclass(frozen=True, slots=True)
class Deadline:
    """When something must have ended.

    Attributes:
        seconds: how long it may take in all, for messages.
        ends_at: monotonic seconds.
        rule: what it is judged by when it has passed: the stage's own deadline, or the budget of some checks.
    """

    seconds: float
    ends_at: float
    rule: str = "stage-deadline"

    @classmethod
    def within(cls, seconds: float | None, rule: str = "stage-deadline") -> Deadline:
        """Return the deadline that lies *seconds* from now; None: so far away that it is none."""
        limit_s = NO_LIMIT_S if seconds is None else seconds
        return cls(limit_s, time.monotonic() + limit_s, rule)

    @property
    def left_s(self) -> float:
        """The seconds left, at least 0."""
        return max(0.0, self.ends_at - time.monotonic())

    @property
    def over_s(self) -> float:
        """For how many seconds it has passed, 0 while it has not."""
        return max(0.0, time.monotonic() - self.ends_at)

    @property
    def passed(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self.ends_at

    @property
    def statement_ms(self) -> int:
        """What is left as PostgreSQL's statement_timeout takes it: to it 0 is no limit."""
        return statement_ms(self.left_s)

    def sooner(self, other: Deadline) -> Deadline:
        """Return the one that ends first."""
        return self if self.ends_at <= other.ends_at else other

    def check(self, doing: str = "the step was at work", where: str | None = None) -> float:
        """Return the seconds left.

        Args:
            doing: what it may have passed during, as in "the backup was read".
            where: the object or file concerned.

        Raises:
            PermanentError: none are, by the deadline's rule.
        """
        left = self.left_s
        if left == 0.0:
            what = f"The deadline of {format_duration(self.seconds)} passed while {doing}."
            raise PermanentError(f"{what} It says nothing about the backup.", where, rule=self.rule)
        return left


def statement_ms(seconds: float) -> int:
    """Return *seconds* as PostgreSQL's statement_timeout takes them: 1 ms to 24 days; to it 0 is no limit."""
    return max(1, int(min(seconds * 1000, _LONGEST_MS)))
