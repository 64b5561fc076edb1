"""Hosts that give less: their kernels are played by a filter that makes calls unknown to a whole drill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasks.jail.kernel import MACHINE, MACHINES
from tasks.sandbox import find_postgres
from tasks.sandbox.isolation import host_parts

REPOSITORY = Path(__file__).parents[2]
PYTHON = Path("/usr/bin/python3")
NOBODY = 65534
pytestmark = pytest.mark.skipif(
    MACHINE not in MACHINES or not host_parts() >= {"exec", "files", "seccomp", "mount"},
    reason="this host itself gives less",
)

POORER_HOST = """
import ctypes, errno, struct, sys
from tasks.jail.kernel import MACHINE, MACHINES, call, prctl
AT = MACHINES.index(MACHINE)
SECCOMP = (317, 277)[AT]
def body(number, *checks):  # checks end by returning
    return [(0x15, 0, len(checks), number), *checks]
REFUSE = {"landlock": errno.ENOSYS, "unshare": errno.EPERM, "listener": errno.EINVAL}
FILTERS = {
    "landlock": [i for number in (444, 445, 446) for i in body(number, (0x06, 0, 0, 0x50000 | errno.ENOSYS))],
    "unshare": body((272, 97)[AT], (0x06, 0, 0, 0x50000 | errno.EPERM)),
    # seccomp(2) whose flags ask for a listener, as kernels before 5.0 take it
    "listener": body(SECCOMP, (0x20, 0, 0, 24), (0x45, 0, 1, 8), (0x06, 0, 0, 0x50000 | errno.EINVAL),
                     (0x06, 0, 0, 0x7FFF0000)),
    "seccomp": body(SECCOMP, (0x06, 0, 0, 0x50000 | errno.ENOSYS)),
}
def without(*names):
    prctl(38, 1)
    for name in names:
        program = [(0x20, 0, 0, 0), *FILTERS[name], (0x06, 0, 0, 0x7FFF0000)]
        text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *i) for i in program))
        argument = struct.pack("@HP", len(program), ctypes.addressof(text))
        call("seccomp", SECCOMP, 1, 0, ctypes.c_char_p(argument))
missing = sorted(sys.argv[2:], key=lambda name: name == "seccomp")
without(*missing)
"""
DRILL = (
    POORER_HOST
    + """
import json
from datetime import timedelta
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, destroy, find_postgres, open_workspace, start_sandbox
try:
    workspace = open_workspace("shop", "orders", "poorer", sys.argv[1], utc_now() + timedelta(hours=1), 5)
except DrillError as error:
    print(json.dumps({"refused": error.rule}))
    sys.exit()
box = start_sandbox(workspace, find_postgres(17), SandboxConfig(), 60)
outcomes = {"had": sorted(workspace.isolation), "walled": workspace.walled}
with connect(box) as session:
    session.execute("CREATE EXTENSION dblink SCHEMA public")
    for name, statement in {
        "healthy": "CREATE TABLE public.t AS SELECT 1 AS a",
        "program": "COPY public.t TO PROGRAM 'cat > /dev/null'",
        "read": "SELECT pg_catalog.pg_read_file('/etc/hostname')",
        "socket": "SELECT public.dblink_connect('host=127.0.0.1 port=9 user=x')",
    }.items():
        try:
            session.execute(statement)
            outcomes[name] = "done"
        except Exception as error:
            outcomes[name] = str(error)
outcomes["left"] = destroy(workspace)
print(json.dumps(outcomes))
"""
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def drill(folder: Path, isolation: str, *missing: str, ordinary: bool = False) -> dict[str, Any]:
    """Run a drill's sandbox on a host without *missing*; return what was had and what code got done in it."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if ordinary and os.geteuid() == 0 else {}
    if user:
        os.chown(folder, NOBODY, NOBODY)
    done = subprocess.run(
        [str(PYTHON) if user else sys.executable, "-c", DRILL, isolation, *missing],
        env={
            "HOME": str(folder),
            "RESTORE_DRILL_DIR": str(folder / "drills"),
            "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{Path(psycopg.__file__).parents[1]}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "RESTORE_DRILL_POSTGRES": str(find_postgres(17).bindir),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **user,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, Any] = json.loads(done.stdout)
    return outcomes


def programs_stopped(outcomes: dict[str, Any]) -> bool:
    return "could not execute command" in outcomes["program"]


@pytest.mark.parametrize("missing", [("landlock",), ("listener",), ("unshare",)])
def test_one_thing_less_leaves_the_wall_standing(folder: Path, missing: tuple[str, ...]) -> None:
    outcomes = drill(folder, "preferred", *missing)
    assert outcomes["walled"], outcomes
    assert ("files" in outcomes["had"]) is ("landlock" not in missing)
    assert ("mount" in outcomes["had"]) is ("unshare" not in missing)
    assert outcomes["healthy"] == "done"
    assert programs_stopped(outcomes), outcomes
    assert "could not establish connection" in outcomes["socket"]
    assert outcomes["left"] == []


def test_without_landlock_and_seccomp_it_is_said_that_no_wall_stands(folder: Path) -> None:
    outcomes = drill(folder, "preferred", "landlock", "seccomp")
    assert not outcomes["walled"]
    assert not {"exec", "seccomp", "files"} & set(outcomes["had"])
    assert outcomes["program"] == "done"
    assert "could not establish connection" in outcomes["socket"]  # the network namespace


@pytest.mark.skipif(os.geteuid() == 0 and not PYTHON.exists(), reason="no interpreter for an ordinary user")
def test_an_ordinary_user_without_landlock_and_namespaces_does_not_drill(folder: Path) -> None:
    assert drill(folder, "preferred", "landlock", "unshare", ordinary=True) == {
        "refused": "isolation-unavailable"
    }
    outcomes = drill(folder, "off", "landlock", "unshare", ordinary=True)
    assert programs_stopped(outcomes)
    assert outcomes["read"] == "done"
    assert not outcomes["walled"]


@pytest.mark.skipif(os.geteuid() == 0 and not PYTHON.exists(), reason="no interpreter for an ordinary user")
def test_an_ordinary_user_with_landlock_alone_is_behind_the_wall(folder: Path) -> None:
    outcomes = drill(folder, "preferred", "unshare", ordinary=True)
    assert outcomes["walled"], outcomes
    assert programs_stopped(outcomes)
    assert outcomes["read"] != "done"
    assert outcomes["healthy"] == "done"
