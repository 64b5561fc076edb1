"""Everything that one drill has seen so far, and how far it has come.

The one mutable thing in a drill. The flow opens a stage, puts what the step returned here, and hands the
whole to the record at the end, however early that end came.
"""

from __future__ import annotations

import getpass
import logging
import platform
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from tasks.checks import SuiteOutcome
from tasks.checks.accept import apply_acceptances
from tasks.checks.readiness import Readiness, assess_opened, major_to_use
from tasks.drill.held import Held
from tasks.drill.options import DrillOptions
from tasks.drill.process import Stopped
from tasks.drill.progress import Progress, Reporter, tell
from tasks.drill.store import ReachedStore
from tasks.evidence import DrillFacts, judge, settle
from tasks.model.backup import Discovery, LocalBackup, RecoveryPoint
from tasks.model.clock import iso
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError, StageFailed
from tasks.model.findings import Check, Finding, Outcome, Severity, Stage, Verdict
from tasks.model.history import History
from tasks.model.inventory import Inventory
from tasks.model.printable import printable
from tasks.model.restored import Checked, Restored
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox, Workspace
from tasks.model.target import Selection, Target
from tasks.policies import Runner, Step
from tasks.sandbox import extension_findings, isolation_findings
from tasks.stores import Store

_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
_WORK = (
    Stage.DISCOVER,
    Stage.PREFLIGHT,
    Stage.FETCH,
    Stage.PROVISION,
    Stage.RESTORE,
    Stage.VERIFY,
    Stage.VALIDATE,
)


@dataclass(frozen=True, slots=True)
class StageRun:
    """A stage that has been entered: its steps are run by it, and end with it.

    Attributes:
        deadline: of the stage, the retries of its steps included.
    """

    deadline: Deadline
    runner: Runner

    def run(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *step* and return what it returns; raise what it raises."""
        return self.runner.run(step, self.deadline, *args, **kwargs)

    def surely(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a step that must happen, whatever has gone."""
        return self.runner.surely(step, self.deadline, *args, **kwargs)


@dataclass
class Ledger:
    """See the module. Times are aware UTC, `phases_s` wall seconds by stage."""

    target: Target
    selection: Selection
    started_at: datetime
    as_of: datetime
    options: DrillOptions
    runner: Runner
    drill_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    findings: list[Finding] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    phases_s: dict[str, float] = field(default_factory=dict)
    stage: Stage = Stage.DISCOVER
    reached: list[Stage] = field(default_factory=list)
    interrupted: bool = False
    store: Held[Store] | None = None
    identity: str | None = None
    discovery: Discovery | None = None
    point: RecoveryPoint | None = None
    readiness: Readiness | None = None
    workspace: Workspace | None = None
    backup: LocalBackup | None = None
    sandbox: Sandbox | None = None
    restored: Restored | None = None
    history: History = field(default_factory=History)
    inventory: Inventory | None = None
    content_age_s: float | None = None
    suite: SuiteOutcome | None = None
    newest_recoverable: dict[str, Any] | None = None
    destroyed_at: datetime | None = None
    left_behind: tuple[str, ...] = ()

    # --- stages

    @contextmanager
    def entering(self, stage: Stage, least_s: float = 0.0) -> Iterator[StageRun]:
        """Time the stage, log its start and end, bound it by the target's deadline, at *least_s* seconds."""
        self.stage = stage
        self.reached.append(stage)
        started = time.monotonic()
        self._announce("started")
        try:
            yield self.working(max(self.target.deadline, least_s))
        finally:
            seconds = time.monotonic() - started
            self.phases_s[stage.value] = self.phases_s.get(stage.value, 0.0) + seconds
            self._announce("ended", f"after {seconds:.1f} s")

    def working(self, seconds: float) -> StageRun:
        """Return what runs steps that belong to no stage, and have *seconds* for it."""
        return StageRun(Deadline.within(seconds), self.runner)

    def reporter(self, stage: Stage) -> Reporter:
        """Return what tells how far *stage* is."""
        return Reporter(self.target.name, stage, told=not self.options.within)

    def _announce(self, state: str, text: str = "") -> None:
        if self.options.within:
            return
        label = f" {printable(self.point.label)}" if self.point else ""
        _log.info(
            "%s/%s: %s %s%s %s", self.target.fleet, self.target.name, self.stage.value, state, label, text
        )
        tell(Progress(self.target.name, self.stage, state, text))

    # --- what the steps return

    def identify(self, reached: ReachedStore) -> None:
        """Keep the store, and whose rights read it."""
        self.store, self.identity = reached.store, reached.identity
        self.findings.extend(reached.findings)

    def choose(self, discovery: Discovery) -> None:
        """Keep what the listing showed; the first point is this drill's."""
        self.discovery = discovery
        self.findings.extend(discovery.findings)
        self._take_point(discovery.points[0])

    def discovered_with(self, first: Ledger, point: RecoveryPoint) -> None:
        """Share the discovery of *first*, for another of its points."""
        self.identity, self.discovery = first.identity, first.discovery
        self.reached.append(Stage.DISCOVER)
        self._take_point(point)

    def _take_point(self, point: RecoveryPoint) -> None:
        self.point = point
        if self.selection.kind != "newest":
            self.as_of = point.at
        self._passed("recovery-point", point.label)

    def remember(self, history: History, seen: Checked) -> None:
        """Keep what earlier drills found."""
        self.history = history
        self.take(seen)

    def get_ready(self, readiness: Readiness) -> None:
        """Keep what the preflight saw; stop here when the drill cannot succeed.

        Raises:
            StageFailed: a finding of the preflight is a failure.
        """
        self.readiness = readiness
        self.checks.extend(readiness.seen.checks)
        self._stop_on_failures(readiness.seen.findings)

    def begin_work(self, workspace: Workspace) -> None:
        """Keep the drill's own folder."""
        self.workspace = workspace

    def wanted_major(self) -> int:
        """Return the PostgreSQL major to restore with, by what the opened archive says."""
        return major_to_use(self.proven_backup.head, self.target)

    def keep_backup(self, backup: LocalBackup) -> None:
        """Keep the proven download; stop here when what it turned out to be cannot be drilled.

        Raises:
            StageFailed: the opened backup is not the one that was asked for, or needs what is not here.
        """
        self.backup = backup
        self.findings.extend(backup.findings)
        self._passed("backup-complete", backup.head.format.value)
        self._passed("integrity", backup.integrity)
        self._stop_on_failures(assess_opened(backup.head, self.readiness, self.chosen_point, self.target))

    def keep_sandbox(self, sandbox: Sandbox) -> None:
        """Keep the running cluster, and what the host did not allow it."""
        self.sandbox = sandbox
        self.findings.extend(isolation_findings(sandbox.workspace, self.target.sandbox.isolation))
        self._passed("sandbox", f"PostgreSQL {sandbox.postgres.version}")

    def keep_restored(self, restored: Restored) -> None:
        """Keep the restored database."""
        self.restored = restored
        self.findings.extend(restored.findings)
        used = [entry.tag for entry in restored.toc.of("EXTENSION")]
        self.findings.extend(extension_findings(self.running_sandbox.postgres, used))
        self.checks.extend(restored.checks)

    def take(self, seen: Checked) -> None:
        """Keep what a group of checks saw."""
        self.checks.extend(seen.checks)
        self.findings.extend(seen.findings)

    def keep_suite(self, outcome: SuiteOutcome) -> None:
        """Keep what the data team's suite showed."""
        self.suite = outcome
        self.take(outcome.seen)
        if self.inventory is not None and outcome.newest_age_s:
            self.inventory = replace(self.inventory, newest_age_s=outcome.newest_age_s)

    def kept_nothing(self, left_behind: tuple[str, ...], at: datetime) -> None:
        """Keep the receipt of the teardown."""
        self.left_behind = left_behind
        if left_behind:
            listed = ", ".join(left_behind[:3])
            self.findings.append(
                finding("teardown-incomplete", f"The teardown left {listed} behind.", where=listed)
            )
            self.checks.append(
                Check("nothing-left-behind", Stage.TEARDOWN, Outcome.FAILED, len(left_behind), 0)
            )
            return
        self.destroyed_at = at
        self._passed("nothing-left-behind", 0, 0)

    def kept_until(self, until: datetime) -> None:
        """Keep that the sandbox was kept on purpose, for a look at the failure."""
        folder = _present(self.workspace, "a workspace").root
        self.left_behind = (f"{folder} (kept for a look until {iso(until)})",)
        self.checks.append(
            Check(
                "nothing-left-behind", Stage.TEARDOWN, Outcome.NOT_CONFIGURED, why=f"kept until {iso(until)}"
            )
        )

    def note(self, error: DrillError) -> None:
        """Keep the findings of the error that ended the stage; of a stopped drill, that it was stopped."""
        if isinstance(error, Stopped):
            self.crashed(KeyboardInterrupt())
            return
        found = error.findings if isinstance(error, StageFailed) else (error.finding(self.stage),)
        self.findings.extend(found)
        worst = next((f for f in found if f.severity is Severity.FAILURE), None)
        if worst is not None:
            self.checks.append(
                Check(f"{self.stage.value}-completed", self.stage, Outcome.FAILED, why=worst.message)
            )

    def crashed(self, error: BaseException) -> None:
        """Keep what stopped the drill from outside, or an error that no step foresaw: never a pass."""
        self.interrupted = not isinstance(error, Exception)
        rule = "drill-interrupted" if self.interrupted else "drill-crashed"
        what = (
            f"The drill was stopped during {self.stage.value}."
            if self.interrupted and self.reached
            else "The drill was stopped before it began."
            if self.interrupted
            else f"The drill met an unknown error during {self.stage.value}: {type(error).__name__}."
        )
        _log.error("%s: %s", self.target.name, what)
        self.findings.append(finding(rule, what, stage=self.stage))

    def note_recoverable(self, older: Iterable[Ledger]) -> None:
        """Keep the newest point that came back whole, this one or an older one that walking back reached."""
        for ledger in (self, *older):
            if ledger.point is not None and ledger.verdict is Verdict.VERIFIED:
                self.newest_recoverable = {
                    "uri": ledger.point.object.uri,
                    "at": iso(ledger.point.at),
                    "drill_id": ledger.drill_id,
                }
                return

    # --- what later steps ask

    @property
    def reached_store(self) -> Held[Store]:
        """The store; it has been opened."""
        return _present(self.store, "a store")

    @property
    def chosen_point(self) -> RecoveryPoint:
        """The recovery point; discovery has run."""
        return _present(self.point, "a recovery point")

    @property
    def own_workspace(self) -> Workspace:
        """The drill's own folder; the preflight has passed."""
        return _present(self.workspace, "a workspace")

    @property
    def proven_backup(self) -> LocalBackup:
        """The download; fetch has run."""
        return _present(self.backup, "a backup")

    @property
    def running_sandbox(self) -> Sandbox:
        """The cluster; provision has run."""
        return _present(self.sandbox, "a sandbox")

    @property
    def completed_restore(self) -> Restored:
        """The restored database; restore has run."""
        return _present(self.restored, "a restored database")

    @property
    def manifest(self) -> dict[str, Any] | None:
        """The inventory taken at the source, if there is one."""
        return None if self.readiness is None else self.readiness.manifest

    @property
    def last_restored_bytes(self) -> int | None:
        """What the last verified drill needed on disk."""
        verified = self.history.verified
        if not verified:
            return None
        return sum(
            table.bytes or 0 for table in verified[-1].inventory.tables.values() if not table.partition_of
        )

    @property
    def verdict(self) -> Verdict:
        """What this drill shows so far."""
        facts = self.facts()
        return judge(settle(facts.findings, facts.checks, facts.inventory), facts.checks)

    def facts(self) -> DrillFacts:
        """Return everything known, as the record takes it: exceptions applied, what did not run named."""
        findings, accepted = apply_acceptances(
            tuple(self.findings), self.target.accept, self.history, self.started_at.date()
        )
        return DrillFacts(
            drill_id=self.drill_id,
            target=self.target,
            started_at=self.started_at,
            as_of=self.as_of,
            findings=findings,
            checks=(*self.checks, *self._missed()),
            selection=self.selection,
            discovery=self.discovery,
            point=self.point,
            backup=self.backup,
            head=None if self.readiness is None else self.readiness.head,
            workspace=self.workspace,
            sandbox=self.sandbox,
            destroyed_at=self.destroyed_at,
            left_behind=self.left_behind,
            phases_s=self._disjoint_phases_s(),
            restored=self.restored,
            inventory=self.inventory,
            content_age_s=self.content_age_s,
            newest_recoverable=self.newest_recoverable,
            accepted=accepted,
            identity=self.identity,
            suite_sha256=None if self.suite is None else self.suite.sha256,
            actor=f"{getpass.getuser()}@{platform.node()}",
            suite_results={} if self.suite is None else self.suite.results,
        )

    # --- helpers

    def _passed(
        self, name: str, observed: str | float | None = None, expected: str | float | None = None
    ) -> None:
        self.checks.append(Check(name, self.stage, Outcome.PASSED, observed, expected))

    def _stop_on_failures(self, findings: tuple[Finding, ...]) -> None:
        failures = tuple(found for found in findings if found.severity is Severity.FAILURE)
        self.findings.extend(found for found in findings if found not in failures)
        if failures:
            raise StageFailed(failures)

    def _missed(self) -> tuple[Check, ...]:
        """Name every stage that the drill did not come to: what did not run is never a pass."""
        why = next(
            (f.message for f in self.findings if f.severity is Severity.FAILURE), "the drill ended before it"
        )
        return tuple(
            Check(f"{stage.value}-completed", stage, Outcome.NOT_RUN, why=why)
            for stage in _WORK
            if stage not in self.reached
        )

    def _disjoint_phases_s(self) -> dict[str, float]:
        """Take out of `fetch` and `restore` what is timed within them: decryption and ANALYZE."""
        phases = dict(self.phases_s)
        if self.backup is not None:
            phases["decrypt"] = self.backup.decrypt_s
            phases["fetch"] = max(0.0, phases["fetch"] - self.backup.decrypt_s)
        if self.restored is not None:
            phases["analyze"] = self.restored.analyze_s
            phases["restore"] = max(0.0, phases["restore"] - self.restored.analyze_s)
        return phases


def _present(value: T | None, what: str) -> T:
    if value is None:
        raise PermanentError(f"a step asked for {what} before there is one", rule="drill-crashed")
    return value
