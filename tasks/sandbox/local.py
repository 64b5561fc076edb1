"""The cluster in a drill's own folder, as a kind of sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from tasks.model.sandbox import Sandbox as Cluster
from tasks.sandbox.cluster import classify_death, connect
from tasks.sandbox.workspace import destroy


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """See `tasks.sandbox.base.Sandbox`. The value travels between processes, the server stays where it is."""

    cluster: Cluster

    @property
    def version(self) -> str:
        """Of its build."""
        return self.cluster.postgres.version

    @property
    def isolation(self) -> frozenset[str]:
        """What the host allowed."""
        return self.cluster.workspace.isolation

    @property
    def expires_at(self) -> datetime:
        """As its folder's stamp says."""
        return self.cluster.workspace.expires_at

    def connect(
        self, database: str = "postgres", role: str | None = None
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a session through the socket in its folder."""
        return connect(self.cluster, database, role)

    def facts(self) -> Mapping[str, Any]:
        """Return its build, its settings and who restored."""
        return {
            "postgres_version": self.version,
            "postgres_source": self.cluster.postgres.source,
            "profile": self.cluster.profile,
            "settings": dict(self.cluster.settings),
            "jobs": self.cluster.jobs,
            "restored_as": self.cluster.restored_as,
        }

    def cause_of_death(self) -> str | None:
        """Return what its log and exit say."""
        return classify_death(self.cluster)

    def destroy(self) -> tuple[str, ...]:
        """Stop the server and remove the folder."""
        return destroy(self.cluster.workspace)
