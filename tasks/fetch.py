"""Step 3: download into the drill's own folder, prove size and checksum, sniff the format from the bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tasks.catalog import Wanted, open_backup
from tasks.discovery import fetch_globals
from tasks.drill.held import Held
from tasks.drill.step import RETRIES, step
from tasks.model.backup import LocalBackup, RecoveryPoint, dump_point
from tasks.model.deadline import Deadline
from tasks.model.sandbox import Workspace
from tasks.model.target import Target
from tasks.stores import Fetched, Store, fetch_backup
from tasks.stores.transfer import ATTEMPTS

MOST_ASKS = ATTEMPTS * (1 + RETRIES)
"""How often a store is asked for one part of a backup that it never hands out: twelve times."""


@step("fetch", retried=True)
def download_backup(
    point: RecoveryPoint,
    store: Held[Store],
    target: Target,
    workspace: Workspace,
    deadline: Deadline,
    progress: Callable[[int, int], None],
) -> Fetched:
    """Bring the backup behind *point* into *workspace*; a second attempt replaces what the first left."""
    return fetch_backup(
        dump_point(point), store.value, target, workspace.backup_dir, progress, deadline.check()
    )


@step("open backup")
def prove_backup(
    fetched: Fetched, point: RecoveryPoint, target: Target, workspace: Workspace, deadline: Deadline
) -> LocalBackup:
    """Decrypt and unwrap the download, and prove as far as its bytes can that it is complete."""
    return open_backup(
        fetched.path,
        name=point.label,
        sha256=fetched.sha256,
        bytes=fetched.bytes,
        integrity=fetched.integrity,
        fetch_s=fetched.seconds,
        decrypt=target.dump.decrypt,
        workdir=workspace.backup_dir,
        deadline_s=deadline.check(),
        wanted=Wanted(target.dump.database, target.name),
    )


@step("fetch globals", retried=True)
def download_globals(
    point: RecoveryPoint, store: Held[Store], target: Target, workspace: Workspace, deadline: Deadline
) -> Path | None:
    """Bring the pg_dumpall --globals-only file of the same time, if one is configured."""
    return fetch_globals(point, store.value, target, workspace.backup_dir, deadline.check())
