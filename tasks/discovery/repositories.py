"""Repositories of physical backup tools, known by their folders: "no dump here" is then half the truth.

Looked for only where nothing matched, with one delimiter listing per level of the constant prefix and one
more for each of a few folders on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tasks.stores.base import Store

_FOLDERS = 20
_LAYOUTS: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...] = (
    ("pgBackRest", (re.compile(r"/archive/$"), re.compile(r"/backup/$"))),
    ("Barman", (re.compile(r"/base/$"), re.compile(r"/wals/$"))),
    ("WAL-G", (re.compile(r"/basebackups_005/$"),)),
    ("pg_basebackup", (re.compile(r"/(?:backup_manifest|backup_label|base\.tar(?:\.\w+)?|PG_VERSION)$"),)),
    ("an RDS snapshot export", (re.compile(r"/export_(?:info|tables_info)_[^/]*\.json$"),)),
)
_KEYS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "pgBackRest",
        re.compile(r"/(?:archive|backup)/[^/]+/(?:archive|backup)\.info(?:\.copy)?$|/backup\.manifest$"),
    ),
    ("WAL-G", re.compile(r"/basebackups_005/|_backup_stop_sentinel\.json$")),
    ("Barman", re.compile(r"/base/\d{8}T\d{6}/(?:backup\.info|data(?:_\d+)?\.tar)|/wals/[0-9A-F]{16}/")),
    (
        "pg_basebackup",
        re.compile(r"/(?:backup_manifest|backup_label|global/pg_control|(?:base|pg_wal)\.tar(?:\.\w+)?)$"),
    ),
)


def tool_of_key(uri: str) -> str | None:
    """Return the tool that writes files of this name, or None."""
    return next((tool for tool, pattern in _KEYS if pattern.search(uri)), None)


def find_repository(store: Store, constant: str) -> tuple[str, str] | None:
    """Return the tool and the URI of a repository on the way to *constant*, or None."""
    for level in reversed(list(_levels(constant))):
        folders = store.folders(level)
        for place in (level, *folders[:_FOLDERS]):
            tool = _tool_at(store, place, folders if place == level else None)
            if tool is not None:
                return tool, place
    return None


def _levels(constant: str) -> Iterator[str]:
    """Yield the folders from the store's root to the deepest that every key shares."""
    root = constant.index("://") + 3
    start = constant.find("/", root)
    while start != -1:
        yield constant[: start + 1]
        start = constant.find("/", start + 1)


def _tool_at(store: Store, place: str, folders: Sequence[str] | None) -> str | None:
    names = [*(store.folders(place) if folders is None else folders), *store.files(place)]
    for tool, patterns in _LAYOUTS:
        if all(any(pattern.search(name) for name in names) for pattern in patterns):
            return tool
    return None
