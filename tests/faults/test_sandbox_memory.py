"""A sandbox that meets the end of its memory says so, and nothing is said about its backup."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tasks.model.clock import utc_now
from tasks.model.errors import PermanentError
from tasks.model.findings import FindingClass
from tasks.model.rules import RULES
from tasks.model.sandbox import Sandbox
from tasks.model.target import SandboxConfig
from tasks.sandbox import (
    alive,
    classify_death,
    connect,
    destroy,
    find_postgres,
    open_workspace,
    start_sandbox,
    sweep,
)
from tasks.sandbox.host import look_at_host
from tasks.sandbox.reaper import processes_of
from tests.fix_postgres import Source, wait_for
from tests.fix_restore import Restore

LITTLE = SandboxConfig(memory="300MiB")
HUNGRY = """
CREATE TABLE t (id integer PRIMARY KEY);
INSERT INTO t SELECT generate_series(1, 6000);
CREATE MATERIALIZED VIEW m AS SELECT array_length(array_agg(repeat('x', {bytes}) || id), 1) FROM t;
"""


def hungry(source: Source, path: Path, size: int) -> Path:
    source.create_database("hungry")
    source.execute(HUNGRY.format(bytes=size), "hungry")
    return source.dump("hungry", path, "-Fc")


def test_a_restore_beyond_its_memory_is_inconclusive_for_that_cause(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path
) -> None:
    dump = hungry(cluster(17), tmp_path / "hungry.dump", 100_000)
    with pytest.raises(PermanentError) as caught:
        restore_dump(17, dump, name="hungry", config=LITTLE)
    assert caught.value.rule == "out-of-memory"
    assert RULES["out-of-memory"].klass is FindingClass.DRILL
    assert restore_dump(17, dump, name="hungry").failures == set()


def test_a_healthy_restore_does_not_meet_the_limit(
    cluster: Callable[[int], Source], restore_dump: Restore, tmp_path: Path
) -> None:
    dump = hungry(cluster(17), tmp_path / "hungry.dump", 10_000)
    assert restore_dump(17, dump, name="hungry", config=LITTLE).failures == set()


def test_a_server_whose_backend_the_kernel_killed_is_said_to_want_memory(
    sandbox: Callable[..., Sandbox],
) -> None:
    box = sandbox(17)
    with connect(box) as session:
        session.execute("SELECT 1")
        backend = next(pid for pid in backends(box) if b"idle" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(backend, signal.SIGKILL)
    assert wait_for(lambda: not alive(box))
    assert classify_death(box) == "out-of-memory"


def test_the_kernel_takes_the_sandbox_first(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox(17)
    assert wait_for(lambda: {score(pid) for pid in backends(box)} - {""} == {"1000"})


needs_groups = pytest.mark.skipif(not look_at_host().groups, reason="no control groups may be made here")


@needs_groups
def test_the_servers_processes_are_in_groups_that_go_with_the_drill(drill_folder: Path) -> None:
    expires_at = utc_now() + timedelta(hours=1)
    workspace = open_workspace("t", "grouped", "grouped", "preferred", expires_at, 1.0)
    assert "cgroup" in workspace.isolation
    assert workspace.groups
    try:
        box = start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
        assert wait_for(lambda: all(members(group) >= set(backends(box)) for group in workspace.groups))
    finally:
        assert destroy(workspace) == ()
    assert not [group for group in workspace.groups if group.exists()]


@needs_groups
def test_processes_that_together_want_too_much_end_their_server_alone(
    sandbox: Callable[..., Sandbox],
) -> None:
    box = sandbox(17)
    for group in box.workspace.groups:
        for name in ("memory.max", "memory.limit_in_bytes"):
            if (group / name).exists():
                (group / name).write_text(str(200 << 20))
    with suppress(psycopg.Error), connect(box) as session:
        session.execute(
            "SELECT array_length(array_agg(repeat('x', 100000) || i), 1) FROM generate_series(1, 6000) i"
        )
    assert wait_for(lambda: not alive(box))
    assert classify_death(box) == "out-of-memory"


@needs_groups
def test_a_sweep_removes_the_groups_of_a_killed_drill(drill_folder: Path) -> None:
    code = (
        "import os, signal; from datetime import timedelta; from tasks.model.clock import utc_now; "
        "from tasks.sandbox import open_workspace; "
        "w = open_workspace('t', 'killed', 'killed', 'preferred', utc_now() + timedelta(hours=1)); "
        "print(*w.groups, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    groups = [Path(name) for name in done.stdout.split()]
    assert groups
    assert all(group.is_dir() for group in groups)
    assert sweep(utc_now()).removed == ("killed",)
    assert not [group for group in groups if group.exists()]


def backends(box: Sandbox) -> list[int]:
    """Return the pids of the server's processes, as the host sees them."""
    return [
        pid
        for pid in processes_of(box.workspace.drill_id, box.workspace.data_dir)
        if command_name(pid) == "postgres"
    ]


def score(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/oom_score_adj").read_text().strip()
    return ""


def members(group: Path) -> set[int]:
    return {int(pid) for pid in (group / "cgroup.procs").read_text().split()}


def command_name(pid: int) -> str:
    """Return the name of the program of *pid*; empty if it has ended meanwhile, as workers of a server do."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
