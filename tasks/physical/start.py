"""An adopted data folder started so that it harms nobody: our settings, our access rules, our roles.

It recovers as one server, which may run the shell for its WAL and lets nobody in; it serves as another,
behind the whole wall. In between it is stopped cleanly, its pages are read, and the drill's own superuser is
made in single-user mode, since no role of the copy is known to us.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tasks.model.bounded_list import listing
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.physical.control import ControlFile
from tasks.physical.locales import Locales
from tasks.physical.neutralise import own_settings, own_settings_of_major
from tasks.sandbox.cluster import (
    READER_WORK_MEM,
    alive,
    classify_death,
    connect,
    prove_wall,
    server_log_tail,
)
from tasks.sandbox.extensions import library_env
from tasks.sandbox.isolation import ids
from tasks.sandbox.launch import launch
from tasks.sandbox.removal import open_regular, read_regular
from tasks.sandbox.runner import Role, jail_orders, run_tool
from tasks.sandbox.servers import free_bytes, register_server, stop_server
from tasks.sandbox.settings import server_settings
from tasks.sandbox.view import kept_install, user_names

SERVER_LOG = "server.log"
MAINTENANCE = ("postgres", "template1")
_POLL_S = 0.01
_TROUBLE = re.compile(r"\b(?:ERROR|FATAL|PANIC):")
_VERSION = re.compile(rb"(?P<major>\d{1,3})(?:\.\d+)?\s*")


def adopt(workspace: Workspace, install: PostgresInstall, profile: str = "fast") -> Sandbox:
    """Return the sandbox of a data folder that was brought; nothing runs yet.

    Raises:
        PermanentError: `architecture-differs`: the folder is another major's.
    """
    major = major_of(workspace.data_dir)
    if major != install.major:
        raise PermanentError(
            f"The copy was made by PostgreSQL {major}, and {install.major} is to start it. "
            "A physical copy starts under its own major only.",
            hint="Leave sandbox.postgres at auto for physical backups.",
            rule="architecture-differs",
        )
    return Sandbox(
        workspace=workspace,
        postgres=install,
        superuser=f"drill_{secrets.token_hex(6)}",
        owner=f"drill_owner_{secrets.token_hex(3)}",
        reader=f"drill_reader_{secrets.token_hex(3)}",
        profile=profile,
        settings=server_settings(profile, free_bytes(workspace.root)),
    )


def major_of(data_dir: Path) -> int:
    """Return the major that wrote *data_dir*.

    Raises:
        PermanentError: `not-a-backup`: it does not say.
    """
    try:
        match = _VERSION.fullmatch(read_regular(data_dir / "PG_VERSION", 64))
    except OSError:
        match = None
    if match is None:
        raise PermanentError(
            "The copy does not say which PostgreSQL wrote it (PG_VERSION). It is no data folder.",
            where="PG_VERSION",
            rule="not-a-backup",
        )
    return int(match["major"])


def settings_of(sandbox: Sandbox, control: ControlFile, extra: Mapping[str, str]) -> dict[str, str]:
    """Return all settings that the copy's server starts under, whatever the copy's own are."""
    root = sandbox.workspace.root
    return {
        **sandbox.settings,
        **own_settings(control),
        **own_settings_of_major(sandbox.postgres.major),
        "config_file": str(root / "postgresql.conf"),
        "hba_file": str(root / "pg_hba.conf"),
        "ident_file": str(root / "pg_ident.conf"),
        "unix_socket_directories": str(sandbox.workspace.socket_dir),
        **extra,
    }


def start_server(sandbox: Sandbox, settings: Mapping[str, str], locales: Locales, role: Role) -> None:
    """Start the copy's server; it need not answer yet."""
    workspace = sandbox.workspace
    stop_server(workspace.drill_id, signal.SIGQUIT)
    _write_access(sandbox, closed=role is Role.RECOVERING)
    log = workspace.root / SERVER_LOG
    argv = [str(sandbox.postgres.bindir / "postgres"), "-D", str(workspace.data_dir), "-p", str(sandbox.port)]
    orders = jail_orders(
        workspace,
        [*argv, *_options(settings)],
        env={**library_env(sandbox.postgres), **locales.env},
        cwd=workspace.data_dir,
        install_dir=kept_install(sandbox.postgres.bindir),
        role=role,
    )
    with open_regular(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as output:
        os.ftruncate(output, 0)
        jailed = launch(orders, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    register_server(workspace.drill_id, jailed, workspace.root, log)


def stop_cleanly(sandbox: Sandbox) -> None:
    """Stop the server with all its pages written.

    Raises:
        PermanentError: `postgres-failed`: it did not stop so.
    """
    stop_server(sandbox.workspace.drill_id, signal.SIGINT)
    if not any(line.endswith("database system is shut down") for line in server_log_tail(sandbox, 5)):
        raise failed(sandbox, "The copy's server did not stop cleanly")


def make_superuser(
    sandbox: Sandbox, settings: Mapping[str, str], locales: Locales, deadline: Deadline
) -> None:
    """Make the drill's superuser in single-user mode, where no role, setting or trigger of the copy counts.

    Raises:
        PermanentError: `locale-unavailable`, `icu-unsupported`, `postgres-failed`.
    """
    statement = f"CREATE ROLE {sandbox.superuser} SUPERUSER LOGIN BYPASSRLS"
    while True:
        lines = _single(sandbox, settings, locales, deadline, statement)
        if not (absent := locales.absent_in(lines)):
            break
        locales.build(absent)
    trouble = [line for line in lines if _TROUBLE.search(line)]
    if any("ICU is not supported" in line for line in trouble):
        raise icu_unsupported("template1")
    if trouble:
        raise failed(sandbox, "The drill's own role could not be made in the copy", trouble)


def drop_roles(sandbox: Sandbox, settings: Mapping[str, str], locales: Locales, deadline: Deadline) -> None:
    """Drop the drill's roles from the stopped copy, as `make_superuser` made them.

    Raises:
        PermanentError: `postgres-failed`: one of them did not go.
    """
    ours = (sandbox.owner, sandbox.reader, sandbox.superuser)
    lines = _single(sandbox, settings, locales, deadline, *(f"DROP ROLE IF EXISTS {role}" for role in ours))
    trouble = [line for line in lines if _TROUBLE.search(line)]
    if trouble:
        raise failed(sandbox, "The drill's own roles could not be dropped from the copy", trouble)


def serve(sandbox: Sandbox, settings: Mapping[str, str], locales: Locales, deadline: Deadline) -> None:
    """Start the recovered copy behind the whole wall, wait until it answers, make the drill's other roles.

    Raises:
        PermanentError: `postgres-failed`, `disk-full`, `isolation-unavailable`.
    """
    start_server(sandbox, settings, locales, Role.SERVER)
    while not _answers(sandbox):
        if not alive(sandbox) or deadline.passed:
            raise failed(sandbox, "The recovered copy did not start again")
        time.sleep(_POLL_S)
    with connect_any(sandbox) as session:
        prove_wall(session, sandbox)
        _make_roles(session, sandbox)


def connect_any(sandbox: Sandbox) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect as our superuser to a database that every cluster has.

    Raises:
        psycopg.OperationalError: neither lets us in.
    """
    try:
        return connect(sandbox, MAINTENANCE[0])
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            raise
        return connect(sandbox, MAINTENANCE[1])


def icu_unsupported(database: str) -> PermanentError:
    """Return the error of a database that needs ICU."""
    return PermanentError(
        f"The database {database} uses ICU, and this worker's PostgreSQL was built without it. "
        "Nothing is said about the backup.",
        where=database,
        rule="icu-unsupported",
    )


def failed(sandbox: Sandbox, what: str, lines: list[str] | None = None) -> PermanentError:
    """Return the error of a server or tool that did not do what it was asked; the server is stopped."""
    rule = classify_death(sandbox)
    tail = lines or list(server_log_tail(sandbox, 5))
    stop_server(sandbox.workspace.drill_id, signal.SIGQUIT)
    told = listing([line.strip() for line in tail], place="") or "it said nothing"
    return PermanentError(
        f"{what}: {told}. Nothing is said about the backup.", rule=rule or "postgres-failed"
    )


def _options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _single(
    sandbox: Sandbox, settings: Mapping[str, str], locales: Locales, deadline: Deadline, *statements: str
) -> list[str]:
    """Run *statements*, each on one line, in single-user mode; return what the server said."""
    lines: list[str] = []
    argv = [str(sandbox.postgres.bindir / "postgres"), "--single", "-D", str(sandbox.workspace.data_dir)]
    argv += [*_options({**settings, "log_error_verbosity": "default"}), "template1"]
    run_tool(
        sandbox,
        argv,
        env=locales.env,
        stdin=[f"{statement}\n".encode() for statement in statements],
        deadline_s=deadline.check("the copy's roles were made"),
        on_stderr=lines.append,
    )
    return lines


def _write_access(sandbox: Sandbox, *, closed: bool) -> None:
    """Write who may connect, and an empty configuration, where the server may read and not write them."""
    root, owner = sandbox.workspace.root, ids(sandbox.workspace.os_user)
    hba, ident = _access_rules(sandbox)
    texts = {"pg_hba.conf": "local all all reject\n" if closed else hba, "pg_ident.conf": ident}
    for name, text in {**texts, "postgresql.conf": ""}.items():
        (root / name).write_text(text)
        (root / name).chmod(0o640)
        if owner is not None:
            os.chown(root / name, -1, owner[1])


def _access_rules(sandbox: Sandbox) -> tuple[str, str]:
    """Return the rules: the drill may be each role of ours, the sandbox's tools the owner; nobody else."""
    caller, inside = user_names(sandbox.workspace)
    roles = (sandbox.superuser, sandbox.owner, sandbox.reader)
    if caller is None or inside is None:
        return f"local all {','.join(roles)} trust\n", ""
    maps = [(caller, role) for role in roles] + [(inside, sandbox.owner)]
    ident = "".join(f'drill "{user}" {role}\n' for user, role in dict.fromkeys(maps))
    return f"local all {','.join(roles)} peer map=drill\n", ident


def _answers(sandbox: Sandbox) -> bool:
    if not (sandbox.workspace.socket_dir / f".s.PGSQL.{sandbox.port}").exists():
        return False
    try:
        connect_any(sandbox).close()
    except psycopg.OperationalError as error:
        return "starting up" not in str(error) and "Connection refused" not in str(error)
    return True


def _make_roles(session: psycopg.Connection[tuple[Any, ...]], sandbox: Sandbox) -> None:
    owner, reader = sql.Identifier(sandbox.owner), sql.Identifier(sandbox.reader)
    for statement in (
        sql.SQL("CREATE ROLE {} LOGIN BYPASSRLS NOSUPERUSER IN ROLE pg_read_all_data, pg_monitor").format(
            owner
        ),
        sql.SQL("CREATE ROLE {} LOGIN BYPASSRLS NOSUPERUSER IN ROLE pg_read_all_data").format(reader),
        sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(reader),
        sql.SQL("ALTER ROLE {} SET work_mem = {}").format(reader, sql.Literal(READER_WORK_MEM)),
    ):
        session.execute(statement)
