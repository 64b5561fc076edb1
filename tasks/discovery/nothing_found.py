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


def explain(look: Look) -> list[Finding]:
    """Return the findings that say why there is nothing to drill, the cause first.

    Raises:
        PermanentError: `path-missing`: there is not even a folder.
    """
    if look.selection.kind == "key":
        return [_unknown_key(look)]
    _require_folder(look)
    causes = (
        deleted(look, look.window.start)
        or _unfinished(look)
        or _split(look)
        or _stopped(look)
        or _repository(look)
    )
    return [*(causes or [_nothing(look)]), *future_names(look.listing.points, look.now)]


def split_into(look: Look, uri: str) -> list[Finding]:
    """Return a finding if the chosen *uri* is but one of the parts that a backup was split into."""
    if not is_numbered(uri):
        return []
    whole = next((whole for whole, parts in _split_files(look).items() if uri in parts), None)
    return [] if whole is None else [split_finding(whole, _split_files(look)[whole])]


def _split(look: Look) -> list[Finding]:
    """Return a finding if what matches the pattern lies there in parts: the newest."""
    split = {whole: parts for whole, parts in _split_files(look).items() if look.pattern.match(whole)}
    return [split_finding(newest, split[newest])] if (newest := max(split, default="")) else []


def _split_files(look: Look) -> dict[str, list[str]]:
    sizes = {point.uri: point.bytes for point in look.listing.points}
    return split_files(sizes | {item.uri: item.bytes for item in look.listing.rejected})


def deleted(look: Look, start: datetime) -> list[Finding]:
    """Return a finding if matching keys from *start* to the window's end are hidden by delete markers."""
    hidden = dict(_hidden(look, start))
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


def _hidden(look: Look, start: datetime) -> Iterator[tuple[str, datetime]]:
    for prefix in look.pattern.prefixes(start, look.window.end).first:
        for marker in look.store.deleted(prefix):
            match = look.pattern.match(marker.uri)
            if match is None or match.problem:
                continue
            at = match.at or marker.modified_at
            if start <= at <= look.window.end:
                yield match.uri, at


def _require_folder(look: Look) -> None:
    if is_s3(look.pattern.uri):
        return
    folder = local_path(look.pattern.constant.rpartition("/")[0] or "/")
    of_database = look.target.name in folder.name and folder.parent.is_dir()
    if not folder.is_dir() and not of_database:
        raise PermanentError(
            "The folder of the backups does not exist: whoever recovers here finds nothing.",
            str(folder),
            rule="path-missing",
        )


def _unfinished(look: Look) -> list[Finding]:
    partial = [c for c in look.listing.partial if c.at is None or c.at >= look.window.start]
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


def _stopped(look: Look) -> list[Finding]:
    last = _newest_before(look)
    if last is None:
        return []
    age = format_duration((look.now - last.at).total_seconds())
    limit = " before the time asked for" if look.selection.kind == "at" else ""
    return [
        finding(
            "backup-too-old",
            f"The newest recovery point{limit} is of {last.at.isoformat()}, {age} ago, outside the window of "
            f"{format_duration(look.target.backup.window)}: the backup job has not produced anything since.",
            where=last.uri,
        )
    ]


def _newest_before(look: Look) -> DumpPoint | None:
    """Return the newest recovery point before the window, going back in growing steps."""
    start = look.window.start
    points_before = [point for point in look.listing.points if point.at < start]
    if points_before:
        return max(points_before, key=order)
    for objects in older(look.store, look.pattern, start):
        points = [p for p in sort_out(objects, look.pattern, look.siblings).points if p.at < start]
        if points:
            return max(points, key=order)
    return None


def _repository(look: Look) -> list[Finding]:
    named = next(((tool, c.uri) for c in look.listing.rejected if (tool := tool_of_key(c.uri))), None)
    tool_and_place = named
    with suppress(PermanentError):  # the role may not look into the folders above: then we know no more
        tool_and_place = named or find_repository(look.store, look.pattern.constant)
    if tool_and_place is None:
        return []
    tool, place = tool_and_place
    return [
        finding(
            "physical-layout-found",
            f"No dump matches the pattern, and what lies there was written by {tool}: it is no dump and is "
            "not judged as one.",
            where=place,
        )
    ]


def _nothing(look: Look) -> Finding:
    window = format_duration(look.target.backup.window)
    rejected = look.listing.rejected
    if rejected:
        reasons = Counter(c.reason for c in rejected).most_common(_SHOWN)
        counted = "; ".join(f"{count}: {reason}" for reason, count in reasons)
        looked_at = _number(len(rejected), "object")
        fact = f"None of the {looked_at} looked at is a backup of the last {window} ({counted})"
    else:
        fact = f"Nothing lies under {look.pattern.constant} for the window of {window}"
    return finding("no-backup-found", f"{fact}: there is nothing to restore.", where=look.pattern.uri)


def _unknown_key(look: Look) -> Finding:
    """Say what there is instead: the newest of the window."""
    since = moved(look.now, -timedelta(seconds=look.target.backup.window))
    objects = reachable(look.store, look.pattern, since, look.now)
    labels = [point.label for point in sort_out(objects, look.pattern, look.siblings).points[-_SHOWN:]]
    alternative = (
        f"the newest there are {', '.join(reversed(labels))}" if labels else "nothing else is there either"
    )
    return finding(
        "no-backup-found",
        f'No backup is called "{look.selection.key}" ({alternative}): there is nothing to restore.',
        where=look.pattern.uri,
        hint="Take a key from `restore-drill list`.",
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
