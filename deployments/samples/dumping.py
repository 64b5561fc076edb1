"""Dumps of sample databases, as a nightly job would leave them, and what can befall them afterwards."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.sandbox import dsn
from tasks.sandbox.stderr import masked

OPTIONS = {"custom": ("-Fc",), "directory": ("-Fd",), "plain.gz": ("-Fp", "-Z6")}
"""What pg_dump is told for each format."""
SUFFIXES = {"custom": ".dump", "directory": "/", "plain.gz": ".sql.gz"}
"""How the key of each format ends."""
_DEADLINE_S = 120.0
_MAGIC = b"PGDMP"
_COMPRESSION_BYTE = (1, 15)
"""Since this archive version the header names the compression in one byte, before in a number."""


def dump_database(source: Sandbox, database: str, form: str, path: Path, at: datetime) -> Path:
    """Dump *database* to *path* with its own major's pg_dump, as if it were the moment *at*.

    Args:
        source: the running cluster.
        database: its name there.
        form: a key of `OPTIONS`.
        path: the file, or the folder of a directory dump; nothing is there yet.
        at: aware; what the archive's header will say.

    Raises:
        PermanentError: pg_dump failed; the message is its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    run_program(source, ["pg_dump", *OPTIONS[form], "-f", str(path), "-d", dsn(source, database)], database)
    if form != "plain.gz":
        archive = path / "toc.dat" if form == "directory" else path
        archive.write_bytes(dated(archive.read_bytes(), at))
    return path


def dump_globals(source: Sandbox) -> bytes:
    """Return the roles of the cluster as `pg_dumpall --globals-only` writes them, without passwords.

    The cluster is a sandbox with roles of its own (`drill_...`), which no production has: they are left out.

    Raises:
        PermanentError: pg_dumpall failed; the message is its own.
    """
    argv = ["pg_dumpall", "--globals-only", "--no-role-passwords", "-d", dsn(source), "-l", "postgres"]
    script = run_program(source, argv, "roles")
    return b"".join(line for line in script.splitlines(keepends=True) if b"drill_" not in line)


def dated(archive: bytes, at: datetime) -> bytes:
    """Return a custom archive or a toc.dat whose header says that it was made at *at*.

    The demo makes two weeks of backups within seconds: it plays the clock of the backup host, nothing else of
    the archive changes. Without it a drill would rightly say that name and header disagree.
    """
    if not archive.startswith(_MAGIC):
        raise ValueError("no archive of pg_dump")
    version, int_bytes = (archive[5], archive[6]), archive[8]
    start = 11 + (1 if version >= _COMPRESSION_BYTE else 1 + int_bytes)
    local = at.astimezone(UTC)
    figures = (local.second, local.minute, local.hour, local.day, local.month - 1, local.year - 1900, 0)
    written = b"".join(b"\0" + figure.to_bytes(int_bytes, "little") for figure in figures)
    return archive[:start] + written + archive[start + len(written) :]


def cut_in_the_middle(path: Path) -> None:
    """Keep the first half of a file: the upload broke off, or the disk was full."""
    os.truncate(path, path.stat().st_size // 2)


def run_program(source: Sandbox, argv: list[str], what: str) -> bytes:
    """Run a program of the source's own major and return what it wrote.

    Raises:
        PermanentError: it failed; the message is its own.
    """
    program = str(source.postgres.bindir / argv[0])
    env = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "")}
    process = subprocess.run(
        [program, *argv[1:]], env=env, capture_output=True, timeout=_DEADLINE_S, check=False
    )
    if process.returncode:
        stderr = masked(process.stderr.decode("utf-8", "replace")).strip()
        raise PermanentError(f"{argv[0]} failed on a sample database: {stderr}", what, rule="drill-crashed")
    return process.stdout
