"""The commands that a drill prints, typed by a person: they bring the copy back."""

from __future__ import annotations

import bz2
import gzip
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasks.model.clock import utc_now
from tasks.model.target import BaseBackup, Selection, Target
from tasks.physical.target import RecoveryTarget
from tasks.recovery.basebackup import BaseBackupFolders
from tasks.sandbox import find_postgres
from tests.corpus.base_backups import Production, as_nobody, production
from tests.fix_drill import hours_ago
from tests.integration.test_physical_archive import archive_all

READY_S = 30


@pytest.fixture(scope="module")
def source() -> Iterator[Production]:
    """Give a production with an archive and a tablespace."""
    with production(find_postgres(17), archive_mode="on", archive_command="'cp %p ../archive/%f'") as running:
        space = running.new_folder("space")
        running.execute(f"CREATE TABLESPACE fast LOCATION '{space}'")
        running.execute("CREATE TABLE shop.far TABLESPACE fast AS SELECT 7 AS n", "shop")
        yield running


@pytest.mark.parametrize("options", [("-Ft", "-z", "-X", "none"), ("-Ft", "-X", "stream")], ids=" ".join)
def test_what_is_printed_recovers(source: Production, options: tuple[str, ...]) -> None:
    name = "by-hand" + "".join(options)
    stored = source.new_folder(name) / f"{hours_ago(1):%Y%m%dT%H%M%SZ}"
    shutil.move(source.base_backup(f"{name}-base", *options), stored)
    source.execute(f"INSERT INTO shop.marks VALUES ('{name}')", "shop")
    archive_all(source)
    commands = printed(stored.parent, source.archive)
    work = to_work(source, stored)
    assert typed(source, work, commands, name) == [(7, 1)]
    (link,) = (work / "DATA" / "pg_tblspc").iterdir()
    assert link.resolve().is_relative_to(work.resolve())


def test_a_gzipped_archive_is_unpacked(source: Production) -> None:
    work, commands = packed(source, "gz", gzip.compress)
    assert typed(source, work, commands, "packed-gz") == [(7, 1)]


def test_files_of_another_packing_stop_the_recovery_and_never_end_it(source: Production) -> None:
    work, commands = packed(source, "bz2", bz2.compress)
    with pytest.raises(AssertionError, match="exit code 255"):
        typed(source, work, commands, "packed-bz2")


def packed(
    source: Production, suffix: str, compress: Callable[[bytes], bytes]
) -> tuple[Path, tuple[str, ...]]:
    """Return a copied base backup, and the commands that recover it through an archive packed so."""
    name = f"packed-{suffix}"
    stored = source.new_folder(name) / f"{hours_ago(1):%Y%m%dT%H%M%SZ}"
    shutil.move(source.base_backup(f"{name}-base", "-Ft", "-X", "stream"), stored)
    source.execute(f"INSERT INTO shop.marks VALUES ('{name}')", "shop")
    archive_all(source)
    archive = source.new_folder(f"{name}-wal")
    for file in source.archive.iterdir():
        (archive / f"{file.name}.{suffix}").write_bytes(compress(file.read_bytes()))
    return to_work(source, stored), printed(stored.parent, archive)


def to_work(source: Production, stored: Path) -> Path:
    """Return a copy of *stored* that the server's user may write to."""
    work = stored.parent / "work"
    shutil.copytree(stored, work, copy_function=shutil.copyfile)
    subprocess.run(["/bin/chown", "-R", "--reference", str(source.archive), str(work)], check=True)
    return work


def printed(at: Path, archive: Path) -> tuple[str, ...]:
    """Return the commands of the newest base backup in *at*."""
    backup = BaseBackup(at=f"{at}/%Y%m%dT%H%M%SZ/", wal=str(archive))
    target = Target(fleet="f", name="shop", evidence="/e", backup=backup)
    folders = BaseBackupFolders()
    found = folders.points(target, folders.reach(target), utc_now(), Selection())
    return folders.commands(found.points[0], target, RecoveryTarget())


def typed(source: Production, work: Path, commands: tuple[str, ...], mark: str) -> list[Any]:
    """Type *commands* in *work* and return the tablespace's row and how often *mark* came back."""
    bindir = source.install.bindir
    environment = {**source.environment, "PATH": f"{bindir}:{source.environment['PATH']}"}
    how: dict[str, Any] = {"cwd": work, "env": environment, **as_nobody()}
    for command in commands[:-1]:
        subprocess.run(["/bin/sh", "-ec", f"umask 077; {command}"], check=True, timeout=60, **how)
    start = f"exec {commands[-1]} -k {work} -c listen_addresses="
    with (
        (work / "log").open("wb") as log,
        subprocess.Popen(["/bin/sh", "-c", start], stderr=log, **how) as server,
    ):
        try:
            return asked(work, mark)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(READY_S)


def asked(work: Path, mark: str) -> list[Any]:
    for _ in range(10 * READY_S):
        try:
            with psycopg.connect(host=str(work), user="postgres", dbname="shop") as session:
                query = "SELECT n, (SELECT count(*) FROM shop.marks WHERE name = %s) FROM shop.far"
                if session.execute("SELECT pg_is_in_recovery()").fetchone() != (True,):
                    return session.execute(query, (mark,)).fetchall()
        except psycopg.OperationalError:
            pass
        time.sleep(0.1)
        if "child process exited with exit code 255" in (work / "log").read_text():
            break
    raise AssertionError((work / "log").read_text())
