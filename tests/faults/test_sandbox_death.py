"""Whoever dies, the sandbox's server does not outlive its drill, and a sweep leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.engines.errors.tool_failures import raise_if_dead
from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.sandbox import alive, classify_death, connect, keep, sweep
from tasks.sandbox.reaper import processes_of
from tasks.sandbox.servers import server_of
from tests.fix_postgres import wait_for

REPOSITORY = Path(__file__).parents[2]
DRILL = """
import json, sys, threading, time
from datetime import timedelta
from tasks.model.clock import utc_now
from tasks.model.target import SandboxConfig
from tasks.sandbox import dsn, find_postgres, open_workspace, run_tool, start_sandbox
workspace = open_workspace("shop", "orders", sys.argv[1], sys.argv[2], utc_now() + timedelta(hours=1))
sandbox = start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
sleep = ["psql", "-X", "-d", dsn(sandbox, "postgres", "drill_owner"), "-c", "SELECT pg_sleep(600)"]
tool = threading.Thread(target=lambda: run_tool(sandbox, sleep, env={}, deadline_s=600))
tool.start()
time.sleep(0.5)
print(json.dumps([workspace.drill_id, str(workspace.root)]), flush=True)
tool.join()
"""


class Drill:
    """A drill in a process of its own, with a running server and a running tool."""

    def __init__(self, name: str, isolation: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRILL, name, isolation], cwd=REPOSITORY, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.drill_id, root = json.loads(self.process.stdout.readline())
        self.root = Path(root)

    def processes(self) -> tuple[int, ...]:
        return processes_of(self.drill_id, self.root / "data")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def drill(drill_folder: Path) -> Iterator[Callable[..., Drill]]:
    started: list[Drill] = []

    def start(name: str, isolation: str = "preferred") -> Drill:
        started.append(Drill(name, isolation))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        assert each.process.stdout is not None
        each.process.stdout.close()


@pytest.mark.parametrize("isolation", ["preferred", "off"])
def test_a_killed_drill_takes_its_server_and_tools_along_and_sweep_removes_its_folder(
    drill: Callable[..., Drill], drill_folder: Path, isolation: str
) -> None:
    killed = drill("killed", isolation)
    assert len(killed.processes()) >= 4
    killed.kill()
    assert wait_for(lambda: killed.processes() == ())
    report = sweep(utc_now())
    assert (report.removed, report.left) == (("killed",), ())
    assert list(drill_folder.iterdir()) == []


def test_a_sweep_leaves_a_living_drill_alone_even_past_its_expiry(drill: Callable[..., Drill]) -> None:
    living = drill("living")
    before = set(living.processes())
    report = sweep(utc_now() + timedelta(days=30))
    assert (report.living, report.removed) == (("living",), ())
    assert set(living.processes()) == before


def test_two_sweeps_at_once_remove_a_dead_drill_once_and_neither_fails(drill: Callable[..., Drill]) -> None:
    killed = drill("killed")
    killed.kill()
    code = (
        "from tasks.sandbox import sweep; from tasks.model.clock import utc_now; "
        "print(*sweep(utc_now()).removed)"
    )
    sweeps = [
        subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [each.communicate()[0].strip() for each in sweeps]
    assert [each.returncode for each in sweeps] == [0, 0]
    assert sorted(said) == ["", "killed"]
    assert not killed.root.exists()


@pytest.mark.parametrize("isolation", ["preferred", "off"])
def test_a_server_whose_jail_is_killed_dies_too(sandbox: Callable[..., Sandbox], isolation: str) -> None:
    from tasks.model.target import SandboxConfig  # noqa: PLC0415

    box = sandbox(17, SandboxConfig(isolation=isolation))
    server = server_of(box.workspace.drill_id)
    assert server is not None
    os.kill(server.jailed.process.pid, signal.SIGKILL)
    assert wait_for(lambda: processes_of(box.workspace.drill_id, box.workspace.data_dir) == ())
    assert not alive(box)


def test_a_server_killed_from_outside_is_judged_as_out_of_memory(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)
    assert classify_death(box) is None
    server = server_of(box.workspace.drill_id)
    assert server is not None
    os.kill(server.jailed.pid, signal.SIGKILL)
    assert classify_death(box, patience_s=60) == "out-of-memory"


def test_a_server_that_its_clients_lost_is_waited_for_before_its_end_is_judged(
    sandbox: Callable[..., Sandbox],
) -> None:
    box = sandbox(17)
    assert classify_death(box, patience_s=0.01) is None
    server = server_of(box.workspace.drill_id)
    assert server is not None
    with connect(box):
        os.kill(server.jailed.pid, signal.SIGSTOP)
        ending = threading.Timer(0.3, os.kill, (server.jailed.pid, signal.SIGKILL))
        ending.start()
        with pytest.raises(PermanentError, match="connection lost") as failure:
            raise_if_dead(box, ("connection lost",))
        ending.join()
    assert failure.value.rule == "out-of-memory"


def test_a_server_that_lives_is_only_held_against_what_it_said(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)
    raise_if_dead(box)
    with pytest.raises(PermanentError) as failure:
        raise_if_dead(box, ("could not extend file: No space left on device",))
    assert failure.value.rule == "disk-full"


def test_a_server_that_ends_by_itself_is_judged_as_failed(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)
    server = server_of(box.workspace.drill_id)
    assert server is not None
    os.kill(server.jailed.pid, signal.SIGTERM)
    assert classify_death(box, patience_s=60) == "postgres-failed"


def test_a_kept_sandbox_outlives_its_drill_until_its_time_is_up(
    sandbox: Callable[..., Sandbox], drill_folder: Path
) -> None:
    box = sandbox(17)
    until = utc_now() + timedelta(hours=24)
    with connect(box) as session:
        session.execute("CREATE TABLE public.evidence ()")
    keep(box.workspace, until)
    assert processes_of(box.workspace.drill_id) == ()
    assert sweep(utc_now()).kept == (box.workspace.drill_id,)
    assert (box.workspace.data_dir / "PG_VERSION").exists()
    assert sweep(until + timedelta(seconds=1)).removed == (box.workspace.drill_id,)
    assert list(drill_folder.iterdir()) == []
