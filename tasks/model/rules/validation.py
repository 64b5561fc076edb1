"""What the data team's suites can show."""

from __future__ import annotations

from tasks.model.findings import FindingClass, Severity, Stage
from tasks.model.rules.rule import Rule

RULES = (
    Rule(
        "expectation-failed",
        FindingClass.DATA,
        Severity.FAILURE,
        Stage.VALIDATE,
        "A critical expectation does not hold in the restored data.",
        "Check production before blaming the backup: a complete restore shows what production held.",
    ),
    Rule(
        "expectation-failed-minor",
        FindingClass.DATA,
        Severity.WARNING,
        Stage.VALIDATE,
        "An expectation that only reports does not hold.",
        "Check production; the suite asks only for a report.",
    ),
    Rule(
        "expectation-errored",
        FindingClass.DRILL,
        Severity.FAILURE,
        Stage.VALIDATE,
        "An expectation could not be evaluated.",
        "Correct the expectation: `restore-drill suite check` finds most of these without a backup.",
    ),
    Rule(
        "suite-table-missing",
        FindingClass.DATA,
        Severity.FAILURE,
        Stage.VALIDATE,
        "A suite names a table that the backup should hold and lacks.",
        "Check the backup job; the table is required or was there before.",
    ),
    Rule(
        "suite-table-unknown",
        FindingClass.DRILL,
        Severity.FAILURE,
        Stage.VALIDATE,
        "A suite names a table that neither the backup nor its history knows.",
        "Correct the name in the suite, or list the table in required_tables.",
    ),
    Rule(
        "suite-empty",
        FindingClass.DRILL,
        Severity.FAILURE,
        Stage.VALIDATE,
        "A suite matched nothing, so that nothing was validated.",
        "Give the suite at least one expectation.",
    ),
    Rule(
        "content-stale",
        FindingClass.STALE,
        Severity.FAILURE,
        Stage.VALIDATE,
        "The newest row is older than freshness allows.",
        "The backup is young and what is in it is old: is it a dump of a stale replica?",
    ),
    Rule(
        "content-in-future",
        FindingClass.DATA,
        Severity.WARNING,
        Stage.VALIDATE,
        "Rows are dated after the moment that the backup can bring back; freshness was judged without them.",
        "Check the clocks and the column at the source: is it a planned date rather than a written one?",
    ),
    Rule(
        "freshness-unknown",
        FindingClass.DRILL,
        Severity.FAILURE,
        Stage.VALIDATE,
        "The freshness column cannot be read.",
        "Correct expect.freshness: it names a table or column that the backup does not have.",
    ),
)
