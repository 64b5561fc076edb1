"""From what a drill says of a mutant, and of a healthy copy, to the mutant's fate.

Decided here: only what the healthy one does not say counts. A mutant whose drill ended for the worker's
reasons (no time, no disk, no memory, a server that died, a fault of ours) was not judged: that is no catch.
So is one that hangs: its drill's deadline ends it, and a drill that only time ends has not seen the damage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.model.findings import Check, Finding, Outcome, Severity, Verdict
from tasks.model.selftest import Fate

THE_WORKERS = frozenset(
    {
        "already-running",
        "check-over-budget",
        "clock-skew",
        "config-invalid",
        "deadline-exceeded",
        "disk-full",
        "disk-too-small",
        "drill-crashed",
        "drill-interrupted",
        "drill-out-of-memory",
        "drill-process-died",
        "evidence-unwritable",
        "history-unreadable",
        "isolation-unavailable",
        "out-of-memory",
        "postgres-failed",
        "postgres-unavailable",
        "stage-deadline",
        "teardown-incomplete",
        "tool-killed",
        "workspace-unusable",
    }
)
"""Rules that say something of the worker or of the drill, and nothing of the mutant."""
MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class DrillOutcome:
    """What a drill came to: verdict, findings as settled, and its checks."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]


def fate_of(mutant: DrillOutcome, healthy: DrillOutcome) -> tuple[Fate, tuple[str, ...], str | None]:
    """Return the fate, what decided it as `rule where`, and for an errored one the reason."""
    new = [
        finding
        for finding in mutant.findings
        if _key(finding) not in {_key(other) for other in healthy.findings}
    ]
    trouble = [
        finding for finding in new if finding.rule in THE_WORKERS and finding.severity is Severity.FAILURE
    ]
    if trouble:
        return Fate.ERRORED, (), f"{trouble[0].rule}: {trouble[0].message}"
    failures = [finding for finding in new if finding.severity is Severity.FAILURE]
    missed = _not_run(mutant.checks) - _not_run(healthy.checks)
    if mutant.verdict is not Verdict.VERIFIED and (failures or missed):
        return Fate.CAUGHT, _named(failures) or tuple(sorted(missed))[:MOST_NAMED], None
    warnings = [finding for finding in new if finding.severity is Severity.WARNING]
    return (Fate.NOTICED if warnings else Fate.SURVIVED), _named(warnings), None


def _key(finding: Finding) -> tuple[str, str | None, Severity]:
    return finding.rule, finding.where, finding.severity


def _not_run(checks: Iterable[Check]) -> set[str]:
    return {check.name for check in checks if check.outcome is Outcome.NOT_RUN}


def _named(findings: Iterable[Finding]) -> tuple[str, ...]:
    names = dict.fromkeys(
        f"{finding.rule} {finding.where}" if finding.where else finding.rule for finding in findings
    )
    return tuple(names)[:MOST_NAMED]
