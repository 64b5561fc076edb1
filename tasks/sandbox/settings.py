"""The server settings of the two profiles.

`fast` gives up what a throwaway cluster does not need: a crash costs the drill, never data. Measured (docs/
decisions): the WAL and sync family is safe to take; more shared_buffers made restores slower.
"""

from __future__ import annotations

_COMMON = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "dynamic_shared_memory_type": "mmap",  # nothing in /dev/shm, which a killed server would leave
    "huge_pages": "off",
    "jit": "off",
    "ssl": "off",
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "archive_mode": "off",
    "max_logical_replication_workers": "0",
    "restart_after_crash": "off",  # a crash is to be seen, not healed
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "",
    "log_min_messages": "log",  # not the errors of statements: the client gets them, and they quote rows
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1d",
    "max_locks_per_transaction": "512",  # thousands of tables in one transaction
}
_CONNECTIONS = 100
_MAX_WAL_MB = 64 << 10
_MIN_WAL_MB = 1 << 10


def server_settings(profile: str, free_bytes: int, jobs: int = 1) -> dict[str, str]:
    """Return the settings of *profile*, as the evidence names them.

    Args:
        profile: `fast` or `production`.
        free_bytes: of the disk; WAL may take a quarter of it before a checkpoint recycles it.
        jobs: parallel restore jobs; each is a connection or two.
    """
    connections = {"max_connections": str(max(_CONNECTIONS, 2 * jobs + 20))}
    if profile != "fast":
        return _COMMON | connections
    wal_mb = min(_MAX_WAL_MB, max(_MIN_WAL_MB, (free_bytes >> 20) // 4))
    return _COMMON | connections | _FAST | {"max_wal_size": f"{wal_mb}MB"}
