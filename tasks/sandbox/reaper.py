"""Finding and ending the processes of one drill, and no others.

A process is ours if its environment carries the drill's id, or if it is a PostgreSQL process that works in
the drill's data folder: a backend writes its title over its environment, but it stays where it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

from tasks.sandbox.removal import read_regular

END_TIMEOUT_S = 10.0
_POLL_S = 0.02
_IPC_RMID = 0
_PID_FILE_BYTES = 4096


def processes_of(drill_id: str, data_dir: Path | None = None) -> tuple[int, ...]:
    """Return the pids of the living processes of *drill_id*, this one excepted."""
    needle = f"RESTORE_DRILL_ID={drill_id}".encode()
    place = None if data_dir is None else _place(data_dir)
    return tuple(
        pid
        for pid in _pids()
        if pid != os.getpid() and _lives(pid) and (_carries(pid, needle) or _serves(pid, place))
    )


def end_processes(drill_id: str, data_dir: Path) -> tuple[int, ...]:
    """Kill the processes of *drill_id* and wait for them; return those that would not go."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while (living := processes_of(drill_id, data_dir)) and time.monotonic() < deadline:
        for pid in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)
    return living


def remove_shared_memory(data_dir: Path) -> None:
    """Remove the System V segment that a killed server of *data_dir* left, if nobody is attached to it."""
    try:
        lines = read_regular(data_dir / "postmaster.pid", _PID_FILE_BYTES).splitlines()
        key, segment = (int(word) for word in lines[6].split())
        owner = data_dir.lstat().st_uid
    except (OSError, ValueError, IndexError):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for line in _segments():
        words = line.split()
        # The file is the sandbox's to write: only a segment that its own user made is believed to be meant.
        if (int(words[0]), int(words[1]), words[6], int(words[9])) == (key, segment, "0", owner):
            libc.shmctl(segment, _IPC_RMID, None)


def _segments() -> list[str]:
    try:
        return Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except OSError:
        return []


def _pids() -> list[int]:
    try:
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    except OSError:
        return []


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in (b"Z", b"X")


def _carries(pid: int, needle: bytes) -> bool:
    try:
        return needle in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _serves(pid: int, place: tuple[int, int] | None) -> bool:
    if place is None or _place(Path(f"/proc/{pid}/cwd")) != place:
        return False
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except OSError:
        return False


def _place(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
