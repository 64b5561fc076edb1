"""From findings to a check: what passed, what failed and what did not run, in one way for every check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tasks.model.findings import Check, Finding, Outcome, Severity, Stage
from tasks.model.restored import Checked
from tasks.model.rules import finding

Observed = str | int | float | None


def judged(
    name: str,
    findings: Iterable[Finding] = (),
    *,
    observed: Observed = None,
    expected: Observed = None,
    stage: Stage = Stage.VERIFY,
    seconds: float | None = None,
) -> Checked:
    """Return the check *name*: failed if one of *findings* is a failure; warnings are told in its `why`."""
    findings = tuple(findings)
    failed = any(finding.severity is Severity.FAILURE for finding in findings)
    warned = sum(finding.severity is Severity.WARNING for finding in findings)
    why = f"{warned} warning{'s' if warned > 1 else ''}" if warned and not failed else None
    outcome = Outcome.FAILED if failed else Outcome.PASSED
    return Checked((Check(name, stage, outcome, observed, expected, why, seconds),), findings)


def not_run(
    name: str,
    why: str,
    findings: Iterable[Finding] = (),
    *,
    stage: Stage = Stage.VERIFY,
    seconds: float | None = None,
) -> Checked:
    """Return the check *name* as one that should have run and did not."""
    return Checked((Check(name, stage, Outcome.NOT_RUN, why=why, seconds=seconds),), tuple(findings))


def errored(name: str, why: str, *, where: str | None = None, stage: Stage = Stage.VERIFY) -> Checked:
    """Return the check *name* as one that could not be evaluated, with the finding that says so."""
    message = f"The check {name} could not be run: {why}. It says nothing about the backup."
    return not_run(name, why, [finding("check-errored", message, where=where, stage=stage)], stage=stage)


def not_configured(name: str, why: str, *, stage: Stage = Stage.VERIFY) -> Checked:
    """Return the check *name* as one that nobody asked for, with the reason."""
    return Checked((Check(name, stage, Outcome.NOT_CONFIGURED, why=why),))


def at_source(finding: Finding, level: str, *, asked: bool) -> Finding:
    """Return *finding*, a state of the source's too: a warning, unless a user *asked* for failure here."""
    severity = Severity.FAILURE if asked and level == "failure" else Severity.WARNING
    return replace(finding, severity=severity, message=f"{finding.message} So it was at the source.")


def lowered(finding: Finding, level: str) -> Finding:
    """Return *finding*, a failure made a warning where *level* asks for no more."""
    if level == "warning" and finding.severity is Severity.FAILURE:
        return replace(finding, severity=Severity.WARNING)
    return finding
