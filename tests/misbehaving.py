"""Work that no process survives, or that others must not feel; named here so that a drill's process finds it.

Nothing of it is in the product: it stands for the fault in a parser that nobody has found yet.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tasks.checks.ahead import Ahead
from tasks.drill.progress import Progress, tell
from tasks.drill.step import step
from tasks.fetch import prove_backup
from tasks.model.backup import Material, RecoveryPoint
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Stage
from tasks.model.history import History
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox, Workspace
from tasks.model.selftest import Judged
from tasks.model.target import Target
from tasks.mutants.sampling import Slot
from tasks.selftest.bench import Bench, PlannedBackup
from tasks.selftest.restored import Damaged
from tasks.selftest.steps import damage_copy, serve_backup
from tasks.stores import Fetched
from tasks.validate import read_ahead

MIB = 1 << 20


def spin() -> None:
    """Hold Python's lock for years: no signal handler and no other thread of this process runs again."""
    re.fullmatch("(a|a)*b", "a" * 60)


def wait() -> None:
    time.sleep(3600)


def bloat() -> None:
    """Take memory until somebody stops it."""
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1024) * 8192))


def overflow() -> None:
    """Run out of memory in one step, as a length read from a file can."""
    raise MemoryError


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    """Crash the interpreter as a fault in a C library does."""
    ctypes.string_at(0)


def leave() -> None:
    raise SystemExit(3)


def fail() -> None:
    row = "alice"  # the traceback quotes code, and the code must not hold it
    raise ValueError(f"row ({row}@example.org)")


def refuse() -> None:
    raise PermanentError("It is cut.", "file:///b/x.dump", rule="archive-truncated")


def boast() -> bytes:
    """Return more than a drill may hand on."""
    return os.urandom(200 * MIB)


def hand_back_a_lock() -> object:
    """Return what cannot be handed to another process."""
    return logging.getLogger().handlers, open(os.devnull)  # noqa: PTH123


def chatter(name: str) -> str:
    logging.getLogger("tasks.tests").warning("at work in %s", name)
    tell(Progress(name, Stage.FETCH, "running", "half way"))
    return f"{name} done"


def surroundings(name: str) -> tuple[int, str | None, str]:
    return os.getpid(), os.environ.get(name), os.getcwd()  # noqa: PTH109


def start_a_child(note: Path) -> None:
    """Start a process, say which, and hold the lock."""
    pid = os.posix_spawn("/bin/sleep", ["sleep", "3600"], {})
    note.write_text(str(pid))
    spin()


Misdeed = Callable[[], object]
MISDEEDS: dict[str, Misdeed] = {"spin": spin, "bloat": bloat, "die": die, "crash": crash}


HUNG_KINDS = {"table-emptied", "truncated-data"}
"""Of a self test's mutants."""


@step("damage restored data")
def damage_copy_badly(
    sandbox: Sandbox, healthy: Restored, name: str, slot: Slot, deadline: Deadline
) -> Damaged | Judged:
    """Damage as the product does, but hang over one kind."""
    if slot[0].kind in HUNG_KINDS:
        spin()
    return damage_copy(sandbox, healthy, name, slot, deadline)


@step("damage the backup")
def serve_backup_badly(bench: Bench, planned: PlannedBackup) -> Target | Judged:
    """Damage as the product does, but hang over one kind."""
    if planned.mutant.kind in HUNG_KINDS:
        spin()
    return serve_backup(bench, planned)


@step("open backup")
def open_badly(
    fetched: Fetched, point: RecoveryPoint, target: Target, workspace: Workspace, deadline: Deadline
) -> Material:
    """Open backups as the product does, but misbehave over those of databases that are named for it."""
    misdeed = MISDEEDS.get(target.name)
    if misdeed is not None:
        misdeed()
    return prove_backup(fetched, point, target, workspace, deadline)


@step("read ahead", validating=True)
def read_ahead_badly(
    target: Target, sandbox: Sandbox, history: History, as_of: datetime, deadline: Deadline
) -> Ahead:
    """Read ahead as the product does, but misbehave beside restores of databases that are named for it."""
    MISDEEDS[target.name]()
    return read_ahead(target, sandbox, history, as_of, deadline)
