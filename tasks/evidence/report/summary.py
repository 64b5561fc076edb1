"""One drill in a fleet's table, and which drill speaks for its database.

The newest drill of the newest backup speaks, unless a later one of another backup shows something worse: a
lucky draw of an old backup must not hide that last night's is broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks.evidence.databases import tables_of
from tasks.evidence.drilled import took_newest
from tasks.evidence.report.trends import newest_ages_s, null_shares
from tasks.evidence.sentence import Document, cause, cause_class, restored_bytes

VERSION = 3
"""Of the summary's shape: a cache of another version is not read."""
_TABLES_KEPT = 40
WORST_FIRST = ("failed", "inconclusive", "verified")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a fleet's page needs of one drill. Times are as stored, sizes bytes, durations seconds.

    Attributes:
        stem: the beginning of the names of the drill's files.
        klass: of the finding that decided, None for a verified drill.
        is_newest: the drill took the newest backup.
        rows: of the largest tables, partitions left out: what the plots draw.
        nulls: per cent, of the columns whose NULLs an expectation counted.
        ages_s: of the newest values that an expectation told the age of.
    """

    stem: str
    started_at: str
    finished_at: str | None
    verdict: str
    klass: str | None
    cause: str
    is_newest: bool
    selection: str
    owner: str | None
    tier: str | None
    point_uri: str | None
    point_at: str | None
    stored_bytes: int | None
    restored_bytes: int | None
    objectives: dict[str, Any]
    newest_recoverable: dict[str, Any] | None
    accepted: int
    rows: dict[str, int]
    nulls: dict[str, float]
    ages_s: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as the cache holds it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """One database of a fleet.

    Attributes:
        drills: newest first.
        current: the drill that speaks for the database.
        last_verified: the newest drill that verified, if any is known.
        recoverable_at, recoverable_uri: the newest point that a drill brought back and no later one refuted.
    """

    name: str
    current: Summary
    drills: tuple[Summary, ...]
    last_verified: Summary | None
    recoverable_at: str | None
    recoverable_uri: str | None


def summarise(stem: str, evidence: Document, suites: Iterable[Mapping[str, Any]] = ()) -> Summary:
    """Return the summary of a drill's evidence and of its *suites*' results."""
    stored = list(suites)
    point, config = evidence["recovery_point"] or {}, evidence["config"]
    return Summary(
        stem=stem,
        started_at=evidence["started_at"],
        finished_at=evidence["finished_at"],
        verdict=evidence["verdict"],
        klass=cause_class(evidence),
        cause=cause(evidence),
        is_newest=took_newest(evidence),
        selection=config["selection"],
        owner=config.get("owner"),
        tier=config.get("tier"),
        point_uri=point.get("uri"),
        point_at=point.get("at"),
        stored_bytes=point.get("bytes"),
        restored_bytes=restored_bytes(evidence),
        objectives=dict(evidence["objectives"]),
        newest_recoverable=evidence["newest_recoverable"],
        accepted=len(evidence["accepted"]),
        rows=_rows(evidence),
        nulls=null_shares(stored),
        ages_s=newest_ages_s(stored),
    )


def database_row(name: str, drills: Sequence[Summary]) -> DatabaseRow:
    """Return the row of a database from its *drills*, newest first; there is at least one."""
    uri, at = _recoverable(drills)
    return DatabaseRow(
        name=name,
        current=_speaker(drills),
        drills=tuple(drills),
        last_verified=next((drill for drill in drills if drill.verdict == "verified"), None),
        recoverable_at=at,
        recoverable_uri=uri,
    )


def worst_first(rows: Sequence[DatabaseRow]) -> list[DatabaseRow]:
    """Return *rows* as a fleet's page shows them."""
    return sorted(rows, key=lambda row: (WORST_FIRST.index(row.current.verdict), row.name))


def _rows(evidence: Document) -> dict[str, int]:
    whole = {
        name: t["rows"]
        for name, t in tables_of(evidence).items()
        if t["rows"] is not None and not t.get("partition_of")
    }
    return dict(sorted(whole.items(), key=lambda item: (-item[1], item[0]))[:_TABLES_KEPT])


def _speaker(drills: Sequence[Summary]) -> Summary:
    newest = next((drill for drill in drills if drill.is_newest), drills[0])
    latest = drills[0]
    return min(newest, latest, key=lambda drill: WORST_FIRST.index(drill.verdict))


def _recoverable(drills: Sequence[Summary]) -> tuple[str | None, str | None]:
    last_word: dict[str, Summary] = {}
    for drill in drills:
        if drill.point_uri and drill.verdict != "inconclusive":
            last_word.setdefault(drill.point_uri, drill)
    points = [
        (drill.point_at, uri)
        for uri, drill in last_word.items()
        if drill.verdict == "verified" and drill.point_at
    ]
    points += [(str(point["at"]), str(point["uri"])) for point in _told(drills, last_word)]
    at, uri = max(points, default=(None, None))
    return uri, at


def _told(drills: Sequence[Summary], last_word: Mapping[str, Summary]) -> list[Mapping[str, Any]]:
    """Points that a drill names as recoverable and whose own drill is not among those at hand."""
    named = [drill.newest_recoverable for drill in drills if drill.newest_recoverable]
    return [
        point for point in named if point.get("at") and point.get("uri") and point["uri"] not in last_word
    ]
