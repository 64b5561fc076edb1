"""Nothing to drill: why. The job stopped, never finished, its work was deleted, or has another shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from tasks.discovery.candidates import future_names, order, sort_out
from tasks.discovery.listing import older, reachable
from tasks.discovery.pattern import moved
from tasks.discovery.repositories import find_repository, tool_of_key
from tasks.discovery.scan import Look
from tasks.discovery.split_files import is_numbered, split_files, split_finding
from tasks.model.backup import DumpPoint
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.units import format_duration
from tasks.stores.uris import is_s3, local_path

_SHOWN = 3


def explain(seen: Look) -> list[Finding]:
    """Return the findings that say why there is nothing to drill, the cause first.

    Raises:
        PermanentError: `path-missing`: there is not even a folder.
    """
    if seen.selection.kind == "key":
        return [_unknown_key(seen)]
    _require_folder(seen)
    causes = (
        deleted(seen, seen.window.start)
        or _unfinished(seen)
        or _split(seen)
        or _stopped(seen)
        or _repository(seen)
    )
    return [*(causes or [_nothing(seen)]), *future_names(seen.found.points, seen.now)]


def split_into(seen: Look, uri: str) -> list[Finding]:
    """Return a finding if the chosen *uri* is but one of the parts that a backup was split into."""
    if not is_numbered(uri):
        return []
    whole = next((whole for whole, parts in _split_files(seen).items() if uri in parts), None)
    return [] if whole is None else [split_finding(whole, _split_files(seen)[whole])]


def _split(seen: Look) -> list[Finding]:
    """Return a finding if what matches the pattern lies there in parts: the newest."""
    found = {whole: parts for whole, parts in _split_files(seen).items() if seen.pattern.match(whole)}
    return [split_finding(newest, found[newest])] if (newest := max(found, default="")) else []


def _split_files(seen: Look) -> dict[str, list[str]]:
    sizes = {point.uri: point.bytes for point in seen.found.points}
    return split_files(sizes | {item.uri: item.bytes for item in seen.found.rejected})


def deleted(seen: Look, start: datetime) -> list[Finding]:
    """Return a finding if matching keys from *start* to the window's end are hidden by delete markers."""
    hidden = dict(_hidden(seen, start))
    if not hidden:
        return []
    newest = max(hidden, key=lambda uri: hidden[uri])
    count = f"{len(hidden)} backups are" if len(hidden) > 1 else "A backup is"
    return [
        finding(
            "newest-deleted",
            f"{count} hidden behind delete markers and newer than any to be seen, the newest of "
            f"{hidden[newest].isoformat()}: somebody or something deleted what a recovery would need.",
            where=newest,
        )
    ]


def _hidden(seen: Look, start: datetime) -> Iterator[tuple[str, datetime]]:
    for prefix in seen.pattern.prefixes(start, seen.window.end).first:
        for marker in seen.store.deleted(prefix):
            match = seen.pattern.match(marker.uri)
            if match is None or match.problem:
                continue
            at = match.at or marker.modified_at
            if start <= at <= seen.window.end:
                yield match.uri, at


def _require_folder(seen: Look) -> None:
    if is_s3(seen.pattern.uri):
        return
    folder = local_path(seen.pattern.constant.rpartition("/")[0] or "/")
    of_database = seen.target.name in folder.name and folder.parent.is_dir()
    if not folder.is_dir() and not of_database:
        raise PermanentError(
            "The folder of the backups does not exist: whoever recovers here finds nothing.",
            str(folder),
            rule="path-missing",
        )


def _unfinished(seen: Look) -> list[Finding]:
    partial = [c for c in seen.found.partial if c.at is None or c.at >= seen.window.start]
    if not partial:
        return []
    return [
        finding(
            "only-partial-backups",
            f"Only unfinished uploads lie in the window ({_number(len(partial), 'object')}): "
            "the backup job starts and does not finish.",
            where=max(partial, key=lambda c: (c.at is not None, c.at, c.uri)).uri,
        )
    ]


def _stopped(seen: Look) -> list[Finding]:
    last = _newest_before(seen)
    if last is None:
        return []
    age = format_duration((seen.now - last.at).total_seconds())
    asked = " before the time asked for" if seen.selection.kind == "at" else ""
    return [
        finding(
            "backup-too-old",
            f"The newest recovery point{asked} is of {last.at.isoformat()}, {age} ago, outside the window of "
            f"{format_duration(seen.target.backup.window)}: the backup job has not produced anything since.",
            where=last.uri,
        )
    ]


def _newest_before(seen: Look) -> DumpPoint | None:
    """Return the newest recovery point before the window, going back in growing steps."""
    start = seen.window.start
    known = [point for point in seen.found.points if point.at < start]
    if known:
        return max(known, key=order)
    for listed in older(seen.store, seen.pattern, start):
        points = [p for p in sort_out(listed, seen.pattern, seen.siblings).points if p.at < start]
        if points:
            return max(points, key=order)
    return None


def _repository(seen: Look) -> list[Finding]:
    named = next(((tool, c.uri) for c in seen.found.rejected if (tool := tool_of_key(c.uri))), None)
    tool_and_place = named
    with suppress(PermanentError):  # the role may not look into the folders above: then we know no more
        tool_and_place = named or find_repository(seen.store, seen.pattern.constant)
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


def _nothing(seen: Look) -> Finding:
    window = format_duration(seen.target.backup.window)
    rejected = seen.found.rejected
    if rejected:
        reasons = Counter(c.reason for c in rejected).most_common(_SHOWN)
        counted = "; ".join(f"{count}: {reason}" for reason, count in reasons)
        looked_at = _number(len(rejected), "object")
        fact = f"None of the {looked_at} looked at is a backup of the last {window} ({counted})"
    else:
        fact = f"Nothing lies under {seen.pattern.constant} for the window of {window}"
    return finding("no-backup-found", f"{fact}: there is nothing to restore.", where=seen.pattern.uri)


def _unknown_key(seen: Look) -> Finding:
    """Say what there is instead: the newest of the window."""
    since = moved(seen.now, -timedelta(seconds=seen.target.backup.window))
    listed = reachable(seen.store, seen.pattern, since, seen.now)
    there = [point.label for point in sort_out(listed, seen.pattern, seen.siblings).points[-_SHOWN:]]
    known = f"the newest there are {', '.join(reversed(there))}" if there else "nothing else is there either"
    return finding(
        "no-backup-found",
        f'No backup is called "{seen.selection.key}" ({known}): there is nothing to restore.',
        where=seen.pattern.uri,
        hint="Take a key from `restore-drill list`.",
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
