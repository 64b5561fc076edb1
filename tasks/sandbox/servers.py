"""The servers that this process runs, and the watch over their disk and their log.

A server that would fill the disk is ended before it does: a full disk hurts everybody on the worker, and a
server that met one says misleading things.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tasks.sandbox.launch import Jailed
from tasks.sandbox.removal import open_regular

DISK_RESERVE_BYTES = 32 << 20
LOG_LIMIT_BYTES = 16 << 20
STOP_GRACE_S = 20.0
_WATCH_INTERVAL_S = 0.5


@dataclass(slots=True)
class Server:
    """A running server of this process; mutable, and never handed out.

    Attributes:
        ended_for: the rule under which the watch ended it, or None.
    """

    jailed: Jailed
    folder: Path
    log: Path
    ended_for: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)


_servers: dict[str, Server] = {}
_guard = threading.Lock()


def register_server(drill_id: str, jailed: Jailed, folder: Path, log: Path) -> Server:
    """Remember the server of *drill_id*, and watch it until it ends."""
    server = Server(jailed, folder, log)
    with _guard:
        _servers[drill_id] = server
    threading.Thread(target=_watch, args=(server,), name=f"watch {drill_id}", daemon=True).start()
    return server


def server_of(drill_id: str) -> Server | None:
    """Return the server of *drill_id*, running or dead; None if this process started none."""
    with _guard:
        return _servers.get(drill_id)


def stop_server(drill_id: str, number: int) -> None:
    """Stop and forget the server of *drill_id*: SIGQUIT at once, SIGINT with its data whole."""
    with _guard:
        server = _servers.pop(drill_id, None)
    if server is not None:
        server.ended.set()
        server.jailed.stop(number, STOP_GRACE_S)


def free_bytes(path: Path) -> int:
    """Return the bytes that an ordinary user may still write below *path*, which need not exist yet.

    Raises:
        OSError: the disk cannot be asked.
    """
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def _watch(server: Server) -> None:
    while not server.ended.wait(_WATCH_INTERVAL_S) and server.jailed.alive():
        with contextlib.suppress(OSError):
            if free_bytes(server.folder) < DISK_RESERVE_BYTES:
                server.ended_for = "disk-full"
                server.jailed.signal(signal.SIGQUIT)
                return
        with contextlib.suppress(OSError):
            if server.log.lstat().st_size > LOG_LIMIT_BYTES:
                with open_regular(server.log, os.O_WRONLY) as handle:
                    os.ftruncate(handle, 0)
