"""Step 10: findings to verdict to evidence, artifacts on the run, an event for automations, the report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.drill.process import DrillProcess
from tasks.drill.progress import Progress, tell
from tasks.evidence import (
    DrillFacts,
    EvidenceUnwritable,
    build_evidence,
    check_rows,
    markdown,
    publish,
    state_message,
    write_evidence,
)
from tasks.evidence.markup import text
from tasks.ledger import Ledger, StageRun
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError
from tasks.model.findings import Stage, Verdict
from tasks.model.recorded import Recorded
from tasks.model.target import Target
from tasks.policies import TaskRuns, step
from tasks.rights import own_rights
from tasks.sandbox.paths import drill_dir

EVENT = "restore-drill"
_log = logging.getLogger(__name__)
RECORD_S = 300.0
REPORT_S = 900.0


@dataclass(frozen=True, slots=True)
class Left:
    """What the record leaves, and what the run shows of it: the document stays where it was written."""

    recorded: Recorded
    page: str
    checks: list[dict[str, str]]


def record_drill(ledger: Ledger) -> Recorded:
    """Leave the evidence of one drill and tell it where people look.

    The drill has no more use for its process then.
    """
    name = ledger.target.name
    with ledger.entering(Stage.RECORD, RECORD_S) as record:
        left = _leave(ledger.facts(), record)
        recorded = left.recorded
        try:
            show_on_run(left, ledger.target.report_url)
            emit(recorded.fleet, name, recorded.verdict, drill_id=recorded.drill_id, message=recorded.message)
        except Exception as error:  # noqa: BLE001  the evidence is written; what Prefect shows of it is not the record
            _log.warning("Prefect could not show the result of %s: %s", name, type(error).__name__)
    ledger.runner.close()
    _log.info("%s", recorded.message)
    tell(Progress(name, Stage.RECORD, "verdict", recorded.message))
    return recorded


def record_unbegun(ledger: Ledger) -> None:
    """Leave evidence that a drill was stopped before it began: what did not run is not passed over."""
    ledger.crashed(KeyboardInterrupt())
    record_drill(ledger)


def _leave(facts: DrillFacts, record: StageRun) -> Left:
    try:
        return record.surely(leave_evidence, facts)
    except DrillError as error:  # its process was lost over them
        return record.surely(leave_evidence, without_details(with_finding(facts, error)))


@step("record")
def leave_evidence(facts: DrillFacts) -> Left:
    """Judge, and write the document.

    Evidence that cannot be written makes the drill inconclusive, and a copy is kept on the worker.
    """
    document = build_evidence(facts, finished_at=utc_now())
    try:
        place = write_evidence(
            document,
            facts.target.evidence,
            own_rights(facts.target.store),
            suite_results=facts.suite_results,
            spare=drill_dir() / "unwritten-evidence",
        )
    except EvidenceUnwritable as error:
        place = "" if error.copy is None else str(error.copy)
        document = build_evidence(with_finding(facts, error), finished_at=utc_now())
    return Left(_recorded(document, place), markdown(document), check_rows(document))


def _recorded(document: Mapping[str, Any], place: str) -> Recorded:
    return Recorded(
        fleet=document["fleet"],
        database=document["database"],
        drill_id=document["drill_id"],
        verdict=Verdict(document["verdict"]),
        message=state_message(document),
        place=place,
    )


def with_finding(facts: DrillFacts, error: DrillError) -> DrillFacts:
    """Return *facts* with what went wrong in recording them."""
    return replace(facts, findings=(*facts.findings, error.finding(Stage.RECORD)))


def without_details(facts: DrillFacts) -> DrillFacts:
    """Return *facts* without what can be of any size: enough to say what was drilled, and how it ended."""
    discovery = facts.discovery and replace(facts.discovery, candidates=())
    restored = facts.restored and replace(facts.restored, findings=(), checks=())
    return replace(
        facts, discovery=discovery, restored=restored, inventory=None, suite_sha256=None, suite_results={}
    )


def show_on_run(left: Left, report_url: str | None) -> None:
    """Leave the report, the table of checks and a link as artifacts of the run, if there is a run."""
    from prefect.artifacts import (  # noqa: PLC0415  a drill's process, which only writes, does without
        create_link_artifact,
        create_markdown_artifact,
        create_table_artifact,
    )
    from prefect.context import FlowRunContext  # noqa: PLC0415

    if FlowRunContext.get() is None:
        return
    recorded = left.recorded
    key = f"{recorded.fleet}-{recorded.database}"
    said = text(recorded.message)  # Prefect draws a description as markdown
    create_markdown_artifact(left.page, key=f"drill-{key}", description=said)
    create_table_artifact(left.checks, key=f"checks-{key}", description=f"Every check of {key}")
    if report_url:
        create_link_artifact(
            report_url,
            key=f"report-{key}",
            link_text="Full report",
            description=f"Report of {key}; evidence: {text(recorded.place or 'none')}",
        )


def emit(fleet: str, database: str, what: str, **payload: str) -> None:
    """Emit the event `restore-drill.` and *what* of a database, for automations."""
    from prefect.events import emit_event  # noqa: PLC0415

    emit_event(
        f"{EVENT}.{what}",
        resource={
            "prefect.resource.id": f"{EVENT}.{fleet}.{database}",
            "prefect.resource.name": f"{fleet}/{database}",
        },
        payload=payload,
    )


def publish_report(target: Target) -> Path | None:
    """Write the report of the target's fleet, in a process of its own: evidence may be anybody's."""
    with DrillProcess("report") as process:
        try:
            return TaskRuns(process).surely(write_report, Deadline.within(REPORT_S), target)
        except DrillError as error:
            _log.warning("the report could not be written: %s", error)
            return None


@step("report")
def write_report(target: Target) -> Path | None:
    """Render the static site beside the evidence; a report that cannot be written never changes a verdict."""
    try:
        return publish(target.evidence, own_rights(target.store), target.fleet)
    except (DrillError, OSError) as error:
        _log.warning("the report could not be written: %s", error)
    except Exception:  # noqa: BLE001  of a document that others may have written: the verdict stands
        _log.exception("the report could not be drawn")
    return None
