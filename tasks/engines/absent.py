"""What an extension that may be absent excuses: what is its own, and nothing of the user's."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.engines.errors.causes import Cause
from tasks.engines.errors.classes import MINOR_DESCS, Meaning
from tasks.engines.errors.failure import label
from tasks.model.backup import Toc, TocEntry
from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import Finding, Severity, Stage
from tasks.model.rules import finding

_DEFINED_BY = {"TABLE DATA": "TABLE", "SEQUENCE SET": "SEQUENCE"}
"""Rows without the entry that would make their table belong to an extension, which makes it."""


def absent_extensions(causes: Iterable[Cause], toc: Toc) -> list[Finding]:
    """Return what is to be said of each extension left out as configured, and of what went with it."""
    defined = {(entry.desc, entry.namespace, entry.tag) for entry in toc.entries}
    findings: list[Finding] = []
    for cause in causes:
        if cause.meaning is not Meaning.HARMLESS or cause.entry is None or cause.entry.desc != "EXTENSION":
            continue
        lost = [entry for entry in cause.followers if entry.desc not in MINOR_DESCS]
        users = [label(entry) for entry in lost if _is_users(entry, defined)]
        own = [label(entry) for entry in lost if not _is_users(entry, defined)]
        findings += [_needed(cause.entry.tag, users)] if users else []
        findings += [_own(cause.entry.tag, own)] if own else []
    return findings


def _is_users(entry: TocEntry, defined: set[tuple[str, str, str]]) -> bool:
    desc = _DEFINED_BY.get(entry.desc)
    return desc is None or (desc, entry.namespace, entry.tag) in defined


def _needed(extension: str, names: list[str]) -> Finding:
    count = "1 entry" if len(names) == 1 else f"{len(names)} entries"
    return finding(
        "extension-missing",
        f"{count} of the backup's own did not come back, for the extension {extension} is not here: "
        f"{listing(names)}. That it may be absent excuses what belongs to it, not these. The drill cannot "
        "judge them.",
        where=names[0],
        hint="Install the extension for that major on the worker; absent_ok excuses what is its own only.",
        stage=Stage.RESTORE,
        names=beyond(names),
    )


def _own(extension: str, names: list[str]) -> Finding:
    return finding(
        "extension-absent",
        f"With the extension {extension} was left out what belongs to it: {listing(names)}.",
        where=extension,
        severity=Severity.WARNING,
        stage=Stage.RESTORE,
        names=beyond(names),
    )
