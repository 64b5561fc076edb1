"""Which restored tables nothing more happens to, told by the process that restores to one that reads ahead.

A file in the drill's folder, closed to the sandbox: a line for each table, and a last one at the restore's
end. It goes with the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.model.deadline import Deadline
from tasks.model.sandbox import Workspace

_POLL_S = 0.05


class Settled(NamedTuple):
    """A table that is as it will be: the database's name, and `schema.name`."""

    database: str
    table: str


def tell_settled(workspace: Workspace, database: str, table: str) -> None:
    """Say that *table* is as it will be."""
    _append(workspace, {"database": database, "table": table})


def tell_over(workspace: Workspace) -> None:
    """Say that the restore has ended: whoever reads ahead begins nothing more."""
    _append(workspace, {"over": True})


def settled_tables(workspace: Workspace, deadline: Deadline) -> Iterator[list[Settled]]:
    """Yield tables as they are told, several where they were told at once, until the restore is over."""
    at = 0
    while not deadline.passed and workspace.root.is_dir():
        told, at = _read(_file(workspace), at)
        over = any("over" in line for line in told)
        if over:
            return
        if told:
            yield [Settled(line["database"], line["table"]) for line in told]
        else:
            time.sleep(_POLL_S)


def _append(workspace: Workspace, line: dict[str, object]) -> None:
    with contextlib.suppress(OSError), _file(workspace).open("a", encoding="ascii") as file:
        file.write(json.dumps(line) + "\n")  # who misses it reads later


def _read(path: Path, at: int) -> tuple[list[dict[str, str]], int]:
    """Return the whole lines behind *at*, and where they end."""
    try:
        with path.open("rb") as file:
            file.seek(at, os.SEEK_SET)
            whole = file.read().rpartition(b"\n")[0]
    except FileNotFoundError:
        return [], at
    return [json.loads(line) for line in whole.splitlines()], at + len(whole) + bool(whole)


def _file(workspace: Workspace) -> Path:
    return workspace.root / "settled"
