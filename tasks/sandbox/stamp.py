"""The stamp: what a drill's folder says of itself, so that nobody but its drill, or `sweep`, ever removes it.

A drill lives as long as it holds the lock on its lease. Where a file system cannot lock, the owner's pid with
its start time and boot decides: a pid alone may have been given to another process since.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from expectations.json_text import read_object
from tasks.model.sandbox import parts_of
from tasks.sandbox.removal import read_regular

STAMP_FILE = "stamp.json"
LEASE_FILE = "lease"
_SCHEMA = "restore-drill/stamp/v1"
_ENDED = ("Z", "X")
_LARGEST_BYTES = 64 << 10
_OPEN_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
GROUPS, GROUP_PREFIX = Path("/sys/fs/cgroup"), "restore-drill-"
_SHORT = Path("/tmp")  # noqa: S108  a folder in it is made exclusively, for its owner
_SOCKETS = re.compile(r"rd-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who made a drill's folder, and until when it may stay.

    Attributes:
        isolation: see Workspace; sorted.
        created_at, expires_at: ISO, aware UTC.
        pid, started, boot, host: the owner; *started* and *boot* are "" where the system does not tell.
        sockets: the folder outside that belongs to it, or None.
        keep_until: ISO; set once a failed sandbox is kept for a look: it then needs no owner.
    """

    drill_id: str
    fleet: str
    database: str
    os_user: str | None
    isolation: tuple[str, ...]
    created_at: str
    expires_at: str
    pid: int
    started: str
    boot: str
    host: str
    sockets: str | None = None
    keep_until: str | None = None
    memory_bytes: int = 0
    groups: tuple[str, ...] = ()


def new_stamp(
    drill_id: str,
    fleet: str,
    database: str,
    *,
    os_user: str | None,
    isolation: Iterable[str],
    created_at: datetime,
    expires_at: datetime,
    memory_bytes: int = 0,
) -> Stamp:
    """Return a stamp that names this process as the owner."""
    return Stamp(
        drill_id=drill_id,
        fleet=fleet,
        database=database,
        os_user=os_user,
        isolation=tuple(sorted(isolation)),
        created_at=created_at.isoformat(),
        expires_at=expires_at.isoformat(),
        pid=os.getpid(),
        started=process_started(os.getpid()),
        boot=_boot(),
        host=socket.gethostname(),
        memory_bytes=memory_bytes,
    )


def write_stamp(root: Path, stamp: Stamp) -> None:
    """Write *stamp* into *root*, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    draft = root / f".{STAMP_FILE}.{os.getpid()}"
    with draft.open("w") as file:
        json.dump({"schema": _SCHEMA, **asdict(stamp)}, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(root / STAMP_FILE)


def read_stamp(root: Path) -> Stamp | None:
    """Return the stamp of *root*; None unless it is one of ours, whole, in a folder that it names."""
    stamp = read_draft_stamp(root)
    return stamp if stamp is not None and stamp.drill_id == root.name else None


def read_draft_stamp(root: Path) -> Stamp | None:
    """Return the stamp of a folder that may not bear its name yet; None unless it is one of ours, whole.

    Whoever runs as our own user could write one: nothing is read without bounds, and what a stamp names
    beside its folder is ours by its form alone.
    """
    try:
        fields = read_object(read_regular(root / STAMP_FILE, _LARGEST_BYTES))
        if fields.pop("schema") != _SCHEMA:
            return None
        isolation = tuple(sorted(parts_of(fields.pop("isolation"))))
        groups = tuple(fields.pop("groups", ()))
        stamp = Stamp(**fields, isolation=isolation, groups=groups)
        _require_sound(stamp)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return stamp


def _require_sound(stamp: Stamp) -> None:
    texts = [stamp.drill_id, stamp.fleet, stamp.database, stamp.started, stamp.boot, stamp.host]
    texts += [stamp.os_user or "", *stamp.isolation]
    numbers = [stamp.pid, stamp.memory_bytes]
    if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in numbers):
        raise ValueError("a field of another kind")
    for moment in (stamp.created_at, stamp.expires_at, stamp.keep_until or stamp.expires_at):
        if datetime.fromisoformat(moment).tzinfo is None:
            raise ValueError("a time without a zone")
    if not all(is_group_of(Path(group), stamp.drill_id) for group in stamp.groups):
        raise ValueError("control groups where we make none")
    if stamp.sockets is not None and not is_sockets_folder(Path(stamp.sockets)):
        raise ValueError("sockets where we make none")


def is_group_of(path: Path, drill_id: str) -> bool:
    """Say whether *path* is a control group as `cgroup` names those of *drill_id*."""
    return path.name == f"{GROUP_PREFIX}{drill_id}" and path.is_relative_to(GROUPS) and ".." not in path.parts


def new_sockets_folder() -> Path:
    """Return a short, unused name for a folder of sockets."""
    return _SHORT.resolve() / f"rd-{secrets.token_hex(4)}"


def is_sockets_folder(path: Path) -> bool:
    """Say whether *path* is one that `new_sockets_folder` names."""
    return path.parent == _SHORT.resolve() and _SOCKETS.fullmatch(path.name) is not None


def kept(stamp: Stamp, until: datetime) -> Stamp:
    """Return *stamp* without need of an owner, or of control groups, until *until*."""
    isolation = tuple(part for part in stamp.isolation if part != "cgroup")
    return replace(stamp, keep_until=until.isoformat(), groups=(), isolation=isolation)


def owner_lives(root: Path, stamp: Stamp) -> bool:
    """Say whether the drill that owns *root* is alive."""
    if stamp.keep_until is not None:
        return False
    try:
        lease = try_lock(root / LEASE_FILE)
    except OSError:  # something else lies there, and nobody holds it
        lease = -1
    if lease is None:
        return True
    if lease >= 0:
        os.close(lease)
    if stamp.host == socket.gethostname() and stamp.boot == _boot():
        return bool(stamp.started) and process_started(stamp.pid) == stamp.started
    return False


def try_lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock on *path*, which is made; None when somebody else holds it.

    The file may have been removed by its last holder between opening and locking: then it is opened anew.

    Raises:
        OSError: the file cannot be made, or something else lies there: a FIFO, a link.
    """
    while True:
        handle = os.open(path, _OPEN_LOCK, 0o600)
        try:
            _require_regular(handle, path)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError:
            os.close(handle)
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.lstat()):
                return handle
        os.close(handle)


def _require_regular(handle: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def process_started(pid: int) -> str:
    """Return when *pid* started, in ticks since boot; "" if it has ended or the system does not tell.

    A process that ended stays listed until its parent asks, which in a container may be never.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in _ENDED else fields[18]
    except (OSError, ValueError, IndexError):
        return ""


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
