"""What an error that ended a command comes to: its findings, and the exit code that they stand for."""

from __future__ import annotations

from tasks.model.errors import DrillError, StageFailed
from tasks.model.findings import Finding, FindingClass


def findings_of(error: DrillError) -> tuple[Finding, ...]:
    """Return what *error* says, finding by finding."""
    return tuple(error.findings) if isinstance(error, StageFailed) else (error.finding(),)


def exit_code_of(error: DrillError) -> int:
    """Return 2 where nothing is said about the backup, else 1."""
    return 2 if all(finding.klass is FindingClass.DRILL for finding in findings_of(error)) else 1
