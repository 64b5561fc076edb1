"""Repositories of pg_basebackup in a folder that hold nothing but what a first look reads."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.model.backup import Discovery
from tasks.model.base_point import BasePoint
from tasks.model.target import BaseBackup, Selection, Target
from tasks.recovery.basebackup import BaseBackupFolders
from tasks.recovery.physical import PhysicalRecovery
from tasks.wal.names import DEFAULT_SEGMENT_BYTES, Segment, format_lsn, segment_name

SIZE = DEFAULT_SEGMENT_BYTES
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Shelf:
    """A repository: base backups in `base`, WAL in `wal`, segment N archived N minutes after `began_at`."""

    def __init__(self, folder: Path, **keys: Any) -> None:
        self.folder = folder
        self.began_at = NOW - timedelta(hours=4)
        (folder / "base").mkdir()
        (folder / "wal").mkdir()
        backup = {"at": f"{folder}/base/%Y%m%dT%H%M%SZ/", "wal": f"{folder}/wal", **keys.pop("backup", {})}
        self.target = Target(
            fleet="f", name="shop", evidence="/e", backup=BaseBackup.model_validate(backup), **keys
        )
        self.recovery = PhysicalRecovery(BaseBackupFolders())

    def at(self, number: float) -> datetime:
        """Return when segment *number* is archived."""
        return self.began_at + number * MINUTE

    def archive(self, numbers: Iterable[int]) -> None:
        """Archive segments."""
        for number in numbers:
            path = self.folder / "wal" / name(number)
            path.touch()
            os.utime(path, (self.at(number).timestamp(),) * 2)

    def take(self, first: int, last: int, *, own: bool = False) -> Path:
        """Take a plain base backup whose WAL lies in the segments from *first* to *last*; it began there."""
        folder = self._folder(first)
        (folder / "global").mkdir(parents=True)
        (folder / "global" / "pg_control").write_bytes(b"c" * 8192)
        (folder / "backup_label").write_text(label(first))
        (folder / "backup_manifest").write_text(manifest(first, last))
        if own:
            (folder / "pg_wal").mkdir()
            (folder / "pg_wal" / name(first)).touch()
        return self._written(folder, last)

    def take_tar(self, first: int, last: int) -> Path:
        """Take one as a gzipped tar, which does not say whether it holds its WAL."""
        folder = self._folder(first)
        folder.mkdir(parents=True)
        member = tarfile.TarInfo("backup_label")
        member.size = len(label(first))
        with tarfile.open(folder / "base.tar.gz", "w:gz") as tar:
            tar.addfile(member, io.BytesIO(label(first).encode()))
        (folder / "backup_manifest").write_text(manifest(first, last))
        return self._written(folder, last)

    def points(self, **selection: Any) -> Discovery[BasePoint]:
        """Discover."""
        store = self.recovery.reach(self.target)
        return self.recovery.points(self.target, store, NOW, Selection.model_validate(selection))

    def _written(self, folder: Path, last: int) -> Path:
        for path in folder.rglob("*"):
            os.utime(path, (self.at(last).timestamp(),) * 2)
        return folder

    def _folder(self, first: int) -> Path:
        return self.folder / "base" / f"{self.at(first - 0.5):%Y%m%dT%H%M%SZ}"


def name(number: int) -> str:
    """Return the name of segment *number* of the first timeline."""
    return segment_name(Segment(1, number), SIZE)


def label(first: int) -> str:
    """Return the backup_label of a backup that begins in segment *first*."""
    return (
        f"START WAL LOCATION: {format_lsn(first * SIZE + 40)} (file {name(first)})\n"
        "START TIME: 2026-11-25 08:00:00 UTC\nLABEL: base\nSTART TIMELINE: 1\n"
    )


def manifest(first: int, last: int) -> str:
    """Return a manifest's text; a first look reads its WAL alone."""
    start, stop = format_lsn(first * SIZE + 40), format_lsn(last * SIZE + 500)
    return (
        '{ "PostgreSQL-Backup-Manifest-Version": 2,\n"Files": [],\n"WAL-Ranges": [\n'
        f'{{ "Timeline": 1, "Start-LSN": "{start}", "End-LSN": "{stop}" }}\n],\n'
        '"Manifest-Checksum": "00"}\n'
    )
