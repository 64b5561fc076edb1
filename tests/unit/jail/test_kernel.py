"""A process that hides itself cannot be read by another one of the same user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.jail.kernel import LINUX

REPOSITORY = Path(__file__).parents[3]
PYTHON = Path("/usr/bin/python3")
NOBODY = 65534
HIDING = """
import sys
sys.path.append(sys.argv[1])
from tasks.jail.kernel import hide_process
if sys.argv[2] == "hide":
    hide_process()
print(flush=True)
sys.stdin.read()
"""
READING = """
import sys
try:
    sys.stdout.buffer.write(open(f"/proc/{sys.argv[1]}/environ", "rb").read())
except OSError as error:
    print(error.strerror)
"""


def ordinary() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}


@pytest.mark.skipif(not LINUX, reason="there is no /proc")
@pytest.mark.skipif(not PYTHON.exists(), reason="no interpreter that an ordinary user may run")
@pytest.mark.parametrize("hide", [True, False])
def test_the_environment_of_a_hidden_process_cannot_be_read(hide: bool) -> None:
    argv = [str(PYTHON), "-I", "-S", "-c", HIDING, str(REPOSITORY), "hide" if hide else "show"]
    env = {"AWS_SECRET_ACCESS_KEY": "planted"}
    with subprocess.Popen(
        argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", **ordinary()
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        said = subprocess.run(
            [str(PYTHON), "-I", "-c", READING, str(process.pid)],
            capture_output=True,
            check=True,
            cwd="/",
            **ordinary(),
        ).stdout
        process.communicate()
    assert (b"planted" in said) is not hide


def test_the_command_line_hides_itself() -> None:
    code = "import sys; sys.argv = ['x', '--help']; from deployments import cli\n"
    code += "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
    code += "import ctypes; print('dumpable', ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.splitlines()[-1] == "dumpable 0"
