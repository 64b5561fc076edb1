"""`restore-drill draft` and `restore-drill suite check`: suites, from a shell."""

from __future__ import annotations

from pathlib import Path

from deployments.commands.run import at_work
from deployments.terminal import echo
from expectations.loader import load_suite
from expectations.suite import Suite, SuiteInvalid
from tasks.config import read_target, suite_file
from tasks.model.errors import ConfigInvalid

MOST_NOTES = 20


def draft_suite_file(fleet: Path, database: str, out: Path | None, points: int) -> int:
    """Draft the suite of *database* into *out*, by default beside the fleet file; return the exit code.

    Raises:
        ConfigInvalid: the fleet file or the suite that is there cannot be used.
    """
    target = read_target(str(fleet), database)
    file = out or suite_file(target, fleet)
    with at_work([database]):
        from flows.draft import draft  # noqa: PLC0415  imports Prefect

        state = draft(str(fleet), database, str(file), points, return_state=True)
        if state.is_completed():
            echo(str(state.result()))
        else:
            state.result()
    echo(state.message)
    return 0


def load_checked(file: Path) -> Suite:
    """Load a suite and check it with Great Expectations' own models.

    Raises:
        ConfigInvalid: it cannot be used; the message lists every problem.
    """
    try:
        return load_suite(file, deep=True)
    except SuiteInvalid as error:
        raise ConfigInvalid(str(error)) from error


def check_suites(files: list[Path]) -> int:
    """Check suites without a backup, also with Great Expectations' own models; return the exit code.

    Raises:
        ConfigInvalid: one of them cannot be used; the message lists every problem.
    """
    for file in files:
        suite = load_checked(file)
        warn_of(suite)
        echo(f"{file}: {len(suite.expectations)} expectations, gate {suite.gate.value}")
    return 0


def warn_of(suite: Suite) -> None:
    """Say on stderr which values of *suite* are read here in another way than elsewhere."""
    for note in suite.notes[:MOST_NOTES]:
        echo(f"warning: {note}", err=True)
    if len(suite.notes) > MOST_NOTES:
        echo(f"warning: and {len(suite.notes) - MOST_NOTES} more such values", err=True)
