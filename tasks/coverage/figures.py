"""What one drill's evidence holds in numbers: nothing of a name, a key or a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tasks.evidence.document import Evidence
from tasks.evidence.measure import LOWER_BOUND
from tasks.evidence.sentence import failures, restored_bytes


@dataclass(frozen=True, slots=True)
class Figures:
    """One drill in numbers; None where something was not measured or not promised.

    Attributes:
        recoverable_at: the newest moment that can be recovered, by this drill; aware UTC.
        phases_s: seconds by stage.
        failures: rule and class of each failure.
        left_behind: so many things outlived the teardown.
        wal_gaps: so many segments of WAL are missing on the way.
    """

    recoverable_at: datetime | None = None
    rpo_s: float | None = None
    rto_s: float | None = None
    achieved_rpo_s: float | None = None
    achieved_rto_s: float | None = None
    rto_is_lower_bound: bool = False
    backup_bytes: int | None = None
    restored_bytes: int | None = None
    phases_s: Mapping[str, float] = field(default_factory=dict)
    failures: tuple[tuple[str, str], ...] = ()
    left_behind: int = 0
    wal_gaps: int | None = None


NO_FIGURES = Figures()


def figures_of(document: Evidence) -> Figures:
    """Return the figures in a document of evidence."""
    objectives, point = document["objectives"], document["recovery_point"] or {}
    recoverable = document["newest_recoverable"]
    wal = (document.get("recovery") or {}).get("wal")
    return Figures(
        recoverable_at=None if recoverable is None else datetime.fromisoformat(recoverable["at"]),
        rpo_s=objectives["rpo_s"],
        rto_s=objectives["rto_s"],
        achieved_rpo_s=objectives["achieved_rpo_s"],
        achieved_rto_s=objectives["achieved_rto_s"],
        rto_is_lower_bound=objectives["rto_basis"] == LOWER_BOUND,
        backup_bytes=point.get("bytes"),
        restored_bytes=restored_bytes(document),
        phases_s=document["phases_s"],
        failures=tuple(dict.fromkeys((item["rule"], item["class"]) for item in failures(document))),
        left_behind=len((document["sandbox"] or {}).get("left_behind") or ()),
        wal_gaps=None if wal is None else sum(gap["count"] for gap in wal["gaps"]),
    )
