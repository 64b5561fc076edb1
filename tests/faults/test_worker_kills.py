"""Workers and the runs that they started, killed while a backup is being restored."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from tasks.model.clock import utc_now
from tasks.sandbox import sweep
from tasks.sandbox.reaper import processes_of
from tests.fix_drill import Fleet, Shell, rules_of
from tests.fix_postgres import wait_for
from tests.fix_worker import POOL, Client, Worker

SERVERS = "postgres", "pg_restore"


@dataclass(frozen=True)
class Restoring:
    """A run of a worker's that is restoring; *pid* is its flow's."""

    drill_id: str
    run_id: UUID
    pid: int


@pytest.fixture
def restoring(
    worker: Worker,
    client: Client,
    shell: Shell,
    fleet: Fleet,
    slow_dump: Path,
    drill_folder: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Restoring]:
    """Let the worker restore a backup that takes minutes, through the deployment that the test names."""
    fleet.keys |= {"work_pool": POOL}
    fleet.add("slow", slow_dump, backup={"database": "slow"})
    ran = shell("deploy", fleet.path)
    assert ran.exit_code == 0, ran
    client.pause("sweep/sweep", "sweep")  # it would be at 17 past
    run_id = client.start(client.deployments()[request.param])

    drills = drill_folder / "drills"

    def at_work() -> bool:
        return any(_runs("pg_restore", data.parent.name, data) for data in drills.glob("*/data"))

    assert wait_for(at_work, 90), worker.said()
    (stamp,) = drills.glob("*/stamp.json")
    written = json.loads(stamp.read_text())
    flow = _parent(_parent(written["pid"]))  # the drill's process was forked by a server of the flow's
    yield Restoring(written["drill_id"], run_id, flow)
    with contextlib.suppress(ProcessLookupError):
        os.kill(flow, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("restoring", ["restore_drill/tests-slow"], indirect=True)
def test_a_killed_worker_leaves_its_drill_at_work_and_a_killed_run_leaves_nothing(
    restoring: Restoring, worker: Worker, drill_folder: Path, fleet: Fleet
) -> None:
    drill_id, pid = restoring.drill_id, restoring.pid
    data = drill_folder / "drills" / drill_id / "data"
    worker.process.kill()
    worker.process.wait()
    assert sweep(utc_now()).living == (drill_id,)
    assert all(_runs(program, drill_id, data) for program in SERVERS), "the drill lives on its own"

    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: not processes_of(drill_id, data)), "a process outlived its drill"
    assert wait_for(lambda: _has_ended(pid))
    report = sweep(utc_now())
    assert (report.removed, report.left) == ((drill_id,), ()), report
    assert not list((drill_folder / "drills").glob("*"))
    assert fleet.recorded() == []


@pytest.mark.slow
@pytest.mark.parametrize("restoring", ["fleet_drill/tests"], indirect=True)
def test_a_cancelled_run_ends_its_drills_with_teardown_and_record(
    restoring: Restoring, worker: Worker, client: Client, drill_folder: Path, fleet: Fleet
) -> None:
    data = drill_folder / "drills" / restoring.drill_id / "data"
    client.cancel(restoring.run_id)
    assert client.ended(restoring.run_id).state.name == "Cancelled", worker.said()
    assert wait_for(lambda: not processes_of(restoring.drill_id, data)), "a process outlived its drill"
    assert wait_for(lambda: len(fleet.recorded()) == 1), worker.said()
    (document,) = fleet.recorded()
    assert (document["drill_id"], document["verdict"]) == (restoring.drill_id, "inconclusive")
    assert rules_of(document) == {"drill-interrupted"}
    assert not list((drill_folder / "drills").glob("*"))


def _runs(program: str, drill_id: str, data: Path) -> bool:
    return any(_name(pid) == program for pid in processes_of(drill_id, data))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _has_ended(pid: int) -> bool:
    """Nobody waits for a run whose worker is gone, so it may stay as a zombie, which holds nothing."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
