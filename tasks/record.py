"""Step 10: findings to verdict to evidence, artifacts on the run, an event for automations, the report."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext
from prefect.events import emit_event

from tasks.evidence import build_evidence, check_rows, markdown, publish, state_message, write_evidence
from tasks.evidence.markup import text
from tasks.ledger import Ledger
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.model.findings import Stage
from tasks.model.target import Target
from tasks.policies import step, surely
from tasks.progress import Progress, tell
from tasks.rights import own_rights
from tasks.sandbox.paths import drill_dir

EVENT = "restore-drill"
_log = logging.getLogger(__name__)
_report_comes_later: ContextVar[bool] = ContextVar("report_comes_later", default=False)


@contextmanager
def one_report_at_the_end() -> Iterator[None]:
    """Let the drills of a fleet leave the report to the fleet: it is written once."""
    token = _report_comes_later.set(True)
    try:
        yield
    finally:
        _report_comes_later.reset(token)


def record_drill(ledger: Ledger) -> dict[str, Any]:
    """Leave the evidence of one drill and tell it where people look; return the document."""
    with ledger.entering(Stage.RECORD):
        document, uri = surely(leave_evidence, ledger)
        try:
            show_on_run(document, uri, ledger.target.report_url)
            announce(document)
        except Exception as error:  # noqa: BLE001  the evidence is written; what Prefect shows of it is not the record
            _log.warning(
                "Prefect could not show the result of %s: %s", ledger.target.name, type(error).__name__
            )
    _log.info("%s", state_message(document))
    tell(Progress(ledger.target.name, Stage.RECORD, "verdict", state_message(document)))
    return document


@step("record")
def leave_evidence(ledger: Ledger) -> tuple[dict[str, Any], str | None]:
    """Judge, and write the document; return it with its URI.

    Evidence that cannot be written makes the drill inconclusive, and a copy is kept on the worker.
    """
    facts = ledger.facts()
    document = build_evidence(facts, finished_at=utc_now())
    try:
        uri = write_evidence(
            document,
            ledger.target.evidence,
            own_rights(ledger.target.store),
            suite_results=facts.suite_results,
            spare=drill_dir() / "unwritten-evidence",
        )
    except DrillError as error:
        ledger.note(error)
        return build_evidence(ledger.facts(), finished_at=utc_now()), None
    return document, uri


def show_on_run(document: Mapping[str, Any], uri: str | None, report_url: str | None) -> None:
    """Leave the report, the table of checks and a link as artifacts of the run, if there is a run."""
    if FlowRunContext.get() is None:
        return
    key = f"{document['fleet']}-{document['database']}"
    said = text(state_message(document))  # Prefect draws a description as markdown
    create_markdown_artifact(markdown(document), key=f"drill-{key}", description=said)
    create_table_artifact(check_rows(document), key=f"checks-{key}", description=f"Every check of {key}")
    if report_url:
        create_link_artifact(
            report_url,
            key=f"report-{key}",
            link_text="Full report",
            description=f"Report of {key}; evidence: {text(uri or 'none')}",
        )


def announce(document: Mapping[str, Any]) -> None:
    """Emit `restore-drill.verified`, `.failed` or `.inconclusive` for automations."""
    emit(document, document["verdict"], drill_id=document["drill_id"], message=state_message(document))


def emit(document: Mapping[str, Any], what: str, **payload: str) -> None:
    """Emit the event `restore-drill.` and *what* of the database that *document* is about."""
    emit_event(
        f"{EVENT}.{what}",
        resource={
            "prefect.resource.id": f"{EVENT}.{document['fleet']}.{document['database']}",
            "prefect.resource.name": f"{document['fleet']}/{document['database']}",
        },
        payload=payload,
    )


def publish_report(target: Target) -> Path | None:
    """Write the report of the target's fleet, unless the fleet does so at its end."""
    return None if _report_comes_later.get() else surely(write_report, target)


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
