"""What shows when nobody looks: databases that no drill has verified lately, or that nobody drills at all."""

from __future__ import annotations

from tasks.model.findings import FindingClass, Severity, Stage
from tasks.model.rules.rule import Rule

RULES = (
    Rule(
        "drill-overdue",
        FindingClass.DRILL,
        Severity.FAILURE,
        Stage.RECORD,
        "No drill has verified this database within the time that the fleet file allows.",
        "See whether worker, schedule and Prefect server run; `restore-drill run` drills it now.",
    ),
    Rule(
        "never-verified",
        FindingClass.DRILL,
        Severity.FAILURE,
        Stage.RECORD,
        "No drill has ever verified this database: whether it can be recovered is not known.",
        "Drill it with `restore-drill run`, or write into `exempt` why not and until when.",
    ),
    Rule(
        "exemption-expired",
        FindingClass.DRILL,
        Severity.FAILURE,
        Stage.RECORD,
        "The time for which this database was exempt from drills is over.",
        "Drill it, or let whoever is responsible write a new exemption with a new end.",
    ),
    Rule(
        "way-unproven",
        FindingClass.DRILL,
        Severity.WARNING,
        Stage.RECORD,
        "A way back that the backups promise was not proven for a quarter.",
        "Drill it once: `restore-drill run FLEET -d NAME --select at:TIME` proves a moment in between.",
    ),
)
