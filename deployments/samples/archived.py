"""A cluster backed up physically: a base backup, the WAL behind it, and the segment that gets lost.

No clock is played here: a commit's time is in the WAL. The base backup is of this very minute.
"""

from __future__ import annotations

import gzip
import os
from datetime import timedelta
from pathlib import Path

from psycopg import sql

from deployments.samples import payments
from deployments.samples.dumping import run_program
from deployments.samples.history import source_server
from deployments.samples.sample import Connection, build_sample, live_a_day
from tasks.model.clock import utc_now
from tasks.model.sandbox import Sandbox
from tasks.sandbox import connect, dsn

MAJOR = 17
AT = "base/%Y%m%dT%H%M%SZ/"
"""The pattern of the base backups below the repository."""
WAL = "wal"
"""Where the WAL lies below the repository."""
HAPPENED = "one segment of its WAL never reached the archive; pg_verifybackup finds the base backup intact"
SEGMENTS = 6
_LOST = 3  # of the segments behind the base backup; a verdict needs newer ones that are there
_NOTICED = timedelta(hours=1)
_SWITCH = "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal() - 1)"
_SEGMENT = "[0-9A-F]" * 24


def make_repository(root: Path) -> None:
    """Back up a cluster with the sample database physically into *root*: healthy, nothing is lost yet.

    Raises:
        PermanentError: PostgreSQL could not be had or started, or pg_basebackup failed; no server is left.
    """
    (root / WAL).mkdir(parents=True)
    with source_server(MAJOR, "production") as source, connect(source) as server:
        name = payments.SAMPLE.name
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with connect(source, name) as database:
            now = utc_now()
            build_sample(payments.SAMPLE, server, database, now)
            _take_base(source, root / f"{now:{AT}}")
            for _ in range(SEGMENTS):
                live_a_day(payments.SAMPLE, database, utc_now())
                _archive(source, server, root / WAL)


def lose_a_segment(root: Path) -> str:
    """Lose one segment behind the base backup, newer ones stay; return its name."""
    segments = sorted((root / WAL).glob("*.gz"))
    lost, behind = segments[-SEGMENTS + _LOST - 1 :][:2]
    lost.unlink()
    # An archiver may be out of order for minutes: the hole is as old as what was archived behind it.
    noticed = (utc_now() - _NOTICED).timestamp()
    os.utime(behind, (noticed, noticed))
    return lost.name.removesuffix(".gz")


def _take_base(source: Sandbox, folder: Path) -> None:
    """Take a base backup without WAL of its own, as a nightly job would."""
    with (source.workspace.root / "pg_hba.conf").open("a", encoding="utf-8") as rules:
        rules.write(f"local replication {source.superuser} trust\n")
    with connect(source) as server:
        server.execute("SELECT pg_catalog.pg_reload_conf()")
    options = ["-D", str(folder), "-Ft", "-z", "-X", "none", "-c", "fast"]
    run_program(source, ["pg_basebackup", *options, "-d", dsn(source)], payments.SAMPLE.name)


def _archive(source: Sandbox, server: Connection, wal: Path) -> None:
    """Close the segment that is being written and archive what is new, as an archive_command would."""
    last = server.execute(_SWITCH).fetchone()
    for segment in sorted((source.workspace.data_dir / "pg_wal").glob(_SEGMENT)):
        archived = wal / f"{segment.name}.gz"
        if last is not None and segment.name <= last[0] and not archived.exists():
            archived.write_bytes(gzip.compress(segment.read_bytes(), compresslevel=1))
