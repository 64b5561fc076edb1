"""A chain of incremental backups made one data folder, by pg_combinebackup of their own major.

The parts lie unpacked in the drill's own folder, each held against its own manifest; the tool runs in the
jail, as the sandbox's user. A file that holds a few changed blocks may become one of 1 GiB: what will be
written is counted before it is.
"""

from __future__ import annotations

import array
import os
import re
import shutil
import struct
from pathlib import Path

from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.physical.control import BLOCK_BYTES
from tasks.physical.extract import DISK_RESERVE_BYTES, make_own, move_spaces, spaces_folder
from tasks.sandbox.removal import empty_folder, open_regular
from tasks.sandbox.runner import ToolResult, run_tool
from tasks.stores.errors import disk_full

FIRST_MAJOR = 17
_PREFIX = "INCREMENTAL."
_HEADER = struct.Struct("=III")  # magic, blocks that follow, length that the file has at least, in blocks
_SEGMENT_BLOCKS = (1 << 30) // BLOCK_BYTES
_BROKEN = re.compile(
    r"(?:starts (?:at LSN|on timeline)|system identifier|is an? (?:full|incremental) backup)"
)
_DAMAGED = re.compile(
    r"incremental magic|in excess of segment|is too short|unexpected incremental file"
    r"|could not read file .*: read \d|manifest (?:checksum mismatch|ended)|could not parse backup manifest"
)
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|File too large")


def parts_of(workspace: Workspace) -> tuple[Path, ...]:
    """Return the folders of the parts that wait to be put together, the full backup's first; () for none."""
    folder = _folder(workspace)
    return tuple(sorted(folder.iterdir())) if folder.is_dir() else ()


def make_part(workspace: Workspace, number: int) -> Path:
    """Make the folder of the part *number* of a chain, the full backup's being 0; return it."""
    part = _folder(workspace) / f"{number:06d}"
    make_own(part.parent, workspace)
    make_own(part, workspace)
    return part


def remove_parts(workspace: Workspace) -> None:
    """Remove what an earlier attempt left of a chain."""
    shutil.rmtree(_folder(workspace), ignore_errors=True)


def combine(workspace: Workspace, install: PostgresInstall, deadline: Deadline) -> None:
    """Put the parts together in the data folder and remove them; nothing is done where there are none.

    Raises:
        PermanentError: `chain-broken`, `archive-corrupt`, `disk-full`, `stage-deadline`, `postgres-failed`.
    """
    parts = parts_of(workspace)
    if not parts:
        return
    empty_folder(workspace.data_dir)
    shutil.rmtree(spaces_folder(workspace), ignore_errors=True)
    need = result_bytes(parts[-1])
    if need > shutil.disk_usage(workspace.root).free - DISK_RESERVE_BYTES:
        raise disk_full(str(workspace.data_dir), need)
    argv = ["pg_combinebackup", "--no-sync", "--no-manifest", "-o", str(workspace.data_dir)]
    place = Sandbox(workspace, install, superuser="")
    limit_s = deadline.check("the chain was put together")
    result = run_tool(place, [*argv, *map(str, parts)], env={}, deadline_s=limit_s)
    if result.timed_out:
        deadline.check("the chain was put together")
    if result.exit_code != 0:
        raise _failed(result, workspace, need)
    move_spaces(workspace)
    remove_parts(workspace)


def result_bytes(newest: Path) -> int:
    """Return how many bytes a chain comes to whose last part is *newest*."""
    total = 0
    for folder, _, names in os.walk(newest):
        for name in names:
            path = Path(folder) / name
            total += _whole_bytes(path) if name.startswith(_PREFIX) else path.lstat().st_size
    return total


def _whole_bytes(path: Path) -> int:
    """Return the size of the file that an incremental one becomes."""
    with open_regular(path) as handle:
        head = os.read(handle, _HEADER.size)
        if len(head) < _HEADER.size:
            return len(head)
        count, shortest = (int(number) for number in _HEADER.unpack(head)[1:])
        numbers = array.array("I")
        kept = os.read(handle, min(count, _SEGMENT_BLOCKS) * numbers.itemsize)
        numbers.frombytes(kept[: len(kept) - len(kept) % numbers.itemsize])
    longest = int(max(numbers, default=-1)) + 1
    return min(max(shortest, longest), _SEGMENT_BLOCKS) * BLOCK_BYTES


def _failed(result: ToolResult, workspace: Workspace, need: int) -> DrillError:
    errors = [line for line in result.stderr_lines if "error:" in line] or list(result.stderr_lines)
    said = _without_place(errors[-1] if errors else f"exit code {result.exit_code}", workspace)
    if _NO_ROOM.search(said):
        return disk_full(str(workspace.data_dir), need)
    if _BROKEN.search(said):
        what = f"The backups do not belong to one chain: {said}."
        return PermanentError(what, rule="chain-broken")
    if _DAMAGED.search(said):
        what = f"The chain cannot be put together: {said}. What it holds does not come back."
        return PermanentError(what, rule="archive-corrupt")
    what = f"pg_combinebackup could not put the chain together: {said}. Nothing is said about the backup."
    return PermanentError(what, rule="postgres-failed")


def _without_place(line: str, workspace: Workspace) -> str:
    return line.replace(f"{_folder(workspace)}/", "part ").removeprefix("pg_combinebackup: ")


def _folder(workspace: Workspace) -> Path:
    return workspace.scratch_dir / "chain"
