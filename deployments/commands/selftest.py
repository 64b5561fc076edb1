"""`restore-drill selftest`: whether a drill can fail, from a shell."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from deployments.commands.run import at_work
from deployments.terminal import say
from tasks.config import read_target
from tasks.evidence.selftest import document_place
from tasks.evidence.selftest_text import lines
from tasks.model.canonical_json import to_json
from tasks.model.errors import PermanentError
from tasks.model.selftest import Ability

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

EXIT_CODES = {Ability.CAN_FAIL: 0, Ability.CANNOT_FAIL: 1, Ability.INCONCLUSIVE: 2}
_STYLES = {
    "head": "bold",
    "caught": "green",
    "noticed": "yellow",
    "survived": "red",
    "errored": "yellow",
    "can_fail": "bold green",
    "cannot_fail": "bold red",
    "inconclusive": "bold yellow",
}


def run_selftest(
    fleet: Path, database: str, evidence: str, *, seed: int, mutants: int, quick: bool, as_json: bool
) -> int:
    """Run the self test of *database* through its flow and show what came out; return the exit code.

    Raises:
        ConfigInvalid: the fleet file or the database's name cannot be used.
        DrillError: the result could not be written.
    """
    target = read_target(str(fleet), database, evidence)
    with at_work([database], as_json=as_json):
        from flows.selftest import selftest  # noqa: PLC0415  imports Prefect

        state = selftest(str(fleet), database, seed, mutants, quick, evidence, return_state=True)
        document = document_of(state)
    if as_json:
        sys.stdout.write(to_json(document))
    else:
        show(document, target.evidence)
    return EXIT_CODES[Ability(document["ability"])]


def document_of(state: State[Any]) -> dict[str, Any]:
    """Return the document that the flow's final state carries.

    Raises:
        Exception: what the flow raised where there is none.
    """
    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, dict):
        return outcome
    raise (
        outcome if isinstance(outcome, Exception) else PermanentError("The self test ended without a result.")
    )


def show(document: dict[str, Any], evidence: str) -> None:
    """Print the matrix, the score of each table, what was not caught, and a plain sentence at the end."""
    console = Console(highlight=False)
    *rest, last = lines(document)
    for line, kind in rest:
        say(console, line, style=_STYLES.get(kind, ""))
    say(console, f"result: {evidence.rstrip('/')}/{document_place(document)}")
    say(console, last[0], style=_STYLES.get(last[1], ""))
