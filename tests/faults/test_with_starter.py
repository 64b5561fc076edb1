"""Servers of ours do not outlive who started them, however that ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.fix_postgres import wait_for

STARTER = """
import subprocess, sys, time
from deployments import with_starter
server = subprocess.Popen(with_starter.command([sys.executable, "-c", "import time; time.sleep(600)"]))
print(server.pid, flush=True)
time.sleep(600)
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def serves(pid: int) -> bool:
    """Say whether it has become the server; in between its command line is empty."""
    line = Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"time.sleep" in line and b"with_starter" not in line


def begin(starter: int) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "print('ran')"]
    command = [sys.executable, "-m", "deployments.with_starter", str(starter), *program]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_a_server_goes_when_its_starter_is_killed_outright() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        try:
            server = int(starter.stdout.readline())
            assert wait_for(lambda: serves(server))
        finally:
            starter.kill()
    assert wait_for(lambda: not runs(server))


def test_a_server_whose_starter_is_gone_already_does_not_begin() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    command = [
        sys.executable,
        "-m",
        "deployments.with_starter",
        str(gone.pid),
        sys.executable,
        "-c",
        "print('ran')",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_starter_that_lives_keeps_its_server() -> None:
    command = [
        sys.executable,
        "-m",
        "deployments.with_starter",
        str(os.getpid()),
        sys.executable,
        "-c",
        "print('ran')",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (0, "ran\n")
