"""What a drill does with a dump: restored, verified and judged as a drill would, without Prefect round it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tasks.checks import Context, take_inventory, verify
from tasks.engines import restore
from tasks.evidence.verdict import judge, settle
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, StageFailed
from tasks.model.findings import Finding, Severity, Stage, Verdict
from tasks.model.history import History
from tasks.model.sandbox import Sandbox
from tasks.model.target import SandboxConfig, Target
from tasks.sandbox import connect, destroy, dsn, find_postgres, open_workspace, start_sandbox
from tests.fix_restore import opened_in, target_of
from tests.yardstick.snapshot import Snapshot, schema_text, take_snapshot

DEADLINE_S = 600.0


@dataclass(frozen=True)
class Drilled:
    """What came of it.

    Attributes:
        not_restored: what the drill lists as left out or lost, `DESC schema.name`.
        snapshot: None where the restore was stopped.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    not_restored: tuple[str, ...]
    snapshot: Snapshot | None

    def described(self) -> str:
        """Return verdict and findings in lines, for a test's message."""
        lines = [f"{item.severity.value} {item.rule}: {item.message}" for item in self.findings]
        return "\n".join([self.verdict.value, *lines, *(f"left out: {name}" for name in self.not_restored)])

    def failures(self) -> set[str]:
        """Return the rules that move the verdict."""
        return {item.rule for item in self.findings if item.severity is Severity.FAILURE}


def drill(
    dump: Path, major: int, database: str | None = None, config: SandboxConfig | None = None
) -> Drilled:
    """Drill *dump*, a file or a folder, with PostgreSQL *major*; leave nothing behind."""
    config = config or SandboxConfig()
    workspace = open_workspace(
        "yardstick", "x", f"yard-{uuid.uuid4().hex[:8]}", config.isolation, utc_now() + timedelta(hours=1)
    )
    try:
        sandbox = start_sandbox(workspace, find_postgres(major), config, DEADLINE_S)
        return _drill(sandbox, dump, target_of("x", database, config))
    finally:
        assert destroy(workspace) == ()


def _drill(sandbox: Sandbox, dump: Path, target: Target) -> Drilled:
    try:
        backup = opened_in(sandbox, dump)
        restored = restore(
            backup, sandbox, target, globals_path=None, deadline_s=DEADLINE_S, progress=lambda _: None
        )
        inventory = take_inventory(sandbox, restored.database, counts="exact", deadline_s=DEADLINE_S)
        deadline = Deadline.within(DEADLINE_S)
        context = Context(sandbox, restored, inventory, target, History(), None, utc_now(), deadline)
        seen = verify(context)
    except StageFailed as stopped:
        return Drilled(judge(stopped.findings, ()), stopped.findings, (), None)
    except DrillError as error:
        fault = (error.finding(Stage.RESTORE),)
        return Drilled(judge(fault, ()), fault, (), None)
    checks = (*restored.checks, *seen.checks)
    findings = settle((*backup.findings, *restored.findings, *seen.findings), checks, inventory)
    snapshot = _snapshot(sandbox, restored.database)
    listed = dict.fromkeys(name for item in restored.left_out for name in (item.entry, *item.lost))
    return Drilled(judge(findings, checks), tuple(findings), tuple(listed), snapshot)


def _snapshot(sandbox: Sandbox, database: str) -> Snapshot:
    text = schema_text(sandbox.postgres.bindir / "pg_dump", dsn(sandbox, database, sandbox.superuser))
    with connect(sandbox, database) as session:
        return take_snapshot(session, text)
