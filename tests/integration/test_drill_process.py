"""The process of a drill: what it does is handed back, and what it does to itself hurts nobody else."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tasks.drill.process
from tasks.drill.limits import MEMORY_VARIABLE, memory_limit_bytes, memory_used_bytes
from tasks.drill.process import DrillProcess, Stopped, open_again, stopping_drills
from tasks.drill.progress import Progress, listening
from tasks.model.deadline import Deadline
from tasks.model.errors import ConfigInvalid, DrillError, PermanentError
from tests import misbehaving
from tests.fix_postgres import wait_for


@pytest.fixture
def process() -> Iterator[DrillProcess]:
    with DrillProcess("tests") as process:
        yield process


@pytest.fixture(autouse=True)
def _little_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.drill.process, "GRACE_S", 0.5)


def call(process: DrillProcess, work: Callable[..., object], *args: object, within_s: float = 60.0) -> Any:
    return process.call(work, args, {}, Deadline.within(within_s))


def rule_of(process: DrillProcess, work: Callable[..., object], within_s: float = 60.0) -> str:
    with pytest.raises(DrillError) as raised:
        call(process, work, within_s=within_s)
    return raised.value.rule


def pid_of(process: DrillProcess) -> int:
    pid, _, _ = call(process, misbehaving.surroundings, "PATH")
    return int(pid)


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# --- what it does


def test_work_is_done_elsewhere_in_the_callers_surroundings_as_they_are_now(
    process: DrillProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOLD_LATE", "yes")
    monkeypatch.chdir(tmp_path)
    pid, value, folder = call(process, misbehaving.surroundings, "TOLD_LATE")
    assert (value, folder) == ("yes", str(tmp_path))
    assert pid != os.getpid()
    assert pid_of(process) == pid, "one drill, one process"


def test_two_drills_have_two_processes(process: DrillProcess) -> None:
    with DrillProcess("another") as other:
        assert pid_of(other) != pid_of(process)


def test_log_lines_and_progress_arrive_while_it_works(
    process: DrillProcess, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Progress] = []
    with caplog.at_level(logging.WARNING, "tasks"), listening(heard.append):
        assert call(process, misbehaving.chatter, "orders") == "orders done"
    assert [record.getMessage() for record in caplog.records] == ["at work in orders"]
    assert [progress.text for progress in heard] == ["half way"]


def test_an_error_of_ours_is_raised_as_it_is(process: DrillProcess) -> None:
    with pytest.raises(PermanentError) as raised:
        call(process, misbehaving.refuse)
    assert (raised.value.rule, raised.value.where) == ("archive-truncated", "file:///b/x.dump")


def test_a_foreign_error_is_told_by_its_class_alone(
    process: DrillProcess, caplog: pytest.LogCaptureFixture
) -> None:
    assert rule_of(process, misbehaving.fail) == "drill-crashed"
    assert "alice@" not in caplog.text


@pytest.mark.parametrize("work", [misbehaving.leave, misbehaving.hand_back_a_lock])
def test_what_is_no_answer_is_the_drills_fault(process: DrillProcess, work: Callable[[], object]) -> None:
    assert rule_of(process, work) == "drill-crashed"
    assert call(process, misbehaving.chatter, "still there") == "still there done"


# --- what it does to itself


def test_code_that_never_returns_is_ended_at_its_deadline_with_what_it_started(
    process: DrillProcess, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(PermanentError) as raised:
        call(process, misbehaving.start_a_child, note, within_s=1.5)
    assert raised.value.rule == "stage-deadline"
    assert "1.5 s" in raised.value.what
    assert time.monotonic() - started < 10
    assert wait_for(lambda: has_ended(int(note.read_text())))


def test_a_step_names_the_rule_of_its_deadline(process: DrillProcess) -> None:
    with pytest.raises(PermanentError) as raised:
        process.call(misbehaving.spin, (), {}, Deadline.within(0.5), overdue="deadline-exceeded")
    assert raised.value.rule == "deadline-exceeded"


def test_what_bloats_is_ended_before_the_worker_feels_it(
    process: DrillProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "256MiB")
    before = memory_used_bytes(os.getpid())
    assert rule_of(process, misbehaving.bloat) == "drill-out-of-memory"
    assert memory_used_bytes(os.getpid()) - before < 64 << 20


def test_running_out_of_memory_is_said_in_the_same_words(process: DrillProcess) -> None:
    assert rule_of(process, misbehaving.overflow) == "drill-out-of-memory"


def test_an_answer_too_large_for_the_flow_is_not_handed_on(process: DrillProcess) -> None:
    assert rule_of(process, misbehaving.boast) == "drill-out-of-memory"


@pytest.mark.parametrize(
    ("work", "word"), [(misbehaving.die, "signal 9"), (misbehaving.crash, f"signal {int(signal.SIGSEGV)}")]
)
def test_a_process_that_dies_says_how_and_the_next_call_gets_another(
    process: DrillProcess, work: Callable[[], object], word: str
) -> None:
    before = pid_of(process)
    with pytest.raises(PermanentError) as raised:
        call(process, work)
    assert raised.value.rule == "drill-process-died"
    assert word in raised.value.what
    assert pid_of(process) != before


def test_a_neighbour_does_not_notice(process: DrillProcess) -> None:
    with DrillProcess("neighbour") as neighbour:
        pid = pid_of(neighbour)
        assert rule_of(process, misbehaving.spin, within_s=0.5) == "stage-deadline"
        assert rule_of(process, misbehaving.die) == "drill-process-died"
        assert pid_of(neighbour) == pid


def test_when_the_server_that_forks_has_died_another_is_started(process: DrillProcess) -> None:
    pid = pid_of(process)
    server = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(server, signal.SIGKILL)
    assert wait_for(lambda: has_ended(pid)), "a process outlived the server that forked it"
    assert rule_of(process, misbehaving.refuse) == "drill-process-died"
    assert rule_of(process, misbehaving.refuse) == "archive-truncated"


def test_a_memory_limit_that_is_none_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("2", "lots", "1MiB"):
        monkeypatch.setenv(MEMORY_VARIABLE, text)
        with pytest.raises(ConfigInvalid):
            memory_limit_bytes()
    monkeypatch.setenv(MEMORY_VARIABLE, "3GiB")
    assert memory_limit_bytes() == 3 << 30


# --- stopping


class Waiting(threading.Thread):
    """A call on a thread of its own; *rule* is what it ended with."""

    def __init__(self, process: DrillProcess) -> None:
        super().__init__()
        self.process = process
        self.rule = ""
        self.start()

    def run(self) -> None:
        try:
            call(self.process, misbehaving.wait)
        except DrillError as error:
            self.rule = error.rule


def test_an_interruption_stops_every_drill_and_lets_none_begin_but_what_must_be_done(
    process: DrillProcess,
) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    pid = pid_of(process)
    waiting = Waiting(process)
    with DrillProcess("late") as late, open_again(), ThreadPoolExecutor(1) as pool:
        assert wait_for(lambda: process in tasks.drill.process._running)
        with pytest.raises(KeyboardInterrupt), stopping_drills(pool):
            raise KeyboardInterrupt
        waiting.join(10)
        assert waiting.rule == "drill-interrupted"
        assert wait_for(lambda: has_ended(pid))
        with pytest.raises(Stopped):
            call(late, misbehaving.chatter, "late")
        must = process.call(misbehaving.chatter, ("teardown",), {}, Deadline.within(60), must=True)
        assert must == "teardown done"
    with DrillProcess("later") as later:
        assert call(later, misbehaving.chatter, "later") == "later done"


def test_an_interrupted_call_leaves_no_process(process: DrillProcess) -> None:
    pid = pid_of(process)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        call(process, misbehaving.wait)
    assert wait_for(lambda: has_ended(pid))
