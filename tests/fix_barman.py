"""Barman itself, and what it and barman-cloud make of one source: backups for tests, made once in a run.

Barman needs psycopg2, whose source builds with libpq's headers only; the package with the library inside does
as well, but satisfies no installer. So both go into a folder of the cache, pinned by their digests, and run
with this environment's other packages.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployments.local_s3 import REGION, client_of
from tasks.model.sandbox import PostgresInstall
from tasks.sandbox import find_postgres
from tasks.sandbox.builds import _pip
from tasks.sandbox.paths import postgres_dir
from tests.corpus.base_backups import Production, production
from tests.fix_postgres import wait_for
from tests.fix_s3 import OWNER

RELEASE = "3.19.1"
PINNED = Path(__file__).with_name("requirements-barman.txt")
SERVER = "orders"
MARKS = ("m1", "m2", "m3")
LAIN_S = 1200
_TIMEOUT_S = 240
_ARCHIVE = """
import sys
from barman.clients.cloud_walarchive import main
for wal in sys.argv[{0}:]:
    main([*sys.argv[1:{0}], wal])
"""
_CONFIGURATION = """
[barman]
barman_user = {user}
barman_home = {home}
[{server}]
description = test
conninfo = host={source} user=postgres dbname=postgres
streaming_conninfo = host={source} user=postgres dbname=postgres
backup_method = postgres
archiver = on
path_prefix = {bindir}
immediate_checkpoint = true
"""
CLOUD = {15: ("--lz4", "--zstd"), 17: ("--gzip", "--gzip")}
"""How barman-cloud compresses the backup and the WAL, by the source's major."""
BARMAN = {15: "backup_compression = gzip\ncompression = gzip", 17: "compression = xz"}
"""How a Barman server does: 15's backups are pg_basebackup's tars, 17's are files."""
INCREMENTAL = (17,)
"""Where a second backup is one."""


@dataclass(frozen=True)
class BarmanBackups:
    """What Barman made of one source, which has a tablespace and a mark in each of the last segments.

    Attributes:
        cloud: the folder that holds barman-cloud's server, as it lay in the bucket.
        home: Barman's home, with the same source backed up by a Barman server; of 17 also incrementally.
    """

    install: PostgresInstall
    cloud: Path
    home: Path

    @property
    def major(self) -> int:
        return self.install.major

    def copy_of_cloud(self, folder: Path) -> Path:
        """Return a copy of what barman-cloud made, to do harm to: replace files, do not change them."""
        return Path(shutil.copytree(self.cloud, folder, copy_function=os.link))

    def copy_of_home(self, folder: Path) -> Path:
        """Return a copy of what the Barman server made."""
        return Path(shutil.copytree(self.home, folder, copy_function=os.link, symlinks=True))


@dataclass(frozen=True)
class _Barman:
    """Barman's programs."""

    folder: Path

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(self.folder),
            "LC_ALL": "C",
        }
        argv = [sys.executable, "-P", *arguments]
        return subprocess.Popen(
            argv, env={**env, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *arguments: str, **variables: str) -> None:
        finish(self.start(*arguments, **variables))


def finish(running: subprocess.Popen[bytes]) -> None:
    """Wait for a program, which must end well."""
    said, _ = running.communicate(timeout=_TIMEOUT_S)
    assert running.returncode == 0, said.decode()


@pytest.fixture(scope="session")
def barman_backups(
    weed_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], BarmanBackups]:
    """Give Barman's backups of a source of a major, shared by all workers of a run."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def get(major: int) -> BarmanBackups:
        folder = shared / f"barman{major}"
        with _locked(shared / f"barman{major}.lock"):
            if not folder.exists():
                made = Path(tempfile.mkdtemp(prefix="barman-", dir=shared))
                _make(made, major, weed_server)
                made.rename(folder)
        return BarmanBackups(find_postgres(major), folder / "cloud", folder / "home")

    return get


def _make(folder: Path, major: int, endpoint: str) -> None:
    barman = _Barman(_fetched())
    archive_command = "'cp %p ../archive/%f'"
    with production(find_postgres(major), archive_mode="on", archive_command=archive_command) as source:
        if major in INCREMENTAL:
            source.execute("ALTER SYSTEM SET summarize_wal = on")
            source.execute("SELECT pg_reload_conf()")
        source.execute(f"CREATE TABLESPACE far LOCATION '{source.new_folder('far')}'")
        source.execute(
            "CREATE TABLE shop.far (x int) TABLESPACE far; INSERT INTO shop.far VALUES (1)", "shop"
        )
        configuration = _configured(folder, source)
        with _bucket(endpoint) as bucket:
            cloud = _start_cloud_backup(barman, source, endpoint, bucket)
            archive_all(source)  # without a segment Barman takes no backup
            _archive_in_server(barman, source, configuration, folder / "home")
            barman.run("-m", "barman.cli", "-c", configuration, "backup", SERVER)
            finish(cloud)
            for mark in MARKS:
                source.execute(f"INSERT INTO shop.marks VALUES ('{mark}')", "shop")
                archive_all(source)
            _archive_in_cloud(barman, source, endpoint, bucket)
            _archive_in_server(barman, source, configuration, folder / "home")
            if major in INCREMENTAL:
                barman.run("-m", "barman.cli", "-c", configuration, "backup", "--incremental", "last", SERVER)
                archive_all(source)
                _archive_in_server(barman, source, configuration, folder / "home")
            _download(endpoint, bucket, folder / "cloud")
    _age(folder)


def archive_all(source: Production) -> None:
    """Finish the segment and wait until all are archived."""
    with source.connect() as session:
        (name,) = session.execute("SELECT pg_walfile_name(pg_switch_wal() - 1)").fetchone() or ("",)
    status = source.data_dir / "pg_wal" / "archive_status"
    assert wait_for(lambda: (status / f"{name}.done").exists() and not list(status.glob("*.ready")), 60)


def _start_cloud_backup(
    barman: _Barman, source: Production, endpoint: str, bucket: str
) -> subprocess.Popen[bytes]:
    return barman.start(
        *("-m", "barman.clients.cloud_backup", "--endpoint-url", endpoint, CLOUD[source.major][0]),
        *(
            "--immediate-checkpoint",
            "-h",
            str(source.folder),
            "-U",
            "postgres",
            f"s3://{bucket}/prod",
            SERVER,
        ),
        **_keys(),
    )


def _archive_in_cloud(barman: _Barman, source: Production, endpoint: str, bucket: str) -> None:
    options = ["--endpoint-url", endpoint, CLOUD[source.major][1], f"s3://{bucket}/prod", SERVER]
    wal = [str(path) for path in sorted(source.archive.iterdir())]
    barman.run("-c", _ARCHIVE.format(len(options) + 1), *options, *wal, **_keys())


def _archive_in_server(barman: _Barman, source: Production, configuration: str, home: Path) -> None:
    """Let Barman take in what archive_command left."""
    there = {path.name for path in (home / SERVER / "wals").rglob("*")}
    for path in source.archive.iterdir():
        if path.name in there:
            continue
        shutil.copy(path, home / SERVER / "incoming" / path.name)
    barman.run("-m", "barman.cli", "-c", configuration, "archive-wal", SERVER)


def _configured(folder: Path, source: Production) -> str:
    """Return the configuration of a Barman at home in *folder*."""
    home, path = folder / "home", folder / "barman.conf"
    (home / SERVER / "incoming").mkdir(parents=True)
    text = _CONFIGURATION.format(
        server=SERVER,
        user=getpass.getuser(),
        home=home,
        source=source.folder,
        bindir=source.install.bindir,
    )
    path.write_text(f"{text}{BARMAN[source.major]}\n")
    return str(path)


def _download(endpoint: str, bucket: str, into: Path) -> None:
    client = client_of(endpoint, *OWNER)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page["Contents"]:
            path = into / item["Key"].removeprefix("prod/")
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, item["Key"], str(path))


@contextlib.contextmanager
def _bucket(endpoint: str) -> Iterator[str]:
    name = f"barman-{uuid.uuid4().hex[:12]}"
    client_of(endpoint, *OWNER).create_bucket(Bucket=name)
    yield name


def _age(folder: Path) -> None:
    """Let all have lain there for a while: what is minutes old may still be on its way."""
    for path in folder.rglob("*"):
        if path.is_file():
            moment = path.stat().st_mtime - LAIN_S
            os.utime(path, (moment, moment))


def _keys() -> dict[str, str]:
    access, secret = OWNER
    return {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": REGION}


def _fetched() -> Path:
    """Return the folder of the pinned packages, fetched by pip through the user's own index if need be."""
    version = f"{sys.implementation.cache_tag}-{RELEASE}"
    folder = postgres_dir().parent / f"barman-{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not folder.exists():
            work = Path(tempfile.mkdtemp(prefix=".barman-", dir=folder.parent))
            wanted = ["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
            wanted += ["--disable-pip-version-check", "--no-input", "--target", str(work), "-r", str(PINNED)]
            subprocess.run([*_pip(), *wanted], check=True, timeout=_TIMEOUT_S, cwd=work)
            work.rename(folder)
    return folder


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
