"""What the command line tells of itself."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.fix_drill import PROGRAM


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROGRAM), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_version_is_told_with_what_it_stands_on() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert re.fullmatch(
        r"restore-drill \d+\.\d+\.\d+ \(Python 3\.\d+\.\d+, Prefect 3\.8\.\d+\)\n", done.stdout
    )


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("restore-drill ru", {"run"}),
        ("restore-drill suite t", {"try"}),
        ("restore-drill run --ev", {"--evidence"}),
    ],
)
def test_a_shell_completes_commands_and_options(words: str, completed: set[str]) -> None:
    count = str(len(words.split()) - 1)
    done = run(_RESTORE_DRILL_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
    assert set(done.stdout.split()) == completed, done.stderr
