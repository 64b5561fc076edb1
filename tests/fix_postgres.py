"""Real PostgreSQL for tests: clusters to dump from, sandboxes to restore into, and a watch for leftovers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.sandbox import WALL, PostgresInstall, Sandbox, Workspace
from tasks.model.target import SandboxConfig
from tasks.sandbox import cluster as cluster_module
from tasks.sandbox import connect, destroy, dsn, find_postgres, open_workspace, runner, start_sandbox, sweep
from tasks.sandbox import launch as launching
from tasks.sandbox.launch import Orders
from tasks.sandbox.reaper import processes_of

START_DEADLINE_S = 120.0
SOURCE_ID = "source-"


@dataclass(frozen=True)
class Source:
    """A running cluster that plays production: superuser `postgres`, every role may connect (trust)."""

    sandbox: Sandbox

    @property
    def major(self) -> int:
        return self.sandbox.postgres.major

    @property
    def install(self) -> PostgresInstall:
        return self.sandbox.postgres

    def dsn(self, database: str = "postgres", role: str = "postgres") -> str:
        """A libpq connection string, with PostgreSQL's own search_path."""
        return dsn(self.sandbox, database, role)

    def connect(
        self, database: str = "postgres", role: str = "postgres"
    ) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.dsn(database, role), autocommit=True)

    def execute(self, statements: str, database: str = "postgres") -> None:
        """Run SQL text of any number of statements."""
        with self.connect(database) as session:
            session.execute(statements)

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
        done = subprocess.run(argv, check=False, capture_output=True, env=env, timeout=120, **extra)
        if check and done.returncode:
            raise AssertionError(f"{program} ended with {done.returncode}: {done.stderr.decode()}")
        return done

    def dump(self, database: str, path: Path, *options: str, program: str = "pg_dump") -> Path:
        """Run pg_dump of this major into *path* (`-Fc`, `-Fd`, `-Ft`, `-Fp` and more in *options*)."""
        self.run(program, *options, "-f", str(path), "-d", self.dsn(database))
        return path

    def dump_all(self, path: Path, *databases: str) -> Path:
        """Run pg_dumpall into *path*: all roles, and of the databases only *databases*, not other tests'."""
        with self.connect() as session:
            rows = session.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
        others = {str(name) for (name,) in rows} - {*databases, "postgres", "template1"}
        return self._dump_all(path, *(f'--exclude-database="{name}"' for name in others))

    def dump_globals(self, path: Path) -> Path:
        """Run pg_dumpall of this major into *path*, of the roles and tablespaces alone."""
        return self._dump_all(path, "--globals-only")

    def _dump_all(self, path: Path, *options: str) -> Path:
        self.run("pg_dumpall", *options, "-f", str(path), "-d", self.dsn("postgres"), "-l", "postgres")
        return path

    def psql(self, database: str, path: Path) -> None:
        """Load a script with psql, stopping at the first error."""
        self.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(path), "-d", self.dsn(database))


@contextlib.contextmanager
def running_source(folder: Path, major: int) -> Iterator[Source]:
    """Run a source cluster of *major* in *folder*; a major not to be had skips the test."""
    try:
        install = find_postgres(major)
    except PermanentError as error:
        pytest.skip(str(error))
    with _drill_dir(folder):
        workspace = unwalled(_open(f"source-{major}", "off", SOURCE_ID))
    try:
        yield _production(start_sandbox(workspace, install, SandboxConfig(), START_DEADLINE_S))
    finally:
        assert destroy(workspace) == ()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Source]]:
    """Give a running source cluster of a major, one per session."""
    running: dict[int, Source] = {}
    with contextlib.ExitStack() as stack:

        def start(major: int) -> Source:
            if major not in running:
                folder = tmp_path_factory.mktemp(f"source{major}")
                running[major] = stack.enter_context(running_source(folder, major))
            return running[major]

        yield start


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No jailed process that a test started may outlive it; the session's own source clusters stay."""
    started: list[Orders] = []
    launch = launching.launch

    def recorded(orders: Orders, **streams: Any) -> launching.Jailed:
        if not orders.drill_id.startswith(SOURCE_ID):
            started.append(orders)
        return launch(orders, **streams)

    for module in (runner, cluster_module):
        monkeypatch.setattr(module, "launch", recorded)
    yield
    ids = {orders.drill_id for orders in started}
    assert wait_for(lambda: not any(processes_of(drill_id) for drill_id in ids)), (
        "processes outlived their test"
    )


@pytest.fixture
def drill_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A RESTORE_DRILL_DIR of this test's own; what the test leaves there on purpose is swept after it."""
    folder = tmp_path / "drills-of-this-test"
    monkeypatch.setenv("RESTORE_DRILL_DIR", str(folder))
    yield folder
    with _drill_dir(folder):
        sweep(utc_now() + timedelta(days=1000))


@pytest.fixture
def workspace(drill_folder: Path) -> Iterator[Workspace]:
    """An open workspace, destroyed after the test; nothing may be left."""
    opened = _open("orders", "preferred")
    yield opened
    assert destroy(opened) == ()
    assert processes_of(opened.drill_id) == ()


@pytest.fixture
def sandbox(drill_folder: Path) -> Iterator[Callable[..., Sandbox]]:
    """Give running sandboxes: `sandbox(17)`, `sandbox(15, SandboxConfig(profile="production"))`.

    With `wall=False` the second wall is left out, so that a test sees what the first one alone does.
    """
    opened: list[Workspace] = []

    def start(major: int, config: SandboxConfig | None = None, *, wall: bool = True) -> Sandbox:
        config = config or SandboxConfig()
        memory = 0 if config.memory == "auto" else config.memory
        workspace = _open(f"database{len(opened)}", config.isolation, memory_bytes=memory)
        opened.append(workspace if wall else unwalled(workspace))
        return start_sandbox(opened[-1], find_postgres(major), config, START_DEADLINE_S)

    yield start
    left = [item for workspace in opened for item in destroy(workspace)]
    assert left == []
    assert [pid for workspace in opened for pid in processes_of(workspace.drill_id)] == []


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A server on the host's loopback, and who called it."""
    callers: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    caller, address = server.accept()
                    callers.append(str(address))
                    caller.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], callers
        ended.set()
        thread.join()


def unwalled(workspace: Workspace) -> Workspace:
    """Return *workspace* without the second wall: production has none, and a canary must be able to sing."""
    return replace(workspace, isolation=workspace.isolation - set(WALL))


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Wait until *condition* holds; say whether it did in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def _production(box: Sandbox) -> Source:
    """Open a sandbox to every role, as no sandbox is, and give it the superuser that servers usually have."""
    with (box.workspace.root / "pg_hba.conf").open("a") as rules:
        rules.write("local all all trust\n")
    with connect(box) as session:
        session.execute("CREATE ROLE postgres SUPERUSER LOGIN")
        session.execute("SELECT pg_reload_conf()")
    source = Source(box)

    def open_to_all() -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            source.connect().close()
            return True
        return False

    assert wait_for(open_to_all)
    return source


def _open(database: str, isolation: str, prefix: str = "test-", memory_bytes: int = 0) -> Workspace:
    expires_at = utc_now() + timedelta(hours=2)
    return open_workspace(
        "tests", database, f"{prefix}{uuid.uuid4().hex[:12]}", isolation, expires_at, 5.0, memory_bytes
    )


class _drill_dir:  # noqa: N801  a context manager
    def __init__(self, folder: Path) -> None:
        self._patch = pytest.MonkeyPatch()
        self._folder = folder

    def __enter__(self) -> None:
        self._patch.setenv("RESTORE_DRILL_DIR", str(self._folder))

    def __exit__(self, *_: object) -> None:
        self._patch.undo()
