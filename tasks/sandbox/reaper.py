"""Finding and ending the processes of one drill, and no others.

A process is ours if its environment carries the drill's id, or if it works in one of the drill's folders: a
PostgreSQL backend writes its title over its environment, but it stays in its data folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

END_TIMEOUT_S = 10.0
_POLL_S = 0.02
_IPC_RMID, _IPC_STAT = 0, 2


def processes_of(drill_id: str, folders: Iterable[Path] = ()) -> tuple[int, ...]:
    """Return the pids of the living processes of *drill_id*, this one excepted."""
    places = {_place(folder) for folder in folders} - {None}
    needle = f"RESTORE_DRILL_ID={drill_id}".encode()
    return tuple(
        pid
        for pid in _pids()
        if pid != os.getpid()
        and (_carries(pid, needle) or (places and _place(Path(f"/proc/{pid}/cwd")) in places))
    )


def end_processes(drill_id: str, folders: Iterable[Path]) -> tuple[int, ...]:
    """Kill the processes of *drill_id* and wait for them; return those that would not go."""
    folders = tuple(folders)
    deadline = time.monotonic() + END_TIMEOUT_S
    while (living := processes_of(drill_id, folders)) and time.monotonic() < deadline:
        for pid in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)
    return living


def remove_shared_memory(data_dir: Path) -> None:
    """Remove the System V segment that a killed server of *data_dir* left, if nobody is attached to it."""
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
        key, segment = (int(word) for word in lines[6].split())
    except (OSError, ValueError, IndexError):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for line in _segments():
        words = line.split()
        if int(words[1]) == segment and int(words[0]) == key and words[6] == "0":
            libc.shmctl(segment, _IPC_RMID, None)


def _segments() -> list[str]:
    try:
        return Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except OSError:
        return []


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _carries(pid: int, needle: bytes) -> bool:
    try:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        return needle in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _place(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
