"""What a rule is."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.model.findings import FindingClass, Severity, Stage


@dataclass(frozen=True, slots=True)
class Rule:
    """A documented reason for a finding.

    Attributes:
        summary: what it means, one sentence, shown in docs/errors.md.
        hint: what to do next, one sentence, the default of its findings.
    """

    name: str
    klass: FindingClass
    severity: Severity
    stage: Stage
    summary: str
    hint: str
