"""A user for each sandbox, who is nobody else on this worker.

Drills beside each other that share a user could signal each other's servers and read each other's files. A
number that is in no list of users does: the sandbox's own list names it.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from tasks.sandbox.paths import make_folder
from tasks.sandbox.stamp import try_lock

FIRST, COUNT = 1_900_000_000, 1 << 16
"""Between what systemd keeps for containers (to 1,879,048,191) and for foreign images (2,147,352,576 on)."""
_DRAWS = 100


def take_user(locks: Path) -> tuple[int, int, Path] | None:
    """Return a free user's number, the lock that keeps it ours while it is held, and the lock's file.

    None where this worker's container has no such numbers.

    Raises:
        OSError: the lock cannot be made.
    """
    if not (is_mapped("uid_map") and is_mapped("gid_map")):
        return None
    for _ in range(_DRAWS):
        number = FIRST + secrets.randbelow(COUNT)
        path = locks / f"user-{number}.lock"
        handle = _lock(path)
        if handle is not None:
            return number, handle, path
    return None


def _lock(path: Path) -> int | None:
    """Lock *path*, in a folder that another drill may remove as empty in the very moment."""
    for _ in range(_DRAWS):
        try:
            make_folder(path.parent, 0o755)
            return try_lock(path)
        except FileNotFoundError:
            continue
    return None


def is_mapped(name: str) -> bool:
    """Say whether the user namespace that we are in holds all of our numbers."""
    try:
        lines = Path(f"/proc/self/{name}").read_text().splitlines()
    except OSError:
        return False
    ranges = [(int(first), int(count)) for first, _, count in (line.split() for line in lines)]
    return any(first <= FIRST and first + count >= FIRST + COUNT for first, count in ranges)
