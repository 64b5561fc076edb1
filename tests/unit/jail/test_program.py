"""A jailed process ends as its program does, with its drill, and takes along what it has started."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tasks.jail import namespaces, program, wall
from tasks.jail.limits import set_limits
from tasks.jail.program import end_as, probe
from tasks.jail.view import build_view

START = Path(program.__file__).with_name("start.py")
LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="jails are Linux's")


@dataclass
class Jail:
    """A jail, started as the drill starts one, without any wall."""

    control: socket.socket
    process: subprocess.Popen[bytes]
    answer: dict[str, Any] = field(default_factory=dict)


def orders(*argv: str, **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "argv": list(argv), "env": {}, "cwd": "/", "parts": [], "uid": None, "gid": None, "userns": False,
        "view": {}, "read": [], "write": [], "execs": 0, "helpers": [], "connect": True, "groups": [],
        "limits": {}, "death_signal": int(signal.SIGKILL),
    }  # fmt: skip
    return plain | more


@pytest.fixture
def jails() -> Iterator[list[Jail]]:
    started: list[Jail] = []
    yield started
    for jail in started:
        jail.control.close()
        jail.process.wait(20)
        for stream in (jail.process.stdin, jail.process.stdout):
            if stream is not None:
                stream.close()


def start(jails: list[Jail], given: dict[str, Any]) -> Jail:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(START), str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    jail = Jail(ours, process)
    jails.append(jail)
    ours.sendall(json.dumps(given).encode() + b"\n")
    raw = b""
    while not raw.endswith(b"\n"):
        raw += ours.recv(65536)
    jail.answer = json.loads(raw)
    return jail


def has_ended(pid: int, within_s: float = 20.0) -> bool:
    ends_at = time.monotonic() + within_s
    while time.monotonic() < ends_at:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@LINUX_ONLY
@pytest.mark.parametrize("code", [0, 3])
def test_it_exits_as_its_program_does(jails: list[Jail], code: int) -> None:
    jail = start(jails, orders("/bin/sh", "-c", f"echo out; exit {code}"))
    assert jail.process.stdout is not None
    assert jail.process.stdout.read() == b"out\n"
    assert jail.process.wait(20) == code


@LINUX_ONLY
def test_it_dies_of_the_signal_that_its_program_died_of(jails: list[Jail]) -> None:
    jail = start(jails, orders("/bin/sh", "-c", "kill -SEGV $$"))
    assert jail.process.wait(20) == -signal.SIGSEGV


@LINUX_ONLY
def test_a_signal_sent_over_the_socket_reaches_the_program(jails: list[Jail]) -> None:
    jail = start(jails, orders("/bin/sleep", "600"))
    jail.control.sendall(bytes([signal.SIGTERM]))
    assert jail.process.wait(20) == -signal.SIGTERM


@LINUX_ONLY
def test_when_the_drill_is_gone_so_is_the_program_and_all_that_it_left(
    jails: list[Jail], tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    jail = start(jails, orders("/bin/sh", "-c", f"setsid sleep 600 & echo $! > {note}; sleep 600"))
    ends_at = time.monotonic() + 20
    while not (note.exists() and note.read_text().strip()) and time.monotonic() < ends_at:
        time.sleep(0.02)
    orphan = int(note.read_text())
    jail.control.close()
    assert jail.process.wait(20) == -signal.SIGKILL
    assert has_ended(jail.answer["pid"])
    assert has_ended(orphan), "a process that fled to a session of its own outlived its jail"


@LINUX_ONLY
def test_a_jail_that_is_killed_takes_its_program_along(jails: list[Jail]) -> None:
    jail = start(jails, orders("/bin/sleep", "600"))
    jail.process.kill()
    assert has_ended(jail.answer["pid"])


@LINUX_ONLY
def test_a_program_that_is_not_there_is_told_with_its_place(jails: list[Jail]) -> None:
    jail = start(jails, orders("/no/such/program"))
    assert jail.answer == {"error": "No such file or directory", "where": "/no/such/program"}
    assert jail.process.wait(20) == 125


@LINUX_ONLY
def test_the_program_gets_its_own_environment_folder_and_limits_and_nothing_of_ours(
    jails: list[Jail], tmp_path: Path
) -> None:
    given = orders(
        "/bin/sh", "-c", "pwd; env; ulimit -f; ulimit -c; umask",
        env={"ONLY": "this"}, cwd=str(tmp_path), limits={"file_bytes": 1 << 20},
    )  # fmt: skip
    jail = start(jails, given)
    assert jail.process.stdout is not None
    lines = jail.process.stdout.read().decode().splitlines()
    assert (lines[0], lines[-1]) == (str(tmp_path), "0077")
    assert "ONLY=this" in lines
    assert not [line for line in lines if line.startswith(("HOME=", "PATH=/root", "AWS_"))]
    assert lines[-3:-1] == [str((1 << 20) // 512), "0"]


@LINUX_ONLY
def test_a_probe_names_only_parts_that_were_asked_for() -> None:
    assert probe([], userns=False, candidates=[]) == {"parts": [], "groups": []}
    parts = probe(["limits", "seccomp"], userns=False, candidates=[])["parts"]
    assert set(parts) == {"limits", "seccomp"} & set(wall.had())
    assert "limits" in parts, "of which every host has what is needed"


def in_a_child(work: Any) -> int:
    """Do *work* in a child, which it may ruin; return the exit code, 1 where it raised."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001  told by the exit code
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@LINUX_ONLY
def test_limits_are_lowered_and_never_raised() -> None:
    def lower() -> None:
        set_limits({"file_bytes": 5000})
        set_limits({"file_bytes": 9000})
        assert resource.getrlimit(resource.RLIMIT_FSIZE) == (5000, 5000)
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)

    assert in_a_child(lower) == 0
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 5000


@LINUX_ONLY
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGABRT, signal.SIGKILL])
def test_an_end_by_a_signal_is_ended_by_it_again(number: int) -> None:
    assert in_a_child(lambda: end_as(number)) == -number


needs_mount = pytest.mark.skipif(
    sys.platform != "linux"
    or "mount" not in probe(["mount"], userns=os.geteuid() != 0, candidates=[])["parts"],
    reason="this host gives no mount namespace",
)


@needs_mount
def test_a_view_hides_what_is_covered_and_brings_back_what_is_named(tmp_path: Path) -> None:
    for name in ("read", "write", "hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)

    def look() -> None:
        namespaces.isolate(["mount"], userns=os.geteuid() != 0)
        build_view(
            {
                "cover": [str(tmp_path)],
                "read": [str(tmp_path / "read")],
                "write": [str(tmp_path / "write")],
                "made": {str(tmp_path / "made"): "ours"},
            }
        )
        assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "read", "write"]
        assert (tmp_path / "read" / "file").read_text() == "read"
        assert (tmp_path / "made").read_text() == "ours"
        (tmp_path / "write" / "new").write_text("x")
        for place in (tmp_path / "read" / "new", tmp_path / "new"):
            with pytest.raises(OSError, match="Read-only"):
                place.write_text("x")
        (tmp_path / "write" / "run").write_text("#!/bin/sh\n")
        (tmp_path / "write" / "run").chmod(0o755)
        with pytest.raises(PermissionError):
            subprocess.run([str(tmp_path / "write" / "run")], check=False)

    assert in_a_child(look) == 0
    assert (tmp_path / "hidden" / "file").read_text() == "hidden", "outside nothing has changed"
    assert (tmp_path / "write" / "new").read_text() == "x"
