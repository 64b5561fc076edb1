"""What the newest drills of one database came to: as few documents as can tell.

Read newest first until a drill verified the database and one judged its newest backup, and for a database
with WAL until one proved a moment in between; at most `MOST_READ`, so that months of failures end it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tasks.config.rights import own_rights
from tasks.coverage.figures import NO_FIGURES, Figures, figures_of
from tasks.evidence.document import Evidence
from tasks.evidence.drilled import took_newest
from tasks.evidence.sentence import cause
from tasks.evidence.store import EvidenceName, newest_evidence, read_evidence
from tasks.model.errors import ConfigInvalid
from tasks.model.findings import Verdict
from tasks.model.target import Target
from tasks.stores.blobs import BlobMissing

MOST_READ = 400
QUARTER = timedelta(days=92)
CLOCKS_APART = timedelta(days=1)
"""So far ahead of this clock a record may lie."""


class Way(StrEnum):
    """How a backup comes back."""

    DUMP = "dump"
    LATEST = "latest"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class PastDrill:
    """What one drill came to.

    Attributes:
        started_at: aware UTC.
        cause: one sentence.
        is_newest: whether it took the newest backup.
        figures: what its evidence holds in numbers.
        way: that the drill went.
        uri: of its evidence.
    """

    started_at: datetime
    verdict: Verdict
    cause: str
    way: Way
    uri: str
    is_newest: bool = True
    figures: Figures = NO_FIGURES


@dataclass(frozen=True, slots=True)
class Past:
    """The newest drills of one database, newest first.

    Attributes:
        unreadable: URIs of documents that are newer than the last verified drill and cannot be read.
        ahead: drills of a time that is yet to come: a clock is wrong, and they prove nothing.
    """

    drills: tuple[PastDrill, ...] = ()
    unreadable: tuple[str, ...] = ()
    ahead: tuple[PastDrill, ...] = ()

    @property
    def last(self) -> PastDrill | None:
        """The newest drill."""
        return self.drills[0] if self.drills else None

    @property
    def speaker(self) -> PastDrill | None:
        """The drill that speaks for the database: a failure that stands, else the newest."""
        judged = [drill for drill in self.drills if drill.verdict is not Verdict.INCONCLUSIVE]
        last = (*judged[:1], *[drill for drill in judged if drill.is_newest][:1])
        failed = next((drill for drill in last if drill.verdict is Verdict.FAILED), None)
        return failed or self.last

    @property
    def verified(self) -> PastDrill | None:
        """The newest drill that verified the database."""
        return next((drill for drill in self.drills if drill.verdict is Verdict.VERIFIED), None)

    def proven(self, since: datetime) -> tuple[Way, ...]:
        """Return the ways back that drills have proven since then."""
        ways = {
            drill.way
            for drill in self.drills
            if drill.verdict is Verdict.VERIFIED and drill.started_at >= since
        }
        return tuple(sorted(ways))


def read_past(target: Target, now: datetime) -> Past:
    """Return what the newest drills of *target* came to.

    Raises:
        DrillError: rule `history-unreadable`; the evidence cannot be listed or reached.
    """
    store = own_rights(target.store)
    drills: list[PastDrill] = []
    ahead: list[PastDrill] = []
    unreadable: list[str] = []
    for name in newest_evidence(target.evidence, store, target.fleet, target.name, MOST_READ):
        try:
            drill = _drill(read_evidence(name.uri, store), name)
            (ahead if drill.started_at > now + CLOCKS_APART else drills).append(drill)
        except (ValueError, ConfigInvalid, BlobMissing):
            if not any(drill.verdict is Verdict.VERIFIED for drill in drills):
                unreadable.append(name.uri)
        if _is_enough(drills, target, now):
            break
    return Past(tuple(drills), tuple(unreadable), tuple(ahead))


def wanted_ways(target: Target) -> Iterator[Way]:
    """Yield the ways back that the backups of *target* promise."""
    if target.backup.goes_by_wal:
        yield Way.LATEST
        yield Way.MOMENT
    else:
        yield Way.DUMP


def _is_enough(drills: list[PastDrill], target: Target, now: datetime) -> bool:
    verified = [drill for drill in drills if drill.verdict is Verdict.VERIFIED]
    if not verified:
        return False
    if drills[-1].started_at < now - QUARTER:
        return True
    newest_told = any(drill.is_newest and drill.verdict is not Verdict.INCONCLUSIVE for drill in drills)
    return newest_told and set(wanted_ways(target)) <= {drill.way for drill in verified}


def _drill(document: Evidence, name: EvidenceName) -> PastDrill:
    return PastDrill(
        name.started_at,
        Verdict(document["verdict"]),
        cause(document),
        _way(document),
        name.uri,
        took_newest(document),
        figures_of(document),
    )


def _way(document: Evidence) -> Way:
    recovery = document.get("recovery")
    if recovery is None:
        return Way.DUMP
    return Way.LATEST if recovery["target"] == "latest" else Way.MOMENT
