"""A drill's folder: made, locked, found too long or closed, shared between drills, and gone."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox, Workspace
from tasks.model.target import SandboxConfig
from tasks.sandbox import (
    adopt,
    connect,
    destroy,
    dsn,
    find_postgres,
    make_roles,
    open_workspace,
    run_tool,
    start,
    start_sandbox,
    sweep,
    url,
)
from tasks.sandbox import (
    workspace as workspaces,
)
from tasks.sandbox.isolation import ids
from tasks.sandbox.servers import stop_server
from tasks.sandbox.stamp import new_sockets_folder, new_stamp, process_started, write_stamp

REPOSITORY = Path(__file__).parents[2]
SYSTEM_PYTHON = Path("/usr/bin/python3")


def opened(database: str, drill_id: str, wait_s: float = 5.0) -> Workspace:
    return open_workspace("shop", database, drill_id, "preferred", utc_now() + timedelta(hours=1), wait_s)


def own_by(workspace: Workspace) -> None:
    """Give the data folder to the user of *workspace*, as whoever brings a copy does."""
    user = ids(workspace.os_user)
    if user is not None:
        for path in (workspace.data_dir, *workspace.data_dir.rglob("*")):
            os.chown(path, *user, follow_symlinks=False)


def started() -> str:
    return process_started(os.getpid())


def test_a_destroyed_drill_leaves_an_empty_folder_and_may_be_destroyed_again(drill_folder: Path) -> None:
    workspace = opened("orders", "one")
    assert workspace.root.is_dir()
    assert destroy(workspace) == ()
    assert destroy(workspace) == ()
    assert list(drill_folder.iterdir()) == []


def test_a_second_drill_of_one_database_waits_and_then_runs(drill_folder: Path) -> None:
    first = opened("orders", "one")
    second: list[Workspace] = []
    thread = threading.Thread(target=lambda: second.append(opened("orders", "two")))
    thread.start()
    thread.join(0.5)
    assert second == []
    destroy(first)
    thread.join(10)
    assert [each.drill_id for each in second] == ["two"]
    assert destroy(second[0]) == ()
    assert list(drill_folder.iterdir()) == []


def test_a_second_drill_of_one_database_that_waited_in_vain_says_why(drill_folder: Path) -> None:
    first = opened("orders", "one")
    with pytest.raises(PermanentError) as caught:
        opened("orders", "two", wait_s=0.2)
    assert caught.value.rule == "already-running"
    other = opened("customers", "three", wait_s=0.2)
    assert destroy(other) == destroy(first) == ()


def test_a_retry_of_one_drill_starts_afresh(drill_folder: Path) -> None:
    first = opened("orders", "one")
    (first.backup_dir / "half").write_text("a half download")
    again = opened("orders", "one", wait_s=0.2)
    assert again.root == first.root
    assert list(again.backup_dir.iterdir()) == []
    assert destroy(again) == ()


def test_many_drills_open_and_close_at_once(drill_folder: Path) -> None:
    trouble: list[BaseException] = []

    def drill(number: int) -> None:
        try:
            for turn in range(10):
                assert destroy(opened(f"database{number}", f"drill-{number}-{turn}")) == ()
        except BaseException as error:  # noqa: BLE001  looked at below
            trouble.append(error)

    threads = [threading.Thread(target=drill, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert list(drill_folder.iterdir()) == []


@pytest.mark.parametrize("mode", ["preferred", "off"])
def test_a_folder_too_long_for_a_socket_works_for_server_and_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    long = tmp_path / ("long-" * 20) / ("longer" * 20)
    monkeypatch.setenv("RESTORE_DRILL_DIR", str(long))
    workspace = open_workspace("shop", "orders", "long", mode, utc_now() + timedelta(hours=1), 5)
    box = start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
    with connect(box) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    result = run_tool(
        box, ["psql", "-X", "-d", dsn(box, "postgres", box.owner), "-c", "SELECT 1"], env={}, deadline_s=30
    )
    assert result.exit_code == 0
    assert workspace.sockets is not None
    assert destroy(workspace) == ()
    assert not workspace.sockets.exists()
    assert list(long.iterdir()) == []


def test_a_folder_with_blanks_quotes_and_umlauts_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_DRILL_DIR", str(tmp_path / 'it\'s a "folder" für %s, ok?'))
    workspace = opened("orders", "odd")
    box = start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
    from sqlalchemy import create_engine, text  # noqa: PLC0415  seconds of import for one test

    engine = create_engine(url(box, "postgres", box.reader))
    with engine.connect() as session:
        assert session.execute(text("SELECT current_user")).scalar() == "drill_reader"
    engine.dispose()
    assert destroy(workspace) == ()


def test_two_sandboxes_run_side_by_side(sandbox: Callable[..., Sandbox]) -> None:
    boxes = [sandbox(17), sandbox(15)]
    for box in boxes:
        with connect(box) as session:
            row = session.execute("SHOW server_version_num").fetchone()
        assert row is not None
        assert row[0].startswith(str(box.postgres.major))


def test_a_second_start_begins_with_an_empty_cluster(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)
    with connect(box) as session:
        session.execute("CREATE DATABASE half_restored")
    again = start_sandbox(box.workspace, box.postgres, SandboxConfig(), 60)
    with connect(again) as session:
        names = [row[0] for row in session.execute("SELECT datname FROM pg_database").fetchall()]
    assert "half_restored" not in names


def test_what_has_no_stamp_of_ours_is_never_touched(drill_folder: Path) -> None:
    for name, stamp in {
        "empty": None,
        "foreign": "{}",
        "torn": '{"schema": "restore-',
        "other": '{"schema": "x"}',
    }.items():
        folder = drill_folder / "drills" / name
        folder.mkdir(parents=True)
        (folder / "precious").write_text("x")
        if stamp is not None:
            (folder / "stamp.json").write_text(stamp)
    report = sweep(utc_now() + timedelta(days=1000))
    assert report.unknown == ("empty", "foreign", "other", "torn")
    assert len(list(drill_folder.glob("drills/*/precious"))) == 4


def test_a_folder_whose_maker_died_before_it_had_a_name_is_swept_and_one_being_made_is_not(
    drill_folder: Path,
) -> None:
    drills = drill_folder / "drills"
    dead, young, mine = (drills / f".new-{owner}-x" for owner in ("1-1", "2-2", f"{os.getpid()}-{started()}"))
    for folder in (dead, young, mine):
        folder.mkdir(parents=True)
    for folder in (dead, mine):
        os.utime(folder, (1, 1))
    assert sweep(utc_now()).unknown == ()
    assert sorted(drills.iterdir()) == sorted((young, mine))


def test_a_maker_that_died_leaves_no_sockets_either(drill_folder: Path) -> None:
    sockets = new_sockets_folder()
    sockets.mkdir()
    draft = drill_folder / "drills" / ".new-1-1-x"
    draft.mkdir(parents=True)
    now = utc_now()
    stamp = new_stamp("one", "tests", "orders", os_user=None, isolation=(), created_at=now, expires_at=now)
    write_stamp(draft, replace(stamp, sockets=str(sockets)))
    os.utime(draft, (1, 1))
    assert sweep(now).removed == ()
    assert not draft.exists()
    assert not sockets.exists()


def test_a_copied_stamp_does_not_make_a_folder_ours(drill_folder: Path) -> None:
    workspace = opened("orders", "one")
    thief = drill_folder / "drills" / "another"
    thief.mkdir()
    (thief / "stamp.json").write_bytes((workspace.root / "stamp.json").read_bytes())
    assert sweep(utc_now()).unknown == ("another",)
    assert destroy(workspace) == ()
    assert thief.exists()


def test_a_folder_that_cannot_be_made_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("RESTORE_DRILL_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(PermanentError) as caught:
        opened("orders", "one")
    assert caught.value.rule == "workspace-unusable"
    assert "RESTORE_DRILL_DIR" in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_a_closed_parent_without_mount_namespaces_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("RESTORE_DRILL_DIR", str(closed / "drills"))
    monkeypatch.setattr(workspaces, "choose_isolation", lambda *_, **__: frozenset({"network", "user"}))
    with pytest.raises(PermanentError) as caught:
        opened("orders", "one")
    assert caught.value.rule == "workspace-unusable"
    users = {entry.pw_name for entry in pwd.getpwall()}
    assert ("restore-drill" if "restore-drill" in users else "nobody") in str(caught.value)
    assert list((closed / "drills").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_a_configured_user_that_cannot_run_a_server_is_named(
    drill_folder: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("RESTORE_DRILL_OS_USER", user)
    with pytest.raises(PermanentError) as caught:
        opened("orders", "one")
    assert caught.value.rule == "workspace-unusable"
    assert user in str(caught.value)


ORDINARY = """
import json, os
from datetime import timedelta
from tasks.model.clock import utc_now
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, destroy, dsn, find_postgres, open_workspace, run_tool, start_sandbox
workspace = open_workspace("shop", "orders", "ordinary", "preferred", utc_now() + timedelta(hours=1), 5)
box = start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
with connect(box) as session:
    one = session.execute("SELECT 1").fetchone()[0]
    try:
        session.execute("SELECT pg_catalog.pg_read_file(%s)", (os.environ["SECRET"],))
        secret = "read"
    except Exception as error:
        secret = type(error).__name__
tool = run_tool(box, ["psql", "-X", "-d", dsn(box, "postgres", box.owner), "-c", "SELECT 1"], env={},
                deadline_s=30)
had = sorted(workspace.isolation)
print(json.dumps([one, tool.exit_code, had, workspace.os_user, secret, destroy(workspace)]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the whole suite runs as an ordinary user already")
@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="no interpreter that an ordinary user may run")
def test_an_ordinary_user_drills_too_and_his_files_stay_hidden(cluster: Callable[..., object]) -> None:
    import json  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    import psycopg  # noqa: PLC0415

    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        home = Path(name)
        secret = home / "secret"
        secret.write_text("planted")
        for path in (home, secret):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        done = subprocess.run(
            [str(SYSTEM_PYTHON), "-c", ORDINARY],
            env={
                "HOME": name,
                "SECRET": str(secret),
                "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{Path(psycopg.__file__).parents[1]}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "RESTORE_DRILL_POSTGRES": str(find_postgres(17).bindir),
            },
            cwd=name,
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        one, code, isolation, os_user, found, left = json.loads(done.stdout)
        assert (one, code, os_user, left) == (1, 0, None, [])
        if "mount" in isolation:
            assert found == "UndefinedFile"
        assert not (home / ".cache/restore-drill/drills").exists()


def test_a_data_folder_from_elsewhere_is_adopted_and_its_configuration_is_not_read(
    sandbox: Callable[..., Sandbox],
) -> None:
    source = sandbox(17)
    with connect(source) as session:
        session.execute("CREATE DATABASE brought")
    stop_server(source.workspace.drill_id, signal.SIGINT)
    own = source.workspace.data_dir / "postgresql.conf"
    own.write_text("include 'not-there.conf'\nlisten_addresses = '*'\n")
    other = opened("orders", "other")
    other.data_dir.rmdir()
    source.workspace.data_dir.rename(other.data_dir)
    (other.data_dir / "postmaster.pid").write_text("1\n")
    own_by(other)
    settings = source.settings | {"max_connections": "17"}
    box = adopt(other, source.postgres, SandboxConfig(), settings, source.superuser)
    start(box, 60)
    with connect(box) as session:
        names = [row[0] for row in session.execute("SELECT datname FROM pg_database").fetchall()]
        paths = session.execute(
            "SELECT current_setting('config_file'), current_setting('hba_file')"
        ).fetchone()
        assert session.execute("SHOW max_connections").fetchone() == ("17",)
        assert session.execute("SHOW listen_addresses").fetchone() == ("",)
    with connect(box, "brought", box.reader) as session:
        assert session.execute("SELECT current_user").fetchone() == ("drill_reader",)
    assert "brought" in names
    assert paths == (str(other.root / "postgresql.conf"), str(other.root / "pg_hba.conf"))
    assert destroy(other) == ()


def test_a_folder_that_was_adopted_can_be_made_anew(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)
    adopt(box.workspace, box.postgres, SandboxConfig(), box.settings, box.superuser)
    again = start_sandbox(box.workspace, box.postgres, SandboxConfig(), 60)
    with connect(again) as session:
        assert session.execute("SHOW config_file").fetchone() == (
            f"{again.workspace.data_dir}/postgresql.conf",
        )


def test_a_copy_of_a_cluster_without_our_roles_gets_them(sandbox: Callable[..., Sandbox]) -> None:
    source = sandbox(17)
    with connect(source) as session:
        session.execute("DROP ROLE drill_owner, drill_reader")
    stop_server(source.workspace.drill_id, signal.SIGINT)
    box = adopt(source.workspace, source.postgres, SandboxConfig(), source.settings, source.superuser)
    start(box, 60)
    with connect(box) as session:
        make_roles(session, box)
    with connect(box, role=box.reader) as session:
        assert session.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
