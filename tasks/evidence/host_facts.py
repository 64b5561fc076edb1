"""Where a drill ran and what judged it: this worker, and the versions of what decides something."""

from __future__ import annotations

import os
import platform
import shutil
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_SHOWN_PACKAGES = ("restore-drill", "prefect", "great-expectations", "psycopg", "boto3")


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
