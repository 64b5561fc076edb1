"""Two weeks of nightly backups of the sample databases, and what happened to three of the four."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from psycopg import sql

from deployments.samples import billing, library, orders, tickets
from deployments.samples.dumping import SUFFIXES, cut_in_the_middle, dump_database, dump_globals
from deployments.samples.sample import Connection, Sample, build_sample, live_a_day
from tasks.model.clock import utc_now
from tasks.model.sandbox import Sandbox
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, destroy, find_postgres, open_workspace, start_sandbox

NIGHTS = 14
STOPPED_NIGHTS_AGO = 7
KEY = "nightly/{database}/%Y/%m/%d/{database}_%Y%m%dT%H%M%SZ"
"""Where each backup lies, without the ending of its format."""
GLOBALS = "nightly/globals/%Y/%m/%d/globals-{major}_%Y%m%dT%H%M%SZ.sql"
"""Where the roles of each server lie."""
_START_S = 120.0
_EXPIRY = timedelta(minutes=30)


@dataclass(frozen=True)
class Line:
    """One database's nightly backup.

    Attributes:
        major: of the server that it runs on.
        form: how it is dumped, a key of `OPTIONS`.
        happened: what befell its backups, a sentence for people; "" for nothing.
        before_last: done to the database before the newest dump.
        spoil: done to the newest dump.
        nights: ages of its backups, oldest first.
    """

    sample: Sample
    major: int
    form: str
    happened: str = ""
    before_last: Callable[[Connection], object] | None = None
    spoil: Callable[[Path], None] | None = None
    nights: tuple[int, ...] = tuple(range(NIGHTS - 1, -1, -1))

    @property
    def at(self) -> str:
        """The pattern below the store's root, with strftime's fields."""
        return KEY + SUFFIXES[self.form]

    @property
    def globals_at(self) -> str:
        """The pattern of its server's roles below the store's root."""
        return GLOBALS.format(major=self.major)

    def key(self, at: datetime) -> str:
        """Return where the backup of *at* lies below the store's root."""
        return at.strftime(self.at.format(database=self.sample.name))


LINES = (
    Line(orders.SAMPLE, 17, "custom"),
    Line(
        library.SAMPLE,
        18,
        "directory",
        happened="a clean-up job with a wrong condition deleted a third of its loans; no tool complained",
        before_last=lambda database: database.execute(library.LOSE_A_THIRD),
    ),
    Line(
        tickets.SAMPLE,
        16,
        "plain.gz",
        happened="its newest dump was cut off in the middle",
        spoil=cut_in_the_middle,
    ),
    Line(
        billing.SAMPLE,
        17,
        "custom",
        happened=f"its backup job stopped {STOPPED_NIGHTS_AGO} days ago, and nobody noticed",
        nights=tuple(range(NIGHTS - 1, STOPPED_NIGHTS_AGO - 1, -1)),
    ),
)


def last_night(now: datetime) -> datetime:
    """Return the last three o'clock (UTC) that is at least ten minutes past."""
    night = now.replace(hour=3, minute=0, second=0, microsecond=0)
    return night if now - night >= timedelta(minutes=10) else night - timedelta(days=1)


def make_history(root: Path, newest: datetime, lines: Sequence[Line] = LINES) -> None:
    """Write the nightly backups of *lines* below *root*, the newest made at *newest*.

    Raises:
        PermanentError: a PostgreSQL could not be had or started, or pg_dump failed; no server is left.
    """
    majors = sorted({line.major for line in lines})
    with ThreadPoolExecutor(len(majors)) as pool:
        made = [
            pool.submit(_on_one_server, root, newest, [x for x in lines if x.major == m], m) for m in majors
        ]
        for done in made:
            done.result()


@contextmanager
def source_server(major: int, profile: Literal["fast", "production"] = "fast") -> Iterator[Sandbox]:
    """Run a cluster that plays production, for the time of the block; a fast one cannot be copied."""
    opened = open_workspace(
        "samples", f"source-{major}", f"source-{uuid.uuid4().hex[:12]}", "off", utc_now() + _EXPIRY
    )
    try:
        yield start_sandbox(opened, find_postgres(major), SandboxConfig(profile=profile), _START_S)
    finally:
        destroy(opened)


def _on_one_server(root: Path, newest: datetime, lines: list[Line], major: int) -> None:
    with source_server(major) as source, connect(source) as server:
        for line in lines:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(line.sample.name)))
            with connect(source, line.sample.name) as database:
                build_sample(line.sample, server, database, newest - timedelta(days=NIGHTS))
                _live_and_dump(root, newest, line, source, database)
        roles = dump_globals(source)  # nobody joined or left: every night's file is the same
        for age in range(NIGHTS):
            path = root / (newest - timedelta(days=age)).strftime(GLOBALS.format(major=major))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(roles)


def _live_and_dump(root: Path, newest: datetime, line: Line, source: Sandbox, database: Connection) -> None:
    for age in line.nights:
        at = newest - timedelta(days=age)
        live_a_day(line.sample, database, at)
        if age == 0 and line.before_last:
            line.before_last(database)
        path = dump_database(source, line.sample.name, line.form, root / line.key(at), at)
        if age == 0 and line.spoil:
            line.spoil(path)
