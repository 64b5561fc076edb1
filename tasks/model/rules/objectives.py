"""What the measurements show."""

from __future__ import annotations

from tasks.model.findings import FindingClass, Severity, Stage
from tasks.model.rules.rule import Rule

RULES = (
    Rule(
        "rpo-missed",
        FindingClass.STALE,
        Severity.FAILURE,
        Stage.MEASURE,
        "More would be lost than the RPO allows.",
        "Back up more often, or find out why the newest backup is old.",
    ),
    Rule(
        "rto-missed",
        FindingClass.SLOW,
        Severity.FAILURE,
        Stage.MEASURE,
        "Recovery takes longer than the RTO allows.",
        "See the phases for what takes the time: transfer, restore or index builds.",
    ),
)
