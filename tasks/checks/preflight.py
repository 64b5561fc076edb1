"""Whether a drill can succeed at all, from the first bytes of the backup and from what this worker has.

Everything here is asked before the download: a drill that cannot succeed says so in seconds, not after an
hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from expectations.json_text import LARGEST_BYTES, JsonInvalid, read_object
from tasks.catalog import Wanted, preflight_findings, read_head, wanted_major
from tasks.checks import manifest
from tasks.model.backup import MANIFEST_SUFFIX, ArchiveHead, ByteSource, DumpPoint, RecoveryPoint
from tasks.model.errors import ConfigInvalid, DrillError, PermanentError
from tasks.model.findings import Check, Finding, Outcome, Severity, Stage
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.target import Target
from tasks.model.units import format_bytes
from tasks.sandbox import available_extensions, find_postgres, free_bytes
from tasks.sandbox.isolation import choose_isolation
from tasks.sandbox.paths import drill_dir
from tasks.stores import Store

NEWEST_MAJOR = 18
_GROWTH = 8
"""A compressed dump and the database that it becomes: eight times is what wide text tables reach."""
_CLUSTER_BYTES = 128 << 20


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the preflight saw.

    Attributes:
        head: None where even the first bytes could not be read or made no sense.
        manifest: the inventory that was taken at the source, if one lies beside the backup.
        seen: checks, and findings of every severity; any failure ends the drill here.
        standing: findings that end nothing: what comes back all the same is worth proving.
    """

    head: ArchiveHead | None
    manifest: dict[str, Any] | None
    seen: Checked
    standing: tuple[Finding, ...] = ()


def assess(point: DumpPoint, store: Store, target: Target, last_restored_bytes: int | None) -> Readiness:
    """Read the backup's head and say what it needs and whether it is here.

    Raises:
        DrillError: the backup cannot be reached or read, or its first bytes already condemn it.
    """
    head = read_head(backup_source(point, store), point.label, Wanted(target.dump.database, target.name))
    findings = [
        *preflight_findings(
            head,
            name_at=point.at,
            dated_by=point.dated_by,
            target=target,
            extensions_of=lambda major: _extensions(major, target),
        ),
        *_postgres(head, target),
        *disk_findings(point.bytes, target, last_restored_bytes),
        *_isolation(target),
    ]
    document, missing = read_manifest(point, store, target)
    findings += missing
    return Readiness(head, document, Checked(_checks(head, findings), tuple(findings)))


def worker_findings(
    point: RecoveryPoint, target: Target, last_restored_bytes: int | None
) -> tuple[Finding, ...]:
    """Return what this worker lacks for a drill of *point*, whatever its kind: disk, isolation."""
    return (*disk_findings(point.bytes, target, last_restored_bytes), *_isolation(target))


def assess_opened(
    head: ArchiveHead, first: ArchiveHead | None, point: RecoveryPoint, target: Target
) -> tuple[Finding, ...]:
    """Return what the opened backup's head says that could not be read, or not wholly, before the download.

    What is encrypted or lies in a container shows only then of which database and of which day it is.
    *first* is what the first bytes told.
    """
    before = None if first is None else first.toc
    if head.toc is None or (before is not None and before.archive_version == head.toc.archive_version):
        return ()
    return preflight_findings(
        head,
        name_at=point.at,
        dated_by=point.dated_by,
        target=target,
        extensions_of=lambda major: _extensions(major, target),
    )


def backup_source(point: DumpPoint, store: Store) -> ByteSource | Mapping[str, ByteSource]:
    """Return the bytes of the backup for ranged reads; of a directory dump, those of its files by name."""
    stored = point.stored
    if not stored.members and not stored.uri.endswith("/"):
        return store.source(stored)
    return {member.uri.removeprefix(stored.uri): store.source(member) for member in stored.members}


def major_to_use(head: ArchiveHead | None, target: Target) -> int:
    """Return the PostgreSQL major to restore with; a script that does not say takes the newest."""
    return wanted_major(None if head is None else head.toc, target) or NEWEST_MAJOR


def _postgres(head: ArchiveHead, target: Target) -> list[Finding]:
    if head.toc is None:
        return []  # compressed or encrypted beyond the bytes read: known after the download
    try:
        find_postgres(major_to_use(head, target), target.sandbox.postgres_source)
    except PermanentError as error:
        return [error.finding(Stage.PREFLIGHT)]
    return []


def _extensions(major: int, target: Target) -> frozenset[str] | None:
    try:
        return available_extensions(find_postgres(major, target.sandbox.postgres_source))
    except PermanentError:
        return None  # said once, by `_postgres`


def disk_findings(stored_bytes: int, target: Target, restored_bytes: int | None) -> list[Finding]:
    """Return that the disk is too small for what is stored and what it is restored to, where it is.

    Args:
        stored_bytes: of what lies on the disk as it was stored.
        target: what the fleet file says of disk.
        restored_bytes: None where nothing tells: then it is guessed.
    """
    if target.sandbox.disk == "auto":
        need = stored_bytes + (restored_bytes or stored_bytes * _GROWTH) + _CLUSTER_BYTES
    else:
        need = target.sandbox.disk
    free = free_bytes(drill_dir())
    if free >= need:
        return []
    message = (
        f"The drill needs about {format_bytes(need)} of disk and {format_bytes(free)} are free. "
        "It was not begun, so that it does not fill the worker's disk."
    )
    return [finding("disk-too-small", message, where=str(drill_dir()))]


def _isolation(target: Target) -> list[Finding]:
    try:
        choose_isolation(target.sandbox.isolation)
    except DrillError as error:
        return [error.finding(Stage.PREFLIGHT)]
    return []


def read_manifest(
    point: RecoveryPoint, store: Store, target: Target
) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Return the inventory that lies beside the backup, and what is wrong with it or its absence."""
    policy = target.dump.manifest
    if policy == "none":
        return None, []
    uri = f"{point.uri.rstrip('/')}{MANIFEST_SUFFIX}"
    stored = next((obj for obj in store.list(uri, limit=1) if obj.uri == uri), None)
    if stored is None:
        message = (
            "No manifest lies beside the backup, and one is required. Its content cannot be proven exactly."
        )
        return None, [finding("manifest-missing", message, where=uri)] if policy == "required" else []
    try:
        document = read_object(store.source(stored).read(0, min(stored.bytes, LARGEST_BYTES + 1)))
        manifest.read_manifest(document)
    except (JsonInvalid, ConfigInvalid) as exc:
        message = f"The manifest beside the backup cannot be used: {exc.what}. The source cannot be compared."
        return None, [finding("manifest-unreadable", message, where=uri)]
    return document, []


def _checks(head: ArchiveHead, findings: list[Finding]) -> tuple[Check, ...]:
    failed = next((issue.message for issue in findings if issue.severity is Severity.FAILURE), None)
    outcome = Outcome.FAILED if failed else Outcome.PASSED
    return (
        Check("readable", Stage.PREFLIGHT, Outcome.PASSED, head.format.value),
        Check("ready", Stage.PREFLIGHT, outcome, why=failed),
    )
