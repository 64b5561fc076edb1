"""The steps of a self test, each one call; and what its run shows of it in Prefect."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.config.rights import own_rights
from tasks.drill.ledger import Ledger
from tasks.drill.progress import Progress, tell
from tasks.drill.step import step
from tasks.evidence.markup import text
from tasks.evidence.selftest import write_selftest
from tasks.evidence.selftest_text import as_markdown
from tasks.model.backup import RecoveryPoint
from tasks.model.deadline import Deadline
from tasks.model.findings import Stage
from tasks.model.inventory import TableFigures
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox
from tasks.model.selftest import Judged, Mutant
from tasks.model.target import Target
from tasks.mutants import clones
from tasks.mutants.sampling import Slot
from tasks.mutants.schema import Schema
from tasks.record import RECORD_S, emit
from tasks.selftest import backups, bench, restored
from tasks.selftest.record import document_of

_log = logging.getLogger(__name__)


@step("prepare the self test")
def make_twin(
    sandbox: Sandbox, source: str, name: str, tables: Mapping[str, TableFigures], suite: Path | None
) -> restored.Twin:
    """Copy the healthy database once, and read what can be damaged."""
    return restored.make_twin(sandbox, source, name, tables, suite)


@step("plan the damage")
def plan_damage(
    on: bench.Bench, schema: Schema, points: Sequence[RecoveryPoint], request: restored.Request
) -> bench.Plan:
    """Choose what is damaged, by the seed."""
    return backups.plan(on, schema, points, request)


@step("damage restored data")
def damage_copy(
    sandbox: Sandbox, healthy: Restored, name: str, slot: Slot, deadline: Deadline
) -> restored.Damaged | Judged:
    """Make a damaged copy of the restored database."""
    return restored.damage_copy(sandbox, healthy, name, slot, deadline)


@step("look for an expectation")
def find_remedy(healthy: restored.Healthy, mutant: Mutant, damaged: str) -> str | None:
    """Look for the expectation that would have caught a survivor."""
    return restored.find_remedy(healthy, mutant, damaged)


@step("drop the damaged copy")
def drop_copy(sandbox: Sandbox, name: str) -> None:
    """Drop a damaged copy."""
    clones.drop_copy(sandbox, name)


@step("damage the backup")
def serve_backup(on: bench.Bench, planned: bench.PlannedBackup) -> Target | Judged:
    """Make a damaged copy of the backup, and the target that finds it."""
    return backups.serve(on, planned)


@step("record self test")
def leave_selftest(document: dict[str, Any], target: Target) -> str:
    """Write the document, whole or not at all."""
    return write_selftest(document, target.evidence, own_rights(target.store))


def record_selftest(base: Ledger, rows: Sequence[Judged], request: restored.Request) -> dict[str, Any]:
    """Leave the document of a self test and tell it where people look; return it."""
    document = document_of(base.drill, rows, request)
    base.working(RECORD_S).surely(leave_selftest, document, base.drill.target)
    base.runner.close()
    try:
        _show(document)
    except Exception as error:  # noqa: BLE001  the document is written; what Prefect shows of it is not the record
        _log.warning("Prefect could not show the self test: %s", type(error).__name__)
    tell(Progress(base.drill.target.name, Stage.RECORD, "verdict", document["why"]))
    return document


def _show(document: dict[str, Any]) -> None:
    from prefect.artifacts import create_markdown_artifact  # noqa: PLC0415  as in `record`
    from prefect.context import FlowRunContext  # noqa: PLC0415

    if FlowRunContext.get() is None:
        return
    fleet, database = document["fleet"], document["database"]
    key, why = f"selftest-{fleet}-{database}", document["why"]
    create_markdown_artifact(as_markdown(document), key=key, description=text(why))
    what = f"selftest.{document['ability']}"
    emit(fleet, database, what, selftest_id=document["selftest_id"], message=why)
