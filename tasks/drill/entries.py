"""What the result of each step adds to the record of its drill, and what its failure adds."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tasks.checks import SuiteOutcome
from tasks.checks.preflight import Readiness
from tasks.drill.closing import verdict_of
from tasks.drill.process import Stopped
from tasks.model.backup import Discovery, Material, RecoveryPoint
from tasks.model.clock import iso
from tasks.model.drill import Drill
from tasks.model.errors import DrillError, StageFailed
from tasks.model.findings import Check, Outcome, Severity, Stage, Verdict
from tasks.model.inventory import Inventory
from tasks.model.restored import Restored
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.recovery.kinds import recovery_of
from tasks.sandbox import extension_findings, isolation_findings

_log = logging.getLogger(__name__)


def add_discovery(drill: Drill, discovery: Discovery[RecoveryPoint]) -> None:
    """Add what the listing showed; the first point is this drill's."""
    drill.discovery = discovery
    drill.add(*discovery.findings)
    drill.take_point(discovery.points[0])


def add_readiness(drill: Drill, readiness: Readiness) -> None:
    """Add what the preflight saw.

    Raises:
        StageFailed: the drill cannot succeed.
    """
    drill.head, drill.manifest = readiness.head, readiness.manifest
    drill.checks += readiness.seen.checks
    drill.add(*readiness.standing)
    drill.add_or_stop(*readiness.seen.findings)


def add_material(drill: Drill, material: Material) -> None:
    """Add what the fetch brought and proved.

    Raises:
        StageFailed: the opened backup is not the one that was asked for, or needs what is not here.
    """
    drill.backup = material
    drill.add(*material.findings)
    drill.passed("backup-complete", material.format)
    drill.passed("integrity", material.integrity)
    recovery = recovery_of(drill.target)
    drill.add_or_stop(*recovery.assess(material, drill.head, drill.chosen_point, drill.target))


def add_companions(drill: Drill, paths: tuple[Path, ...]) -> None:
    """Add what belongs to the download and lay elsewhere."""
    drill.backup = replace(drill.material, companions=paths)


def add_sandbox(drill: Drill, sandbox: Sandbox) -> None:
    """Add the running cluster, and what the host did not allow it."""
    drill.sandbox = sandbox
    drill.add(*isolation_findings(sandbox.workspace, drill.target.sandbox.isolation))
    drill.passed("sandbox", f"PostgreSQL {sandbox.postgres.version}")


def add_restored(drill: Drill, restored: Restored) -> None:
    """Add the restored database."""
    drill.restored = restored
    extensions = restored.expected.extensions
    drill.add(*restored.findings, *extension_findings(drill.running_sandbox.postgres, extensions))
    drill.checks += restored.checks


def add_stock(drill: Drill, database: str | None, inventory: Inventory) -> None:
    """Add what *database* holds; None stands for the only one."""
    if database is None:
        drill.inventory = inventory
        return
    held = {} if drill.inventory is None else drill.inventory.databases
    drill.inventory = Inventory.of_databases({**held, database: inventory})


def add_ages(drill: Drill, ages_s: Sequence[float | None]) -> None:
    """Add the ages of the newest rows, of each database whose age was asked for: the oldest counts."""
    known = [age_s for age_s in ages_s if age_s is not None]
    drill.content_age_s = max(known) if known and len(known) == len(ages_s) else None


def add_suite(drill: Drill, outcome: SuiteOutcome) -> None:
    """Add what the data team's suite showed, of the database that it ran in."""
    drill.take(outcome.seen)
    if outcome.sha256 is not None:
        drill.suites_sha256 = {**drill.suites_sha256, outcome.database: outcome.sha256}
    drill.suite_results = {**drill.suite_results, **outcome.results}
    inventory = None if drill.inventory is None else drill.inventory.of(outcome.database)
    if inventory is not None and outcome.newest_age_s:
        add_stock(drill, outcome.database, replace(inventory, newest_age_s=outcome.newest_age_s))


def add_teardown(drill: Drill, left_behind: tuple[str, ...], at: datetime) -> None:
    """Add the receipt of the teardown."""
    drill.left_behind = left_behind
    if not left_behind:
        drill.destroyed_at = at
        drill.passed("nothing-left-behind", 0, 0)
        return
    names = ", ".join(left_behind[:3])
    drill.add(finding("teardown-incomplete", f"The teardown left {names} behind.", where=names))
    drill.checks += (Check("nothing-left-behind", Stage.TEARDOWN, Outcome.FAILED, len(left_behind), 0),)


def add_kept(drill: Drill, until: datetime) -> None:
    """Add that the sandbox was kept on purpose, for a look at the failure."""
    drill.left_behind = (f"{drill.own_workspace.root} (kept for a look until {iso(until)})",)
    why = f"kept until {iso(until)}"
    drill.checks += (Check("nothing-left-behind", Stage.TEARDOWN, Outcome.NOT_CONFIGURED, why=why),)


def add_recoverable(drill: Drill, older: Iterable[Drill]) -> None:
    """Add the newest point that came back whole, this one or an older one that walking back reached."""
    for candidate in (drill, *older):
        if candidate.point is not None and verdict_of(candidate) is Verdict.VERIFIED:
            drill.newest_recoverable = candidate.came_back_to()
            return


def add_error(drill: Drill, error: DrillError) -> None:
    """Add the findings of the error that ended the stage; of a stopped drill, that it was stopped."""
    if isinstance(error, Stopped):
        add_crash(drill, KeyboardInterrupt())
        return
    findings = error.findings if isinstance(error, StageFailed) else (error.finding(drill.stage),)
    drill.add(*findings)
    failures = [finding.message for finding in findings if finding.severity is Severity.FAILURE]
    if failures:
        name = f"{drill.stage.value}-completed"
        drill.checks += (Check(name, drill.stage, Outcome.FAILED, why=failures[0]),)


def add_crash(drill: Drill, error: BaseException) -> None:
    """Add what stopped the drill from outside, or an error that no step foresaw: never a pass."""
    drill.interrupted = not isinstance(error, Exception)
    rule = "drill-interrupted" if drill.interrupted else "drill-crashed"
    what = _interruption(drill) if drill.interrupted else _unforeseen(drill, error)
    _log.error("%s: %s", drill.target.name, what)
    drill.add(finding(rule, what, stage=drill.stage))


def _interruption(drill: Drill) -> str:
    during = f"during {drill.stage.value}" if drill.reached else "before it began"
    return f"The drill was stopped {during}."


def _unforeseen(drill: Drill, error: BaseException) -> str:
    return f"The drill met an unknown error during {drill.stage.value}: {type(error).__name__}."
