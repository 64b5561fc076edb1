"""From a drill's sandbox to a cluster of one's own: what `recover` does once the backup is restored.

Decisions:
- The drill's own roles go: what they own becomes the superuser's, their grants vanish with them.
- The superuser is `postgres`, as everywhere. A role of that name, which the drill made without
  power, becomes him: what it owned is his.
- The data folder was filled without fsync: it is synced before it is handed over.
- Nothing of the sandbox's settings stays: `postgresql.conf` is the one that initdb wrote, and who may connect
  is written anew: local users by their own name, others by password.
- What a restore may not do for a backup (passwords, event triggers left disabled, entries left out) is told
  as steps that remain.
"""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from tasks.model.bounded_list import listing
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.recovered import HandedOver
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.sandbox import connect, run_tool
from tasks.sandbox.runner import Role
from tasks.sandbox.servers import stop_server

SUPERUSER = "postgres"
_ACCESS = """\
# Written by the recovery: local users by their own name, others by password. Adapt it before others come in.
local   all   all                 peer
host    all   all   127.0.0.1/32  scram-sha-256
host    all   all   ::1/128       scram-sha-256
"""
NAMED = 20
_CHECKSUMS_BY_DEFAULT = 18
_ROLES = "SELECT rolname FROM pg_roles WHERE oid >= 16384 AND rolname <> ALL (%s) ORDER BY 1"
_EVENT_TRIGGERS = "SELECT evtname FROM pg_event_trigger WHERE evtenabled = 'D' ORDER BY 1"


def hand_over(sandbox: Sandbox, restored: Restored, into: Path, deadline: Deadline) -> HandedOver:
    """Make the restored cluster *into*/data, stopped, with the roles that the backup brought and no other.

    Args:
        into: an empty folder on the sandbox's own file system.

    Raises:
        PermanentError: `postgres-failed` or `workspace-unusable`: the cluster could not be handed over.
    """
    workspace = sandbox.workspace
    try:
        remains = tuple(_remains(sandbox, restored))
        _settle_roles(sandbox)
    except psycopg.Error as error:
        raise failed(f"The roles could not be settled: SQLSTATE {error.sqlstate}.", into) from error
    stop_server(workspace.drill_id, signal.SIGINT)
    sync(sandbox, deadline)
    try:
        write_access(workspace.data_dir)
        owner = give_away(workspace.data_dir, into)
    except OSError as error:
        raise failed(f"The data folder could not be moved: {error.strerror}.", into) from error
    return HandedOver(
        into / "data", sandbox.postgres.bindir, sandbox.postgres.version, owner, SUPERUSER, remains
    )


def _settle_roles(sandbox: Sandbox) -> None:
    """Remove the drill's roles and give the superuser his usual name."""
    with connect(sandbox) as session:
        databases = [
            name for (name,) in session.execute("SELECT datname FROM pg_database WHERE datallowconn")
        ]
        brought = (
            session.execute("SELECT FROM pg_roles WHERE rolname = %s", (SUPERUSER,)).fetchone() is not None
        )
    leaving = [sandbox.owner, sandbox.reader, *([SUPERUSER] if brought else [])]
    for database in databases:
        with connect(sandbox, database) as session:
            for role in leaving:
                session.execute(
                    _about(role, "REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}")
                )
    with connect(sandbox) as session:
        for role in leaving:
            session.execute(_about(role, "DROP ROLE {role}"))
        # ALTER ROLE refuses to rename the current user.
        session.execute("UPDATE pg_catalog.pg_authid SET rolname = %s WHERE oid = 10", (SUPERUSER,))


def _about(role: str, statement: LiteralString) -> sql.Composed:
    return sql.SQL(statement).format(role=sql.Identifier(role))


def _remains(sandbox: Sandbox, restored: Restored) -> Iterator[str]:
    """Yield what a person still has to do, or to know, before others use the database."""
    if restored.not_restored:
        yield f"look at what was left out, and why: {listing(restored.not_restored, NAMED)}"
    with connect(sandbox, restored.database) as session:
        triggers = [name for (name,) in session.execute(_EVENT_TRIGGERS)]
        ours = [sandbox.owner, sandbox.reader, sandbox.superuser, SUPERUSER]
        roles = [name for (name,) in session.execute(_ROLES, (ours,))]
    if triggers:
        yield f"event triggers were left disabled; enable those that were on: {listing(triggers, NAMED)}"
    if roles:
        yield (
            "give the roles that log in their right and their password (ALTER ROLE ... LOGIN PASSWORD ...): "
            f"{listing(roles, NAMED)}"
        )
    if sandbox.postgres.major < _CHECKSUMS_BY_DEFAULT:
        yield "page checksums are off: pg_checksums --enable while the server is stopped"
    yield "set archiving, replication and resources in postgresql.conf: it is the one that initdb wrote"
    yield "say who may connect in pg_hba.conf"
    yield "take a backup at once"


def write_access(data: Path) -> None:
    """Write anew who may connect to the cluster in *data*."""
    (data / "pg_hba.conf").write_text(_ACCESS)
    (data / "pg_hba.conf").chmod(0o600)


def give_away(data: Path, into: Path) -> tuple[int, int]:
    """Make *data*, complete but for its place, *into*/data; return who owns all of *into* now.

    The move comes last: what is not there yet cannot be taken for a cluster.

    Raises:
        OSError: it did not go.
    """
    owner = _owner(data)
    if os.geteuid() == 0:
        for top in (data, *into.iterdir()):
            if not data.is_relative_to(top) or top == data:
                _chown_tree(top, owner)
        os.chown(into, *owner)
    data.rename(into / "data")
    return owner


def sync(sandbox: Sandbox, deadline: Deadline) -> None:
    """Bring what was written without fsync to disk.

    Raises:
        PermanentError: `postgres-failed`.
    """
    done = run_tool(
        sandbox,
        ["initdb", "--sync-only", "-D", str(sandbox.workspace.data_dir)],
        env={},
        deadline_s=deadline.check(),
        role=Role.MAKER,
    )
    if done.exit_code != 0:
        raise failed("The data folder could not be synced to disk.", sandbox.workspace.data_dir)


def _owner(data: Path) -> tuple[int, int]:
    """Return who is to run the cluster: this host's `postgres` where we may choose, else whose it is now."""
    status = data.stat()
    if os.geteuid() != 0:
        return status.st_uid, status.st_gid
    try:
        known: Any = pwd.getpwnam(SUPERUSER)
    except KeyError:
        return status.st_uid, status.st_gid
    return known.pw_uid, known.pw_gid


def _chown_tree(top: Path, owner: tuple[int, int]) -> None:
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, *owner, follow_symlinks=False)
    os.chown(top, *owner)


def failed(what: str, where: Path) -> PermanentError:
    """Return the error of a handover that did not come to its end."""
    return PermanentError(
        what,
        where=str(where),
        rule="postgres-failed",
        hint="The recovery commands of the last drill (restore-drill can-i-recover) do it by hand.",
    )
