"""`restore-drill run`: the flows, from a shell, with their progress shown live."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployments.live import show_live, show_result
from deployments.prefect_api import prefect_api
from tasks.checks.suites import read_suite
from tasks.config import choose_selection, read_fleet
from tasks.config.rights import own_rights
from tasks.drill.process import start_server
from tasks.evidence import read_evidence
from tasks.model.errors import DrillError
from tasks.model.findings import Verdict
from tasks.model.recorded import Recorded
from tasks.model.target import Target

EXIT_CODES = {Verdict.VERIFIED: 0, Verdict.FAILED: 1, Verdict.INCONCLUSIVE: 2}


def run_fleet(fleet: Path, databases: tuple[str, ...], select: str, evidence: str, *, as_json: bool) -> int:
    """Drill the databases of *fleet* through the flow and show what came out; return the exit code.

    Raises:
        ConfigInvalid: the fleet file, a suite, a database's name or the selection cannot be used; nothing was
            drilled.
        TransientError: there is no Prefect server to run on.
    """
    plan = read_fleet(str(fleet), evidence)
    targets = plan.chosen(databases)
    for target in targets:
        choose_selection(target, select)
        read_suite(target)
    with at_work([target.name for target in targets], as_json=as_json):
        drills, verdict = drill(fleet, [target.name for target in targets], select, evidence)
    documents = read_back(drills, {target.name: target for target in targets})
    drilled = {drill.database for drill in drills}
    undrilled = [target.name for target in targets if target.name not in drilled]
    show_result(documents, plan, undrilled, as_json=as_json)
    return EXIT_CODES[verdict]


@contextmanager
def at_work(databases: Sequence[str], *, as_json: bool = False) -> Iterator[None]:
    """Run flows in the block: with a Prefect API that answers, and their progress shown live."""
    start_server()
    with show_live(databases, as_json=as_json), prefect_api():
        yield


def read_back(drills: Sequence[Recorded], targets: Mapping[str, Target]) -> list[dict[str, Any]]:
    """Return the evidence of *drills*; say of what cannot be read what it came to."""
    documents = []
    for drill in drills:
        try:
            documents.append(read_evidence(drill.place, own_rights(targets[drill.database].store)))
        except (DrillError, ValueError):
            sys.stderr.write(f"{drill.database}: the evidence cannot be read back: {drill.message}\n")
    return documents


def drill(fleet: Path, databases: list[str], select: str, evidence: str) -> tuple[list[Recorded], Verdict]:
    """Run the fleet's flow in this process; return what its drills came to and the verdict of the whole."""
    from flows.fleet_drill import fleet_drill  # noqa: PLC0415  imports Prefect
    from tasks.states import drills_of, verdict_of  # noqa: PLC0415

    state = fleet_drill(str(fleet), databases, select, evidence, return_state=True)
    return drills_of(state), verdict_of(state)
