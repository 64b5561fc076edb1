"""The mechanism behind `@pytest.mark.essential`, tried in small runs of pytest of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.test_house import ROOT

PLUGIN = Path(__file__).parents[1] / "fix_essential.py"
CONFIGURATION = """
[pytest]
testpaths = checks
markers = essential: must run
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with one essential test that passes and one that is none."""
    pytester.makeconftest(PLUGIN.read_text(encoding="utf-8"))
    pytester.makeini(CONFIGURATION)
    write(pytester, "test_fires", "def test_fires():\n    pass\n")
    write(pytester, "test_other", "def test_other():\n    pass\n", mark="")
    return pytester


def write(project: pytest.Pytester, name: str, body: str, mark: str = "@pytest.mark.essential\n") -> None:
    folder = project.path / "checks"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(f"import pytest\n\n{mark}{body}")


SKIPPED = "def test_fires():\n    pytest.skip('no server here')\n"
NAMED = ["ESSENTIAL, and it did not run: checks/test_fires.py*"]


def test_a_full_run_in_which_it_ran_passes(project: pytest.Pytester) -> None:
    assert project.runpytest_inprocess().ret == 0


@pytest.mark.parametrize(
    "body",
    [
        SKIPPED,
        "@pytest.mark.skipif(True, reason='not today')\ndef test_fires():\n    pass\n",
        "@pytest.mark.xfail\ndef test_fires():\n    assert False\n",
        "def test_fires(absent):\n    pass\n\n@pytest.fixture\ndef absent():\n    pytest.skip('none')\n",
    ],
)
def test_a_full_run_in_which_it_was_skipped_fails_and_names_it(project: pytest.Pytester, body: str) -> None:
    write(project, "test_fires", body)
    ran = project.runpytest_inprocess()
    assert ran.ret == 1
    ran.stdout.fnmatch_lines(NAMED)


@pytest.mark.parametrize(
    "options", [("--deselect", "checks/test_fires.py::test_fires"), ("--ignore", "checks/test_fires.py")]
)
def test_a_full_run_that_leaves_it_out_fails(project: pytest.Pytester, options: tuple[str, ...]) -> None:
    ran = project.runpytest_inprocess(*options)
    assert ran.ret == 1
    ran.stdout.fnmatch_lines(NAMED)


@pytest.mark.parametrize("options", [("-k", "other"), ("-m", "not essential"), ("checks/test_other.py",)])
def test_a_run_of_a_part_may_leave_it_out(project: pytest.Pytester, options: tuple[str, ...]) -> None:
    assert project.runpytest_inprocess(*options).ret == 0


def test_ci_runs_all_of_the_tests() -> None:
    """Else a full run, in which an essential test is missed, would be none."""
    (command,) = re.findall(
        r"^test: .*\n\t\S+ -m pytest (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert re.fullmatch(r"--numprocesses \d+ --dist worksteal", command)
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("body", "exit_code"), [("def test_fires():\n    pass\n", 0), (SKIPPED, 1)])
def test_workers_side_by_side_are_judged_together(
    project: pytest.Pytester, body: str, exit_code: int
) -> None:
    write(project, "test_fires", body)
    ran = project.runpytest_subprocess("-n", "2")
    assert ran.ret == exit_code
    assert ("ESSENTIAL" in ran.stdout.str()) == bool(exit_code)
