"""Backups that lack something, made from the restored database with its own pg_dump.

What a backup job can leave out no byte of a healthy archive shows; so the archive is made anew, without it.
The tool runs in the sandbox's jail as the role that restored.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.model.selftest import Family, Mutant
from tasks.model.server_words import Refusal
from tasks.mutants.schema import Schema, Table
from tasks.sandbox import connect, dsn, run_tool

SUFFIX = ".dump"
_OTHER = """
CREATE TABLE public.visitors (id int PRIMARY KEY, seen timestamptz NOT NULL);
CREATE TABLE public.visits (id int PRIMARY KEY, visitor int NOT NULL REFERENCES public.visitors);
INSERT INTO public.visitors SELECT i, now() FROM generate_series(1, 50) i;
INSERT INTO public.visits SELECT i, 1 + i % 50 FROM generate_series(1, 500) i;
"""


@dataclass(frozen=True, slots=True)
class Redump:
    """A backup made anew.

    Attributes:
        options: of pg_dump.
        other: of a small database of ours, not of the restored one.
        reason: why there is nothing to leave out; else "".
    """

    mutant: Mutant
    options: tuple[str, ...] = ()
    other: bool = False
    reason: str = ""


def redumps(schema: Schema) -> Iterator[Redump]:
    """Yield the backups that lack something, those that matter most first."""
    filled = sorted(
        (table for table in schema.tables.values() if table.rows is None or table.rows > 0),
        key=lambda table: (-(table.rows or 0), -(table.bytes or 0), table.full_name),
    )
    for at, table in enumerate(filled[:1]):
        yield _without(table, must=at == 0)
    if not filled:
        yield _redump("table-data-missing", "the data of a table missing", reason="no table holds a row")
    rest = any(table.keys or table.indexes or table.triggers for table in schema.tables.values())
    yield _redump(
        "post-data-missing",
        "keys, indexes and triggers missing",
        "--section=pre-data",
        "--section=data",
        reason="" if rest else "the database has no key, index or trigger",
    )
    yield Redump(_mutant("wrong-database", "another, small database under this one's name"), other=True)
    yield _redump(
        "schema-only", "no data at all", "--schema-only", reason="" if filled else "no table holds a row"
    )
    for table in filled[1:4]:
        yield _without(table, must=False)


def dump_again(
    sandbox: Sandbox, database: str, options: tuple[str, ...], to: Path, deadline_s: float
) -> None:
    """Dump *database* in the custom format to *to*, which becomes readable by us alone.

    Raises:
        PermanentError: `tool-killed`: pg_dump did not manage; nothing is said about the backup.
    """
    inside = sandbox.workspace.scratch_dir / "redump.dump"
    inside.unlink(missing_ok=True)
    place = dsn(sandbox, database, sandbox.owner)
    encoding = f"--encoding={_encoding(sandbox, database)}"
    argv = ["pg_dump", "-Fc", "-Z1", encoding, *options, "-f", str(inside), "-d", place]
    tool = run_tool(sandbox, argv, env={}, deadline_s=deadline_s)
    if tool.exit_code != 0:
        words = (line.partition("ERROR:")[2].strip() for line in tool.stderr_lines if "ERROR:" in line)
        cause = next((Refusal(line).told() for line in words), f"it ended with exit code {tool.exit_code}")
        raise PermanentError(f"pg_dump could not make the backup anew: {cause}.", rule="tool-killed")
    inside.replace(to)  # out of the sandbox's reach; only now can what it is be looked at
    if not stat.S_ISREG(to.lstat().st_mode):
        to.unlink()
        raise PermanentError("What pg_dump wrote is no file: the sandbox changed it.", rule="tool-killed")


def _encoding(sandbox: Sandbox, database: str) -> str:
    """Return the database's encoding: ours is UTF-8, in which bytes of SQL_ASCII cannot be had."""
    query = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = %s"
    with connect(sandbox) as ours:
        (name,) = ours.execute(query, (database,)).fetchone() or ("UTF8",)
    return str(name)


def make_other(sandbox: Sandbox, name: str) -> None:
    """Make a small database of ours called *name*."""
    with connect(sandbox) as ours:
        ours.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
                sql.Identifier(name), sql.Identifier(sandbox.owner)
            )
        )
    with connect(sandbox, name, sandbox.owner) as session:
        session.execute(_OTHER)


def _without(table: Table, *, must: bool) -> Redump:
    names = sorted(table.family) if table.partitioned else [table.full_name]
    options = tuple(f"--exclude-table-data={_pattern(name)}" for name in names)
    return Redump(_mutant("table-data-missing", "its data missing", table.full_name, must=must), options)


def _redump(kind: str, what: str, *options: str, reason: str = "") -> Redump:
    return Redump(_mutant(kind, what), options, reason=reason)


def _mutant(kind: str, what: str, table: str | None = None, *, must: bool = True) -> Mutant:
    return Mutant(Family.BACKUP, kind, what, table, must=must)


def _pattern(name: str) -> str:
    schema, _, table = name.partition(".")
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
