"""Throwaway clusters, the PostgreSQL builds they run, and the runner for PostgreSQL's tools."""

from tasks.sandbox.cluster import (
    adopt,
    alive,
    classify_death,
    connect,
    dsn,
    make_roles,
    server_log_tail,
    start,
    start_sandbox,
    url,
)
from tasks.sandbox.extensions import available_extensions, extension_findings
from tasks.sandbox.install import find_postgres, install_postgres, list_postgres
from tasks.sandbox.isolation import isolation_findings
from tasks.sandbox.kept import Kept, drop_kept, find_kept, keep_for_later, started_again
from tasks.sandbox.runner import ToolResult, run_tool
from tasks.sandbox.servers import free_bytes
from tasks.sandbox.sweeping import SweepReport, sweep
from tasks.sandbox.workspace import destroy, keep, open_workspace, share_backup

__all__ = [
    "Kept",
    "SweepReport",
    "ToolResult",
    "adopt",
    "alive",
    "available_extensions",
    "classify_death",
    "connect",
    "destroy",
    "drop_kept",
    "dsn",
    "extension_findings",
    "find_kept",
    "find_postgres",
    "free_bytes",
    "install_postgres",
    "isolation_findings",
    "keep",
    "keep_for_later",
    "list_postgres",
    "make_roles",
    "open_workspace",
    "run_tool",
    "server_log_tail",
    "share_backup",
    "start",
    "start_sandbox",
    "started_again",
    "sweep",
    "url",
]
