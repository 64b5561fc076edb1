"""The demo's base backup with its WAL: healthy as made, and one segment short afterwards."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from deployments.samples.archived import AT, MAJOR, SEGMENTS, WAL, lose_a_segment, make_repository
from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.physical.archived import Reach, reach
from tasks.sandbox import find_postgres
from tasks.stores.local import LocalStore
from tasks.stores.uris import file_uri
from tasks.wal.listed import listed_wal
from tasks.wal.windows import BaseBackup

SEGMENT_BYTES = 16 << 20


def test_every_tool_calls_it_healthy_and_the_listing_does_not(tmp_path: Path, drill_folder: Path) -> None:
    make_repository(tmp_path)
    (base,) = (tmp_path / "base").iterdir()
    assert AT.endswith("/")
    assert _intact(base, tmp_path / "unpacked")
    whole = _reached(tmp_path)
    assert (whole.findings, whole.window.gaps) == ((), ())
    lost = lose_a_segment(tmp_path)
    assert _intact(base, tmp_path / "unpacked again")
    short = _reached(tmp_path)
    assert [item.rule for item in short.findings] == ["wal-gap"]
    assert [(gap.first, gap.count) for gap in short.window.gaps] == [(lost, 1)]
    assert short.window.usable
    assert short.window.end_lsn < whole.window.end_lsn
    assert not list((drill_folder / "drills").glob("*"))


def _intact(base: Path, folder: Path) -> bool:
    with tarfile.open(base / "base.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    verifier = str(find_postgres(MAJOR).bindir / "pg_verifybackup")
    manifest = str(base / "backup_manifest")
    return subprocess.run([verifier, "-n", "-q", "-m", manifest, str(folder)], check=False).returncode == 0


def _reached(root: Path) -> Reach:
    names = sorted(path.name.removesuffix(".gz") for path in (root / WAL).iterdir())
    start = (int(names[-1][16:], 16) - SEGMENTS) * SEGMENT_BYTES
    base = BaseBackup("base", 1, start + 0x28, start + 0x100, None, has_own_wal=False)
    store = LocalStore(str(root))
    uri = f"{file_uri(root)}/{WAL}/"
    wal = listed_wal(store, uri, SEGMENT_BYTES, Deadline.within(60))
    return reach(wal, base, SEGMENT_BYTES, "latest", utc_now())
