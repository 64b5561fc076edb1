"""A backup restored by the tool into the data folder, and what came held against the rules of every copy."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from tasks.model.base_point import BasePoint
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Workspace
from tasks.physical.backup_label import LARGEST_BYTES, missing, parse_label
from tasks.physical.bring_up import Copy
from tasks.physical.extract import MOST_FILES, spaces_folder
from tasks.physical.layout import LABEL
from tasks.physical.pgbackrest.access import Access
from tasks.physical.pgbackrest.failures import restore_failure
from tasks.physical.pgbackrest.program import Program
from tasks.physical.pgbackrest.run import give, readable, run
from tasks.physical.start import major_of
from tasks.sandbox.removal import read_regular

_SPACES = "pg_tblspc"
_SIGNAL = "recovery.signal"
_MOST_PROCESSES = 8
_RETRIES = ("--job-retry=1", "--job-retry-interval=1")
"""What is damaged is damaged at the second reading too: by default the tool tries for 15 s more."""


@dataclass(slots=True)
class _Walked:
    bytes: int = 0
    files: int = 0


def restore(
    program: Program, access: Access, point: BasePoint, workspace: Workspace, deadline: Deadline
) -> Copy:
    """Let the tool restore *point* into the workspace's data folder, which is empty.

    Raises:
        DrillError: `chain-broken`, `backup-manifest-mismatch`, `archive-hostile`, `backup-label-missing`,
            `stage-deadline`, and what the way to the repository shows.
    """
    spaces, locks = spaces_folder(workspace), workspace.scratch_dir / "locks"
    for folder in (spaces, locks):
        folder.mkdir(mode=0o700, exist_ok=True)
        give(folder, workspace)
    done = run(
        program,
        access,
        workspace,
        deadline,
        "restore",
        options=(
            f"--set={point.label}",
            f"--pg1-path={workspace.data_dir}",
            f"--tablespace-map-all={spaces}",
            f"--lock-path={locks}",
            f"--process-max={min(_MOST_PROCESSES, os.cpu_count() or 1)}",
            "--type=none",
            *_RETRIES,
        ),
    )
    if done.exit_code:
        raise readable(access, workspace, restore_failure(done, point.label, point.uri))
    (workspace.data_dir / _SIGNAL).unlink(missing_ok=True)  # 2.45 makes one with type=none too
    walked = walk(workspace, point.uri)
    return _copy(point, workspace, walked.bytes)


def walk(workspace: Workspace, where: str) -> _Walked:
    """Hold every name in the data folder and the tablespaces against what PostgreSQL writes.

    The manifest that the tool obeyed is somebody else's: links lead to tablespaces below the drill's own
    folder and nowhere else, and there is nothing but files and folders.

    Raises:
        PermanentError: `archive-hostile`.
    """
    walked, spaces = _Walked(), spaces_folder(workspace)
    folders = [workspace.data_dir, spaces]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    _require_space(Path(entry.path), workspace, where)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    _count(entry, walked, where)
    return walked


def _count(entry: os.DirEntry[str], walked: _Walked, where: str) -> None:
    status = entry.stat(follow_symlinks=False)
    walked.files += 1
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or walked.files > MOST_FILES:
        raise _hostile(f"{entry.name!r} is no plain file, or there are too many", where)
    walked.bytes += status.st_size


def _require_space(link: Path, workspace: Workspace, where: str) -> None:
    """Refuse a link that is no tablespace's, and one that leads out of our folder for them."""
    spaces = spaces_folder(workspace).resolve()
    named = link.parent == workspace.data_dir / _SPACES and link.name.isdecimal()
    if not (named and link.resolve().is_relative_to(spaces) and link.resolve() != spaces):
        raise _hostile(f"the link {link.name!r} is no tablespace's or leads out of the drill's folder", where)


def _copy(point: BasePoint, workspace: Workspace, size: int) -> Copy:
    data_dir = workspace.data_dir
    try:
        text = read_regular(data_dir / LABEL, LARGEST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise missing(point.uri) from error
    label = parse_label(text, point.uri)
    return Copy(
        label=label,
        major=major_of(data_dir),
        bytes=size,
        proven=True,
        stop_lsn=point.stop_lsn,
        chain=point.chain,
        has_own_wal=(data_dir / "pg_wal" / label.segment).is_file(),
    )


def _hostile(what: str, where: str) -> PermanentError:
    return PermanentError(
        f"This is no backup that pgBackRest made of a PostgreSQL: {what}. Nothing of it was started.",
        where,
        rule="archive-hostile",
    )
