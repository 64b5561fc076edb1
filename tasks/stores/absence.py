"""Nothing to drill: why. The backup job stopped, never finished, its work was deleted, or lies in another shape."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from tasks.model.backup import RecoveryPoint
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.target import Selection, Target
from tasks.model.units import format_duration
from tasks.stores.base import Store
from tasks.stores.listing import older
from tasks.stores.pattern import KeyPattern
from tasks.stores.repositories import find_repository, tool_of_key
from tasks.stores.siblings import Siblings
from tasks.stores.sorting import Sorted, order, sort_out
from tasks.stores.uris import is_s3, local_path

_SHOWN = 3


def explain(
    target: Target,
    store: Store,
    pattern: KeyPattern,
    found: Sorted,
    start: datetime,
    end: datetime,
    selection: Selection,
    now: datetime,
) -> list[Finding]:
    """Return the findings that say why there is nothing to drill, the cause first.

    Raises:
        PermanentError: `path-missing`: there is not even a folder.
    """
    if selection.kind == "key":
        return [_unknown_key(selection, found, pattern)]
    _require_folder(pattern, target)
    ahead = _future(found, now)
    gone = deleted(store, pattern, start, end)
    if gone:
        return [*gone, *ahead]
    last = _newest_before(target, store, pattern, found, start)
    if found.partial:
        return [_only_partial(found), *ahead]
    if last is not None:
        return [_too_old(last, target, selection, now), *ahead]
    return [*_repository(store, pattern, found), *ahead] or [_nothing(found, pattern, target)]


def deleted(store: Store, pattern: KeyPattern, start: datetime, end: datetime) -> list[Finding]:
    """Return a finding if matching keys of *start* to *end* are hidden behind delete markers."""
    hidden: dict[str, datetime] = {}
    for prefix in pattern.levels(start, end)[0]:
        for marker in store.deleted(prefix):
            match = pattern.match(marker.uri)
            at = None if match is None or match.problem else match.at or marker.modified_at
            if match is not None and at is not None and start <= at <= end:
                hidden[match.uri] = at
    if not hidden:
        return []
    newest = max(hidden, key=lambda uri: hidden[uri])
    return [
        finding(
            "newest-deleted",
            f"{_number(len(hidden), 'backup')} newer than any that can be seen {_are(len(hidden))} hidden behind "
            f"delete markers, the newest of {hidden[newest].isoformat()}: somebody or something deleted them.",
            where=newest,
        )
    ]


def _require_folder(pattern: KeyPattern, target: Target) -> None:
    if is_s3(pattern.uri):
        return
    folder = local_path(pattern.constant.rpartition("/")[0] or "/")
    of_database = target.name in folder.name and folder.parent.is_dir()
    if not folder.is_dir() and not of_database:
        raise PermanentError(
            "The folder of the backups does not exist: whoever recovers here finds nothing.",
            str(folder),
            rule="path-missing",
        )


def _newest_before(
    target: Target, store: Store, pattern: KeyPattern, found: Sorted, start: datetime
) -> RecoveryPoint | None:
    """Return the newest recovery point before the window, going back in growing steps."""
    known = [point for point in found.points if point.at < start]
    if known:
        return max(known, key=order)
    siblings = Siblings(pattern, target.name, target.fleet_databases)
    for listed in older(store, pattern, start):
        points = [point for point in sort_out(listed, pattern, siblings).points if point.at < start]
        if points:
            return max(points, key=order)
    return None


def _future(found: Sorted, now: datetime) -> list[Finding]:
    ahead = [point for point in found.points if point.at > now]
    if not ahead:
        return []
    message = (
        f"{_number(len(ahead), 'name')} in the store {_lie(len(ahead))} in the future of this worker's clock: "
        "not taken, since no age can be known."
    )
    return [finding("backup-in-future", message, where=ahead[-1].object.uri)]


def _only_partial(found: Sorted) -> Finding:
    newest = max(found.partial, key=lambda c: (c.at is not None, c.at, c.uri))
    return finding(
        "only-partial-backups",
        f"Only unfinished uploads lie in the window ({_number(len(found.partial), 'object')}): "
        "the backup job starts and does not finish.",
        where=newest.uri,
    )


def _too_old(last: RecoveryPoint, target: Target, selection: Selection, now: datetime) -> Finding:
    age = format_duration((now - last.at).total_seconds())
    asked = " before the time asked for" if selection.kind == "at" else ""
    return finding(
        "backup-too-old",
        f"The newest recovery point{asked} is of {last.at.isoformat()}, {age} ago, outside the window of "
        f"{format_duration(target.backup.window)}: the backup job has not produced anything since.",
        where=last.object.uri,
    )


def _repository(store: Store, pattern: KeyPattern, found: Sorted) -> list[Finding]:
    named = next(((tool, c.uri) for c in found.rejected if (tool := tool_of_key(c.uri))), None)
    tool_and_place = named or find_repository(store, pattern.constant)
    if tool_and_place is None:
        return []
    tool, place = tool_and_place
    return [
        finding(
            "physical-layout-found",
            f"No dump matches the pattern, and what lies there was written by {tool}: a physical backup, "
            "which this drill cannot restore.",
            where=place,
        )
    ]


def _nothing(found: Sorted, pattern: KeyPattern, target: Target) -> Finding:
    window = format_duration(target.backup.window)
    if not found.rejected:
        fact = f"Nothing lies under {pattern.constant} for the window of {window}"
    else:
        reasons = Counter(c.reason for c in found.rejected).most_common(_SHOWN)
        counted = "; ".join(f"{count}: {reason}" for reason, count in reasons)
        fact = f"None of the {_number(len(found.rejected), 'object')} looked at is a backup of the last {window} ({counted})"
    return finding("no-backup-found", f"{fact}: there is nothing to restore.", where=pattern.uri)


def _unknown_key(selection: Selection, found: Sorted, pattern: KeyPattern) -> Finding:
    there = [point.object.uri for point in found.points[-_SHOWN:]]
    seen = (
        f"; the newest there are {', '.join(reversed(there))}" if there else "; nothing else is there either"
    )
    return finding(
        "no-backup-found",
        f'No backup is called "{selection.key}"{seen}: there is nothing to restore.',
        where=pattern.uri,
        hint="Take a key from `restore-drill list`.",
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _lie(count: int) -> str:
    return "lies" if count == 1 else "lie"
