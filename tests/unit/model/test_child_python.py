"""A Python that we start runs nothing that lies in the current folder or on PYTHONPATH."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.model.child_python import child_python
from tests.fix_hostile_folder import HostileFolder, make_hostile_folder
from tests.unit.test_house import ROOT, tracked

IMPORTS = "import click, json, uvicorn, deployments.with_starter, tasks; print('ran')"


@pytest.fixture
def hostile(tmp_path: Path) -> HostileFolder:
    return make_hostile_folder(tmp_path / "hostile")


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


def test_a_python_started_without_care_springs_the_traps(hostile: HostileFolder) -> None:
    run([sys.executable, "-c", "import click"], hostile.path, PYTHONSAFEPATH="")
    assert hostile.sprung()  # which first differs with Python's version


@pytest.mark.parametrize("python_path", ["", "hostile", ".", os.pathsep])
def test_a_python_of_ours_springs_none(hostile: HostileFolder, python_path: str) -> None:
    python_path = str(hostile.path) if python_path == "hostile" else python_path
    ran = run(child_python("-c", IMPORTS), hostile.path, PYTHONPATH=python_path, PYTHONSAFEPATH="")
    assert (ran.stdout, hostile.sprung()) == ("ran\n", set()), ran.stderr


def test_modules_that_are_run_by_name_spring_none(hostile: HostileFolder) -> None:
    ran = run([*child_python("-m", "deployments.with_starter"), "0", "none"], hostile.path, PYTHONSAFEPATH="")
    assert (ran.returncode, hostile.sprung()) == (0, set()), ran.stderr


def test_pythons_that_others_start_after_us_spring_none(hostile: HostileFolder) -> None:
    program = (
        "import subprocess, sys; from tasks.model.child_python import isolate_children; isolate_children(); "
    )
    program += "subprocess.run([sys.executable, '-c', 'import click, json'], check=True)"
    ran = run(child_python("-c", program), hostile.path, PYTHONSAFEPATH="")
    assert (ran.returncode, hostile.sprung()) == (0, set()), ran.stderr


def test_no_other_code_puts_together_how_a_python_is_started() -> None:
    starts = re.compile(r"\[\s*\*?(?:str\()?sys\.executable(?!, \"-V\"\])|multiprocessing\.set_executable")
    for file in tracked("tasks/*.py", "expectations/*.py", "deployments/*.py", "flows/*.py"):
        if file != ROOT / "tasks" / "model" / "child_python.py":
            assert not starts.search(file.read_text(encoding="utf-8")), file.relative_to(ROOT)
