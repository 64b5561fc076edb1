"""Sandboxes kept on purpose: what is needed to start one again, and starting it.

Decisions: the folder stays, the server does not, since no server outlives its starter; the downloaded backup
goes, since the data came out of it; whoever starts the server again holds the folder's lease meanwhile, so
that nobody else does and no sweep removes it under him; what a killed server left is cleared away first.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from expectations.json_text import read_object
from tasks.model.errors import PermanentError
from tasks.model.sandbox import PostgresInstall, Sandbox
from tasks.sandbox.cluster import start
from tasks.sandbox.paths import drill_dir
from tasks.sandbox.reaper import end_processes, remove_shared_memory
from tasks.sandbox.removal import empty_folder, read_regular
from tasks.sandbox.servers import stop_server
from tasks.sandbox.stamp import LEASE_FILE, Stamp, kept, read_stamp, try_lock, write_stamp
from tasks.sandbox.workspace import keep, remove_all, tidy, workspace_of

KEPT_FILE = "kept.json"
_SCHEMA = "restore-drill/kept/v1"
_LARGEST_BYTES = 1 << 20
_LEFT_BY_A_KILL = ("postmaster.pid",)


@dataclass(frozen=True, slots=True)
class Kept:
    """A sandbox whose folder stays.

    Attributes:
        sandbox: as it was, its server stopped.
        stamp: whose it is and until when it stays.
        note: what its keeper wants to know again.
    """

    sandbox: Sandbox
    stamp: Stamp
    note: Mapping[str, str]

    @property
    def root(self) -> Path:
        """Its folder."""
        return self.sandbox.workspace.root

    @property
    def keep_until(self) -> datetime:
        """When `sweep` may remove it, aware UTC."""
        return datetime.fromisoformat(self.stamp.keep_until or self.stamp.expires_at)


def keep_for_later(sandbox: Sandbox, until: datetime, note: Mapping[str, str]) -> None:
    """Stop the server of *sandbox* and keep its folder until *until*, ready to be started again.

    Raises:
        PermanentError: `workspace-unusable`: the folder cannot be written.
    """
    root = sandbox.workspace.root
    facts = {key: value for key, value in asdict(sandbox).items() if key != "workspace"}
    facts["postgres"]["bindir"] = str(sandbox.postgres.bindir)
    try:
        empty_folder(sandbox.workspace.backup_dir)
        (root / KEPT_FILE).write_text(json.dumps({"schema": _SCHEMA, "sandbox": facts, "note": dict(note)}))
        (root / KEPT_FILE).chmod(0o600)
    except OSError as error:
        raise _unusable(root, f"The sandbox cannot be kept: {error.strerror}.") from error
    keep(sandbox.workspace, until)


def find_kept(fleet: str, database: str, now: datetime) -> tuple[Kept, ...]:
    """Return what `keep_for_later` left for *database* and has not expired, the newest last."""
    sandboxes = (_read(root) for root in sorted((drill_dir() / "drills").glob("*")))
    mine = [
        kept
        for kept in sandboxes
        if kept is not None and (kept.stamp.fleet, kept.stamp.database) == (fleet, database)
    ]
    return tuple(
        sorted((kept for kept in mine if now < kept.keep_until), key=lambda kept: kept.stamp.created_at)
    )


@contextmanager
def started_again(one: Kept, until: datetime, deadline_s: float) -> Iterator[Sandbox]:
    """Start the server of a kept sandbox while the block lasts; it stays until *until* then.

    Raises:
        PermanentError: `already-running`: somebody else has started it; `postgres-failed`;
            `workspace-unusable`: its folder is gone.
    """
    drill_id = one.sandbox.workspace.drill_id
    with _leased(one):
        _prepare(one, until)
        try:
            start(one.sandbox, deadline_s)
            yield one.sandbox
        finally:
            stop_server(drill_id, signal.SIGINT)
            end_processes(drill_id, one.sandbox.workspace.data_dir)


def drop_kept(one: Kept) -> tuple[str, ...]:
    """Remove a kept sandbox at once; return what is left, () when nothing is.

    Raises:
        PermanentError: `already-running`: somebody uses it.
    """
    with _leased(one):
        left = remove_all(one.sandbox.workspace)
    tidy(drill_dir())
    return left


@contextmanager
def _leased(kept: Kept) -> Iterator[None]:
    try:
        lease = try_lock(kept.root / LEASE_FILE)
    except OSError as error:
        raise _unusable(kept.root, f"The kept sandbox cannot be used: {error.strerror}.") from error
    if lease is None:
        raise PermanentError(
            "The kept sandbox is in use: another command has started its server. Nothing was changed.",
            where=str(kept.root),
            hint="Wait until it has ended.",
            rule="already-running",
        )
    try:
        yield
    finally:
        os.close(lease)


def _prepare(one: Kept, until: datetime) -> None:
    try:
        write_stamp(one.root, kept(one.stamp, until))
        _clear(one)
    except OSError as error:
        raise _unusable(one.root, f"The kept sandbox cannot be used: {error.strerror}.") from error


def _clear(kept: Kept) -> None:
    """Remove what a killed server left; its starter is dead, or its lease would not be ours."""
    workspace = kept.sandbox.workspace
    end_processes(workspace.drill_id, workspace.data_dir)
    remove_shared_memory(workspace.data_dir)
    left = [workspace.data_dir / name for name in _LEFT_BY_A_KILL]
    left += workspace.socket_dir.glob(".s.PGSQL.*")
    for path in left:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _read(root: Path) -> Kept | None:
    """Return what is kept at *root*; None where nothing is, or where it is not ours or half removed."""
    stamp = read_stamp(root)
    if stamp is None or stamp.keep_until is None:
        return None
    try:
        record = read_object(read_regular(root / KEPT_FILE, _LARGEST_BYTES))
        if record["schema"] != _SCHEMA:
            return None
        facts = dict(record["sandbox"])
        install = dict(facts.pop("postgres"))
        postgres = PostgresInstall(**{**install, "bindir": Path(install["bindir"])})
        sandbox = Sandbox(workspace=workspace_of(root, stamp), postgres=postgres, **facts)
        return Kept(sandbox, stamp, {str(key): str(value) for key, value in record["note"].items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _unusable(root: Path, what: str) -> PermanentError:
    return PermanentError(what, where=str(root), rule="workspace-unusable")
