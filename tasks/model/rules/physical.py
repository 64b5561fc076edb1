"""What physical copies, their WAL and their recovery can show."""

from __future__ import annotations

from tasks.model.findings import FindingClass, Severity, Stage
from tasks.model.rules.rule import Rule

RULES = (
    Rule(
        "wal-missing-for-backup",
        FindingClass.DATA,
        Severity.FAILURE,
        Stage.RESTORE,
        "WAL that the copy needs to become consistent is not there.",
        "Take base backups with -X stream, or keep the archive as far back as the oldest base backup. Never "
        "delete backup_label to get past this.",
    ),
    Rule(
        "wal-gap",
        FindingClass.DATA,
        Severity.FAILURE,
        Stage.PREFLIGHT,
        "A segment of WAL is not in the archive while newer ones of its timeline are.",
        "Take a base backup now: nothing after the gap can be recovered from the older ones. Then find what lost it.",
    ),
    Rule(
        "wal-corrupt",
        FindingClass.DATA,
        Severity.FAILURE,
        Stage.RESTORE,
        "A segment of WAL in the archive is not what it should be: recovery ends before it, and PostgreSQL does not say so.",
        "Take a base backup now, then find out who writes to the archive and what its archive_command checks.",
    ),
    Rule(
        "wal-denied",
        FindingClass.PATH,
        Severity.FAILURE,
        Stage.RESTORE,
        "The recovery role reads the base backups and not the WAL: a database comes back as of its base backup.",
        "Let the recovery role list and read the WAL's prefix, and use the keys that it is encrypted with.",
    ),
    Rule(
        "timeline-fork",
        FindingClass.PATH,
        Severity.FAILURE,
        Stage.PREFLIGHT,
        "A recovery as PostgreSQL does it by default follows a timeline that leaves newer WAL behind.",
        "Name the timeline (`recover.timeline`), and remove the stray one's files: a test restore archived into this repository.",
    ),
    Rule(
        "archiving-stopped",
        FindingClass.STALE,
        Severity.FAILURE,
        Stage.PREFLIGHT,
        "The newest WAL in the archive is older than the RPO.",
        "Look at pg_stat_archiver on the server; where it was only quiet, set archive_timeout below the RPO.",
    ),
    Rule(
        "recovery-ended-early",
        FindingClass.DATA,
        Severity.FAILURE,
        Stage.RESTORE,
        "Recovery ended before the archive's end, and the server said that all is well.",
        "Look at the segment where it ended: it is damaged, of another cluster, or could not be read.",
    ),
)
