"""A production cluster of its own, and base backups of it as pg_basebackup writes them."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tasks.model.sandbox import PostgresInstall
from tasks.sandbox.extensions import library_env

SETTINGS = {
    "listen_addresses": "",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "fsync": "off",
    "max_prepared_transactions": "20",
    "logging_collector": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "autovacuum": "off",
}
SCHEMA = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id int PRIMARY KEY, note text NOT NULL);
INSERT INTO shop.orders SELECT i, repeat(md5(i::text), 4) FROM generate_series(1, 2000) AS i;
CREATE TABLE shop.marks (name text PRIMARY KEY);
"""


@dataclass
class Production:
    """A running cluster: superuser *superuser*, trust through its socket."""

    install: PostgresInstall
    folder: Path
    superuser: str = "postgres"
    env: Mapping[str, str] | None = None

    @property
    def major(self) -> int:
        return self.install.major

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def environment(self) -> dict[str, str]:
        return {"LC_ALL": "C", "PATH": os.environ["PATH"], **library_env(self.install), **(self.env or {})}

    def run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        argv = [str(self.install.bindir / program), *arguments]
        env = self.environment
        done = subprocess.run(
            argv,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=env,
            timeout=120,
            cwd=self.folder,
            **as_nobody(),
        )
        if check and done.returncode:
            raise AssertionError(f"{program} ended with {done.returncode}: {done.stdout.decode()}")
        return done

    def start(self, **settings: str) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in {**SETTINGS, **settings}.items())
        options += f" -k {self.folder}"
        log = self.folder / "log"
        self.run("pg_ctl", "-D", str(self.data_dir), "-w", "-l", str(log), "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.data_dir), "-m", "immediate", "-w", "stop", check=False)

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host=str(self.folder),
            dbname=database,
            user=self.superuser,
            autocommit=True,
            client_encoding="UTF8",
        )

    def execute(self, statements: str, database: str = "postgres") -> None:
        with self.connect(database) as session:
            session.execute(statements)

    def base_backup(self, name: str, *options: str) -> Path:
        """Take a base backup into a new folder called *name*; return it."""
        to = self.folder / name
        self.run(
            "pg_basebackup",
            "-h",
            str(self.folder),
            "-U",
            self.superuser,
            "-D",
            str(to),
            "-c",
            "fast",
            *options,
        )
        return to

    def new_folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        return folder


@contextlib.contextmanager
def production(
    install: PostgresInstall,
    *,
    superuser: str = "postgres",
    initdb: tuple[str, ...] = ("--locale=C.UTF-8", "-E", "UTF8"),
    env: Mapping[str, str] | None = None,
    **settings: str,
) -> Iterator[Production]:
    """Run a production cluster with a database `shop` while the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="rd-prod-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    cluster = Production(install, folder, superuser, env)
    try:
        cluster.new_folder("archive")
        cluster.run(
            "initdb", "-D", str(cluster.data_dir), "-U", superuser, "-A", "trust", "-N", "-k", *initdb
        )
        cluster.start(**settings)
        cluster.execute("CREATE DATABASE shop")
        cluster.execute(SCHEMA, "shop")
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def as_nobody() -> dict[str, Any]:
    """Return how `subprocess` runs a program as nobody; as this very user where that is not root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
