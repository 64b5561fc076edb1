"""A backup that is being taken right now: not finished, and no reason to call it unfinished."""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.model.backup import Candidate
from tasks.model.base_point import BasePoint

_QUIET = timedelta(hours=1)
"""What is not finished and was not written to for so long is not being taken any more."""


def still_written(written_at: datetime, now: datetime) -> bool:
    """Say whether an unfinished backup that was last written to at *written_at* is being taken."""
    return now - written_at < _QUIET


def passed_by(point: BasePoint, written_at: datetime) -> Candidate:
    """Return *point* as a candidate that is not drilled, for it is being taken."""
    reason = f"it is still being taken: last written to at {written_at:%H:%M:%S} UTC"
    return Candidate(point.uri, point.bytes, point.at, taken=False, reason=reason)
