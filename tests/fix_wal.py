"""Real WAL for tests: a source that archives, its base backup, and a copy that recovers in the jail."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, destroy, find_postgres, start_sandbox
from tasks.sandbox.cluster import start
from tasks.sandbox.extensions import library_env
from tasks.sandbox.isolation import ids
from tasks.sandbox.launch import launch
from tasks.sandbox.runner import Role, jail_orders
from tasks.sandbox.servers import stop_server
from tasks.sandbox.settings import server_settings
from tasks.sandbox.view import kept_install
from tasks.wal.page_header import Cluster, parse_header
from tests import fix_postgres
from tests.fix_postgres import SOURCE_ID, START_DEADLINE_S, Source, unwalled, wait_for

MARKS = 4
READY = "database system is ready to accept connections"


@dataclass(frozen=True)
class Archived:
    """A base backup without WAL of its own, and the archive behind it: mark 1 lies in the base, each of the
    others in a segment of its own.

    Attributes:
        base: a plain copy, as pg_basebackup -X none leaves it.
        wal: the folder that archive_command filled.
        names: of its segments, in order.
        marked: the segment that holds each mark.
    """

    install: PostgresInstall
    base: Path
    wal: Path
    names: tuple[str, ...]
    marked: dict[int, str]
    cluster: Cluster

    def copy(self, folder: Path) -> Path:
        """Return a copy of the archive to do harm to: hard links, so replace files, do not change them."""
        folder.mkdir(parents=True)
        for file in self.wal.iterdir():
            os.link(file, folder / file.name)
        return folder


def rewrite(path: Path, body: bytes) -> None:
    """Replace a file by *body*, as if it had lain there for an hour."""
    written_at = path.stat().st_mtime - 3600 if path.exists() else None
    path.unlink(missing_ok=True)
    path.write_bytes(body)
    if written_at is not None:
        os.utime(path, (written_at, written_at))


@contextlib.contextmanager
def archiving_source(folder: Path, major: int) -> Iterator[tuple[Source, Path]]:
    """Run a source cluster whose archive_command copies into a folder."""
    install = find_postgres(major)
    with fix_postgres._drill_dir(folder):
        workspace = unwalled(fix_postgres._open(f"archiving-{major}", "off", SOURCE_ID))
    try:
        plain = start_sandbox(workspace, install, SandboxConfig(), START_DEADLINE_S)
        stop_server(workspace.drill_id, signal.SIGINT)
        wal = workspace.scratch_dir / "wal"
        wal.mkdir()
        owner = ids(workspace.os_user)
        if owner is not None:
            os.chown(wal, *owner)
        settings = server_settings("production", 1 << 40) | {
            "wal_level": "replica",
            "archive_mode": "on",
            "archive_command": f"cp %p {wal}/%f.part && mv {wal}/%f.part {wal}/%f",
            "fsync": "off",
            "max_wal_senders": "4",
        }
        with (workspace.root / "pg_hba.conf").open("a") as rules:
            rules.write("local replication all trust\n")
        sandbox = replace(plain, settings=settings)
        start(sandbox, START_DEADLINE_S)
        yield fix_postgres._production(sandbox), wal
    finally:
        assert destroy(workspace) == ()


@pytest.fixture(scope="session")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Archived]:
    """Give the archive of a source of a major, made once in a session."""
    made: dict[int, Archived] = {}

    def get(major: int) -> Archived:
        if major not in made:
            made[major] = _archive(tmp_path_factory.mktemp(f"archived{major}"), major)
        return made[major]

    return get


def _archive(folder: Path, major: int) -> Archived:
    with archiving_source(folder / "source", major) as (source, wal):
        source.execute("CREATE TABLE marks (n int); INSERT INTO marks VALUES (1)")
        base = folder / "base"
        source.run("pg_basebackup", "-D", str(base), "-X", "none", "-c", "fast", "-d", source.dsn())
        marked = {mark: _mark(source, wal, mark) for mark in range(2, MARKS + 1)}
        shutil.copytree(wal, folder / "wal")
    names = tuple(sorted(path.name for path in (folder / "wal").iterdir() if len(path.name) == 24))
    header = parse_header((folder / "wal" / names[0]).read_bytes()[:40])
    assert header is not None
    cluster = Cluster(header.system_id, header.segment_bytes, major)
    return Archived(source.install, base, folder / "wal", names, marked, cluster)


def _mark(source: Source, wal: Path, mark: int) -> str:
    """Write *mark*, switch, and wait until the segment is archived; return its name."""
    with source.connect() as session:
        session.execute("INSERT INTO marks VALUES (%s)", (mark,))
        row = session.execute("SELECT pg_walfile_name(pg_switch_wal() - 1)").fetchone()
    assert row is not None
    name = str(row[0])
    assert wait_for((wal / name).exists, 60)
    return name


@dataclass(frozen=True)
class Recovery:
    """What became of a copy that was started in recovery.

    Attributes:
        log: all that the server said.
        promoted: it came up for everybody.
    """

    log: str
    promoted: bool


def adopt(workspace: Workspace, base: Path, **settings: str) -> None:
    """Put a copy of *base* into the data folder, ready for recovery with *settings*."""
    data = workspace.data_dir
    shutil.copytree(base, data, dirs_exist_ok=True, symlinks=True)
    (data / "postgresql.auto.conf").write_text("")
    (data / "recovery.signal").write_text("")
    lines = {
        "hot_standby": "off",
        "listen_addresses": "",
        "unix_socket_directories": str(workspace.socket_dir),
        "archive_mode": "off",
        "fsync": "off",
        "max_prepared_transactions": "100",
        "shared_buffers": "16MB",
        "dynamic_shared_memory_type": "mmap",
        "log_min_messages": "log",
    } | settings
    text = "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in lines.items())
    (data / "postgresql.conf").write_text(text)
    (data / "pg_hba.conf").write_text("local all all reject\n")
    owner = ids(workspace.os_user)
    for path in (data, *data.rglob("*")):
        if owner is not None:
            os.chown(path, *owner, follow_symlinks=False)
    data.chmod(0o700)


def recover(workspace: Workspace, install: PostgresInstall, seconds: float = 120.0) -> Recovery:
    """Start the adopted copy and wait until it is promoted or has ended; it is stopped then."""
    lines: list[str] = []
    ready = threading.Event()
    orders = jail_orders(
        workspace,
        [str(install.bindir / "postgres"), "-D", str(workspace.data_dir)],
        env=library_env(install),
        cwd=workspace.data_dir,
        install_dir=kept_install(install.bindir),
        role=Role.RECOVERING,
    )
    jailed = launch(orders, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def read() -> None:
        assert jailed.process.stderr is not None
        for line in jailed.process.stderr:
            lines.append(line.decode())
            if READY in lines[-1]:
                ready.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert wait_for(lambda: ready.is_set() or not jailed.alive(), seconds), "".join(lines)
    jailed.stop(signal.SIGINT, 20)
    reader.join()
    assert jailed.process.stderr is not None
    jailed.process.stderr.close()
    return Recovery("".join(lines), ready.is_set())


def marks(workspace: Workspace, install: PostgresInstall) -> list[int]:
    """Start the recovered copy as any server of a drill, wall and all; return the marks that it holds."""
    sandbox = Sandbox(workspace, install, superuser="postgres", settings=server_settings("fast", 1 << 40))
    (workspace.root / "pg_hba.conf").write_text("local all all trust\n")
    (workspace.root / "pg_ident.conf").write_text("")
    owner = ids(workspace.os_user)
    for name in ("pg_hba.conf", "pg_ident.conf"):
        (workspace.root / name).chmod(0o640)
        if owner is not None:
            os.chown(workspace.root / name, -1, owner[1])
    start(sandbox, START_DEADLINE_S)
    with connect(sandbox) as session:
        rows = session.execute("SELECT n FROM public.marks ORDER BY n").fetchall()
    stop_server(workspace.drill_id, signal.SIGINT)
    return [int(row[0]) for row in rows]


__all__ = ["Archived", "Recovery", "adopt", "archived", "marks", "recover", "rewrite"]
