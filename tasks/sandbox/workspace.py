"""A drill's own folder: made before anything is downloaded, removed whole at the end.

Layout below RESTORE_DRILL_DIR: `drills/<drill id>/` with stamp.json, lease, backup/, data/, s/ (the socket)
and tmp/; `locks/` holds one lock per database under drill. The folder belongs to the drill and is closed to
everyone but the sandbox's user, who may write only to data/, s/ and tmp/.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import signal
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Workspace
from tasks.sandbox.cgroup import make_groups, remove_groups
from tasks.sandbox.isolation import (
    choose_isolation,
    choose_os_user,
    closed_folder,
    configured_os_user,
    ids,
)
from tasks.sandbox.paths import drill_dir, make_folder, spread
from tasks.sandbox.reaper import end_processes, remove_shared_memory
from tasks.sandbox.removal import REMOVE_S, remove_tree
from tasks.sandbox.servers import stop_server
from tasks.sandbox.stamp import (
    LEASE_FILE,
    STAMP_FILE,
    Stamp,
    kept,
    new_sockets_folder,
    new_stamp,
    read_stamp,
    try_lock,
    write_stamp,
)
from tasks.sandbox.users import take_user

DATABASE_WAIT_S = 600.0  # how long a drill waits for another one of the same database
SOCKET_PATH_LIMIT = 103  # bytes: the smaller of Linux' 107 and macOS' 103
_SOCKET_NAME = ".s.PGSQL.65535.lock"
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_REMOVALS = 5  # what a dying process still wrote is gone at the second
_POLL_S = 0.1
_RACES = 100


@dataclass(frozen=True, slots=True)
class _Held:
    """The locks of a workspace of this process: its lease, and those of its database and its user."""

    lease: int
    locks: tuple[tuple[int, Path], ...]


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


def open_workspace(
    target_fleet: str,
    database: str,
    drill_id: str,
    isolation: str,
    expires_at: datetime,
    wait_s: float = DATABASE_WAIT_S,
    memory_bytes: int = 0,
) -> Workspace:
    """Make the folder of one drill, stamped and leased to this process; a retry of a drill starts afresh.

    Args:
        target_fleet: the fleet's name.
        database: the database's name in the fleet; one drill of it runs at a time on a worker.
        drill_id: becomes the folder's name and marks every process of the drill.
        isolation: `required`, `preferred` or `off`.
        expires_at: aware UTC; later than any stage's deadline.
        wait_s: seconds to wait for another drill of the same database on this worker.
        memory_bytes: what one process of the sandbox may take; 0: half of the worker's, at most 4 GiB.

    Raises:
        PermanentError: `already-running`, `isolation-unavailable`, `workspace-unusable` or `disk-full`.
    """
    base, os_user = drill_dir(), choose_os_user()
    had = choose_isolation(isolation, needs_view=_closed(base, os_user) is not None)
    stamp = new_stamp(
        folder_name(drill_id),
        target_fleet,
        database,
        os_user=os_user,
        isolation=had,
        created_at=utc_now(),
        expires_at=expires_at,
        memory_bytes=memory_bytes,
    )
    workspace = workspace_of(_root(base, stamp), stamp)
    _give_up_earlier(workspace.root)
    try:
        workspace = _open(base, stamp, wait_s)
    except OSError as error:
        raise _unusable(error, base) from error
    try:
        _check_reachable(workspace)
    except PermanentError:
        destroy(workspace)
        raise
    return workspace


def folder_name(drill_id: str) -> str:
    """Return the name of the folder of *drill_id*: the id itself where it can be a file's name."""
    if _PLAIN_ID.fullmatch(drill_id):
        return drill_id
    return "d-" + hashlib.sha256(drill_id.encode()).hexdigest()[:16]


def destroy(workspace: Workspace) -> tuple[str, ...]:
    """End every process of *workspace* and remove it; return what is left, () when nothing is. Idempotent."""
    stop_server(workspace.drill_id, signal.SIGQUIT)
    left = remove_all(workspace)
    _release(workspace.root)
    tidy(workspace.root.parent.parent)
    return left


def keep(workspace: Workspace, until: datetime) -> None:
    """Leave *workspace* behind on purpose: it needs no owner until *until*, and `sweep` removes it after.

    Its server ends with a clean shutdown; the data stays.

    Raises:
        PermanentError: `workspace-unusable`: its stamp is gone or cannot be written.
    """
    stop_server(workspace.drill_id, signal.SIGINT)
    end_processes(workspace.drill_id, workspace.data_dir)
    remove_groups(workspace.groups)
    stamp = read_stamp(workspace.root)
    try:
        if stamp is None:
            raise FileNotFoundError(errno.ENOENT, "its stamp is gone", str(workspace.root))
        write_stamp(workspace.root, kept(stamp, until))
    except OSError as error:
        raise PermanentError(
            f"The sandbox cannot be kept: {error.strerror}.", str(workspace.root), rule="workspace-unusable"
        ) from error
    _release(workspace.root)


def workspace_of(root: Path, stamp: Stamp) -> Workspace:
    """Return the workspace that *stamp* describes."""
    return Workspace(
        drill_id=stamp.drill_id,
        root=root,
        os_user=stamp.os_user,
        isolation=frozenset(stamp.isolation),
        created_at=datetime.fromisoformat(stamp.created_at).astimezone(UTC),
        expires_at=datetime.fromisoformat(stamp.expires_at).astimezone(UTC),
        sockets=None if stamp.sockets is None else Path(stamp.sockets),
        memory_bytes=stamp.memory_bytes,
        groups=tuple(map(Path, stamp.groups)),
    )


def share_backup(workspace: Workspace) -> None:
    """Let the sandbox's user read what was downloaded, whatever umask the drill runs under."""
    owner = ids(workspace.os_user)
    if owner is None:
        return
    for folder, _, names in os.walk(workspace.backup_dir):
        _share(Path(folder), owner[1], 0o050)
        for name in names:
            _share(Path(folder) / name, owner[1], 0o040)


def remove_all(workspace: Workspace) -> tuple[str, ...]:
    """End the processes of *workspace* and remove its folders and groups; return what is left."""
    root, sockets = workspace.root, workspace.sockets
    left = [f"process {pid}" for pid in end_processes(workspace.drill_id, workspace.data_dir)]
    remove_shared_memory(workspace.data_dir)
    left += remove_groups(workspace.groups)
    left += [str(folder) for folder in (sockets, root) if folder is not None and not _remove_folder(folder)]
    return tuple(left)


def tidy(base: Path) -> None:
    """Remove the folders below *base* that are shared by all drills, once they are empty."""
    for name in ("drills", "locks"):
        with contextlib.suppress(OSError):
            (base / name).rmdir()


def _open(base: Path, stamp: Stamp, wait_s: float) -> Workspace:
    lock_path = _lock_path(base, stamp.fleet, stamp.database)
    locks = [(_lock_database(lock_path, wait_s), lock_path)]
    try:
        stamp = _with_groups(_with_own_user(base, stamp, locks))
        stamp, lease = _make(base, stamp)
    except BaseException:
        remove_groups(tuple(map(Path, stamp.groups)))
        for lock in locks:
            _unlock(*lock)
        raise
    workspace = workspace_of(_root(base, stamp), stamp)
    with _guard:
        _held[workspace.root] = _Held(lease, tuple(locks))
    return workspace


def _with_own_user(base: Path, stamp: Stamp, locks: list[tuple[int, Path]]) -> Stamp:
    """Give the sandbox a user whom no other one has, where its own view of the host can name him."""
    if stamp.os_user is None or configured_os_user() or "mount" not in stamp.isolation:
        return stamp
    user = take_user(base / "locks")
    if user is None:
        return stamp
    number, handle, path = user
    locks.append((handle, path))
    return replace(stamp, os_user=str(number), isolation=tuple(sorted((*stamp.isolation, "own-user"))))


def _with_groups(stamp: Stamp) -> Stamp:
    """Put a control group around the sandbox, where this worker may make one and the wall is not left out."""
    groups = make_groups(stamp.drill_id, stamp.memory_bytes) if "limits" in stamp.isolation else ()
    isolation = {*stamp.isolation, *(("cgroup",) if groups else ())}
    return replace(stamp, groups=tuple(map(str, groups)), isolation=tuple(sorted(isolation)))


def _give_up_earlier(root: Path) -> None:
    """Remove what an earlier attempt of the same drill in this process left."""
    with _guard:
        mine = root in _held
    stamp = read_stamp(root) if mine else None
    if stamp is not None:
        destroy(workspace_of(root, stamp))


def _make(base: Path, stamp: Stamp) -> tuple[Stamp, int]:
    """Build the folder aside and rename it: whoever sees it under its name sees its stamp too."""
    draft = _make_draft(base / "drills", stamp)
    lease: int | None = None
    sockets: Path | None = None
    try:
        lease = _take_lease(draft)
        sockets = _short_sockets(_root(base, stamp))
        stamp = replace(stamp, sockets=None if sockets is None else str(sockets))
        write_stamp(draft, stamp)  # before there are sockets: whoever dies here is swept by what it says
        _make_sockets(sockets, stamp.os_user)
        _furnish(draft, stamp.os_user, own_sockets=sockets is None)
        draft.rename(_root(base, stamp))
    except BaseException:
        for folder in filter(None, (draft, sockets)):
            remove_tree(folder)
        if lease is not None:
            os.close(lease)
        raise
    return stamp, lease


def _make_draft(drills: Path, stamp: Stamp) -> Path:
    """Make a folder below *drills*, which another drill may remove as empty in the very moment."""
    for _ in range(_RACES):
        make_folder(drills, 0o755)
        spread(drills)
        with contextlib.suppress(FileNotFoundError):
            return Path(tempfile.mkdtemp(prefix=f".new-{stamp.pid}-{stamp.started}-", dir=drills))
    raise FileNotFoundError(errno.ENOENT, "the folder vanishes", str(drills))


def _take_lease(draft: Path) -> int:
    lease = try_lock(draft / LEASE_FILE)
    if lease is None:
        raise BlockingIOError(errno.EWOULDBLOCK, "the lease of a new folder is taken", str(draft))
    return lease


def _furnish(root: Path, os_user: str | None, *, own_sockets: bool) -> None:
    owner = ids(os_user)
    theirs = ("data", "tmp", *(("s",) if own_sockets else ()))
    for name in (*theirs, "backup"):
        (root / name).mkdir()
        (root / name).chmod(0o700)
        if owner is not None and name in theirs:
            os.chown(root / name, *owner)
    if owner is not None:
        for folder, mode in ((root / "backup", 0o2750), (root, 0o750)):
            os.chown(folder, -1, owner[1])
            folder.chmod(mode)


def _short_sockets(root: Path) -> Path | None:
    """Return a short place for the socket where the one in *root* has too long a path; else None."""
    if len(os.fsencode(root / "s" / _SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return None
    return new_sockets_folder()


def _make_sockets(folder: Path | None, os_user: str | None) -> None:
    owner = ids(os_user)
    if folder is not None:
        folder.mkdir(0o700)
        if owner is not None:
            os.chown(folder, *owner)


def _closed(path: Path, os_user: str | None) -> Path | None:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return closed_folder(existing, os_user)


def _check_reachable(workspace: Workspace) -> None:
    closed = closed_folder(workspace.root, workspace.os_user)
    if closed is None or "mount" in workspace.isolation:
        return
    raise PermanentError(
        f'The sandbox\'s user "{workspace.os_user}" may not pass {closed}, and this host allows no mount '
        "namespace that would bring the drill's folder to him.",
        where=str(workspace.root),
        rule="workspace-unusable",
    )


def _share(path: Path, gid: int, mode: int) -> None:
    status = path.lstat()
    if path.is_symlink():
        return
    if status.st_gid != gid:
        os.chown(path, -1, gid)
    if status.st_mode & mode != mode:
        path.chmod((status.st_mode | mode) & 0o7777)


def _root(base: Path, stamp: Stamp) -> Path:
    return base / "drills" / stamp.drill_id


def _lock_path(base: Path, fleet: str, database: str) -> Path:
    return base / "locks" / (hashlib.sha256(f"{fleet}/{database}".encode()).hexdigest()[:16] + ".lock")


def _lock_database(path: Path, wait_s: float) -> int:
    """Return the lock on one database of this worker, waiting for the drill that holds it."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            make_folder(path.parent, 0o755)
            handle = try_lock(path)
        except FileNotFoundError:  # a drill that ends removes the folder once it is empty
            continue
        if handle is not None:
            return handle
        if time.monotonic() >= deadline:
            raise PermanentError(
                f"Another drill of this database has been running on this worker for {wait_s:.0f} s. "
                "Nothing was drilled.",
                where=str(path),
                rule="already-running",
            )
        time.sleep(_POLL_S)


def _release(root: Path) -> None:
    """Give back the locks that this process holds for *root*, if any."""
    with _guard:
        held = _held.pop(root, None)
    if held is not None:
        os.close(held.lease)
        for lock in held.locks:
            _unlock(*lock)


def _unlock(handle: int, path: Path) -> None:
    """Remove the lock's file, then unlock: whoever had opened it sees that it is gone and opens a new one."""
    path.unlink(missing_ok=True)
    os.close(handle)


def _remove_folder(folder: Path) -> bool:
    """Remove *folder*, the stamp last: what is half removed is still recognised as ours."""
    ends_at = time.monotonic() + REMOVE_S
    for _ in range(_REMOVALS):
        if remove_tree(folder, (STAMP_FILE, LEASE_FILE), ends_at - time.monotonic()):
            return True
        time.sleep(_POLL_S)
    return False


def _unusable(error: OSError, base: Path) -> PermanentError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return PermanentError(
        f"The drill's folder cannot be made: {error.strerror}. Nothing was downloaded.",
        where=str(error.filename or base),
        rule="disk-full" if full else "workspace-unusable",
    )
