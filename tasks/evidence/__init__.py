"""What a drill leaves behind: findings become a verdict, verdicts evidence, evidence a report."""

from __future__ import annotations

from tasks.evidence.document import add_finding, build_evidence
from tasks.evidence.history import load_history, unreadable_findings
from tasks.evidence.host_facts import describe_host, tool_versions
from tasks.evidence.markdown import check_rows, markdown
from tasks.evidence.measure import Objectives, measure, objectives_of
from tasks.evidence.report import publish, render_report
from tasks.evidence.sentence import cause, sentence, state_message
from tasks.evidence.store import (
    EvidenceUnwritable,
    list_evidence,
    read_evidence,
    write_acceptance,
    write_evidence,
)
from tasks.evidence.verdict import judge, settle

__all__ = [
    "EvidenceUnwritable",
    "Objectives",
    "add_finding",
    "build_evidence",
    "cause",
    "check_rows",
    "describe_host",
    "judge",
    "list_evidence",
    "load_history",
    "markdown",
    "measure",
    "objectives_of",
    "publish",
    "read_evidence",
    "render_report",
    "sentence",
    "settle",
    "state_message",
    "tool_versions",
    "unreadable_findings",
    "write_acceptance",
    "write_evidence",
]
