"""Repositories as WAL-G's source says that it writes them: no binary of it can be had where these tests run.

Names, members and records are those of its release 3: parts whose names begin with a slash, the labels and
pg_control in tars of their own, a sentinel beside the folder. What WAL-G itself writes differently would be
found by its own bytes only.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import brotli
import lz4.frame
import zstandard

from tasks.wal.names import parse_lsn

COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zst": zstandard.ZstdCompressor(level=1).compress,
    "br": lambda data: bytes(brotli.compress(data, quality=1)),
    "gz": lambda data: gzip.compress(data, 1),
}
_LEFT_OUT = frozenset(
    ["pg_wal", "pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_stat_tmp", "pg_snapshots"]
)
_APART = frozenset(["backup_label", "tablespace_map", "global/pg_control", "backup_manifest"])
_PER_PART = 500


def write_backup(root: Path, copy: Path, suffix: str, **more: Any) -> str:
    """Write the plain base backup *copy*, taken just now, into the repository *root*; return its name.

    Args:
        root: the prefix.
        copy: as pg_basebackup leaves it, without WAL.
        suffix: of the compression.
        more: keys of the sentinel.
    """
    label = (copy / "backup_label").read_text()
    name = f"base_{label.split('(file ')[1][:24]}"
    parts = root / "basebackups_005" / name / "tar_partitions"
    parts.mkdir(parents=True)
    sets: dict[str, list[str]] = {}

    def write(stem: str, members: Mapping[str, Path]) -> None:
        tar = f"{stem}.tar.{suffix}"
        (parts / tar).write_bytes(COMPRESS[suffix](tar_of(members)))
        sets[tar] = [member for member, path in members.items() if path.is_file()]

    for number, files in enumerate(_batches(_walked(copy)), 1):
        write(f"part_{number:03d}", files)
    labels = (copy / "backup_label", copy / "tablespace_map")
    write("backup_label", {path.name: path for path in labels if path.exists()})
    write("pg_control", {"/global/pg_control": copy / "global" / "pg_control"})
    record(root, name, _sentinel(copy) | more)
    (parts.parent / "files_metadata.json").write_text(json.dumps({"Files": {}, "TarFileSets": sets}))
    return name


def record(root: Path, name: str, sentinel: Mapping[str, Any]) -> None:
    """Write the sentinel and the metadata of the backup *name*."""
    folder = root / "basebackups_005"
    (folder / f"{name}_backup_stop_sentinel.json").write_text(json.dumps(sentinel))
    times = {"start_time": sentinel["StartTime"], "finish_time": sentinel["FinishTime"]}
    (folder / name / "metadata.json").write_text(json.dumps({**times, "is_permanent": False}))


def write_wal(root: Path, archive: Path, suffix: str) -> None:
    """Write what archive_command left into the repository's WAL."""
    (root / "wal_005").mkdir(parents=True)
    for path in archive.iterdir():
        (root / "wal_005" / f"{path.name}.{suffix}").write_bytes(COMPRESS[suffix](path.read_bytes()))


def tar_of(members: Mapping[str, Path]) -> bytes:
    """Return a tar of files and folders under names that the files do not have."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in members.items():
            info = tarfile.TarInfo(name)
            info.type = tarfile.REGTYPE if path.is_file() else tarfile.DIRTYPE
            info.size = path.stat().st_size if path.is_file() else 0
            tar.addfile(info, io.BytesIO(path.read_bytes()) if path.is_file() else None)
    return body.getvalue()


def _batches(walked: Iterator[tuple[str, Path]]) -> Iterator[dict[str, Path]]:
    every = list(walked)
    for at in range(0, len(every), _PER_PART):
        yield dict(every[at : at + _PER_PART])


def _walked(copy: Path) -> Iterator[tuple[str, Path]]:
    """Yield what WAL-G walks by, tablespaces through their links, which it does not write themselves."""
    for folder, folders, files in os.walk(copy, followlinks=True):
        place = Path(folder).relative_to(copy)
        for name in [*folders, *files]:
            relative = str(place / name)
            path = copy / relative
            if relative not in _APART and not path.is_symlink():
                yield f"/{relative}", path
        folders[:] = [name for name in folders if name not in _LEFT_OUT]


def _sentinel(copy: Path) -> dict[str, Any]:
    manifest = json.loads((copy / "backup_manifest").read_text())
    (wal,) = manifest["WAL-Ranges"]
    spaces = sorted(path.name for path in (copy / "pg_tblspc").iterdir())
    now = datetime.now(UTC)
    spec = {name: {"loc": f"/srv/{name}", "link": f"pg_tblspc/{name}"} for name in spaces}
    return {
        "LSN": parse_lsn(wal["Start-LSN"]),
        "FinishLSN": parse_lsn(wal["End-LSN"]),
        "Timeline": wal["Timeline"],
        "PgVersion": int((copy / "PG_VERSION").read_text()) * 10_000 + 1,
        "SystemIdentifier": manifest.get("System-Identifier"),
        "UncompressedSize": 30 << 20,
        "CompressedSize": 4 << 20,
        "Spec": {"base_prefix": "/var/lib/data", "tablespaces": spaces, **spec},
        "Version": 2,
        "StartTime": f"{now - timedelta(seconds=9):%Y-%m-%dT%H:%M:%S.123456789}Z",
        "FinishTime": f"{now:%Y-%m-%dT%H:%M:%S.123456789}Z",
        "DateFmt": "%Y-%m-%dT%H:%M:%S.%fZ",
        "Hostname": "db1",
        "DataDir": "/var/lib/data",
        "IsPermanent": False,
    }
