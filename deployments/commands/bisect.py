"""`restore-drill bisect`: the first bad backup in the window, from a shell."""

from __future__ import annotations

import sys
from pathlib import Path

from deployments.commands.run import EXIT_CODES, at_work, read_back
from deployments.terminal import echo
from tasks.config import read_target
from tasks.model.canonical_json import to_json


def bisect_window(fleet: Path, database: str, evidence: str, *, as_json: bool) -> int:
    """Search the window of *database* and print what was found; return the exit code.

    Raises:
        ConfigInvalid: the fleet file cannot be used.
    """
    target = read_target(str(fleet), database, evidence)
    with at_work([database], as_json=as_json):
        from flows.bisect import bisect  # noqa: PLC0415  imports Prefect
        from tasks.states import drills_of, verdict_of  # noqa: PLC0415

        state = bisect(str(fleet), database, evidence, return_state=True)
        drills, verdict = drills_of(state), verdict_of(state)
    if as_json:
        sys.stdout.writelines(to_json(document) for document in read_back(drills, {database: target}))
    echo(state.message, err=as_json)
    return EXIT_CODES[verdict]
