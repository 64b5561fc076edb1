"""Which exit code an error stands for: the backup's fault is 1, anything else 2."""

from __future__ import annotations

from deployments.failures import exit_code_of, findings_of
from tasks.model.errors import PermanentError, StageFailed, TransientError
from tasks.model.rules import finding

CUT = finding("archive-truncated", "It is cut.")
FULL = finding("disk-full", "The disk is full.")


def test_an_error_is_its_one_finding_and_a_failed_stage_all_of_its() -> None:
    assert [issue.rule for issue in findings_of(PermanentError("x", rule="disk-full"))] == ["disk-full"]
    assert findings_of(StageFailed((CUT, FULL))) == (CUT, FULL)


def test_only_what_says_something_about_the_backup_is_a_failure() -> None:
    assert exit_code_of(StageFailed((CUT,))) == exit_code_of(StageFailed((FULL, CUT))) == 1
    assert exit_code_of(StageFailed((FULL,))) == 2
    assert exit_code_of(PermanentError("x", rule="archive-truncated")) == 1
    assert exit_code_of(TransientError("the line dropped")) == 2
