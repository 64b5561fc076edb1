"""What a person would do: the dump's own tool, as a superuser, into a fresh database of a fresh cluster."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.fix_postgres import Source
from tests.yardstick.snapshot import Snapshot, schema_text, take_snapshot

_ROLE_MISSING = re.compile(r'role "((?:[^"]|"")*)" does not exist')


@dataclass(frozen=True)
class Truth:
    """What came of it.

    Attributes:
        errors: lines of stderr that say ERROR or FATAL; () where everything came back.
    """

    errors: tuple[str, ...]
    snapshot: Snapshot


def restore_as_person(source: Source, dump: Path, database: str, *, roles: tuple[str, ...] = ()) -> Truth:
    """Restore *dump* into a new *database* of a cluster that has, of the dump's roles, *roles*."""
    source.create_database(database, options="TEMPLATE template0")
    with source.connect() as session:
        existing = {name for (name,) in session.execute("SELECT rolname FROM pg_roles")}
        for role in roles:
            if role not in existing:
                quoted = '"' + role.replace('"', '""') + '"'
                session.execute(f"CREATE ROLE {quoted}".encode())
    done = _run_tool(source, dump, database)
    errors = tuple(
        line
        for line in done.stderr.decode("utf-8", "replace").splitlines()
        if " error: " in line or "ERROR: " in line
    )
    with source.connect(database) as session:
        text = schema_text(source.install.bindir / "pg_dump", source.dsn(database))
        return Truth(errors, take_snapshot(session, text))


def _run_tool(source: Source, dump: Path, database: str) -> subprocess.CompletedProcess[bytes]:
    if dump.is_file() and not _is_archive(dump):
        return source.run("psql", "-X", "-q", "-f", str(dump), "-d", source.dsn(database), check=False)
    return source.run("pg_restore", "-d", source.dsn(database), str(dump), check=False)


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(512)
    return head.startswith(b"PGDMP") or head[257:262] == b"ustar"
