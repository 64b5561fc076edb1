"""A sweep meets folders that somebody hostile left, and does its work for all others."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.sandbox import sweeping
from tasks.sandbox.stamp import STAMP_FILE, new_sockets_folder, new_stamp, read_stamp, write_stamp
from tasks.sandbox.sweeping import SweepReport, sweep
from tests.properties.test_removal import deep, plant_socket

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def drills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESTORE_DRILL_DIR", str(tmp_path / "drills-here"))
    folder = tmp_path / "drills-here" / "drills"
    folder.mkdir(parents=True)
    return folder


def dead(drills: Path, name: str, **fields: object) -> Path:
    """Make the folder of a drill that died, with what its stamp says changed."""
    root = drills / name
    (root / "data").mkdir(parents=True)
    stamp = new_stamp(
        name,
        "shop",
        "orders",
        os_user=None,
        isolation=(),
        created_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )
    write_stamp(root, stamp)
    said = json.loads((root / STAMP_FILE).read_text())
    (root / STAMP_FILE).write_text(json.dumps(said | {"pid": 2**30, "started": "1"} | fields))
    return root


def link_as_data(root: Path) -> None:
    (root / "data").rmdir()
    (root / "data").symlink_to("/etc")


def large(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 30)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "deep": lambda root: deep(root / "data" / "deep", 1_500),
    "fifo as lease": lambda root: os.mkfifo(root / "lease"),
    "folder as lease": lambda root: (root / "lease").mkdir(),
    "link as lease": lambda root: (root / "lease").symlink_to("/nonexistent/created-by-a-sweep"),
    "socket as lease": lambda root: plant_socket(root / "lease"),
    "fifo as postmaster.pid": lambda root: os.mkfifo(root / "data" / "postmaster.pid"),
    "closed folder": lambda root: (root / "data").chmod(0),
    "no text": lambda root: (root / "data" / os.fsdecode(b"\xff\xfe")).mkdir(),
    "fifo as log": lambda root: os.mkfifo(root / "server.log"),
    "link as data": link_as_data,
}
UNREADABLE: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "link": lambda path: path.symlink_to("/etc/passwd"),
    "large": large,
    "nested": lambda path: path.write_text("[" * 60_000),
    "no object": lambda path: path.write_text("[]"),
    "no text": lambda path: path.write_bytes(b"\xff\x00"),
}
FIELDS: dict[str, object] = {
    "keep_until": "2026-01-01T00:00:00",
    "expires_at": 5,
    "sockets": "/etc",
    "isolation": [["a"]],
    "pid": "1",
    "memory_bytes": 1.5,
    "os_user": ["x"],
    "drill_id": "another",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder_is_removed_and_so_is_its_neighbour(drills: Path, name: str) -> None:
    HOSTILE[name](dead(drills, "a-hostile"))
    dead(drills, "b-neighbour")
    started = time.monotonic()
    report = sweep(NOW)
    assert (report.removed, report.left) == (("a-hostile", "b-neighbour"), ())
    assert time.monotonic() - started < 10
    assert Path("/etc/passwd").exists()


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_folder_whose_stamp_cannot_be_read_is_left_alone_and_stops_nobody(drills: Path, name: str) -> None:
    stamp = dead(drills, "a-hostile") / STAMP_FILE
    stamp.unlink()
    UNREADABLE[name](stamp)
    dead(drills, "b-neighbour")
    report = sweep(NOW)
    assert (report.removed, report.unknown, report.left) == (("b-neighbour",), ("a-hostile",), ())


@pytest.mark.parametrize("field", FIELDS)
def test_a_stamp_that_we_would_not_write_is_none(drills: Path, field: str) -> None:
    root = dead(drills, "d1")
    assert read_stamp(root) is not None
    root = dead(drills, "d2", **{field: FIELDS[field]})
    assert read_stamp(root) is None


def test_a_stamp_may_name_the_sockets_that_we_make(drills: Path) -> None:
    folder = new_sockets_folder()
    folder.mkdir()
    dead(drills, "d1", sockets=str(folder))
    assert sweep(NOW).removed == ("d1",)
    assert not folder.exists()


def test_a_folder_whose_name_is_no_text_is_named_in_text(drills: Path) -> None:
    (drills / os.fsdecode(b"\xff")).mkdir()
    dead(drills, "b-neighbour")
    report = sweep(NOW)
    assert (report.removed, report.unknown) == (("b-neighbour",), ("\\xff",))


def test_locks_that_are_none_stop_nobody(drills: Path) -> None:
    locks = drills.parent / "locks"
    locks.mkdir()
    os.mkfifo(locks / "a.lock")
    (locks / "b.lock").mkdir()
    (locks / "c.lock").touch()
    dead(drills, "d1")
    assert sweep(NOW).removed == ("d1",)
    assert sorted(path.name for path in locks.iterdir()) == ["a.lock", "b.lock"]


def test_every_kind_of_sandbox_is_asked(drills: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead(drills, "gone")
    asked: list[datetime] = []

    def sweep_elsewhere(now: datetime) -> SweepReport:
        asked.append(now)
        return SweepReport(removed=("elsewhere",), left=("stuck",))

    monkeypatch.setattr(sweeping, "SWEEPS", (*sweeping.SWEEPS, sweep_elsewhere))
    report = sweep(NOW)
    assert (report.removed, report.left, asked) == (("gone", "elsewhere"), ("stuck",), [NOW])
