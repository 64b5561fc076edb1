"""The runner of tools: what it feeds, drains, bounds, masks and reports."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox, Workspace
from tasks.sandbox import connect, dsn, run_tool
from tasks.sandbox.reaper import processes_of
from tests.fix_postgres import unwalled, wait_for

SH = "/bin/sh"


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    """A workspace without the second wall, which would stop what a shell starts."""
    return unwalled(workspace)


def test_exit_code_and_both_streams_come_back(workspace: Workspace) -> None:
    out: list[bytes] = []
    err: list[str] = []
    script = "echo out; echo first >&2; echo second >&2; exit 7"
    result = run_tool(
        workspace, [SH, "-c", script], env={}, deadline_s=20, on_stderr=err.append, on_stdout=out.append
    )
    assert (result.exit_code, result.timed_out) == (7, False)
    assert b"".join(out) == b"out\n"
    assert tuple(err) == result.stderr_lines == ("first", "second")


def test_a_tool_that_a_signal_ends_says_which(workspace: Workspace) -> None:
    # In a pid namespace the first process ignores signals that it sends itself.
    plain = replace(workspace, isolation=workspace.isolation - {"pid"})
    assert run_tool(plain, [SH, "-c", "kill -SEGV $$"], env={}, deadline_s=20).exit_code == -signal.SIGSEGV


def test_more_is_fed_than_any_pipe_holds_and_more_is_said_than_is_kept(workspace: Workspace) -> None:
    chunks = (b"x" * 99 + b"\n" for _ in range(30_000))
    result = run_tool(workspace, [SH, "-c", "cat >&2"], env={}, stdin=chunks, deadline_s=60)
    assert result.exit_code == 0
    assert len(result.stderr_lines) == 20_000
    assert result.dropped_lines == 10_000


def test_a_tool_that_stops_reading_is_no_error_of_the_feed(workspace: Workspace) -> None:
    endless = itertools.repeat(b"x" * 65536)
    result = run_tool(
        workspace, [SH, "-c", "head -c 10 >/dev/null; exit 3"], env={}, stdin=endless, deadline_s=30
    )
    assert (result.exit_code, result.stdin_taken) == (3, False)


def test_what_the_feed_raises_ends_the_tool_and_is_raised_again(workspace: Workspace) -> None:
    def feed() -> Iterator[bytes]:
        yield b"some"
        raise ValueError("the archive is cut")

    with pytest.raises(ValueError, match="the archive is cut"):
        run_tool(workspace, [SH, "-c", "cat; sleep 600"], env={}, stdin=feed(), deadline_s=60)


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_a_deadline_ends_the_tool_and_everything_it_started(workspace: Workspace, stubborn: str) -> None:
    script = f"{stubborn}(sleep 601 & setsid sleep 602 &) ; sleep 603"
    started = time.monotonic()
    result = run_tool(workspace, [SH, "-c", script], env={}, deadline_s=0.5)
    assert result.timed_out
    assert time.monotonic() - started < 10
    assert wait_for(lambda: processes_of(workspace.drill_id) == ())


def test_a_tool_that_ends_leaves_nothing_of_what_it_started(workspace: Workspace) -> None:
    result = run_tool(workspace, [SH, "-c", "setsid sleep 600 & exit 0"], env={}, deadline_s=20)
    assert result.exit_code == 0
    assert wait_for(lambda: processes_of(workspace.drill_id) == ())


def test_rows_in_error_messages_are_not_kept(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)
    with connect(box) as session:
        session.execute("CREATE SCHEMA s AUTHORIZATION drill_owner")
    script = (
        b"CREATE TABLE s.t (a text PRIMARY KEY, b int);\n"
        b"COPY s.t FROM stdin;\nplanted-one\tplanted-two\n\\.\n"
        b"INSERT INTO s.t VALUES (E'planted\\nthree', 1);\n"
        b"INSERT INTO s.t VALUES (E'planted\\nthree', 1);\n"
    )
    result = run_tool(
        box, ["psql", "-X", "-d", dsn(box, "postgres", box.owner)], env={}, stdin=[script], deadline_s=30
    )
    said = "\n".join(result.stderr_lines)
    assert "planted" not in said
    assert "three" not in said
    assert "duplicate key value violates unique constraint" in said
    assert "invalid input syntax for type integer" in said


def test_a_program_that_is_not_there_is_named(workspace: Workspace) -> None:
    for name in ("no-such-program", "/nonexistent/program"):
        with pytest.raises(PermanentError) as caught:
            run_tool(workspace, [name], env={}, deadline_s=5)
        assert caught.value.rule == "postgres-failed"
        assert name in str(caught.value)


def test_the_environment_is_what_is_given(workspace: Workspace) -> None:
    out: list[bytes] = []
    run_tool(workspace, ["/usr/bin/env"], env={"PGTZ": "UTC"}, deadline_s=20, on_stdout=out.append)
    names = {line.partition("=")[0] for line in b"".join(out).decode().split()}
    assert names == {
        "PGTZ",
        "LC_ALL",
        "LANGUAGE",
        "RESTORE_DRILL_ID",
        "PGPASSFILE",
        "PGSERVICEFILE",
        "PGSYSCONFDIR",
    }


def test_a_download_of_a_closed_umask_can_be_read_by_the_tool(workspace: Workspace) -> None:
    folder = workspace.backup_dir / "dump"
    folder.mkdir(mode=0o700)
    (folder / "toc.dat").write_text("content")
    (folder / "toc.dat").chmod(0o600)
    (folder / "link").symlink_to("/etc/shadow")
    out: list[bytes] = []
    result = run_tool(
        workspace, ["/bin/cat", str(folder / "toc.dat")], env={}, deadline_s=20, on_stdout=out.append
    )
    assert (result.exit_code, out) == (0, [b"content"])


def test_several_tools_run_at_once_in_one_workspace(workspace: Workspace) -> None:
    codes: list[int] = []

    def run(code: int) -> None:
        codes.append(
            run_tool(workspace, [SH, "-c", f"sleep 0.2; exit {code}"], env={}, deadline_s=30).exit_code
        )

    threads = [threading.Thread(target=run, args=(code,)) for code in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [0, 1, 2, 3]


def test_the_drill_is_not_slowed_by_its_jail(workspace: Workspace) -> None:
    run_tool(workspace, ["/bin/true"], env={}, deadline_s=20)
    started = time.monotonic()
    for _ in range(5):
        run_tool(workspace, ["/bin/true"], env={}, deadline_s=20)
    assert (time.monotonic() - started) / 5 < 1.0


def test_orders_and_secrets_are_not_in_any_command_line(workspace: Workspace) -> None:
    done = threading.Event()
    lines: list[str] = []

    def look() -> None:
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    lines.append(path.read_bytes().decode(errors="replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    run_tool(workspace, [SH, "-c", "sleep 0.3"], env={"PGPASSWORD": "planted-secret"}, deadline_s=20)
    done.set()
    thread.join()
    assert any("jail/start.py" in line for line in lines)
    assert not any("planted-secret" in line for line in lines)
