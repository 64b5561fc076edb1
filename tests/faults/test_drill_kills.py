"""Whoever is killed in whichever step: an honest verdict or none, and nothing is left after a sweep."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.model.clock import utc_now
from tasks.sandbox import sweep
from tasks.sandbox.reaper import processes_of
from tests.fix_drill import Fleet, Ran, Shell, rules_of, validate, write_suite
from tests.fix_postgres import wait_for

LINE_TIMEOUT_S = 90.0
COUNTED = [("expect_table_row_count_to_be_between", {"min_value": 1})]


class Drill:
    """A run of the command line in a process of its own, watched by its lines."""

    def __init__(self, shell: Shell, *arguments: object) -> None:
        self.process = shell.start("run", *arguments, "--json")
        self.drills = Path(shell.environment["RESTORE_DRILL_DIR"]) / "drills"
        self.lines: list[str] = []

    def reaches(self, stage: str) -> None:
        """Wait for the line with which *stage* starts."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if line.strip().endswith(f": {stage}"):
                return
        pytest.fail(f"{stage} was never reached: {''.join(self.lines)}")

    def restores(self) -> str:
        """Wait until the tool is at the data; return the drill's id."""
        self.reaches("restore")
        assert wait_for(lambda: bool(self.pids("pg_restore")), 60), self.lines
        assert wait_for(lambda: any("COPY" in _title(pid) for pid in self.processes()), 60), self.lines
        (drill_id,) = self.ids()
        return drill_id

    def ids(self) -> list[str]:
        """The drills that have a folder."""
        return [path.name for path in self.drills.glob("*") if not path.name.startswith(".")]

    def processes(self) -> list[int]:
        return [pid for name in self.ids() for pid in processes_of(name, self.drills / name / "data")]

    def pids(self, program: str) -> list[int]:
        """The processes of the drill that run *program*, those first whom none of them started."""
        pids = {pid for pid in self.processes() if _name(pid) == program}
        return sorted(pids, key=lambda pid: (_parent(pid) in pids, pid))

    def ends(self, timeout: float = 90) -> Ran:
        out, err = self.process.communicate(timeout=timeout)
        return Ran(self.process.returncode, out, "".join(self.lines) + err)


def _parent(pid: int) -> int:
    """Who started *pid*: numbers of processes begin anew after the largest, so that they tell no age."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.fixture
def start(shell: Shell) -> Iterator[Callable[..., Drill]]:
    started: list[Drill] = []

    def run(*arguments: object, through: Shell | None = None) -> Drill:
        started.append(Drill(through or shell, *arguments))
        return started[-1]

    yield run
    for drill in started:
        if drill.process.poll() is None:
            drill.process.kill()
            drill.process.wait()
        for stream in (drill.process.stdout, drill.process.stderr):
            assert stream is not None
            stream.close()


def nothing_is_left(drill: Drill, ids: list[str], folder: Path) -> None:
    """The processes end by themselves; the rest is the sweep's."""
    places = [(name, drill.drills / name / "data") for name in ids]
    assert wait_for(lambda: not any(processes_of(*place) for place in places)), "a process outlived its drill"
    report = sweep(utc_now())
    assert (sorted(report.removed), report.left) == (sorted(ids), ())
    assert not list(drill.drills.glob("*"))
    assert not [path for path in drill.drills.parent.glob("*") if path.name != "unwritten-evidence"]
    assert wait_for(lambda: not list((folder / "tmp").iterdir())), list((folder / "tmp").iterdir())


@pytest.mark.parametrize("stage", ["preflight", "fetch", "provision", "restore", "verify"])
def test_a_flow_killed_in_a_step_leaves_no_verdict_and_after_a_sweep_nothing(
    start: Callable[..., Drill], shell: Shell, fleet: Fleet, orders_dump: Path, stage: str
) -> None:
    fleet.add("orders", orders_dump, expect={"suite": str(write_suite(fleet, orders=COUNTED))})
    drill = start(fleet.path)
    drill.reaches(stage)
    drill.process.kill()
    drill.process.wait()
    ids = drill.ids()
    assert fleet.recorded() == []
    nothing_is_left(drill, ids, shell.folder)


def test_a_killed_run_takes_its_own_prefect_server_along(
    start: Callable[..., Drill], own_server_shell: Shell, fleet: Fleet, slow_dump: Path
) -> None:
    fleet.add("slow", slow_dump, backup={"database": "slow"})
    drill = start(fleet.path, through=own_server_shell)
    drill.restores()
    assert list((own_server_shell.folder / "tmp").glob("restore-drill-prefect-*"))
    drill.process.kill()
    drill.process.wait()
    nothing_is_left(drill, drill.ids(), own_server_shell.folder)


def test_an_interrupted_drill_is_swept_around_says_so_and_leaves_nothing(
    start: Callable[..., Drill], shell: Shell, fleet: Fleet, slow_dump: Path
) -> None:
    suite = write_suite(fleet, slow=COUNTED)  # what reads ahead is interrupted too
    fleet.add("slow", slow_dump, backup={"database": "slow"}, expect={"suite": str(suite)})
    drill = start(fleet.path)
    drill_id = drill.restores()
    before = set(drill.pids("postgres")[:1] + drill.pids("pg_restore"))
    assert shell("sweep").out.startswith("sandboxes: 0 removed; 1 alive")
    assert before <= set(drill.processes()), "a sweep touched a living drill"
    drill.process.send_signal(signal.SIGINT)
    ran = drill.ends()
    assert ran.exit_code == 130, ran
    assert ran.out == ""
    (document,) = fleet.recorded()
    validate(document)
    assert (document["verdict"], rules_of(document)) == ("inconclusive", {"drill-interrupted"})
    assert document["drill_id"] == drill_id
    assert document["sandbox"]["left_behind"] == []
    nothing_is_left(drill, [], shell.folder)


def test_a_terminated_drill_says_so_and_leaves_nothing(
    start: Callable[..., Drill], shell: Shell, fleet: Fleet, slow_dump: Path
) -> None:
    fleet.add("slow", slow_dump, backup={"database": "slow"})
    drill = start(fleet.path)
    drill.restores()
    drill.process.terminate()
    ran = drill.ends()
    assert ran.exit_code == -signal.SIGTERM, ran
    (document,) = fleet.recorded()
    assert (document["verdict"], rules_of(document)) == ("inconclusive", {"drill-interrupted"})
    nothing_is_left(drill, [], shell.folder)


@pytest.mark.parametrize(
    ("program", "rule"),
    [("postgres", "out-of-memory"), ("pg_restore", "tool-killed")],
)
def test_a_killed_server_or_tool_is_never_the_backups_fault(
    start: Callable[..., Drill], shell: Shell, fleet: Fleet, slow_dump: Path, program: str, rule: str
) -> None:
    fleet.add("slow", slow_dump, backup={"database": "slow"})
    drill = start(fleet.path)
    drill.restores()
    os.kill(drill.pids(program)[0], signal.SIGKILL)
    ran = drill.ends()
    assert ran.exit_code == 2, ran
    (document,) = ran.documents
    assert (document["verdict"], rules_of(document)) == ("inconclusive", {rule})
    assert fleet.recorded() == [document]
    nothing_is_left(drill, [], shell.folder)


def test_a_second_drill_of_a_database_waits_for_the_first(
    start: Callable[..., Drill], shell: Shell, fleet: Fleet, orders_dump: Path
) -> None:
    fleet.add("orders", orders_dump)
    drills = [start(fleet.path), start(fleet.path)]
    rans = [drill.ends() for drill in drills]
    assert [ran.exit_code for ran in rans] == [0, 0], rans
    assert len(fleet.recorded()) == 2
    nothing_is_left(drills[0], [], shell.folder)


def test_a_restore_beyond_its_deadline_is_too_slow(
    start: Callable[..., Drill], shell: Shell, fleet: Fleet, slow_dump: Path
) -> None:
    fleet.add("slow", slow_dump, backup={"database": "slow"}, deadline="12s")
    drill = start(fleet.path)
    ran = drill.ends()
    assert ran.exit_code == 1, ran
    assert rules_of(ran.documents[0]) == {"deadline-exceeded"}
    (found,) = (f for f in ran.documents[0]["findings"] if f["rule"] == "deadline-exceeded")
    assert found["class"] == "slow"
    nothing_is_left(drill, [], shell.folder)


def test_a_killed_process_of_a_drill_is_told_by_its_flow_and_leaves_nothing(
    start: Callable[..., Drill], shell: Shell, fleet: Fleet, slow_dump: Path
) -> None:
    fleet.add("slow", slow_dump, backup={"database": "slow"})
    drill = start(fleet.path)
    drill_id = drill.restores()
    stamp = json.loads((drill.drills / drill_id / "stamp.json").read_text())
    assert stamp["pid"] != drill.process.pid
    os.kill(stamp["pid"], signal.SIGKILL)
    ran = drill.ends()
    assert ran.exit_code == 2, ran
    (document,) = ran.documents
    validate(document)
    assert (document["drill_id"], document["verdict"]) == (drill_id, "inconclusive")
    assert rules_of(document) == {"drill-process-died"}
    assert document["sandbox"]["left_behind"] == []
    assert fleet.recorded() == [document]
    nothing_is_left(drill, [], shell.folder)


def test_an_interruption_ends_the_drills_that_have_not_begun_too_and_each_says_so(
    start: Callable[..., Drill], shell: Shell, fleet: Fleet, slow_dump: Path
) -> None:
    fleet.keys |= {"max_parallel": 1}
    for name in ("first", "second", "third"):
        fleet.add(name, slow_dump, backup={"database": "slow"})
    drill = start(fleet.path)
    drill.restores()
    drill.process.send_signal(signal.SIGINT)
    ran = drill.ends()
    assert (ran.exit_code, ran.out) == (130, ""), ran
    documents = {document["database"]: document for document in fleet.recorded()}
    assert set(documents) == {"first", "second", "third"}
    for document in documents.values():
        validate(document)
        assert (document["verdict"], rules_of(document)) == ("inconclusive", {"drill-interrupted"})
    assert "before it began" in documents["third"]["findings"][0]["message"]
    nothing_is_left(drill, [], shell.folder)
