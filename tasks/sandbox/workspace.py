"""A drill's own folder: made before anything is downloaded, removed whole at the end, swept if its drill died.

Layout below RESTORE_DRILL_DIR: `drills/<drill id>/` with stamp.json, lease, backup/, data/, s/ (the socket), tmp/;
`locks/` holds one lock per database under drill. The folder belongs to the drill and is closed to everyone but the
sandbox's user, who may write only to data/, s/ and tmp/.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Workspace
from tasks.sandbox.isolation import choose_isolation, choose_os_user, closed_folder, ids
from tasks.sandbox.paths import drill_dir, make_folder
from tasks.sandbox.reaper import end_processes, remove_shared_memory
from tasks.sandbox.servers import stop_server
from tasks.sandbox.stamp import (
    LEASE_FILE,
    Stamp,
    kept,
    new_stamp,
    owner_lives,
    read_stamp,
    try_lock,
    write_stamp,
)

SOCKET_PATH_LIMIT = 103  # the smaller of Linux' 107 and macOS' 103 bytes
_SOCKET_NAME = ".s.PGSQL.65535.lock"
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_REMOVE_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep saw, as drill ids.

    Attributes:
        removed: gone, with everything that belonged to them.
        living: their drill runs; untouched.
        kept: failed sandboxes that may stay a while yet.
        unknown: names of folders without a valid stamp; untouched.
        left: what could not be removed.
    """

    removed: tuple[str, ...] = ()
    living: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Held:
    """The locks of a workspace of this process: its lease, and its database's."""

    lease: int
    database_lock: int
    lock_path: Path


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


def open_workspace(
    target_fleet: str,
    database: str,
    drill_id: str,
    isolation: str,
    expires_at: datetime,
    wait_s: float = 600.0,
) -> Workspace:
    """Make the folder of one drill, stamped and leased to this process.

    Args:
        isolation: `required`, `preferred` or `off`.
        expires_at: aware UTC; later than any stage's deadline.
        wait_s: seconds to wait for another drill of the same database on this worker.

    Raises:
        PermanentError: `already-running`, `isolation-unavailable`, `workspace-unusable` or `disk-full`.
    """
    os_user = choose_os_user()
    base = drill_dir()
    had = choose_isolation(isolation, needs_view=_closed(base, os_user) is not None)
    try:
        lock_path = _lock_path(base, target_fleet, database)
        database_lock = _lock_database(lock_path, wait_s)
        try:
            now = utc_now()
            stamp = new_stamp(
                folder_name(drill_id),
                target_fleet,
                database,
                os_user=os_user,
                isolation=had,
                created_at=now,
                expires_at=expires_at,
            )
            root, lease = _make(base, stamp)
        except BaseException:
            _unlock(database_lock, lock_path)
            raise
    except OSError as error:
        raise _unusable(error, base) from error
    with _guard:
        _held[root] = _Held(lease, database_lock, lock_path)
    workspace = _workspace(root, read_stamp(root) or stamp)
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
    left = _remove(workspace.root, workspace.sockets, workspace.drill_id)
    with _guard:
        held = _held.pop(workspace.root, None)
    if held is not None:
        os.close(held.lease)
        _unlock(held.database_lock, held.lock_path)
    _tidy(workspace.root.parent.parent)
    return left


def keep(workspace: Workspace, until: datetime) -> None:
    """Leave *workspace* behind on purpose: it needs no owner until *until*, and `sweep` removes it after.

    Its server ends with the drill; its data stays.

    Raises:
        PermanentError: `workspace-unusable`: it has no stamp any more.
    """
    stamp = read_stamp(workspace.root)
    if stamp is None:
        raise PermanentError(
            "The sandbox cannot be kept: its stamp is gone.", str(workspace.root), rule="workspace-unusable"
        )
    stop_server(workspace.drill_id, signal.SIGINT)  # a clean shutdown: the data must be whole
    end_processes(workspace.drill_id, _folders(workspace.root))
    write_stamp(workspace.root, kept(stamp, until))
    with _guard:
        held = _held.pop(workspace.root, None)
    if held is not None:
        os.close(held.lease)
        _unlock(held.database_lock, held.lock_path)


def sweep(now: datetime) -> SweepReport:
    """Remove what dead drills left: folders with our stamp whose owner is gone or whose time is up.

    A living drill is never touched, nor is anything without a valid stamp.
    """
    removed, living, staying, unknown, left = [], [], [], [], []
    base = drill_dir()
    for root in _folders_in(base / "drills"):
        stamp = read_stamp(root)
        if stamp is None:
            if not _remove_unborn(root):
                unknown.append(root.name)
        elif owner_lives(root, stamp):
            living.append(stamp.drill_id)
        elif stamp.keep_until is not None and now < datetime.fromisoformat(stamp.keep_until):
            staying.append(stamp.drill_id)
        else:
            rest = _sweep_one(root, stamp)
            left.extend(rest)
            if not rest:
                removed.append(stamp.drill_id)
    _tidy(base)
    return SweepReport(tuple(removed), tuple(living), tuple(staying), tuple(unknown), tuple(left))


def share_backup(workspace: Workspace) -> None:
    """Let the sandbox's user read what was downloaded, whatever umask the drill runs under."""
    known = ids(workspace.os_user)
    if known is None:
        return
    for folder, _, names in os.walk(workspace.backup_dir):
        for path in (Path(folder), *(Path(folder) / name for name in names)):
            status = path.lstat()
            if status.st_gid != known[1]:
                os.chown(path, -1, known[1], follow_symlinks=False)
            wanted = status.st_mode | (0o050 if path.is_dir() else 0o040)
            if wanted != status.st_mode and not path.is_symlink():
                path.chmod(wanted & 0o7777)


def _make(base: Path, stamp: Stamp) -> tuple[Path, int]:
    """Build the folder aside and rename it: whoever sees it under its name sees its stamp too."""
    drills = base / "drills"
    make_folder(drills, 0o755)
    draft = Path(tempfile.mkdtemp(prefix=f".new-{os.getpid()}-{stamp.started}-", dir=drills))
    root = drills / stamp.drill_id
    lease: int | None = None
    try:
        lease = try_lock(draft / LEASE_FILE)
        if lease is None:
            raise BlockingIOError(11, "its lease is taken", str(draft))
        sockets = _short_sockets(root, stamp.os_user)
        if sockets is not None:
            stamp = Stamp(**{**_fields(stamp), "sockets": str(sockets)})
        write_stamp(draft, stamp)
        _furnish(draft, stamp.os_user, own_sockets=sockets is None)
        draft.rename(root)
    except BaseException:
        if lease is not None:
            os.close(lease)
        shutil.rmtree(draft, ignore_errors=True)
        if stamp.sockets is not None:
            shutil.rmtree(stamp.sockets, ignore_errors=True)
        raise
    return root, lease


def _furnish(root: Path, os_user: str | None, *, own_sockets: bool) -> None:
    known = ids(os_user)
    theirs = ["data", "tmp", *(["s"] if own_sockets else [])]
    for name in (*theirs, "backup"):
        (root / name).mkdir()
        (root / name).chmod(0o700)
        if known is not None and name != "backup":
            os.chown(root / name, *known)
    if known is not None:
        for folder, mode in ((root / "backup", 0o2750), (root, 0o750)):
            os.chown(folder, -1, known[1])
            folder.chmod(mode)


def _short_sockets(root: Path, os_user: str | None) -> Path | None:
    """Return a short folder for the socket where the one in *root* has too long a path; else None."""
    if len(os.fsencode(root / "s" / _SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return None
    short = Path(tempfile.mkdtemp(prefix="rd-", dir="/tmp")).resolve()  # noqa: S108  private, and short for certain
    known = ids(os_user)
    if known is not None:
        os.chown(short, *known)
    return short


def _closed(path: Path, os_user: str | None) -> Path | None:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return closed_folder(existing, os_user)


def _check_reachable(workspace: Workspace) -> None:
    closed = closed_folder(workspace.root, workspace.os_user)
    if closed is None or "mount" in workspace.isolation.split("+"):
        return
    raise PermanentError(
        f'The sandbox\'s user "{workspace.os_user}" may not pass {closed}, and this host allows no mount namespace '
        "that would bring the drill's folder to him.",
        where=str(workspace.root),
        rule="workspace-unusable",
    )


def _workspace(root: Path, stamp: Stamp) -> Workspace:
    return Workspace(
        drill_id=stamp.drill_id,
        root=root,
        os_user=stamp.os_user,
        isolation=stamp.isolation,
        created_at=datetime.fromisoformat(stamp.created_at).astimezone(UTC),
        expires_at=datetime.fromisoformat(stamp.expires_at).astimezone(UTC),
        sockets=None if stamp.sockets is None else Path(stamp.sockets),
    )


def _lock_path(base: Path, fleet: str, database: str) -> Path:
    return base / "locks" / (hashlib.sha256(f"{fleet}/{database}".encode()).hexdigest()[:16] + ".lock")


def _lock_database(path: Path, wait_s: float) -> int:
    """Return the lock on one database of this worker, waiting for the drill that holds it."""
    deadline = time.monotonic() + wait_s
    while True:
        with contextlib.suppress(FileNotFoundError):  # a drill that ends removes an empty folder
            make_folder(path.parent, 0o755)
            handle = try_lock(path)
            if handle is not None:
                return handle
        if time.monotonic() >= deadline:
            raise PermanentError(
                f"Another drill of this database has been running on this worker for {wait_s:.0f} s.",
                where=str(path),
                rule="already-running",
            )
        time.sleep(0.1)


def _unlock(handle: int, path: Path) -> None:
    """Give the lock back; removed first, so that nobody locks a file that is about to vanish unnoticed."""
    path.unlink(missing_ok=True)
    os.close(handle)


def _sweep_one(root: Path, stamp: Stamp) -> tuple[str, ...]:
    """Remove a dead drill's folder, holding its lease so that a second sweep leaves it to us."""
    try:
        lease = try_lock(root / LEASE_FILE)
    except FileNotFoundError:
        return ()
    if lease is None:
        return ()
    try:
        sockets = None if stamp.sockets is None else Path(stamp.sockets)
        return _remove(root, sockets, stamp.drill_id)
    finally:
        os.close(lease)


def _remove(root: Path, sockets: Path | None, drill_id: str) -> tuple[str, ...]:
    left = [f"process {pid}" for pid in end_processes(drill_id, _folders(root))]
    remove_shared_memory(root / "data")
    deadline = time.monotonic() + _REMOVE_TIMEOUT_S
    for folder in filter(None, (sockets, root)):
        while folder.exists() and time.monotonic() < deadline:
            # The stamp goes with the folder, last: a half-removed one is still recognised as ours.
            for entry in sorted(folder.iterdir(), key=lambda path: path.name in ("stamp.json", LEASE_FILE)):
                _remove_entry(entry)
            with contextlib.suppress(OSError):
                folder.rmdir()
                break
            time.sleep(0.1)
        if folder.exists():
            left.append(str(folder))
    return tuple(left)


def _remove_entry(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _remove_unborn(root: Path) -> bool:
    """Remove a folder whose maker died before it had its name; say whether it is gone."""
    found = re.fullmatch(r"\.new-(?P<pid>\d+)-(?P<started>\d*)-.*", root.name)
    if found is None:
        return False
    try:
        lease = try_lock(root / LEASE_FILE)
    except OSError:
        return not root.exists()
    if lease is None:
        return True
    shutil.rmtree(root, ignore_errors=True)
    os.close(lease)
    return not root.exists()


def _folders(root: Path) -> tuple[Path, ...]:
    return (root, root / "data", root / "tmp", root / "backup")


def _folders_in(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []


def _tidy(base: Path) -> None:
    """Remove our two folders once they are empty."""
    for name in ("drills", "locks"):
        with contextlib.suppress(OSError):
            (base / name).rmdir()


def _fields(stamp: Stamp) -> dict[str, object]:
    return {name: getattr(stamp, name) for name in Stamp.__slots__}


def _unusable(error: OSError, base: Path) -> PermanentError:
    full = error.errno in (28, 122)  # ENOSPC, EDQUOT
    return PermanentError(
        f"The drill's folder cannot be made: {error.strerror}. Nothing was downloaded.",
        where=str(error.filename or base),
        rule="disk-full" if full else "workspace-unusable",
    )
