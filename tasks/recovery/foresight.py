"""What one listing of the WAL shows of a repository's base backups, before anything is brought.

Decided here: one listing serves all of them. Where a base backup may bring WAL of its own and nothing but its
bytes tell, it is not called useless. What a listing shows is kept with the point, so that the preflight, the
evidence of a drill that never comes to recover, and `list` say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from tasks.model.backup import Discovery
from tasks.model.base_point import BasePoint
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding, FindingClass
from tasks.model.reach import Foreseen, RecoverableWindow
from tasks.model.rules import RULES, finding
from tasks.model.target import Selection, Target
from tasks.model.units import format_duration
from tasks.physical.archived import archive_of, timeline_of
from tasks.recovery.facts import recovery_before
from tasks.recovery.repository import Repository
from tasks.stores import Store
from tasks.wal.findings import GAP_AGE, window_findings
from tasks.wal.names import DEFAULT_SEGMENT_BYTES, Segment, segment_before, segment_name
from tasks.wal.segment_size import infer_segment_bytes
from tasks.wal.windows import Archive, BaseBackup, Window, window

_LOOKED_AT = 60
"""So many of the newest base backups are looked at: each may cost two small reads."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """One base backup along its archive.

    Attributes:
        window: as far as is certain.
        usable: None where it depends on WAL that the backup may bring itself.
    """

    point: BasePoint
    archive: Archive
    window: Window
    usable: bool | None


def foresee(
    repository: Repository,
    discovery: Discovery[BasePoint],
    target: Target,
    store: Store,
    now: datetime,
    selection: Selection,
) -> Discovery[BasePoint]:
    """Return *discovery* with the windows of its base backups, and what is foreseen of each.

    Whether the archive stands still is said of the newest, where that is asked for: as the RPO is judged.
    """
    eligible = {point.uri: point for point in (*discovery.eligible[-_LOOKED_AT:], *discovery.points)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        closer = pool.map(lambda point: repository.look_closer(point, store, target), eligible.values())
        known = {point.uri: point for point in closer}
    try:
        sights = sights_of(repository, list(known.values()), target)
    except PermanentError as error:
        refused = Foreseen(blocking=(_unlisted(error),))
        points = tuple(replace(known[point.uri], foreseen=refused) for point in discovery.points)
        return replace(discovery, points=points, eligible=())
    windows = tuple(_window_of(seen) for _, seen in sorted(sights.items(), key=_newest_first))
    foreseen = {uri: _foreseen(seen, target, now) for uri, seen in sights.items()}
    newest = max(sights.values(), key=lambda seen: seen.point.at, default=None)
    if newest is not None and selection.kind in {"newest", "all"}:
        foreseen[newest.point.uri] = _with_stopped(foreseen[newest.point.uri], newest, target, now)
    told = {uri: replace(point, foreseen=foreseen.get(uri, Foreseen())) for uri, point in known.items()}
    return replace(
        discovery,
        points=tuple(told[point.uri] for point in discovery.points),
        eligible=tuple(told[point.uri] for point in discovery.eligible if point.uri in told),
        windows=windows,
        most_wal_bytes=_most_wal(list(sights.values())),
    )


def sights_of(repository: Repository, points: Sequence[BasePoint], target: Target) -> dict[str, Seen]:
    """Return by uri what the archive says of those of *points* of which it can say anything.

    Raises:
        DrillError: the WAL cannot be listed.
    """
    by_place: dict[str, list[BasePoint]] = {}
    for point in points:
        place = repository.wal_place(point, target)
        if place is not None and point.start_lsn is not None and point.timeline is not None:
            by_place.setdefault(place, []).append(point)
    sights: dict[str, Seen] = {}
    for place, members in by_place.items():
        told = next((point.segment_bytes for point in members if point.segment_bytes), None)
        wal = repository.wal(place, target, told or DEFAULT_SEGMENT_BYTES, Deadline.within(None))
        size = told or infer_segment_bytes(wal.listing, map(_start_of, members))
        if size is not None:
            archive = archive_of(wal, size)
            sights |= {point.uri: _sight(point, archive, target) for point in members}
    return sights


def _start_of(point: BasePoint) -> tuple[int, int]:
    return point.timeline or 1, point.start_lsn or 0


def _sight(point: BasePoint, archive: Archive, target: Target) -> Seen:
    timeline = timeline_of(target.physical.recover.timeline)
    reached = window(archive, _base_of(point, own=point.has_own_wal is True), timeline)
    if reached.usable or point.has_own_wal is not None:
        return Seen(point, archive, reached, reached.usable)
    lenient = window(archive, _base_of(point, own=True), timeline)
    return Seen(point, archive, lenient, None if lenient.usable else False)


def _base_of(point: BasePoint, *, own: bool) -> BaseBackup:
    start_lsn = point.start_lsn or 0
    stop_lsn = point.stop_lsn or start_lsn + 1
    return BaseBackup(point.label, point.timeline or 1, start_lsn, stop_lsn, point.stopped_at, own)


def _window_of(seen: Seen) -> RecoverableWindow:
    point, reached = seen.point, seen.window
    start_at = _stopped_at(seen)
    return RecoverableWindow(
        base=point.label,
        uri=point.uri,
        start_at=start_at,
        end_at=max(start_at, reached.last_at or start_at) if seen.usable is not False else start_at,
        segments=reached.segments,
        wal_bytes=max(0, reached.end_lsn - (point.start_lsn or 0)),
        timeline=reached.timeline,
        usable=seen.usable,
        why=reached.why,
    )


def _stopped_at(seen: Seen) -> datetime:
    """Return from when the base is consistent, rather too late than too early.

    A segment is archived, and a backup's last file stored, after what they hold was written.
    """
    point, size = seen.point, seen.archive.segment_bytes
    if point.stopped_at is not None:
        return point.stopped_at
    stored_at = max((member.modified_at for member in point.members), default=point.at)
    if point.stop_lsn is None or point.timeline is None:
        return max(point.at, stored_at)
    last = segment_name(Segment(point.timeline, segment_before(point.stop_lsn, size)), size)
    return max(point.at, seen.archive.archived_at(last) or stored_at)


def _foreseen(seen: Seen, target: Target, now: datetime) -> Foreseen:
    recovery = recovery_before(seen.point, seen.archive, seen.window, target)
    findings = window_findings(seen.window, now)
    if seen.usable is not False:
        return Foreseen(standing=findings, recovery=recovery)
    if _is_fresh(seen.point, now):  # its last segment may be on its way: the restore looks again
        return Foreseen(recovery=recovery)
    return Foreseen(blocking=findings, recovery=recovery)


def _is_fresh(point: BasePoint, now: datetime) -> bool:
    """Say whether *point* was completed a moment ago: an archiver may be out of order for so long."""
    moments = [point.at, point.stopped_at or point.at, *(member.modified_at for member in point.members)]
    return now - max(moments) < GAP_AGE


def _with_stopped(foreseen: Foreseen, seen: Seen, target: Target, now: datetime) -> Foreseen:
    """Add a finding if the newest moment that comes back is already older than the RPO allows."""
    if target.rpo is None or target.backup.stops_early or foreseen.blocking or seen.window.gaps:
        return foreseen
    moment = max(seen.point.at, seen.window.last_at or seen.point.at)
    if now - moment <= timedelta(seconds=target.rpo):
        return foreseen
    stopped = archiving_stopped((now - moment).total_seconds(), target.rpo)
    return replace(foreseen, standing=(*foreseen.standing, stopped))


def archiving_stopped(age_s: float, rpo_s: float) -> Finding:
    """Return the finding that the newest moment that WAL brings back is *age_s* old."""
    age = format_duration(age_s)
    return finding(
        "archiving-stopped",
        f"The newest moment that base backup and archived WAL bring back is {age} old and the RPO is "
        f"{format_duration(rpo_s)}. What was written since then is lost with the server.",
    )


def _unlisted(error: PermanentError) -> Finding:
    if RULES[error.rule].klass is not FindingClass.PATH:
        return finding(error.rule, error.what, where=error.where, hint=error.hint)
    message = f"{error.what} Base backups can be read and their WAL cannot: a database comes back as of one."
    return finding("wal-denied", message, where=error.where)


def _most_wal(sights: Sequence[Seen]) -> int | None:
    """Return the most WAL that a recovery could have to replay: up to the next base backup, or the end."""
    by_archive: dict[int, list[Seen]] = {}
    for seen in sights:
        by_archive.setdefault(id(seen.archive), []).append(seen)
    return max((wal for members in by_archive.values() for wal in _between(members)), default=None)


def _between(sights: Sequence[Seen]) -> Iterator[int]:
    ascending = sorted((seen.point.start_lsn or 0, seen.window.end_lsn) for seen in sights)
    for (start, _), (following, _) in pairwise(ascending):
        yield following - start
    for start, end in ascending[-1:]:
        yield max(0, end - start)


def _newest_first(item: tuple[str, Seen]) -> tuple[float, str]:
    return (-item[1].point.at.timestamp(), item[0])
