"""What code of a hostile dump meets in the sandbox, shown with superuser rights that no dump gets."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tasks.model.errors import PermanentError
from tasks.model.sandbox import NAMESPACES, Sandbox, Workspace
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, dsn, isolation, run_tool, start_sandbox
from tasks.sandbox.install import find_postgres
from tasks.sandbox.isolation import choose_isolation, host_parts, isolation_findings
from tests.fix_postgres import wait_for

needs_network = pytest.mark.skipif("network" not in host_parts(), reason="no network namespaces here")
needs_mount = pytest.mark.skipif("mount" not in host_parts(), reason="no mount namespaces here")


def shell(box: Sandbox, command: str) -> list[str]:
    """Run a shell command inside the server, as no dump may, and return its lines."""
    with connect(box) as session:
        session.execute("CREATE TEMP TABLE said (line text)")
        session.execute(f"COPY said FROM PROGRAM '{command}' WITH (DELIMITER E'\\x01')")
        return [row[0] for row in session.execute("SELECT line FROM said").fetchall()]


@needs_network
def test_a_listener_on_the_host_cannot_be_reached(
    sandbox: Callable[..., Sandbox], listener: tuple[int, list[str]]
) -> None:
    port, callers = listener
    box = sandbox(17)
    with connect(box) as session:
        session.execute("CREATE EXTENSION dblink SCHEMA public")
        for host in ("127.0.0.1", "localhost", "::1"):
            with pytest.raises(psycopg.Error, match="could not establish connection"):
                session.execute(
                    "SELECT public.dblink_connect(%s)", (f"host={host} port={port} user=x connect_timeout=2",)
                )
    with pytest.raises(psycopg.Error):
        shell(box, f'bash -c "exec 3<>/dev/tcp/127.0.0.1/{port}"')
    assert callers == []


def test_the_listener_would_be_reached_without_isolation(
    sandbox: Callable[..., Sandbox], listener: tuple[int, list[str]]
) -> None:
    port, callers = listener
    box = sandbox(17, SandboxConfig(isolation="off"), wall=False)
    with suppress(psycopg.Error):
        shell(box, f'bash -c "exec 3<>/dev/tcp/127.0.0.1/{port}"')
    assert wait_for(lambda: len(callers) == 1)


def test_nothing_of_the_drills_environment_is_in_the_sandbox(
    sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-in-the-environment")
    box = sandbox(17, wall=False)
    names = {line.partition("=")[0] for line in shell(box, "env")}
    allowed = {"RESTORE_DRILL_ID", "LANGUAGE", "LD_LIBRARY_PATH", "PWD", "SHLVL", "_", "OLDPWD"}
    assert {name for name in names if not name.startswith(("LC_", "PG"))} <= allowed


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has no other user to run as")
def test_server_and_tools_run_as_another_user_without_groups(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17, wall=False)
    said: list[bytes] = []
    run_tool(box, ["/usr/bin/id"], env={}, deadline_s=20, on_stdout=said.append)
    for line in (shell(box, "id")[0], b"".join(said).decode()):
        assert "uid=0" not in line
        assert "0(root)" not in line


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has no other user to run as")


@as_root
@needs_mount
def test_drills_beside_each_other_do_not_share_a_user(
    sandbox: Callable[..., Sandbox], drill_folder: Path
) -> None:
    boxes = [sandbox(17), sandbox(17)]
    users = {box.workspace.os_user for box in boxes}
    assert len(users) == 2
    for box in boxes:
        owner = (box.workspace.data_dir / "PG_VERSION").stat().st_uid
        assert str(owner) == box.workspace.os_user
        assert owner not in {entry.pw_uid for entry in pwd.getpwall()}
        with connect(box, role=box.owner) as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
    assert len(list((drill_folder / "locks").glob("user-*.lock"))) == 2


@as_root
def test_a_configured_user_is_the_sandboxs(
    sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_DRILL_OS_USER", "nobody")
    box = sandbox(17)
    assert box.workspace.os_user == "nobody"
    assert "own-user" not in box.workspace.isolation


@as_root
def test_where_a_container_has_no_such_numbers_the_users_are_shared(
    sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.sandbox.users.is_mapped", lambda _: False)
    users = {entry.pw_name for entry in pwd.getpwall()}
    assert sandbox(17).workspace.os_user == ("restore-drill" if "restore-drill" in users else "nobody")


@needs_mount
def test_files_outside_are_neither_seen_nor_written(sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("planted-in-a-file")
    secret.chmod(0o644)
    box = sandbox(17)
    with connect(box) as session, pytest.raises(psycopg.Error):
        session.execute(f"COPY (SELECT 1) TO '{tmp_path}/written'")
    with connect(box) as session, pytest.raises(psycopg.Error, match="No such file"):
        session.execute(f"SELECT pg_catalog.pg_read_file('{secret}')")
    for place in ("/var/tmp", "/tmp", "/dev", str(box.workspace.root), str(box.postgres.bindir)):  # noqa: S108
        with connect(box) as session, pytest.raises(psycopg.Error):
            session.execute(f"COPY (SELECT 1) TO '{place}/written'")
    assert not (box.workspace.root / "written").exists()


def test_the_stamp_and_the_access_rules_cannot_be_changed_from_inside(
    sandbox: Callable[..., Sandbox],
) -> None:
    box = sandbox(17)
    if os.geteuid() != 0:
        pytest.skip("an ordinary user's sandbox has his own uid")
    for name in ("stamp.json", "pg_hba.conf", "lease"):
        with connect(box) as session, pytest.raises(psycopg.Error, match="Permission denied"):
            session.execute(f"COPY (SELECT 1) TO '{box.workspace.root}/{name}'")


def test_code_in_the_sandbox_cannot_become_our_superuser(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)

    def code_as(role: str | None) -> int:
        argv = ["psql", "-X", "-d", dsn(box, role=role), "-c", "SELECT 1"]
        return run_tool(box, argv, env={}, deadline_s=20).exit_code

    assert code_as(box.owner) == 0
    if os.geteuid() == 0:
        assert (code_as(None), code_as(box.reader)) == (2, 2)
    with connect(box) as session:
        session.execute("CREATE ROLE intruder LOGIN SUPERUSER")
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf"):
        connect(box, role="intruder")


def test_the_reader_reads_everything_and_writes_nothing(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)
    with connect(box) as session:
        session.execute("CREATE SCHEMA hidden; CREATE TABLE hidden.t AS SELECT 1 AS a")
        session.execute("ALTER TABLE hidden.t ENABLE ROW LEVEL SECURITY")
    with connect(box, role=box.reader) as session:
        assert session.execute("SELECT a FROM hidden.t").fetchall() == [(1,)]
        for statement in (
            "CREATE TABLE x ()",
            "INSERT INTO hidden.t VALUES (2)",
            "COPY hidden.t TO PROGRAM 'cat'",
        ):
            with pytest.raises(psycopg.Error):
                session.execute(statement)


def test_the_superuser_sees_only_the_catalogue_unless_it_asks(sandbox: Callable[..., Sandbox]) -> None:
    with connect(sandbox(17)) as session:
        assert session.execute("SHOW search_path").fetchone() == ("pg_catalog",)


def test_what_a_restored_database_sets_does_not_change_how_we_look_at_it(
    sandbox: Callable[..., Sandbox],
) -> None:
    box = sandbox(17)
    hostile = {"search_path": "x", "statement_timeout": "1", "DateStyle": "German", "TimeZone": "Asia/Tokyo"}
    with connect(box) as session:
        for name, value in hostile.items():
            session.execute(f"ALTER DATABASE postgres SET {name} = '{value}'")
        session.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    with connect(box, role=box.reader) as session:
        session.execute("SELECT pg_catalog.pg_sleep(0.05)")
        assert session.execute("SHOW DateStyle").fetchone() == ("ISO, MDY",)
        assert session.execute("SHOW TimeZone").fetchone() == ("UTC",)
        assert session.execute("SHOW transaction_read_only").fetchone() == ("on",)
    with connect(box) as session:
        assert session.execute("SHOW search_path").fetchone() == ("pg_catalog",)
        session.execute("CREATE TABLE public.t ()")


def test_an_event_trigger_of_a_dump_never_runs_as_our_superuser(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)
    with connect(box) as session:
        session.execute(
            "CREATE FUNCTION public.planted() RETURNS event_trigger LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE EXCEPTION 'it ran'; END $$"
        )
        session.execute("CREATE EVENT TRIGGER planted ON ddl_command_start EXECUTE FUNCTION public.planted()")
    with connect(box) as session:
        session.execute("CREATE TABLE public.t ()")


def test_the_callers_own_postgres_settings_do_not_reach_the_sandbox(
    sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = sandbox(17)
    for name, value in {
        "PGHOST": "db",
        "PGPORT": "1",
        "PGUSER": "u",
        "PGSSLMODE": "require",
        "PGOPTIONS": "-c x",
    }.items():
        monkeypatch.setenv(name, value)
    with connect(box) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_required_isolation_refuses_where_the_host_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "host_parts", lambda: frozenset({"files", "exec", "seccomp"}))
    with pytest.raises(PermanentError) as caught:
        choose_isolation("required")
    assert caught.value.rule == "isolation-unavailable"
    assert "network" not in choose_isolation("preferred")


@pytest.mark.parametrize("had", [set(), {"seccomp", "exec", "limits"}, {"network", "ipc"}])
def test_with_nothing_between_a_dump_and_the_workers_rights_it_is_not_drilled(
    monkeypatch: pytest.MonkeyPatch, had: set[str]
) -> None:
    monkeypatch.setattr(isolation, "host_parts", lambda: frozenset(had))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PermanentError) as caught:
        choose_isolation("preferred")
    assert caught.value.rule == "isolation-unavailable"
    assert choose_isolation("off") == had - {"network", "ipc"}


@pytest.mark.parametrize("guard", ["files", "mount"])
def test_one_guard_is_enough_to_drill(monkeypatch: pytest.MonkeyPatch, guard: str) -> None:
    monkeypatch.setattr(isolation, "host_parts", lambda: frozenset({guard}))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert choose_isolation("preferred") == {guard}


def test_restoring_as_superuser_needs_isolation(drill_folder: Path, workspace: Workspace) -> None:
    bare = Workspace(
        workspace.drill_id,
        workspace.root,
        workspace.os_user,
        frozenset({"user"}),
        workspace.created_at,
        workspace.expires_at,
    )
    with pytest.raises(PermanentError) as caught:
        start_sandbox(bare, find_postgres(17), SandboxConfig(restore_as="superuser"), 30)
    assert caught.value.rule == "isolation-unavailable"


def test_reduced_isolation_is_said_and_full_isolation_is_not(workspace: Workspace) -> None:
    def findings(had: set[str], wanted: str) -> list[str]:
        where = Workspace(
            workspace.drill_id,
            workspace.root,
            None,
            frozenset(had),
            workspace.created_at,
            workspace.expires_at,
        )
        return [found.rule for found in isolation_findings(where, wanted)]

    assert findings({"user"}, "preferred") == ["isolation-reduced"]
    assert findings({"network", "user", "mount", "ipc", "pid"}, "preferred") == ["isolation-reduced"]
    assert findings({*NAMESPACES, "exec", "files", "seccomp"}, "preferred") == []
    assert findings(set(), "off") == ["isolation-off"]
    assert findings({"user", *NAMESPACES}, "off") == ["isolation-off"]
