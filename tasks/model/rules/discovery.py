"""What listing the store can show."""

from __future__ import annotations

from tasks.model.findings import FindingClass, Severity, Stage
from tasks.model.rules.rule import Rule

RULES = (
    Rule(
        "listing-too-large",
        FindingClass.DRILL,
        Severity.FAILURE,
        Stage.DISCOVER,
        "More keys lie where a backup of the window could lie than a drill takes into its memory.",
        "Put the time into the folders of `at` (`%Y/%m/%d/`), or make `window` shorter.",
    ),
    Rule(
        "no-backup-found",
        FindingClass.STALE,
        Severity.FAILURE,
        Stage.DISCOVER,
        "No object in the window matches the pattern: there is nothing to restore.",
        "Look at the backup job and its last log; compare `at` with the keys that `restore-drill list` shows as rejected.",
    ),
    Rule(
        "backup-too-old",
        FindingClass.STALE,
        Severity.FAILURE,
        Stage.DISCOVER,
        "Nothing lies inside the window; the newest recovery point is older.",
        "Find out why the backup job stopped; its last success is the recovery point's time.",
    ),
    Rule(
        "only-partial-backups",
        FindingClass.STALE,
        Severity.FAILURE,
        Stage.DISCOVER,
        "Only temporary or unfinished uploads are there.",
        "Look at the backup job: it starts and does not finish.",
    ),
    Rule(
        "newest-deleted",
        FindingClass.STALE,
        Severity.FAILURE,
        Stage.DISCOVER,
        "The newest versions of the backup are hidden behind delete markers.",
        "Find out who deleted them; undelete by removing the delete marker, then drill again.",
    ),
    Rule(
        "physical-layout-found",
        FindingClass.DRILL,
        Severity.FAILURE,
        Stage.DISCOVER,
        "A repository of a physical backup tool lies where a dump was expected.",
        "Point `at` at the dumps, or drill the repository by its own `kind`: `restore-drill init` on its "
        "place writes the entry where the tool is known.",
    ),
    Rule(
        "backup-in-future",
        FindingClass.DATA,
        Severity.WARNING,
        Stage.DISCOVER,
        "An object's name lies in the future of this worker's clock.",
        "Check the clocks of the backup host and of this worker, and the timezone of the pattern.",
    ),
    Rule(
        "recovery-point-from-modified",
        FindingClass.DATA,
        Severity.WARNING,
        Stage.DISCOVER,
        "The key holds no time, so LastModified was taken as the recovery point.",
        "Put the time of the dump into the key: copies and re-syncs reset LastModified.",
    ),
    Rule(
        "undrilled-backup",
        FindingClass.PATH,
        Severity.WARNING,
        Stage.DISCOVER,
        "The store holds backups of a database that no fleet names.",
        "Add it to a fleet, or exclude it knowingly.",
    ),
    Rule(
        "cadence-gap",
        FindingClass.STALE,
        Severity.WARNING,
        Stage.DISCOVER,
        "The interval between neighbouring recovery points was larger than the RPO.",
        "If retention was not thinned on purpose, the backup job missed runs.",
    ),
)
