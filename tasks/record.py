"""Step 10: findings to verdict to evidence, artifacts on the run, an event for automations, the report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.config.rights import own_rights
from tasks.drill.closing import closed
from tasks.drill.entries import add_crash
from tasks.drill.ledger import Ledger, StageRun
from tasks.drill.process import DrillProcess
from tasks.drill.progress import Progress, tell
from tasks.drill.step import step
from tasks.evidence import (
    EvidenceUnwritable,
    build_evidence,
    check_rows,
    markdown,
    publish,
    state_message,
    write_evidence,
)
from tasks.evidence.markup import text
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.drill import Drill
from tasks.model.errors import DrillError
from tasks.model.findings import Stage, Verdict
from tasks.model.history import History
from tasks.model.recorded import Recorded
from tasks.model.target import Target
from tasks.policies import TaskRuns
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
    name, report_url = ledger.drill.target.name, ledger.drill.target.report_url
    with ledger.entering(Stage.RECORD, RECORD_S) as record:
        left = _leave(closed(ledger.drill), record)
        recorded = left.recorded
        try:
            show_on_run(left, report_url)
            emit(recorded.fleet, name, recorded.verdict, drill_id=recorded.drill_id, message=recorded.message)
        except Exception as error:  # noqa: BLE001  the evidence is written; what Prefect shows of it is not the record
            _log.warning("Prefect could not show the result of %s: %s", name, type(error).__name__)
    ledger.runner.close()
    _log.info("%s", recorded.message)
    tell(Progress(name, Stage.RECORD, "verdict", recorded.message))
    return recorded


def record_unbegun(ledger: Ledger) -> None:
    """Leave evidence that a drill was stopped before it began: what did not run is not passed over."""
    add_crash(ledger.drill, KeyboardInterrupt())
    record_drill(ledger)


def _leave(drill: Drill, record: StageRun) -> Left:
    try:
        return record.surely(leave_evidence, drill)
    except DrillError as error:  # its process was lost over them
        return record.surely(leave_evidence, without_details(with_finding(drill, error)))


@step("record")
def leave_evidence(drill: Drill) -> Left:
    """Judge, and write the document.

    Evidence that cannot be written makes the drill inconclusive, and a copy is kept on the worker.
    """
    document = build_evidence(drill, finished_at=utc_now())
    try:
        place = write_evidence(
            document,
            drill.target.evidence,
            own_rights(drill.target.store),
            suite_results=drill.suite_results,
            spare=drill_dir() / "unwritten-evidence",
        )
    except EvidenceUnwritable as error:
        place = "" if error.copy is None else str(error.copy)
        document = build_evidence(with_finding(drill, error), finished_at=utc_now())
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


def with_finding(drill: Drill, error: DrillError) -> Drill:
    """Return *drill* with what went wrong in recording it."""
    return replace(drill, findings=(*drill.findings, error.finding(Stage.RECORD)))


def without_details(drill: Drill) -> Drill:
    """Return *drill* without what can be of any size: enough to say what was drilled, and how it ended."""
    return replace(
        drill,
        discovery=drill.discovery and replace(drill.discovery, candidates=()),
        restored=drill.restored and replace(drill.restored, findings=(), checks=()),
        history=History(),
        inventory=None,
        suites_sha256={},
        suite_results={},
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
