"""The throwaway cluster, and the folder that everything of a drill lives in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

NAMESPACES = ("network", "mount", "ipc", "pid")
"""The namespaces of its own that a sandbox may have."""
WALL = ("exec", "files", "tcp", "scopes", "seccomp", "limits")
"""The parts of the second wall, which need no right on the host."""


@dataclass(frozen=True, slots=True)
class PostgresInstall:
    """One PostgreSQL on this worker.

    Attributes:
        version: such as `17.11`.
        bindir: holds postgres, initdb, psql, pg_restore.
        source: `installed` or `cache`.
    """

    major: int
    version: str
    bindir: Path
    source: str


@dataclass(frozen=True, slots=True)
class Workspace:
    """A drill's own folder below RESTORE_DRILL_DIR, stamped with its owner and expiry.

    Attributes:
        root: removed whole by teardown.
        os_user: whom server and tools run as; None when that is the caller himself.
        isolation: the parts that were had, by name: namespaces (`network`, `mount`, `ipc`, `pid`), another OS
            user (`user`), and the parts of the second wall, of which docs/operations.md has the list.
        sockets: a short folder for the server's socket, where *root* is too long (107 bytes); else None.
        memory_bytes: what one process of it may take; 0: see `tasks.sandbox.limits`.
        groups: the control groups around its server.
    """

    drill_id: str
    root: Path
    os_user: str | None
    isolation: frozenset[str]
    created_at: datetime
    expires_at: datetime
    sockets: Path | None = None
    memory_bytes: int = 0
    groups: tuple[Path, ...] = ()

    @property
    def walled(self) -> bool:
        """Whether the second wall stands for this sandbox, so that a superuser's statement may be risked.

        Whatever code runs behind it can execute no program but PostgreSQL's own, open no socket but AF_UNIX
        and see no file of the worker's.
        """
        return self.isolation >= {"exec", "seccomp"} and not self.isolation.isdisjoint({"files", "mount"})

    @property
    def backup_dir(self) -> Path:
        """Where the download lies; readable by the sandbox's user."""
        return self.root / "backup"

    @property
    def data_dir(self) -> Path:
        """PGDATA."""
        return self.root / "data"

    @property
    def socket_dir(self) -> Path:
        """Where the server's Unix socket lies."""
        return self.sockets or self.root / "s"

    @property
    def scratch_dir(self) -> Path:
        """A folder that the sandbox's user may write: homes of tools, pipes."""
        return self.root / "tmp"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running cluster.

    Attributes:
        superuser: our own role, of a name that no dump can guess. Never runs anything that a dump brought.
        owner: the role that restores; no superuser (unless `restore_as: superuser`).
        reader: the role that checks and validates: reads everything, writes nothing.
        profile, settings: the server settings of the restore.
        jobs: parallel restore jobs.
    """

    workspace: Workspace
    postgres: PostgresInstall
    superuser: str
    owner: str = "drill_owner"
    reader: str = "drill_reader"
    port: int = 5432
    profile: str = "fast"
    settings: dict[str, str] = field(default_factory=dict)
    jobs: int = 1
    restored_as: str = "owner"


def parts_of(written: str | Iterable[str] | None) -> frozenset[str]:
    """Return the parts of an isolation as a record holds it: a list, or joined by `+` in older ones."""
    names = written.split("+") if isinstance(written, str) else written or ()
    return frozenset(names) - {"none"}
