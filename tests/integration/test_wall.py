"""The second wall: what code gets done in a sandbox, even as a superuser and even natively, and what not.

Every attempt is made twice: behind the wall, and without it, where it must succeed or the test shows nothing.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tasks.model.errors import PermanentError
from tasks.model.sandbox import WALL, Sandbox, Workspace
from tasks.model.target import SandboxConfig
from tasks.sandbox import alive, cluster, connect, dsn, find_postgres, start_sandbox
from tasks.sandbox.isolation import host_parts
from tasks.sandbox.launch import Orders, launch
from tasks.sandbox.runner import Role, jail_orders
from tests.fix_postgres import unwalled, wait_for

PYTHON = "/usr/bin/python3"
ATTACKS = Path(__file__).parents[1] / "attacks.py"
NOBODY = 65534
REPOSITORY = Path(__file__).parents[2]
MAJORS = (14, 15, 16, 17, 18)
needs_wall = pytest.mark.skipif(
    not host_parts() >= {"exec", "files", "seccomp"}, reason="this kernel has no Landlock or no seccomp"
)
needs_python = pytest.mark.skipif(not Path(PYTHON).exists(), reason="no interpreter for the sandbox's user")
pytestmark = [needs_wall]

HARMLESS = {"unix-stream", "make-file", "fork", "libraries"}
"""What every process may do, behind the wall too."""
NEVER = {"mount", "bpf", "perf", "process_vm", "handle", "clone3", "packet", "alg", "keyctl", "userfaultfd"}
"""What the test's own user or kernel may refuse anyhow: not counted on to succeed without the wall."""


@pytest.fixture
def drill_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that another user may pass without a view of his own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        monkeypatch.setenv("RESTORE_DRILL_DIR", str(folder))
        yield folder


@pytest.fixture
def shared_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sandboxes of the test have one user, as an ordinary user's have."""
    monkeypatch.setenv("RESTORE_DRILL_OS_USER", "nobody")


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[tuple[Path, str, Path]]:
    """A file to be read and two sockets to be connected to, of the host's."""
    secret, path = Path("/etc/hostname"), Path("/tmp") / f"wall-{tmp_path.name}"  # noqa: S108
    name = f"restore-drill-test-{tmp_path.name}"
    with ExitStack() as stack:
        for address in ("\0" + name, str(path)):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(address)
            server.listen(8)
        path.chmod(0o777)
        yield secret, name, path
    path.unlink()


@pytest.fixture
def started(workspace: Workspace) -> Callable[..., Sandbox]:
    """Give a sandbox that lacks some parts of its isolation."""

    def start(major: int, without: set[str], memory_bytes: int = 0) -> Sandbox:
        lesser = replace(workspace, isolation=workspace.isolation - without, memory_bytes=memory_bytes)
        return start_sandbox(lesser, find_postgres(major), SandboxConfig(), 60)

    return start


def attack(workspace: Workspace, doors: tuple[Path, str, Path], role: Role) -> dict[str, str]:
    """Run every attempt of `tests/attacks.py` in the jail; return how each ended."""
    program = workspace.scratch_dir / "attacks.py"
    program.write_bytes(ATTACKS.read_bytes())
    program.chmod(0o644)
    orders = jail_orders(
        workspace,
        [PYTHON, "-I", "-S", str(program), *map(str, doors)],
        env={},
        cwd=workspace.data_dir,
        install_dir=None,
        role=role,
    )
    jailed = launch(orders, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert jailed.process.stdout is not None
    with jailed.process.stdout as stream:
        said = stream.read()
    jailed.stop(9, 5)
    assert said.startswith(b"{"), said
    result: dict[str, str] = json.loads(said)
    return result


def done(outcomes: dict[str, str]) -> set[str]:
    return {name for name, outcome in outcomes.items() if outcome == "done"}


@needs_python
def test_native_code_gets_nothing_done_behind_the_wall(
    workspace: Workspace, doors: tuple[Path, str, Path]
) -> None:
    outcomes = attack(workspace, doors, Role.SERVER)
    assert done(outcomes) == HARMLESS, outcomes
    assert {outcomes[name] for name in ("inet", "inet6", "vsock", "netlink", "alg")} == {"EAFNOSUPPORT"}


@needs_python
@pytest.mark.parametrize("without", [{"network", "mount", "ipc", "pid"}])
def test_the_wall_holds_without_any_namespace(
    workspace: Workspace, doors: tuple[Path, str, Path], without: set[str]
) -> None:
    bare = replace(workspace, isolation=workspace.isolation - without)
    outcomes = attack(bare, doors, Role.SERVER)
    assert done(outcomes) == HARMLESS, outcomes


@needs_python
@pytest.mark.parametrize("missing", ["files", "seccomp"])
def test_no_program_runs_where_only_one_of_landlock_and_seccomp_is_had(
    workspace: Workspace, doors: tuple[Path, str, Path], missing: str
) -> None:
    lesser = replace(workspace, isolation=workspace.isolation - {missing})
    outcomes = attack(lesser, doors, Role.SERVER)
    assert not {"exec-shell", "exec-own-copy"} & done(outcomes), outcomes


@needs_python
def test_a_tool_may_reach_its_server_and_run_nothing(
    workspace: Workspace, doors: tuple[Path, str, Path]
) -> None:
    bare = replace(workspace, isolation=workspace.isolation - {"mount"})
    assert done(attack(bare, doors, Role.TOOL)) == HARMLESS | {"connect-path"}


@needs_python
def test_without_the_wall_the_same_attempts_succeed(
    workspace: Workspace, doors: tuple[Path, str, Path]
) -> None:
    bare = replace(workspace, isolation=frozenset({"user"} & workspace.isolation))
    outcomes = attack(bare, doors, Role.SERVER)
    assert set(outcomes) - done(outcomes) <= NEVER | {"read-parent"}, outcomes


PROGRAMS = {
    "copy-to": "COPY (SELECT 1) TO PROGRAM 'touch {mark}'",
    "copy-from": "CREATE TEMP TABLE t (a text); COPY t FROM PROGRAM 'touch {mark}'",
}


@pytest.mark.parametrize("major", MAJORS)
def test_a_superuser_in_the_sandbox_runs_no_program(sandbox: Callable[..., Sandbox], major: int) -> None:
    box = sandbox(major)
    assert box.workspace.walled
    mark = box.workspace.data_dir / "mark"
    for statement in PROGRAMS.values():
        with connect(box) as session, pytest.raises(psycopg.Error, match="could not execute command"):
            session.execute(statement.format(mark=mark))
    assert not mark.exists()


def test_the_same_superuser_runs_programs_without_the_wall(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17, wall=False)
    assert not box.workspace.walled
    for name, statement in PROGRAMS.items():
        mark = box.workspace.data_dir / f"mark-{name}"
        with connect(box) as session:
            session.execute(statement.format(mark=mark))
        assert mark.exists()


def test_a_wall_that_does_not_stand_is_found_out_before_anything_is_restored(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = jail_orders

    def without_wall(space: Workspace, *arguments: Any, **rest: Any) -> Orders:
        return real(unwalled(space), *arguments, **rest)

    monkeypatch.setattr(cluster, "jail_orders", without_wall)
    with pytest.raises(PermanentError, match="could run a program") as caught:
        start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
    assert caught.value.rule == "isolation-unavailable"


def test_a_library_that_the_sandbox_wrote_cannot_be_loaded(
    sandbox: Callable[..., Sandbox], started: Callable[..., Sandbox]
) -> None:
    with pytest.raises(psycopg.Error, match="failed to map segment"):
        load_own_library(sandbox(17))
    load_own_library(started(17, {"mount"}))


def load_own_library(box: Sandbox) -> None:
    """Write a library into the data folder as a superuser can, and load it."""
    target = box.workspace.data_dir / "pg_trgm.so"
    source = next(box.postgres.bindir.parent.rglob(target.name)).read_bytes()
    with connect(box) as session:
        row = session.execute("SELECT pg_catalog.lo_from_bytea(0, %s)", (source,)).fetchone()
        assert row is not None
        session.execute("SELECT pg_catalog.lo_export(%s, %s)", (row[0], str(target)))
        assert target.read_bytes() == source
        session.execute(f"LOAD '{target}'")


READS = ("/etc/shadow", "/etc/hostname", "/proc/self/environ", "/proc/1/environ", "/usr/bin/env")


def test_a_superuser_in_the_sandbox_reads_no_file_of_the_hosts(
    sandbox: Callable[..., Sandbox], started: Callable[..., Sandbox], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("planted")
    for box in (sandbox(17), started(17, {"mount", "pid", "network", "ipc"})):
        neighbour = box.workspace.root.parent
        for path in (*READS, str(secret), str(box.workspace.root / "stamp.json")):
            with connect(box) as session, pytest.raises(psycopg.Error):
                session.execute("SELECT pg_catalog.pg_read_binary_file(%s)", (path,))
        for folder in ("/", "/etc", "/usr/bin", "/root", str(neighbour), str(box.workspace.backup_dir)):
            with connect(box) as session, pytest.raises(psycopg.Error):
                session.execute("SELECT pg_catalog.pg_ls_dir(%s)", (folder,))
        for place in ("/dev/shm", "/tmp", "/var/tmp", str(box.workspace.root)):  # noqa: S108
            with connect(box) as session, suppress(psycopg.Error):
                session.execute(f"COPY (SELECT 1) TO '{place}/written-in-a-sandbox'")
            assert not Path(place, "written-in-a-sandbox").exists()


@pytest.mark.usefixtures("shared_user")
def test_a_superuser_reaches_no_server_by_any_socket(
    sandbox: Callable[..., Sandbox], started: Callable[..., Sandbox], listener: tuple[int, list[str]]
) -> None:
    other = sandbox(17)
    port, callers = listener
    box = started(17, {"network", "mount", "pid", "ipc"})
    with connect(box) as session:
        session.execute("CREATE EXTENSION dblink SCHEMA public")
        for string in (f"host=127.0.0.1 port={port} user=x", dsn(other, role=other.owner)):
            with pytest.raises(psycopg.Error, match="could not establish connection"):
                session.execute("SELECT public.dblink_connect(%s)", (string,))
    assert callers == []


@pytest.mark.usefixtures("shared_user")
def test_the_same_superuser_reaches_them_without_the_wall(
    sandbox: Callable[..., Sandbox], started: Callable[..., Sandbox], listener: tuple[int, list[str]]
) -> None:
    other = sandbox(17)
    port, callers = listener
    box = started(17, {"network", "mount", "pid", "ipc", *WALL})
    with connect(box) as session:
        session.execute("CREATE EXTENSION dblink SCHEMA public")
        session.execute("SELECT public.dblink_connect(%s)", (dsn(other, role=other.owner),))
        with pytest.raises(psycopg.Error, match="could not establish connection"):
            session.execute("SELECT public.dblink_connect('x', %s)", (f"host=127.0.0.1 port={port} user=x",))
    assert wait_for(lambda: len(callers) == 1)


def test_a_backend_that_wants_too_much_memory_gets_an_error_and_no_one_else(
    sandbox: Callable[..., Sandbox], started: Callable[..., Sandbox]
) -> None:
    box = started(17, set(), memory_bytes=300 << 20)
    hungry = "SELECT array_length(array_agg(repeat('x', 100000) || i), 1) FROM generate_series(1, 6000) i"
    with connect(box, role=box.owner) as session:
        with pytest.raises(errors.OutOfMemory):
            session.execute(hungry)
        assert session.execute("SELECT 1").fetchone() == (1,)
    with connect(sandbox(17)) as session:
        session.execute(hungry)
    assert alive(box)


ORDINARY = """
import json, os, sys
from datetime import timedelta
from tasks.model.clock import utc_now
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, destroy, dsn, find_postgres, open_workspace, run_tool, start_sandbox
from tasks.jail.kernel import hide_process
hide_process()
isolation, secret, port = sys.argv[1:4]
workspace = open_workspace("shop", "orders", "ordinary", isolation, utc_now() + timedelta(hours=1), 5)
box = start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
tool = run_tool(box, ["pg_dump", "-s", "-d", dsn(box, "postgres", box.owner)], env={}, deadline_s=30)
outcomes = {"tool": tool.exit_code}
with connect(box) as session:
    session.execute("CREATE EXTENSION dblink SCHEMA public")
    for name, statement in {
        "healthy": "SELECT 1",
        "secret": f"SELECT pg_catalog.pg_read_file('{secret}')",
        "environ": f"SELECT pg_catalog.pg_read_binary_file('/proc/{os.getpid()}/environ', 0, 10)",
        "program": "COPY (SELECT 1) TO PROGRAM 'true'",
        "connect": f"SELECT public.dblink_connect('host=127.0.0.1 port={port} user=x')",
    }.items():
        try:
            session.execute(statement)
            outcomes[name] = "done"
        except Exception as error:
            outcomes[name] = type(error).__name__
print(json.dumps([outcomes, workspace.walled, sorted(workspace.isolation), destroy(workspace)]))
"""


@needs_python
@pytest.mark.skipif(os.geteuid() != 0, reason="the whole suite runs as an ordinary user already")
@pytest.mark.parametrize("isolation", ["preferred", "off"])
def test_an_ordinary_users_sandbox_has_the_wall_too(listener: tuple[int, list[str]], isolation: str) -> None:
    port, callers = listener
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        secret = Path(name) / "secret"
        secret.write_text("planted")
        for path in (Path(name), secret):
            os.chown(path, NOBODY, NOBODY)
        done = subprocess.run(
            [PYTHON, "-c", ORDINARY, isolation, str(secret), str(port)],
            env={
                "HOME": name,
                "AWS_SECRET_ACCESS_KEY": "planted",
                "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{Path(psycopg.__file__).parents[1]}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "RESTORE_DRILL_POSTGRES": str(find_postgres(17).bindir),
            },
            cwd=name,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    outcomes, walled, had, left = json.loads(done.stdout)
    assert walled, had
    assert left == []
    assert ("network" in had) is (isolation == "preferred" and "network" in host_parts())
    assert (outcomes.pop("tool"), outcomes.pop("healthy")) == (0, "done")
    assert "done" not in outcomes.values(), outcomes
    assert callers == []
