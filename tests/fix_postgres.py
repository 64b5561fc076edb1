"""Real PostgreSQL for tests: source clusters to dump from, sandboxes to restore into, and a watch for leftovers."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, destroy, dsn, find_postgres, open_workspace, start_sandbox
from tasks.sandbox.reaper import processes_of

START_DEADLINE_S = 120.0


@dataclass(frozen=True)
class Source:
    """A running cluster that plays production. Connect as its superuser, from this OS user only."""

    sandbox: Sandbox

    @property
    def major(self) -> int:
        return self.sandbox.postgres.major

    @property
    def install(self) -> PostgresInstall:
        return self.sandbox.postgres

    @property
    def superuser(self) -> str:
        return self.sandbox.superuser

    def dsn(self, database: str = "postgres") -> str:
        """A libpq connection string of the superuser, with PostgreSQL's own search_path."""
        return dsn(self.sandbox, database, self.superuser)

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.dsn(database), autocommit=True)

    def execute(self, statements: str, database: str = "postgres") -> None:
        """Run SQL text of any number of statements."""
        with self.connect(database) as session:
            session.execute(statements)  # type: ignore[call-overload]

    def create_database(self, name: str, *, options: str = "") -> str:
        """Make an empty database, dropping one of that name; return *name*."""
        with self.connect() as session:
            session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            session.execute(sql.SQL("CREATE DATABASE {} " + options).format(sql.Identifier(name)))
        return name

    def run(
        self, program: str, *arguments: str, check: bool = True, **extra: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one of this major's programs as this OS user; pass `-d` yourself, with `dsn()`."""
        argv = [str(self.install.bindir / program), *arguments]
        env = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "")}
        return subprocess.run(argv, check=check, capture_output=True, env=env, timeout=120, **extra)

    def dump(self, database: str, path: Path, *options: str, program: str = "pg_dump") -> Path:
        """Run pg_dump of this major into *path* (`-Fc`, `-Fd`, `-Ft`, `-Fp` and more in *options*)."""
        self.run(program, *options, "-f", str(path), "-d", self.dsn(database))
        return path

    def dump_all(self, path: Path, *options: str) -> Path:
        """Run pg_dumpall of this major into *path*."""
        self.run("pg_dumpall", *options, "-f", str(path), "-d", self.dsn("postgres"), "-l", "postgres")
        return path

    def psql(self, database: str, path: Path) -> None:
        """Load a script with psql, stopping at the first error."""
        self.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(path), "-d", self.dsn(database))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Source]]:
    """Give a running source cluster of a major, one per session; a major that cannot be had skips the test."""
    running: dict[int, Source] = {}
    opened: list[Workspace] = []

    def start(major: int) -> Source:
        if major not in running:
            try:
                install = find_postgres(major)
            except PermanentError as error:
                pytest.skip(str(error))
            with _drill_dir(tmp_path_factory.mktemp(f"source{major}")):
                workspace = _open(f"source-{major}", "off")
            opened.append(workspace)
            running[major] = Source(start_sandbox(workspace, install, SandboxConfig(), START_DEADLINE_S))
        return running[major]

    yield start
    left = [item for workspace in opened for item in destroy(workspace)]
    assert left == []


@pytest.fixture
def drill_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A RESTORE_DRILL_DIR of this test's own."""
    folder = tmp_path / "drills-of-this-test"
    monkeypatch.setenv("RESTORE_DRILL_DIR", str(folder))
    return folder


@pytest.fixture
def workspace(drill_folder: Path) -> Iterator[Workspace]:
    """An open workspace, destroyed after the test; nothing may be left."""
    opened = _open("orders", "preferred")
    yield opened
    assert destroy(opened) == ()
    assert processes_of(opened.drill_id) == ()


@pytest.fixture
def sandbox(drill_folder: Path) -> Iterator[Callable[..., Sandbox]]:
    """Give running sandboxes: `sandbox(17)`, `sandbox(15, SandboxConfig(profile="production"))`."""
    opened: list[Workspace] = []

    def start(major: int, config: SandboxConfig | None = None) -> Sandbox:
        config = config or SandboxConfig()
        opened.append(_open(f"database{len(opened)}", config.isolation))
        return start_sandbox(opened[-1], find_postgres(major), config, START_DEADLINE_S)

    yield start
    left = [item for workspace in opened for item in destroy(workspace)]
    assert left == []
    assert [pid for workspace in opened for pid in processes_of(workspace.drill_id)] == []


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Wait until *condition* holds; say whether it did in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def superuser_connect(sandbox: Sandbox, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
    return connect(sandbox, database)


def _open(database: str, isolation: str) -> Workspace:
    return open_workspace(
        "tests",
        database,
        f"test-{uuid.uuid4().hex[:12]}",
        isolation,
        utc_now() + timedelta(hours=2),
        wait_s=5.0,
    )


class _drill_dir:  # noqa: N801  a context manager
    def __init__(self, folder: Path) -> None:
        self._patch = pytest.MonkeyPatch()
        self._folder = folder

    def __enter__(self) -> None:
        self._patch.setenv("RESTORE_DRILL_DIR", str(self._folder))

    def __exit__(self, *_: object) -> None:
        self._patch.undo()
