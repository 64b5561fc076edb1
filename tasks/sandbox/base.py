"""What every kind of sandbox can be asked, whatever it runs on: a cluster of ours or a service's instance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import psycopg


class Sandbox(Protocol):
    """Where a backup was restored to, until it is destroyed."""

    @property
    def version(self) -> str:
        """Of its PostgreSQL, such as `17.11`."""
        ...

    @property
    def isolation(self) -> frozenset[str]:
        """What keeps it apart, by name."""
        ...

    @property
    def expires_at(self) -> datetime:
        """When a sweep may take it for abandoned, aware UTC."""
        ...

    def connect(
        self, database: str = "postgres", role: str | None = None
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a session as *role*; None is our superuser."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """Return what the evidence says of its server."""
        ...

    def cause_of_death(self) -> str | None:
        """Return the rule under which its end is judged; None while it lives."""
        ...

    def destroy(self) -> tuple[str, ...]:
        """Remove it, however often that is asked; return what is left behind."""
        ...
