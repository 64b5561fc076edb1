"""A moment by which something must have ended, and what is left until then.

It is monotonic time of this machine since its start, the same in all its processes, so that a deadline can be
handed from one to another.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from tasks.model.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Deadline:
    """When something must have ended.

    Attributes:
        seconds: how long it may take in all, for messages.
        ends_at: monotonic seconds.
    """

    seconds: float
    ends_at: float

    @classmethod
    def within(cls, seconds: float) -> Deadline:
        """Return the deadline that lies *seconds* from now."""
        return cls(seconds, time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        """The seconds left; negative once it has passed."""
        return self.ends_at - time.monotonic()

    def remaining_s(self) -> float:
        """Return the seconds left.

        Raises:
            PermanentError: none are, rule `stage-deadline`.
        """
        left = self.left_s
        if left <= 0:
            raise PermanentError(
                f"the stage did not end within its deadline of {self.seconds:g} s", rule="stage-deadline"
            )
        return left
