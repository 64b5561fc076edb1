"""What tests of checks are made of: targets, restored databases, inventories and histories in a line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.checks import Context
from tasks.engines.expected import expected_of
from tasks.model.backup import Toc, TocEntry
from tasks.model.deadline import Deadline
from tasks.model.findings import Check, Outcome, Severity, Verdict
from tasks.model.history import History, PastDrill
from tasks.model.inventory import Inventory, TableFigures
from tasks.model.restored import Checked, Restored
from tasks.model.sandbox import PostgresInstall, Sandbox, Workspace
from tasks.model.target import Target

NOW = datetime(2026, 3, 31, 6, 0, tzinfo=UTC)


def target_of(**keys: Any) -> Target:
    """Return a target with the given fleet-file keys of its database."""
    given: dict[str, Any] = {
        "fleet": "tests",
        "name": "shop",
        "evidence": "/nowhere",
        "backup": {"at": "/nowhere/%Y.dump"},
    }
    return Target.model_validate(given | keys)


def entry(desc: str, name: str, **extra: Any) -> TocEntry:
    """Return a TOC entry for `schema.name`."""
    schema, _, tag = name.partition(".")
    return TocEntry(dump_id=1, desc=desc, tag=tag, namespace=schema, owner="", section="", **extra)


def restored_of(database: str, entries: Iterable[TocEntry] = (), roles: tuple[str, ...] = ()) -> Restored:
    """Return what a restore of an archive with *entries* leaves."""
    expected = expected_of(Toc(tuple(entries)))
    return Restored(database, findings=(), checks=(), commands=(), roles=roles, expected=expected)


NOWHERE = Sandbox(
    Workspace("d1", Path("/nowhere"), None, frozenset(), NOW, NOW + timedelta(hours=8)),
    PostgresInstall(17, "17.1", Path("/nowhere/bin"), "installed"),
    "superuser",
)
"""A cluster that nobody can reach: for checks that ask none."""


def context_of(
    sandbox: Sandbox = NOWHERE, restored: Restored | None = None, deadline_s: float = 60, **fields: Any
) -> Context:
    """Return what checks work on: the given *fields* of a context, and the plainest of everything else."""
    given: dict[str, Any] = {
        "inventory": Inventory({}),
        "target": target_of(),
        "history": History(),
        "manifest": None,
        "as_of": NOW,
        "deadline": Deadline.within(deadline_s),
    }
    return Context(sandbox, restored or restored_of("shop"), **given | fields)


def inventory_of(
    tables: dict[str, Any] | None = None, objects: Mapping[str, Iterable[str]] | None = None, **extra: Any
) -> Inventory:
    """Return an inventory; a table's figures are its rows, or (rows, parent), or (rows, parent, rank)."""
    return Inventory(
        tables={name: _figures(value) for name, value in (tables or {}).items()},
        objects={kind: tuple(sorted(names)) for kind, names in (objects or {}).items()},
        **extra,
    )


def past(
    inventory: Inventory,
    days_ago: float = 1,
    verdict: Verdict = Verdict.VERIFIED,
    accepted: tuple[dict[str, Any], ...] = (),
) -> PastDrill:
    """Return the record of a drill of the backup of *days_ago*."""
    at = NOW - timedelta(days=days_ago)
    return PastDrill(
        drill_id=f"d{days_ago:g}",
        finished_at=at + timedelta(hours=1),
        as_of=at,
        recovery_point_at=at,
        verdict=verdict,
        inventory=inventory,
        accepted=accepted,
        path=str(Path("/evidence") / f"{days_ago:g}.json"),
    )


def failures(seen: Checked) -> set[tuple[str, str | None]]:
    """Return rule and place of every failure in *seen*."""
    return {(one.rule, one.where) for one in seen.findings if one.severity is Severity.FAILURE}


def warnings(seen: Checked) -> set[tuple[str, str | None]]:
    """Return rule and place of every warning in *seen*."""
    return {(one.rule, one.where) for one in seen.findings if one.severity is Severity.WARNING}


def rules(seen: Checked) -> set[str]:
    """Return every rule in *seen*, of whatever severity."""
    return {one.rule for one in seen.findings}


def check(seen: Checked, name: str) -> Check:
    """Return the one check called *name*."""
    (found,) = (one for one in seen.checks if one.name == name)
    return found


def outcomes(seen: Checked) -> dict[str, Outcome]:
    """Return the outcome of each check by its name."""
    return {one.name: one.outcome for one in seen.checks}


def _figures(value: Any) -> TableFigures:
    if value is None or isinstance(value, int):
        return TableFigures(value, None)
    rows, parent, *rank = value
    return TableFigures(rows, None, parent, *rank)
