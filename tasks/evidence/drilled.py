"""What drills came to for each backup that they drilled, newest first: the memory of `can-i-recover`.

Only as many documents are read as it takes to meet a backup that came back, and at most `MOST_READ`: the
question is asked at night, and wants an answer in seconds. A drill that failed only since its backup was too
old or came back too late has brought it back all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.config.rights import own_rights
from tasks.evidence.store import EvidenceName, newest_evidence, read_evidence
from tasks.model.errors import ConfigInvalid, PermanentError
from tasks.model.findings import FindingClass, Outcome, Severity, Verdict
from tasks.model.target import Target
from tasks.stores.blobs import BlobMissing

MOST_READ = 400
LEAST_READ = 30
"""So many are read even after one that came back: an older backup that is asked for may be proven too."""
_PROMISES = {FindingClass.STALE.value, FindingClass.SLOW.value}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DrilledBackup:
    """One drill of one backup.

    Attributes:
        uri, at, bytes: of the backup; `at` and `finished_at` are aware UTC.
        came_back: whole and as expected, if perhaps too old or too late.
        achieved_rto_s: seconds that the recovery took; None where it did not complete.
        overhead_s: declared ones among them, which no size changes.
        commands: that worked.
        cause: the first failure's message; empty for a verified drill.
        evidence: where its document lies.
    """

    uri: str
    at: datetime
    bytes: int | None
    verdict: Verdict
    came_back: bool
    drill_id: str
    finished_at: datetime
    achieved_rto_s: float | None
    overhead_s: float
    commands: tuple[str, ...]
    cause: str
    evidence: str


def drilled_backups(target: Target, least: int = LEAST_READ) -> tuple[DrilledBackup, ...]:
    """Return the newest drills of *target*, newest first: at least *least*, and on to one that came back.

    Documents that are damaged prove nothing and are passed over.

    Raises:
        DrillError: rule `history-unreadable`; the evidence cannot be listed or reached.
    """
    store = own_rights(target.store)
    drills: list[DrilledBackup] = []
    for name in newest_evidence(target.evidence, store, target.fleet, target.name, MOST_READ):
        drill = _read(name, target)
        if drill is not None:
            drills.append(drill)
        if len(drills) >= least and any(drill.came_back for drill in drills):
            break
    return tuple(drills)


def took_newest(document: Mapping[str, Any]) -> bool:
    """Return whether a drill took the newest backup, perhaps with older ones behind it."""
    return str(document["config"]["selection"]).startswith(("newest", "walk_back"))


def _read(name: EvidenceName, target: Target) -> DrilledBackup | None:
    try:
        return _drilled(read_evidence(name.uri, own_rights(target.store)), name.uri)
    except (ValueError, ConfigInvalid, BlobMissing) as error:
        why = error.what if isinstance(error, PermanentError) else str(error)
        _log.warning("%s is passed over: %s", name.uri, why)
        return None


def _drilled(document: dict[str, Any], uri: str) -> DrilledBackup | None:
    point = document["recovery_point"]
    if point is None or point["uri"] is None or point["at"] is None:
        return None
    failures = [item for item in document["findings"] if item["severity"] == Severity.FAILURE.value]
    verdict = Verdict(document["verdict"])
    return DrilledBackup(
        uri=point["uri"],
        at=datetime.fromisoformat(point["at"]),
        bytes=point["bytes"],
        verdict=verdict,
        came_back=verdict is Verdict.VERIFIED or (_came_back(document) and bool(failures)),
        drill_id=document["drill_id"],
        finished_at=datetime.fromisoformat(document["finished_at"]),
        achieved_rto_s=document["objectives"]["achieved_rto_s"],
        overhead_s=document["objectives"]["overhead_s"] or 0.0,
        commands=tuple(item["command"] for item in document["recovery_commands"]),
        cause=failures[0]["message"] if failures and verdict is not Verdict.VERIFIED else "",
        evidence=uri,
    )


def _came_back(document: dict[str, Any]) -> bool:
    """Tell whether nothing but a promise was missed: the restore completed and every check ran."""
    failures = {item["class"] for item in document["findings"] if item["severity"] == Severity.FAILURE.value}
    ran = all(check["outcome"] != Outcome.NOT_RUN.value for check in document["checks"])
    return ran and failures <= _PROMISES and document["objectives"]["achieved_rto_s"] is not None
