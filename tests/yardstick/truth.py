"""What a person would do: the dump's own tool, as a superuser, into a fresh database of a fresh cluster."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.fix_postgres import Source
from tests.yardstick.snapshot import Snapshot, schema_text, take_snapshot

_ROLE_MISSING = re.compile(r'role "(.*)" does not exist')
_OF_DATABASE = "WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"


@dataclass(frozen=True)
class Truth:
    """What came of it.

    Attributes:
        errors: lines of stderr that say ERROR or FATAL; () where everything came back.
    """

    errors: tuple[str, ...]
    snapshot: Snapshot


def restore_as_person(source: Source, dump: Path, database: str) -> Truth:
    """Restore *dump* into a new *database*, again and again until the cluster has the roles that it names.

    What is compared is the database that the dump makes itself, where it makes one.
    """
    before = _names(source, "datname FROM pg_database") | {database}
    while True:
        source.create_database(database, options="TEMPLATE template0")
        stderr = _run_tool(source, dump, database).stderr.decode("utf-8", "replace")
        made = _names(source, "datname FROM pg_database WHERE datconnlimit <> -2") - before
        roles = set(_ROLE_MISSING.findall(stderr)) - _names(source, "rolname FROM pg_roles")
        if not roles:
            break
        for name in {database, *made}:
            forget_subscriptions(source, name)
            source.execute(f"DROP DATABASE {_quoted(name)}")
        for role in sorted(roles):
            source.execute(f"CREATE ROLE {_quoted(role)}")
    errors = tuple(line for line in stderr.splitlines() if " error: " in line or "ERROR: " in line)
    restored = made.pop() if len(made) == 1 else database
    with source.connect(restored) as session:
        text = schema_text(source.install.bindir / "pg_dump", source.dsn(restored))
        return Truth(errors, take_snapshot(session, text))


def forget_subscriptions(source: Source, database: str) -> None:
    """Take a database's subscriptions away: with them it cannot be dropped."""
    for name in _names(source, f"subname FROM pg_subscription {_OF_DATABASE}", database):
        for change in ("DISABLE", "SET (slot_name = NONE)"):
            source.execute(f"ALTER SUBSCRIPTION {_quoted(name)} {change}", database)
        source.execute(f"DROP SUBSCRIPTION {_quoted(name)}", database)


def _names(source: Source, query: str, database: str = "postgres") -> set[str]:
    with source.connect(database) as session:
        return {name for (name,) in session.execute(f"SELECT {query}".encode())}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _run_tool(source: Source, dump: Path, database: str) -> subprocess.CompletedProcess[bytes]:
    if dump.is_file() and not _is_archive(dump):
        return source.run("psql", "-X", "-q", "-f", str(dump), "-d", source.dsn(database), check=False)
    return source.run("pg_restore", "-d", source.dsn(database), str(dump), check=False)


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(512)
    return head.startswith(b"PGDMP") or head[257:262] == b"ustar"
