"""Self test, last step: the document, written beside the evidence, and what the run shows of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from expectations.loader import load_suite
from expectations.suite import SuiteInvalid
from tasks.config.rights import own_rights
from tasks.drill.closing import closed
from tasks.drill.ledger import Ledger
from tasks.drill.progress import Progress, tell
from tasks.drill.step import step
from tasks.evidence.markup import text
from tasks.evidence.selftest import build_selftest, write_selftest
from tasks.evidence.selftest_text import as_markdown
from tasks.model.clock import utc_now
from tasks.model.findings import Stage
from tasks.model.selftest import Judged
from tasks.model.target import Target
from tasks.record import RECORD_S, emit

_log = logging.getLogger(__name__)


def record_selftest(
    base: Ledger, rows: Sequence[Judged], *, seed: int, wanted: int, quick: bool
) -> dict[str, Any]:
    """Leave the document of a self test and tell it where people look; return it."""
    document = build_selftest(
        closed(base.drill),
        rows,
        seed=seed,
        wanted=wanted,
        quick=quick,
        finished_at=utc_now(),
        gate=_gate(base),
    )
    base.working(RECORD_S).surely(leave_selftest, document, base.drill.target)
    base.runner.close()
    try:
        _show(document)
    except Exception as error:  # noqa: BLE001  the document is written; what Prefect shows of it is not the record
        _log.warning("Prefect could not show the self test: %s", type(error).__name__)
    tell(Progress(base.drill.target.name, Stage.RECORD, "verdict", document["why"]))
    return document


@step("record self test")
def leave_selftest(document: dict[str, Any], target: Target) -> str:
    """Write the document, whole or not at all."""
    return write_selftest(document, target.evidence, own_rights(target.store))


def _show(document: dict[str, Any]) -> None:
    from prefect.artifacts import create_markdown_artifact  # noqa: PLC0415  as in `record`
    from prefect.context import FlowRunContext  # noqa: PLC0415

    if FlowRunContext.get() is None:
        return
    key = f"{document['fleet']}-{document['database']}"
    create_markdown_artifact(as_markdown(document), key=f"selftest-{key}", description=text(document["why"]))
    what = f"selftest.{document['ability']}"
    fleet, database = document["fleet"], document["database"]
    emit(fleet, database, what, selftest_id=document["selftest_id"], message=document["why"])


def _gate(base: Ledger) -> str | None:
    path = base.drill.target.expect.suite
    try:
        return None if path is None else load_suite(path).gate.value
    except SuiteInvalid:
        return None
