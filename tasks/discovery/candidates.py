"""What became of every object that was listed: a recovery point, or a candidate with the reason why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tasks.discovery.pattern import KeyPattern
from tasks.discovery.undrilled import Siblings
from tasks.model.backup import Candidate, DumpPoint, RecoveryPoint, StoredObject
from tasks.model.findings import Finding
from tasks.model.printable import printable
from tasks.model.rules import finding
from tasks.model.units import format_duration
from tasks.stores.folders import as_folder

FUTURE_TOLERANCE = timedelta(minutes=10)
PARTIAL = re.compile(
    r"(?:\.(?:partial|part|tmp|temp|incomplete|inprogress|in-progress|uploading|filepart|crdownload|swp|writing)|~)$",
    re.IGNORECASE,
)
_TEMPORARY_NAME = re.compile(r"^(?:\.|tmp[._-]|temp[._-]|partial[._-])", re.IGNORECASE)
SIDECAR = re.compile(
    r"\.(?:sha(?:1|224|256|384|512)(?:sum)?|md5(?:sum)?|crc32c?|inventory\.json|manifest\.json|meta(?:data)?\.json"
    r"|sig|minisig|log|err)$",
    re.IGNORECASE,
)
_MAX_REJECTED = 1000


@dataclass(slots=True)
class Sorted:
    """A listing, told apart.

    Attributes:
        points: matching recovery points, ascending, window or not.
        rejected: every other object, with its reason.
        partial: URIs of unfinished uploads that would match once finished.
        neighbours: names of other databases whose backups the pattern's twin matches, with one URI each.
    """

    points: list[DumpPoint] = field(default_factory=list)
    rejected: list[Candidate] = field(default_factory=list)
    partial: list[Candidate] = field(default_factory=list)
    neighbours: dict[str, str] = field(default_factory=dict)


def sort_out(objects: Iterable[StoredObject], pattern: KeyPattern, siblings: Siblings) -> Sorted:
    """Tell recovery points from everything else."""
    result = Sorted()
    names = objects if isinstance(objects, list) else list(objects)
    for unit in _units(names, pattern):
        _place(unit, pattern, siblings, result)
    result.points.sort(key=order)
    return result


def order(point: DumpPoint) -> tuple[datetime, datetime, str]:
    """Return what recovery points are ordered by: their time, then the later upload, then the name."""
    return point.at, point.stored.modified_at, point.uri


def candidate(
    obj: StoredObject, reason: str, at: datetime | None = None, *, taken: bool = False
) -> Candidate:
    """Return *obj* as the evidence lists it."""
    return Candidate(uri=printable(obj.uri), bytes=obj.bytes, at=at, taken=taken, reason=printable(reason))


def shortened(candidates: list[Candidate]) -> list[Candidate]:
    """Return the first thousand, the rest counted by reason: evidence must stay readable."""
    if len(candidates) <= _MAX_REJECTED:
        return candidates
    rest = candidates[_MAX_REJECTED:]
    counted = ", ".join(
        f"{count} x {reason}" for reason, count in Counter(c.reason for c in rest).most_common(5)
    )
    more = Candidate(
        uri="", bytes=0, at=None, taken=False, reason=f"{len(rest)} more were looked at: {counted}"
    )
    return [*candidates[:_MAX_REJECTED], more]


def _units(objects: list[StoredObject], pattern: KeyPattern) -> Iterator[StoredObject]:
    """Yield what can be a backup: objects, or for a directory dump folders with their members."""
    if not pattern.directory:
        yield from objects
        return
    depth = pattern.uri.count("/")
    folders: dict[str, list[StoredObject]] = {}
    for obj in objects:
        parts = obj.uri.split("/")
        if len(parts) <= depth:
            yield obj
        else:
            folders.setdefault("/".join(parts[:depth]) + "/", []).append(obj)
    for uri, members in folders.items():
        yield as_folder(uri, members)


def _place(obj: StoredObject, pattern: KeyPattern, siblings: Siblings, result: Sorted) -> None:
    if obj.uri.endswith("/") and not pattern.directory:
        result.rejected.append(candidate(obj, "a folder marker"))
        return
    finished = _finished_name(obj.uri)
    if finished is not None and not _ends_alike(pattern, PARTIAL):
        _place_partial(obj, finished, pattern, result)
        return
    match = pattern.match(obj.uri)
    if not pattern.directory and SIDECAR.search(obj.uri) and not _ends_alike(pattern, SIDECAR):
        result.rejected.append(candidate(obj, "a sidecar, not a backup"))
    elif match is None:
        _place_stranger(obj, siblings, result, pattern)
    elif match.problem is not None:
        result.rejected.append(candidate(obj, f"its name holds no real time: {match.problem}"))
    else:
        dated_by = "modified" if match.at is None else "name"
        result.points.append(DumpPoint.of(obj, match.at or obj.modified_at, dated_by))


def _finished_name(uri: str) -> str | None:
    """Return the name that an unfinished upload will have, or None for any other name."""
    bare = uri.rstrip("/")
    folder, _, name = bare.rpartition("/")
    end = uri[len(bare) :]
    if PARTIAL.search(name):
        return f"{folder}/{PARTIAL.sub('', name)}{end}"
    if _TEMPORARY_NAME.search(name):
        return f"{folder}/{_TEMPORARY_NAME.sub('', name)}{end}"
    return None


def _ends_alike(pattern: KeyPattern, ending: re.Pattern[str]) -> bool:
    return ending.search(pattern.uri.rstrip("/")) is not None


def _place_partial(obj: StoredObject, finished: str, pattern: KeyPattern, result: Sorted) -> None:
    match = pattern.match(finished) or pattern.match(obj.uri)
    if match is None:
        result.rejected.append(candidate(obj, "a temporary name that does not match the pattern"))
        return
    partial = candidate(obj, "an unfinished upload", match.at or obj.modified_at)
    result.partial.append(partial)
    result.rejected.append(partial)


def _place_stranger(obj: StoredObject, siblings: Siblings, result: Sorted, pattern: KeyPattern) -> None:
    other = siblings.name_in(obj.uri)
    if other is not None:
        result.neighbours.setdefault(other, obj.uri)
        result.rejected.append(candidate(obj, f'a backup of another database, "{other}"'))
    elif not pattern.directory and pattern.as_directory.match(obj.uri):
        result.rejected.append(
            candidate(obj, "in a folder that matches: end the pattern with / for directory dumps")
        )
    else:
        result.rejected.append(candidate(obj, "does not match the pattern"))


def with_reason(point: RecoveryPoint, reason: str, *, taken: bool = False) -> Candidate:
    """Return *point* as the evidence lists it."""
    return Candidate(printable(point.uri), point.bytes, point.at, taken=taken, reason=printable(reason))


def is_in_future(point: RecoveryPoint, now: datetime) -> bool:
    """Tell whether the name of *point* lies further ahead than two clocks may differ."""
    return point.dated_by != "modified" and point.at > now + FUTURE_TOLERANCE


def future_names(points: Iterable[RecoveryPoint], now: datetime) -> list[Finding]:
    """Return a warning if names lie in the future of *now*."""
    future_points = [point for point in points if is_in_future(point, now)]
    if not future_points:
        return []
    lead = format_duration((future_points[-1].at - now).total_seconds())
    message = (
        f"{len(future_points)} of the names in the store lie in the future of this worker's clock, by up to "
        f"{lead}: they were not taken, since their age cannot be known."
    )
    return [finding("backup-in-future", message, where=future_points[-1].uri)]
