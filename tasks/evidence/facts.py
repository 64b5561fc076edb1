"""What is known at the end of a drill, at whatever stage it ended.

Only the identity is certain: a drill that found nothing has no backup, one that was refused has no sandbox.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tasks.model.backup import ArchiveHead, Discovery, LocalBackup, RecoveryPoint
from tasks.model.findings import Check, Finding
from tasks.model.inventory import Inventory
from tasks.model.restored import Restored
from tasks.model.sandbox import Sandbox, Workspace
from tasks.model.target import Selection, Target

_SHOWN_PACKAGES = ("restore-drill", "prefect", "great-expectations", "psycopg", "boto3")


@dataclass(frozen=True, slots=True)
class DrillFacts:
    """Everything that one drill came to know.

    Attributes:
        as_of: the moment that the data is judged at; derived from the selection when None.
        selection: what this drill took; the target's own when None.
        phases_s: wall seconds by phase, disjoint: `discover`, `preflight`, `fetch`, `decrypt`, `provision`,
            `restore`, `analyze`, `verify`, `validate`, `measure`, `teardown`; a phase that is timed within
            another has no entry of its own.
        content_age_s: seconds from the newest row to `as_of`; None where it was not measured.
        newest_recoverable: `{uri, at, drill_id}` of the newest point that is known to come back.
        accepted: the exceptions that were used, `{rule, where, until, why, who, at}` as far as they have it.
        identity: the ARN that read the store.
        actor: who ran it, `user@host` or a flow run's id.
        suite_results: suite name to its results, as they are stored beside the evidence.
        destroyed_at, left_behind: the teardown's receipt.
    """

    drill_id: str
    target: Target
    started_at: datetime
    finished_at: datetime | None = None
    as_of: datetime | None = None
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()
    selection: Selection | None = None
    discovery: Discovery | None = None
    point: RecoveryPoint | None = None
    backup: LocalBackup | None = None
    head: ArchiveHead | None = None
    workspace: Workspace | None = None
    sandbox: Sandbox | None = None
    destroyed_at: datetime | None = None
    left_behind: tuple[str, ...] = ()
    phases_s: Mapping[str, float] = field(default_factory=dict)
    restored: Restored | None = None
    inventory: Inventory | None = None
    content_age_s: float | None = None
    newest_recoverable: Mapping[str, Any] | None = None
    accepted: tuple[Mapping[str, Any], ...] = ()
    identity: str | None = None
    suite_sha256: str | None = None
    actor: str | None = None
    suite_results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    host: Mapping[str, Any] | None = None
    tool: Mapping[str, str] | None = None

    @property
    def selected(self) -> Selection:
        """How the recovery point was chosen."""
        return self.selection or self.target.backup.select

    @property
    def is_newest(self) -> bool:
        """Whether the drill took the newest backup: only then is the RPO judged."""
        return self.selected.kind == "newest"

    @property
    def judged_at(self) -> datetime:
        """The moment that the data is judged at: now for the newest, else the recovery point's own time."""
        if self.as_of is not None:
            return self.as_of
        return self.started_at if self.is_newest or self.point is None else self.point.at

    @property
    def archive_head(self) -> ArchiveHead | None:
        """What is known of the archive: from the whole backup, else from its first bytes."""
        return self.backup.head if self.backup is not None else self.head


def describe_host(folder: Path | None = None) -> dict[str, Any]:
    """Return this worker's cpus, memory and disk, bytes; the disk is the one that holds *folder*."""
    disk = shutil.disk_usage(_existing(folder or Path.home()))
    return {
        "name": platform.node(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory_bytes(),
        "disk": {"total_bytes": disk.total, "free_bytes": disk.free},
    }


@cache
def tool_versions() -> dict[str, str]:
    """Return the versions of what judged: this tool, Python and the packages that decide something."""
    versions = {"python": platform.python_version()}
    for name in _SHOWN_PACKAGES:
        try:
            versions[name.replace("-", "_")] = metadata.version(name)
        except metadata.PackageNotFoundError:  # not installed as a package: there is no version to tell
            continue
    return versions


def _existing(folder: Path) -> Path:
    return next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # a platform without these names
        return None
