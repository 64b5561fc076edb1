"""Barman's backups, each damaged in one respect: the restore fails by its name, or says what is lost."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.model.sandbox import Workspace
from tasks.model.target import BarmanBackup, StoreConfig, Target
from tests.fix_barman import MARKS, SERVER, BarmanBackups
from tests.fix_physical import failed_rules, to_the_end
from tests.fix_s3 import Bucket, Moto, iam_user, use_account
from tests.fix_wal import rewrite
from tests.integration.test_barman_healthy import upload

MAJOR = 17
SYSTEM_ID = slice(24, 32)
"""Of a segment's first page."""
Drill = Callable[..., tuple[list[str], list[str]]]
"""Gives the rules under which the drill fails, and the marks that came back."""


@pytest.fixture
def cloud(barman_backups: Callable[[int], BarmanBackups], tmp_path: Path) -> Path:
    """A copy of barman-cloud's backup of 17, to break."""
    return barman_backups(MAJOR).copy_of_cloud(tmp_path / "cloud")


@pytest.fixture
def drill(workspace: Workspace) -> Drill:
    """Restore the newest backup of a place, even where the preflight says what is wrong with it."""

    def run(at: object, store: StoreConfig | None = None) -> tuple[list[str], list[str]]:
        backup = BarmanBackup(at=str(at), server=SERVER, database="shop")
        target = Target(fleet="f", name="shop", evidence="/e", backup=backup, store=store or StoreConfig())
        return to_the_end(target, workspace)

    return run


def segments(at: Path) -> list[Path]:
    """Return the archived segments, oldest first; each of the last three holds a mark."""
    wal = [path for path in at.glob(f"{SERVER}/wals/*/*") if len(path.name.partition(".")[0]) == 24]
    return sorted(path for path in wal if ".backup" not in path.name and ".history" not in path.name)


def base(at: Path) -> Path:
    (only,) = at.glob(f"{SERVER}/base/*")
    return only


def failed(drill: Drill, at: object, store: StoreConfig | None = None) -> list[str]:
    """Return the rules under which the restore failed."""
    return failed_rules(lambda: drill(at, store))


def test_the_healthy_copy_brings_every_mark_back(drill: Drill, cloud: Path) -> None:
    assert drill(cloud) == ([], list(MARKS))


def test_a_segment_that_is_missing_in_the_middle_is_a_gap(drill: Drill, cloud: Path) -> None:
    segments(cloud)[-2].unlink()
    assert drill(cloud) == (["wal-gap"], ["m1"])


def test_without_its_own_wal_the_backup_is_none(drill: Drill, cloud: Path) -> None:
    for path in segments(cloud)[:-1]:
        path.unlink()
    assert failed(drill, cloud) == ["wal-missing-for-backup"]


def test_a_segment_that_was_cut_is_named(drill: Drill, cloud: Path) -> None:
    path = segments(cloud)[-2]
    rewrite(path, path.read_bytes()[: path.stat().st_size // 2])
    assert failed(drill, cloud) == ["wal-corrupt"]


def test_a_flipped_byte_in_a_segment_is_named(
    drill: Drill, barman_backups: Callable[[int], BarmanBackups], tmp_path: Path
) -> None:
    home = barman_backups(15).copy_of_home(tmp_path / "home")
    path = segments(home)[-2]
    body = bytearray(path.read_bytes())
    body[200] ^= 0x10  # in a record; behind the segment's switch nobody would notice
    rewrite(path, bytes(body))
    assert failed(drill, home) == ["wal-corrupt"]


def test_a_segment_of_another_cluster_is_named(drill: Drill, cloud: Path) -> None:
    path = segments(cloud)[-2]
    wal = bytearray(gzip.decompress(path.read_bytes()))
    wal[SYSTEM_ID] = bytes(8)
    rewrite(path, gzip.compress(bytes(wal), 1))
    assert failed(drill, cloud) == ["wal-corrupt"]


def test_a_stray_timeline_that_leaves_newer_wal_behind_is_said(drill: Drill, cloud: Path) -> None:
    left = segments(cloud)[-3]
    number = int(left.name[16:24], 16)
    history = cloud / SERVER / "wals" / "00000002.history"
    history.write_text(f"1\t0/{number:X}000100\tno recovery target specified\n")
    stray = left.with_name(f"00000002{left.name[8:]}")
    os.link(left, stray)
    hour_ago = left.stat().st_mtime - 3600
    os.utime(history, (hour_ago, hour_ago))
    failures, marks = drill(cloud)
    assert (failures, "m3" in marks) == (["timeline-fork"], False)


def test_a_tar_that_was_cut_is_named(drill: Drill, cloud: Path) -> None:
    path = base(cloud) / "data.tar.gz"
    rewrite(path, path.read_bytes()[:-1000])
    assert failed(drill, cloud) == ["archive-truncated"]


def test_a_tablespace_whose_tar_is_missing_is_named(drill: Drill, cloud: Path) -> None:
    next(base(cloud).glob("1*.tar.gz")).unlink()
    assert failed(drill, cloud) == ["tablespace-missing"]


def test_a_copy_without_backup_label_cannot_be_told_from_a_torn_one(drill: Drill, cloud: Path) -> None:
    path = base(cloud) / "data.tar.gz"
    rewrite(path, without_member(path, "backup_label"))
    assert failed(drill, cloud) == ["backup-label-missing"]


@pytest.mark.parametrize(
    "hostile",
    [
        {"name": "../outside"},
        {"name": "/outside"},
        {"name": "base/hard", "type": tarfile.LNKTYPE, "linkname": "PG_VERSION"},
        {"name": "base/device", "type": tarfile.CHRTYPE},
        {"name": "./PG_VERSION"},
        {"name": "PG_VERSION/below"},
        {"name": "base/huge", "size": 1 << 60},
    ],
)
def test_a_tar_that_barman_never_writes_is_unpacked_no_further(
    drill: Drill, cloud: Path, hostile: dict[str, Any]
) -> None:
    rewrite(base(cloud) / "data.tar.gz", tar_of({"name": "PG_VERSION"}, hostile))
    rule = "disk-full" if "size" in hostile else "archive-hostile"
    assert failed(drill, cloud) == [rule]


def test_a_role_that_reads_the_backups_and_not_the_wal_is_told(
    drill: Drill, cloud: Path, moto_bucket: Bucket, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(moto_bucket, cloud)
    whole = f"arn:aws:s3:::{moto_bucket.name}"
    may = iam_user(
        moto,
        {"Action": "s3:ListBucket", "Resource": whole},
        {"Action": "s3:GetObject", "Resource": f"{whole}/prod/{SERVER}/base/*"},
    )
    use_account(monkeypatch, *may)
    moto.enforce_iam()
    assert failed(drill, f"{moto_bucket.uri}/prod", moto_bucket.config) == ["wal-denied"]


def without_member(path: Path, name: str) -> bytes:
    """Return the tar at *path* without one of its members."""
    body = io.BytesIO()
    with tarfile.open(path) as tar, tarfile.open(fileobj=body, mode="w:gz", compresslevel=1) as made:
        for member in tar:
            if member.name != name:
                made.addfile(member, tar.extractfile(member) if member.isfile() else None)
    return body.getvalue()


def tar_of(*members: dict[str, Any]) -> bytes:
    """Return a tar of members without content, whatever size they claim."""
    headers: list[bytes] = []
    for values in members:
        info = tarfile.TarInfo(values["name"])
        info.type = values.get("type", tarfile.REGTYPE)
        info.linkname = values.get("linkname", "")
        info.size = values.get("size", 0)
        headers.append(info.tobuf(tarfile.GNU_FORMAT))
    return gzip.compress(b"".join(headers) + bytes(2 * tarfile.BLOCKSIZE))
