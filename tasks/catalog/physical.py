"""Physical backups, recognised by the names of their files, so that they are called by their name.

Logical dumps are what this drill restores. A folder of pgBackRest where a dump was expected is not "no
backup".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.model.backup import Format

_LAYOUTS: tuple[tuple[Format, tuple[re.Pattern[str], ...]], ...] = (
    (
        Format.PGBACKREST,
        (
            re.compile(r"(^|/)backup\.manifest(\.copy)?$"),
            re.compile(r"(^|/)(archive|backup)/[^/]+/(archive|backup)\.info(\.copy)?$"),
            re.compile(r"(^|/)archive\.info$"),
        ),
    ),
    (
        Format.WALG,
        (
            re.compile(r"_backup_stop_sentinel\.json$"),
            re.compile(r"(^|/)(basebackups|wal)_005/"),
        ),
    ),
    (
        Format.BARMAN,
        (
            re.compile(r"(^|/)base/\d{8}T\d{6}/(backup\.info|data(_\d+)?\.tar)"),
            re.compile(r"(^|/)wals/[0-9A-F]{16}/"),
            re.compile(r"(^|/)meta/\d{8}T\d{6}-backup\.info$"),
            re.compile(r"(^|/)backup\.info$"),
        ),
    ),
    (
        Format.BASEBACKUP,
        (
            re.compile(r"(^|/)(backup_label|tablespace_map|backup_manifest)$"),
            re.compile(r"(^|/)(base|pg_wal)\.tar(\.(gz|lz4|zst))?$"),
            re.compile(r"(^|/)global/pg_control$"),
            re.compile(r"(^|/)PG_VERSION$"),
        ),
    ),
)
TOOLS = {
    Format.BASEBACKUP: "pg_basebackup",
    Format.PGBACKREST: "pgBackRest",
    Format.BARMAN: "Barman",
    Format.WALG: "WAL-G",
}


def recognise_layout(names: Iterable[str]) -> Format | None:
    """Return the tool whose backup holds files of these *names* (relative, `/` between parts), or None."""
    paths = tuple(names)
    for layout, patterns in _LAYOUTS:
        if any(pattern.search(name) for name in paths for pattern in patterns):
            return layout
    return None
