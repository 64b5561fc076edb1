"""Times: aware UTC everywhere; now is an argument wherever it is judged."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the worker's clock, aware UTC."""
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """Return *at* as it stands in file names, sortable: `20260102T030405Z`."""
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def iso(at: datetime | None) -> str | None:
    """Return *at* as evidence holds it, or None."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
