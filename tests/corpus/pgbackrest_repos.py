"""Repositories of the real pgBackRest: encrypted, with a full, a differential and an incremental backup."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.sandbox import find_postgres
from tests.corpus.base_backups import Production, as_nobody, production

STANZA = "orders"
PASSPHRASE = "an old key of ours"
SECRETS = {"PGBACKREST_REPO1_CIPHER_TYPE": "aes-256-cbc", "PGBACKREST_REPO1_CIPHER_PASS": PASSPHRASE}
MARKS = ("m1", "m2", "m3", "m4", "m5", "m6")
"""The first lies in the full backup, the next in front of the others, the rest in segments behind all."""
_BEHIND = MARKS[3:]
_ARCHIVED_S = 60


@dataclass(frozen=True)
class Stanza:
    """A repository in a folder.

    Attributes:
        labels: of its backups, the full one first.
        segments: of its WAL, in order: files below `archive`.
        marked: the segment that holds each mark.
    """

    folder: Path
    program: Path
    major: int
    labels: tuple[str, ...]
    segments: tuple[Path, ...]
    marked: Mapping[str, str]

    @property
    def wal(self) -> Path:
        return self.segments[0].parent

    def copy(self, into: Path) -> Stanza:
        """Return a copy to do harm to: hard links, so replace files, do not change them."""
        shutil.copytree(self.folder, into, copy_function=os.link, symlinks=True)
        segments = tuple(into / path.relative_to(self.folder) for path in self.segments)
        for folder in (self.folder, *self.folder.rglob("*")):
            owner = folder.lstat()
            os.chown(
                into / folder.relative_to(self.folder), owner.st_uid, owner.st_gid, follow_symlinks=False
            )
        return Stanza(into, self.program, self.major, self.labels, segments, self.marked)

    def segment(self, mark: str) -> Path:
        """Return the file of the segment that holds *mark*."""
        (path,) = (path for path in self.segments if path.name.startswith(self.marked[mark]))
        return path


def replaced(path: Path, body: bytes) -> None:
    """Replace a file by *body*, under its owner and mode, as if it had lain there for an hour."""
    status = path.stat()
    path.unlink()
    path.write_bytes(body)
    path.chmod(status.st_mode)
    os.chown(path, status.st_uid, status.st_gid)
    os.utime(path, (status.st_mtime - 3600,) * 2)


def flipped(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    replaced(path, bytes(body))


def make_stanza(folder: Path, program: Path, major: int) -> Stanza:
    """Back up a production of *major* into a repository; return it, moved to *folder*."""
    with production(find_postgres(major), env=SECRETS, archive_mode="on") as source:
        maker = _Maker(source, program)
        maker.create()
        maker.make_tablespace()
        marked = {"m1": maker.mark("m1")}
        maker.backup("full")
        marked["m2"] = maker.mark("m2")
        maker.backup("diff")
        marked["m3"] = maker.mark("m3")
        maker.backup("incr")
        marked |= {name: maker.mark(name) for name in _BEHIND}
        folder.parent.mkdir(exist_ok=True)
        control = _control_of(folder)
        (control / "global").mkdir(parents=True)
        shutil.copy(source.data_dir / "global" / "pg_control", control / "global")
        shutil.move(maker.repository, folder)
    labels = sorted(path.name for path in (folder / "backup" / STANZA).glob("2*F*"))
    segments = tuple(sorted((folder / "archive" / STANZA).glob("*-1/*/*-*")))
    return Stanza(folder, program, major, tuple(labels), segments, marked)


def fork(repository: Stanza, original: Stanza, mark: str) -> None:
    """Archive the history of a timeline 2 that left timeline 1 in the segment of *mark*, as a test restore does."""
    number = int(repository.marked[mark][8:16], 16) << 32 | int(repository.marked[mark][16:], 16) << 24
    history = repository.folder.with_name("00000002.history")
    history.write_text(f"1\t{number >> 32:X}/{number & 0xFFFFFFFF:X}\tno recovery target specified\n")
    done = subprocess.run(
        [
            *(str(repository.program), "--config=/dev/null", f"--stanza={STANZA}"),
            *(f"--repo1-path={repository.folder}", f"--pg1-path={_control_of(original.folder)}"),
            *("--log-level-file=off", "--log-level-console=off", "archive-push", str(history)),
        ],
        env=SECRETS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    (pushed,) = repository.wal.parent.glob("00000002.history")
    status = repository.wal.stat()
    os.chown(pushed, status.st_uid, status.st_gid)
    os.utime(pushed, (status.st_mtime - 3600,) * 2)


def _control_of(folder: Path) -> Path:
    """Return where the control file of a repository's production is kept, as its data folder."""
    return folder.with_name(f"{folder.name}-control")


class _Maker:
    """One production and the repository that it is backed up into."""

    def __init__(self, source: Production, program: Path) -> None:
        self.source, self.program = source, program
        self.repository, self.locks = source.new_folder("repository"), source.new_folder("locks")

    def create(self) -> None:
        self._run("stanza-create", f"--pg1-socket-path={self.source.folder}", "--pg1-user=postgres")
        command = " ".join((*self._command(), "archive-push", "%p"))
        self.source.execute(f"ALTER SYSTEM SET archive_command = '{command}'")
        self.source.execute("SELECT pg_reload_conf()")

    def make_tablespace(self) -> None:
        """Put a table elsewhere, which no copy of it may ever touch."""
        folder = self.source.new_folder("elsewhere")
        self.source.execute(f"CREATE TABLESPACE elsewhere LOCATION '{folder}'")
        self.source.execute("CREATE TABLE shop.far (n int) TABLESPACE elsewhere", "shop")
        self.source.execute("INSERT INTO shop.far SELECT generate_series(1, 1000)", "shop")

    def backup(self, kind: str) -> None:
        bundles = [] if kind == "diff" else ["--repo1-bundle"]
        self._run(
            "backup",
            f"--type={kind}",
            "--start-fast",
            "--repo1-retention-full=9",
            "--process-max=2",
            f"--pg1-socket-path={self.source.folder}",
            "--pg1-user=postgres",
            *bundles,
        )

    def mark(self, name: str) -> str:
        """Write *name*, switch, and wait until the segment is archived; return its name."""
        with self.source.connect("shop") as session:
            session.execute("INSERT INTO shop.marks VALUES (%s)", (name,))
            row = session.execute("SELECT pg_walfile_name(pg_switch_wal() - 1)").fetchone()
        assert row is not None
        segment, ends_at = str(row[0]), time.monotonic() + _ARCHIVED_S
        while not list(self.repository.glob(f"archive/{STANZA}/*-1/*/{segment}-*.gz")):
            assert time.monotonic() < ends_at, f"{segment} was not archived"
            time.sleep(0.02)
        return segment

    def _command(self) -> list[str]:
        return [
            str(self.program),
            "--config=/dev/null",
            f"--stanza={STANZA}",
            f"--repo1-path={self.repository}",
            f"--pg1-path={self.source.data_dir}",
            f"--lock-path={self.locks}",
            "--log-level-file=off",
            "--log-level-console=off",
            "--log-level-stderr=warn",
        ]

    def _run(self, command: str, *options: str) -> None:
        done = subprocess.run(
            [*self._command(), *options, command],
            env=SECRETS,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
            cwd=self.source.folder,
            **as_nobody(),
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
