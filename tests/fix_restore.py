"""Restoring in tests as a drill does: a backup opened, put into a fresh sandbox, and what came of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasks.catalog.opening import open_backup
from tasks.engines import restore
from tasks.model.backup import LocalBackup
from tasks.model.errors import StageFailed
from tasks.model.findings import Finding, Severity
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.model.target import DumpBackup, SandboxConfig, Target
from tasks.sandbox import connect


@dataclass(frozen=True)
class Outcome:
    """What a restore came to.

    Attributes:
        restored: None where it was stopped.
        findings: of either.
    """

    sandbox: Sandbox
    restored: Restored | None
    findings: tuple[Finding, ...]

    @property
    def rules(self) -> set[str]:
        """Every rule that was raised."""
        return {found.rule for found in self.findings}

    @property
    def failures(self) -> set[str]:
        """The rules that move the verdict."""
        return {found.rule for found in self.findings if found.severity is Severity.FAILURE}

    def sandbox_session(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a superuser's connection to what was restored."""
        return connect(self.sandbox, "postgres" if self.restored is None else self.restored.database)

    def message(self, rule: str) -> str:
        """Return the first message of *rule*."""
        return next(found.message for found in self.findings if found.rule == rule)


Restore = Callable[..., Outcome]


def target_of(name: str, database: str | None, config: SandboxConfig) -> Target:
    """Return a target for a backup that lies nowhere."""
    return Target(
        fleet="test",
        name=name,
        backup=DumpBackup(at="unused", database=database),
        sandbox=config,
        evidence="unused",
    )


def opened_in(sandbox: Sandbox, path: Path) -> LocalBackup:
    """Bring the file or folder *path* into the sandbox's folder and open it there."""
    folder = sandbox.workspace.backup_dir
    inside = folder / path.name
    shutil.copytree(path, inside) if path.is_dir() else shutil.copy(path, inside)
    return open_backup(
        inside,
        name=inside.name,
        sha256="",
        bytes=1,
        integrity="none",
        fetch_s=0.0,
        decrypt=None,
        workdir=folder,
    )


@pytest.fixture
def restore_dump(sandbox: Callable[..., Sandbox]) -> Restore:
    """Restore a file or folder into a new sandbox: `restore_dump(17, path, name="shop", config=...)`."""

    def run(
        major: int,
        path: Path,
        *,
        name: str = "shop",
        database: str | None = None,
        config: SandboxConfig | None = None,
        globals_path: Path | None = None,
        deadline_s: float = 120.0,
        wall: bool = True,
    ) -> Outcome:
        config = config or SandboxConfig()
        box, target = sandbox(major, config, wall=wall), target_of(name, database, config)
        return restored_in(box, path, target, globals_path=globals_path, deadline_s=deadline_s)

    return run


def restored_in(
    sandbox: Sandbox, path: Path, target: Target, globals_path: Path | None = None, deadline_s: float = 120.0
) -> Outcome:
    """Restore the file or folder *path* into *sandbox*."""
    backup = opened_in(sandbox, path)
    try:
        restored = restore(
            backup, sandbox, target, globals_path=globals_path, deadline_s=deadline_s, progress=lambda _: None
        )
    except StageFailed as stopped:
        return Outcome(sandbox, None, stopped.findings)
    return Outcome(sandbox, restored, restored.findings)
