"""The throwaway cluster: made or adopted, started, reached and judged when it dies.

`make` fills a data folder by initdb; `adopt` takes one that came from elsewhere, whose configuration is never
read: ours lies outside of it. PostgreSQL reads `postgresql.auto.conf` all the same and puts it above any
file, though below the command line, where all of ours stands: who brings a copy takes that file away.

Our superuser has a name that no dump can know and may only come from the drill's own OS user (peer), so that
code which a dump brought cannot become it through the socket. The restore runs as `drill_owner`, checks as
`drill_reader`; nobody else may connect.
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
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tasks.model.deadline import Deadline, statement_ms
from tasks.model.errors import PermanentError
from tasks.model.exhausted import DISK_FULL
from tasks.model.redact import redact
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.server_words import of_error
from tasks.model.target import SandboxConfig
from tasks.sandbox.extensions import library_env
from tasks.sandbox.isolation import ids, require_network_namespace
from tasks.sandbox.launch import launch
from tasks.sandbox.removal import empty_folder, open_regular
from tasks.sandbox.runner import Role, jail_orders, run_tool
from tasks.sandbox.servers import free_bytes, register_server, server_of, stop_server
from tasks.sandbox.settings import server_settings
from tasks.sandbox.template import TEMPLATE_SUPERUSER, copy_template, keep_template
from tasks.sandbox.view import CONFIG_FILE, kept_install, user_names

_POLL_S = 0.01
READER_WORK_MEM = "64MB"
_LOG_TAIL_BYTES = 64 << 10
_LOCALES = ("C.UTF-8", "C")
_EVENT_TRIGGERS_OFF = 17  # the first major where a session can switch them off
# A restored database may bring settings of its own; looking at it must not depend on them.
_SESSION = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "role": "none",
    "local_preload_libraries": "",
}
_NO_SPACE = re.compile(DISK_FULL + r"|File too large")
_KILLED = re.compile(r"terminated by signal 9|Out of memory|out of memory|Cannot allocate memory")


def start_sandbox(
    workspace: Workspace, install: PostgresInstall, config: SandboxConfig, deadline_s: float
) -> Sandbox:
    """Make a cluster in *workspace*, start it and create the drill's roles. A second attempt starts afresh.

    Args:
        workspace: the drill's open folder.
        install: server and tools.
        config: profile, jobs and whom the restore runs as.
        deadline_s: seconds for all of it.

    Raises:
        PermanentError: `postgres-failed`, `disk-full` or `isolation-unavailable`.
    """
    deadline = Deadline.within(deadline_s)
    sandbox = make(workspace, install, config, deadline)
    _run_server(sandbox, deadline, TEMPLATE_SUPERUSER)
    with connect(sandbox, role=TEMPLATE_SUPERUSER) as session:
        # The bootstrap role itself, so that no second superuser remains; ALTER ROLE refuses the current user.
        session.execute("UPDATE pg_catalog.pg_authid SET rolname = %s WHERE oid = 10", (sandbox.superuser,))
    with connect(sandbox) as session:
        prove_wall(session, sandbox)
        make_roles(session, sandbox)
    return sandbox


def make(
    workspace: Workspace, install: PostgresInstall, config: SandboxConfig, deadline: Deadline
) -> Sandbox:
    """Make an empty cluster in *workspace*, stopped; what an earlier attempt left there is gone."""
    settings = server_settings(config.profile, free_bytes(workspace.root), _jobs(config))
    sandbox = _stopped(workspace, install, config, settings, f"drill_{secrets.token_hex(6)}")
    (workspace.root / CONFIG_FILE).unlink(missing_ok=True)
    _make_cluster(sandbox, deadline)
    _write_access(sandbox)
    return sandbox


def adopt(
    workspace: Workspace,
    install: PostgresInstall,
    config: SandboxConfig,
    settings: Mapping[str, str],
    superuser: str | None = None,
) -> Sandbox:
    """Take the data folder that lies in *workspace* for a cluster of ours, stopped.

    It must belong to the workspace's OS user and hold no link out of it. Its own configuration is not read
    but for `postgresql.auto.conf`; see the module.

    Args:
        settings: what the server is started with, whatever the copy says.
        superuser: a superuser that the copy has; None for a name of our own, which has yet to be made.
    """
    name = superuser or f"drill_{secrets.token_hex(6)}"
    sandbox = _stopped(workspace, install, config, settings, name)
    _write_private(workspace, CONFIG_FILE, "")
    _write_access(sandbox)
    (workspace.data_dir / "postmaster.pid").unlink(missing_ok=True)
    return sandbox


def start(sandbox: Sandbox, deadline_s: float) -> None:
    """Start the server of a cluster that has our superuser, and prove its wall.

    Raises:
        PermanentError: `postgres-failed`, `disk-full` or `isolation-unavailable`.
    """
    if not (sandbox.postgres.bindir / "postgres").is_file():
        raise PermanentError(
            f"PostgreSQL {sandbox.postgres.version}, which made the kept cluster, is gone.",
            where=str(sandbox.postgres.bindir),
            rule="postgres-failed",
        )
    _run_server(sandbox, Deadline.within(deadline_s), sandbox.superuser)
    with connect(sandbox) as session:
        prove_wall(session, sandbox)


def connect(
    sandbox: Sandbox,
    database: str = "postgres",
    role: str | None = None,
    autocommit: bool = True,
    statement_timeout_s: float | None = None,
) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection as *role*; None is our superuser, with nothing but pg_catalog on its search_path.

    Raises:
        psycopg.OperationalError: the server is gone or the database is not there.
    """
    return psycopg.connect(dsn(sandbox, database, role, statement_timeout_s), autocommit=autocommit)


def dsn(
    sandbox: Sandbox,
    database: str = "postgres",
    role: str | None = None,
    statement_timeout_s: float | None = None,
) -> str:
    """Return the connection string as libpq takes it, for psycopg and for the tools.

    The tools run as the sandbox's own OS user and so cannot connect as the superuser (*role* None). Sessions
    other than the owner's are shielded from the settings that a restored database brings.
    """
    options = _session_settings(sandbox, role, statement_timeout_s)
    return make_conninfo(
        host=str(sandbox.workspace.socket_dir),
        port=sandbox.port,
        dbname=database,
        user=role or sandbox.superuser,
        application_name="restore-drill",
        client_encoding="UTF8",
        connect_timeout=30,
        # The caller's PGSSLMODE and the like are meant for other servers.
        sslmode="disable",
        gssencmode="disable",
        channel_binding="disable",
        options=" ".join(f"-c {name}={value}" for name, value in options.items()),
    )


def url(sandbox: Sandbox, database: str, role: str | None = None) -> str:
    """Return the same as an SQLAlchemy URL for psycopg 3; the host is a dummy that validators insist on."""
    user = quote(role or sandbox.superuser, safe="")
    host = quote(str(sandbox.workspace.socket_dir), safe="/")
    return f"postgresql+psycopg://{user}@localhost/{quote(database, safe='')}?host={host}&port={sandbox.port}"


def alive(sandbox: Sandbox) -> bool:
    """Say whether the server still runs."""
    server = server_of(sandbox.workspace.drill_id)
    return server is not None and server.jailed.alive()


def server_log_tail(sandbox: Sandbox, lines: int = 20) -> tuple[str, ...]:
    """Return the server's last words. They are for a server that did not start: it has met no row yet."""
    return _log_tail(sandbox.workspace.root, lines)


def classify_death(sandbox: Sandbox, patience_s: float = 0.0) -> str | None:
    """Return the rule under which the server's death is judged; None while it lives.

    Args:
        patience_s: how long to wait for the end of a server that still runs. Its clients lose it before its
            process has ended, and only the end tells by what.
    """
    server = server_of(sandbox.workspace.drill_id)
    if server is not None and patience_s > 0:
        server.jailed.wait(patience_s)
    if server is not None and server.ended_for is not None:
        return server.ended_for
    if alive(sandbox):
        return None
    text = "\n".join(_log_tail(sandbox.workspace.root, 200))
    if _NO_SPACE.search(text):
        return "disk-full"
    code = None if server is None else server.jailed.wait(0)
    return "out-of-memory" if code == -signal.SIGKILL or _KILLED.search(text) else "postgres-failed"


def _session_settings(
    sandbox: Sandbox, role: str | None, statement_timeout_s: float | None
) -> dict[str, str]:
    """Return what a session of ours sets, whatever the restored database's own settings say."""
    settings = {} if role == sandbox.owner else dict(_SESSION)
    if role is None:
        settings |= {"search_path": "pg_catalog", "default_transaction_read_only": "off"}
        settings["session_preload_libraries"] = ""  # what a copy's database names may not be here
        if sandbox.postgres.major >= _EVENT_TRIGGERS_OFF:
            settings["event_triggers"] = "off"
    if statement_timeout_s is not None:
        settings["statement_timeout"] = str(statement_ms(statement_timeout_s))
    return settings


def _stopped(
    workspace: Workspace,
    install: PostgresInstall,
    config: SandboxConfig,
    settings: Mapping[str, str],
    superuser: str,
) -> Sandbox:
    """Return a cluster that does not run: an earlier attempt's server is gone.

    Raises:
        PermanentError: `isolation-unavailable`: a superuser's restore is only safe without network.
    """
    require_network_namespace(workspace, config.restore_as)
    stop_server(workspace.drill_id, signal.SIGQUIT)
    return Sandbox(
        workspace=workspace,
        postgres=install,
        superuser=superuser,
        profile=config.profile,
        settings=dict(settings),
        jobs=_jobs(config),
        restored_as=config.restore_as,
    )


def _make_cluster(sandbox: Sandbox, deadline: Deadline) -> None:
    """Fill the data folder: from the kept template, or by initdb, which is then kept."""
    workspace = sandbox.workspace
    may_keep = not workspace.isolation.isdisjoint(
        ("mount", "user", "files")
    )  # nothing in it gets at the template
    try:
        empty_folder(workspace.data_dir)
        if may_keep and copy_template(sandbox.postgres, workspace.data_dir, ids(workspace.os_user)):
            return
    except OSError as error:
        raise _failed(sandbox, "A cluster could not be made", (str(error.strerror),)) from error
    _run_initdb(sandbox, deadline)
    if may_keep:
        keep_template(sandbox.postgres, workspace.data_dir)


def _run_initdb(sandbox: Sandbox, deadline: Deadline) -> None:
    lines: tuple[str, ...] = ()
    for locale in _LOCALES:
        empty_folder(sandbox.workspace.data_dir)
        argv = [
            "initdb",
            "-D",
            str(sandbox.workspace.data_dir),
            "-U",
            TEMPLATE_SUPERUSER,
            "-A",
            "reject",
            "-N",
        ]
        argv += ["-E", "UTF8", f"--locale={locale}", "--no-instructions"]
        result = run_tool(sandbox, argv, env={}, deadline_s=max(1.0, deadline.left_s), role=Role.MAKER)
        lines = result.stderr_lines
        if result.exit_code == 0:
            return
        if result.timed_out or not any("locale" in line for line in lines):
            break
    raise _failed(sandbox, "PostgreSQL's initdb failed", lines)


def _write_access(sandbox: Sandbox) -> None:
    """Write who may connect, outside the data folder: the server may read it, not change it."""
    for name, text in _access_rules(sandbox).items():
        _write_private(sandbox.workspace, name, text)


def _write_private(workspace: Workspace, name: str, text: str) -> None:
    """Write a file of the server's: its user may read it."""
    path, user = workspace.root / name, ids(workspace.os_user)
    path.write_text(text)
    path.chmod(0o640)
    if user is not None:
        os.chown(path, -1, user[1])


def _access_rules(sandbox: Sandbox) -> dict[str, str]:
    """Return the rules: the drill may be every role of ours, the sandbox's own only the restoring one."""
    caller, inside = user_names(sandbox.workspace)
    ours, theirs = f"{sandbox.superuser},{TEMPLATE_SUPERUSER}", f"{sandbox.owner},{sandbox.reader}"
    if caller is None or inside is None:
        # An unnamed uid, as some containers have, and no view that could name it: a map has nothing to say.
        return {"pg_hba.conf": f"local all {ours},{theirs} trust\n", "pg_ident.conf": ""}
    maps = [("drill", caller, role) for role in ours.split(",")]
    maps += [("tools", caller, sandbox.owner), ("tools", caller, sandbox.reader)]
    maps += [("tools", inside, sandbox.owner)]
    return {
        "pg_hba.conf": f"local all {ours} peer map=drill\nlocal all {theirs} peer map=tools\n",
        "pg_ident.conf": "".join(f'{name} "{user}" {role}\n' for name, user, role in dict.fromkeys(maps)),
    }


def _run_server(sandbox: Sandbox, deadline: Deadline, role: str) -> None:
    """Start the server and wait until *role* can connect."""
    _start_server(sandbox)
    _wait_ready(sandbox, deadline, role)


def _start_server(sandbox: Sandbox) -> None:
    workspace = sandbox.workspace
    log = workspace.root / "server.log"
    argv = [str(sandbox.postgres.bindir / "postgres"), "-D", str(workspace.data_dir), "-p", str(sandbox.port)]
    settings = {
        **sandbox.settings,
        "unix_socket_directories": str(workspace.socket_dir),
        "hba_file": str(workspace.root / "pg_hba.conf"),
        "ident_file": str(workspace.root / "pg_ident.conf"),
        **_own_config(workspace),
    }
    argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    orders = jail_orders(
        workspace,
        argv,
        env=library_env(sandbox.postgres),
        cwd=workspace.data_dir,
        install_dir=kept_install(sandbox.postgres.bindir),
        role=Role.SERVER,
    )
    with open_regular(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as output:
        os.ftruncate(output, 0)
        jailed = launch(orders, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    register_server(workspace.drill_id, jailed, workspace.root, log)


def _own_config(workspace: Workspace) -> dict[str, str]:
    """Return where an adopted cluster's configuration lies; a made one has initdb's."""
    path = workspace.root / CONFIG_FILE
    return {"config_file": str(path)} if path.is_file() else {}


def _wait_ready(sandbox: Sandbox, deadline: Deadline, role: str) -> None:
    """Wait until our cluster answers; nobody else can put a socket into the drill's private folder."""
    socket_path = sandbox.workspace.socket_dir / f".s.PGSQL.{sandbox.port}"
    trouble = "it did not answer in time"
    while not deadline.passed and alive(sandbox):
        if socket_path.exists():
            try:
                connect(sandbox, role=role).close()
            except psycopg.OperationalError as error:
                trouble = of_error(error)
            else:
                return
        time.sleep(_POLL_S)
    lines = server_log_tail(sandbox)
    rule = classify_death(sandbox)
    stop_server(sandbox.workspace.drill_id, signal.SIGQUIT)
    raise _failed(sandbox, "PostgreSQL did not start", lines or (trouble,), rule)


def prove_wall(session: psycopg.Connection[tuple[Any, ...]], sandbox: Sandbox) -> None:
    """Ask this very server to run a program, before anything of a backup is in reach; it must not manage.

    Raises:
        PermanentError: `isolation-unavailable`: it did, although the wall was promised.
    """
    if not sandbox.workspace.walled:
        return
    try:
        session.execute("COPY (SELECT 1) TO PROGRAM 'true'")
    except psycopg.Error as error:
        if (error.diag.message_primary or "").startswith("could not execute command"):
            return
    stop_server(sandbox.workspace.drill_id, signal.SIGQUIT)
    raise PermanentError(
        "The sandbox's server could run a program although the second wall should stop it. "
        "Nothing was restored.",
        hint="This is a fault of the drill on this kernel: report it with the kernel's version.",
        rule="isolation-unavailable",
    )


def make_roles(session: psycopg.Connection[tuple[Any, ...]], sandbox: Sandbox) -> None:
    """Create the roles that restore and read, in a session of our superuser."""
    power = sql.SQL("SUPERUSER" if sandbox.restored_as == "superuser" else "NOSUPERUSER")
    owner, reader = sql.Identifier(sandbox.owner), sql.Identifier(sandbox.reader)
    for statement in (
        # Materialised views read the system's own catalogues, as a superuser may. Nothing is secret in them.
        sql.SQL("CREATE ROLE {} LOGIN BYPASSRLS {}").format(owner, power),
        sql.SQL("GRANT pg_read_all_data, pg_monitor TO {}").format(owner),
        sql.SQL("CREATE ROLE {} LOGIN BYPASSRLS NOSUPERUSER IN ROLE pg_read_all_data").format(reader),
        sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(reader),
        # Suites sort and hash whole tables: with 4 MB they do it on disk.
        sql.SQL("ALTER ROLE {} SET work_mem = {}").format(reader, sql.Literal(READER_WORK_MEM)),
    ):
        session.execute(statement)


def _jobs(config: SandboxConfig) -> int:
    if config.jobs != "auto":
        return config.jobs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _log_tail(root: Path, lines: int) -> tuple[str, ...]:
    try:
        with open_regular(root / "server.log") as handle, open(handle, "rb", closefd=False) as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(redact(line) for line in text.splitlines()[-lines:])


def _failed(sandbox: Sandbox, what: str, lines: tuple[str, ...], rule: str | None = None) -> PermanentError:
    full = any(_NO_SPACE.search(line) for line in lines)
    tail = " / ".join(lines[-5:]) or "it said nothing"
    return PermanentError(
        f"{what}: {tail}. Nothing is said about the backup.",
        where=str(sandbox.postgres.bindir),
        rule="disk-full" if full else rule or "postgres-failed",
    )
