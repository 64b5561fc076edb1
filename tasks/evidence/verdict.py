"""How findings and checks become a verdict; nothing else decides it.

What did not run is never a pass. One more finding never improves a verdict: `judge` looks for reasons to
refuse `verified`, never for excuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.model.findings import Check, Finding, FindingClass, Outcome, Severity, Stage, Verdict
from tasks.model.inventory import Inventory
from tasks.model.rules import RULES, finding

STAGES = tuple(Stage)
"""In drill order."""
_SEVERITIES = tuple(Severity)


def judge(findings: Iterable[Finding], checks: Iterable[Check]) -> Verdict:
    """Return what one drill shows.

    `failed` needs a failure that is not the drill's own. `verified` needs more than the absence of trouble:
    at least one check of the restored database must have run and passed, and none may be left out.
    """
    failures = {finding.klass for finding in findings if finding.severity is Severity.FAILURE}
    if failures - {FindingClass.DRILL}:
        return Verdict.FAILED
    outcomes = [(check.stage, check.outcome) for check in checks]
    proven = (Stage.VERIFY, Outcome.PASSED) in outcomes
    skipped = any(outcome is Outcome.NOT_RUN for _, outcome in outcomes)
    return Verdict.INCONCLUSIVE if failures or skipped or not proven else Verdict.VERIFIED


def settle(
    findings: Iterable[Finding], checks: Iterable[Check], inventory: Inventory | None = None
) -> tuple[Finding, ...]:
    """Return *findings* without repeats, worst first, with what they keep silent about added.

    A check that failed while no finding speaks for it, or a restored database without a table, would
    otherwise slip through `judge`. Any failure speaks: the drill is not verified anyway, and one of the
    drill's own class may be why there is no table.
    """
    all_findings = list(findings)
    all_findings += [_unexplained(check) for check in checks if _is_unexplained(check, all_findings)]
    empty = inventory is not None and not any(held.tables for held in inventory.each)
    if empty and not _failed(all_findings):
        all_findings.append(
            finding("nothing-restored", "The restored database holds no table. Nothing was recovered.")
        )
    return tuple(sorted(dict.fromkeys(all_findings), key=rank))


def rank(item: Finding) -> tuple[int, int]:
    """Return a sort key: failures first, then drill order; a stable sort keeps the rest as observed."""
    return _SEVERITIES.index(item.severity), STAGES.index(item.stage)


def _is_unexplained(check: Check, findings: Sequence[Finding]) -> bool:
    return check.outcome is Outcome.FAILED and not any(
        item.severity is Severity.FAILURE
        or (item.stage is check.stage and RULES[item.rule].severity is not Severity.INFO)
        for item in findings
    )


def _unexplained(check: Check) -> Finding:
    return finding(
        "check-errored",
        f"The check {check.name} failed and left no finding. What it saw cannot be judged.",
        where=check.name,
        hint="This is a fault of the drill: report it with the evidence.",
        stage=check.stage,
    )


def _failed(findings: Iterable[Finding]) -> bool:
    return any(item.severity is Severity.FAILURE for item in findings)
