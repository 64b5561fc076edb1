"""Throwaway clusters, the PostgreSQL builds they run, and the runner for PostgreSQL's tools."""

from tasks.sandbox.cluster import alive, classify_death, connect, dsn, server_log_tail, start_sandbox, url
from tasks.sandbox.install import available_extensions, find_postgres, install_postgres, list_postgres
from tasks.sandbox.runner import ToolResult, run_tool
from tasks.sandbox.servers import free_bytes
from tasks.sandbox.workspace import SweepReport, destroy, keep, open_workspace, share_backup, sweep

__all__ = [
    "SweepReport",
    "ToolResult",
    "alive",
    "available_extensions",
    "classify_death",
    "connect",
    "destroy",
    "dsn",
    "find_postgres",
    "free_bytes",
    "install_postgres",
    "keep",
    "list_postgres",
    "open_workspace",
    "run_tool",
    "server_log_tail",
    "share_backup",
    "start_sandbox",
    "sweep",
    "url",
]
