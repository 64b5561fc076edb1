"""What dead drills left: found by its stamp, and removed.

Each kind of sandbox is asked for what it has that expired; folders of this worker are the only kind. A living
drill is never touched, whatever its stamp says of its expiry; nor is anything without a valid stamp.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tasks.sandbox.cgroup import remove_groups
from tasks.sandbox.paths import drill_dir
from tasks.sandbox.removal import is_there, remove_tree
from tasks.sandbox.stamp import (
    LEASE_FILE,
    Stamp,
    owner_lives,
    process_started,
    read_draft_stamp,
    read_stamp,
    try_lock,
)
from tasks.sandbox.workspace import remove_all, tidy, workspace_of

_UNBORN = re.compile(r"\.new-(?P<pid>\d+)-(?P<started>\d*)-.*")
_UNBORN_FOR_S = 60.0  # a folder gets its name within milliseconds


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


@dataclass(slots=True)
class _Seen:
    """The lists of a report while they grow."""

    removed: list[str] = field(default_factory=list)
    living: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def sweep(now: datetime) -> SweepReport:
    """Remove what expired of every kind of sandbox.

    Args:
        now: aware UTC.
    """
    reports = [sweep_kind(now) for sweep_kind in SWEEPS]
    lists = (
        [entry for report in reports for entry in getattr(report, name)] for name in SweepReport.__slots__
    )
    return SweepReport(*map(tuple, lists))


def sweep_folders(now: datetime) -> SweepReport:
    """Remove the folders with our stamp whose owner is gone or whose time as a kept sandbox is up.

    Args:
        now: aware UTC.
    """
    base, tally = drill_dir(), _Seen()
    for root in _folders_in(base / "drills"):
        try:
            _sweep_folder(root, now, tally)
        except (OSError, ValueError) as error:  # one folder's trouble is not the next one's
            tally.left.append(f"{_name(root)}: {error}")
    _sweep_locks(base / "locks")
    tidy(base)
    return SweepReport(*(tuple(getattr(tally, name)) for name in SweepReport.__slots__))


SWEEPS: tuple[Callable[[datetime], SweepReport], ...] = (sweep_folders,)
"""One for each kind of sandbox."""


def _sweep_folder(root: Path, now: datetime, tally: _Seen) -> None:
    stamp = read_stamp(root)
    if stamp is None:
        _sweep_unstamped(root, tally)
    else:
        _sweep_stamped(root, stamp, now, tally)


def _sweep_stamped(root: Path, stamp: Stamp, now: datetime, tally: _Seen) -> None:
    if stamp.keep_until is not None and now < datetime.fromisoformat(stamp.keep_until):
        tally.kept.append(stamp.drill_id)
    elif owner_lives(root, stamp):
        tally.living.append(stamp.drill_id)
    else:
        left = _remove(root, stamp)
        if left is not None:
            tally.left.extend(left)
            tally.removed.extend([] if left else [stamp.drill_id])


def _sweep_unstamped(root: Path, tally: _Seen) -> None:
    """Remove a folder whose maker died before it had its name; leave every other one alone."""
    unborn = _UNBORN.fullmatch(root.name)
    if unborn is None:
        tally.unknown.append(_name(root))
    elif not _is_being_made(root, int(unborn["pid"]), unborn["started"]):
        stamp = read_draft_stamp(root)
        if stamp is not None:
            remove_groups(tuple(map(Path, stamp.groups)))
        if stamp is not None and stamp.sockets is not None:
            remove_tree(Path(stamp.sockets))
        remove_tree(root)


def _is_being_made(root: Path, pid: int, started: str) -> bool:
    if started and process_started(pid) == started:
        return True
    try:
        return time.time() - root.stat().st_mtime < _UNBORN_FOR_S
    except FileNotFoundError:
        return True


def _remove(root: Path, stamp: Stamp) -> tuple[str, ...] | None:
    """Remove a dead drill's folder under its lease; None where another sweep is at it."""
    lease: int | None = None
    if is_there(root / LEASE_FILE):
        with contextlib.suppress(OSError):  # no file that could be locked: nobody else has locked it
            lease = try_lock(root / LEASE_FILE)
            if lease is None:
                return None
    try:
        return remove_all(workspace_of(root, stamp))
    finally:
        if lease is not None:
            os.close(lease)


def _sweep_locks(folder: Path) -> None:
    """Remove the database locks that nobody holds: their drills died."""
    for path in _entries(folder):
        with contextlib.suppress(OSError):
            handle = try_lock(path) if path.suffix == ".lock" else None
            if handle is not None:
                path.unlink(missing_ok=True)
                os.close(handle)


def _folders_in(parent: Path) -> list[Path]:
    return sorted(path for path in _entries(parent) if path.is_dir() and not path.is_symlink())


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _name(root: Path) -> str:
    """Return the name of a folder, which may be no text, as text."""
    return os.fsencode(root.name).decode("utf-8", "backslashreplace")
