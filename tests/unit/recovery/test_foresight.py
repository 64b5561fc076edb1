"""What one listing of the WAL shows of base backups before anything of them is brought."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.model.base_point import BasePoint
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Severity
from tasks.model.sandbox import Workspace
from tasks.model.target import Target
from tasks.recovery.basebackup import BaseBackupFolders
from tasks.recovery.physical import PhysicalRecovery
from tasks.wal.listed import ListedWal
from tasks.wal.names import Segment, format_lsn, segment_name
from tests.unit.recovery.repositories import NOW, SIZE, Shelf, name


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A repository with base backups in segments 5 and 40, and WAL up to 60."""
    shelf = Shelf(tmp_path)
    shelf.take(5, 6)
    shelf.take(40, 40)
    shelf.archive(range(3, 61))
    return shelf


def standing(point: BasePoint) -> list[str]:
    return [item.rule for item in point.foreseen.standing]


def blocking(point: BasePoint) -> list[str]:
    return [item.rule for item in point.foreseen.blocking]


def test_each_base_reaches_from_where_it_stopped_to_the_newest_segment(shelf: Shelf) -> None:
    discovery = shelf.points()
    newer, older = discovery.windows
    assert (newer.usable, older.usable) == (True, True)
    assert (older.start_at, older.end_at) == (shelf.at(6), shelf.at(60))
    assert (newer.start_at, newer.end_at) == (shelf.at(40), shelf.at(60))
    assert (older.segments, newer.segments) == (56, 21)
    assert older.wal_bytes == 56 * SIZE - 40
    (point,) = discovery.points
    assert (point.label, point.start_lsn, point.stop_lsn) == (newer.base, 40 * SIZE + 40, 40 * SIZE + 500)
    assert (standing(point), blocking(point)) == ([], [])
    assert discovery.eligible == ()


def test_the_most_wal_is_what_lies_between_two_base_backups_or_behind_the_last(shelf: Shelf) -> None:
    assert shelf.points().most_wal_bytes == 35 * SIZE
    shelf.archive(range(61, 90))
    assert shelf.points().most_wal_bytes == 50 * SIZE - 40


def test_a_gap_is_foreseen_and_ends_the_windows_before_it_alone(shelf: Shelf) -> None:
    (shelf.folder / "wal" / name(20)).unlink()
    newer, older = shelf.points().windows
    assert older.end_at == shelf.at(19)
    assert older.why == f"{name(20)} is absent, and newer ones are there"
    assert newer.end_at == shelf.at(60)
    (shelf.folder / "wal" / name(50)).unlink()
    (point,) = shelf.points().points
    assert (standing(point), blocking(point)) == (["wal-gap"], [])
    assert point.foreseen.recovery["wal"]["gaps"][0]["first"] == name(50)
    assert point.foreseen.recovery["reached"] is None


def test_a_base_without_its_own_segment_is_refused_by_the_preflight(shelf: Shelf) -> None:
    (shelf.folder / "wal" / name(40)).unlink()
    discovery = shelf.points()
    (point,) = discovery.points
    assert [window.usable for window in discovery.windows] == [False, True]
    assert blocking(point) == ["wal-missing-for-backup"]
    readiness = shelf.recovery.preflight(point, shelf.recovery.reach(shelf.target), shelf.target, None)
    assert "wal-missing-for-backup" in {item.rule for item in readiness.seen.findings}


def test_a_base_that_was_completed_a_moment_ago_waits_for_its_last_segment(shelf: Shelf) -> None:
    folder = shelf.take(230, 230)  # ten minutes before now
    os.utime(folder / "backup_manifest", (NOW.timestamp() - 60,) * 2)
    assert blocking(shelf.points().points[0]) == []


def test_a_base_that_brings_its_own_segment_is_not(shelf: Shelf) -> None:
    (shelf.folder / "wal" / name(50)).unlink()
    shelf.take(50, 50, own=True)
    discovery = shelf.points()
    assert discovery.windows[0].usable is True
    assert blocking(discovery.points[0]) == []


def test_a_tar_that_may_hold_its_own_segment_is_not_called_useless(shelf: Shelf) -> None:
    shelf.take_tar(50, 50)
    assert shelf.points().windows[0].usable is True
    (shelf.folder / "wal" / name(50)).unlink()
    discovery = shelf.points()
    assert discovery.windows[0].usable is None
    assert blocking(discovery.points[0]) == []


def test_without_a_manifest_a_base_is_consistent_once_its_last_file_was_stored(shelf: Shelf) -> None:
    folder = shelf.take(50, 55)
    (folder / "backup_manifest").unlink()
    assert shelf.points().windows[0].start_at == shelf.at(55)


def test_a_base_that_tells_nothing_has_no_window_and_no_findings(shelf: Shelf) -> None:
    folder = shelf.take(50, 50)
    (folder / "backup_label").write_text("torn")
    discovery = shelf.points()
    assert [window.base for window in discovery.windows if window.base == folder.name] == []
    assert discovery.points[0].label == folder.name
    assert (standing(discovery.points[0]), blocking(discovery.points[0])) == ([], [])


@pytest.mark.parametrize(("rpo", "rules"), [("30m", ["archiving-stopped"]), ("4h", []), (None, [])])
def test_an_archive_that_stands_still_longer_than_the_rpo_is_foreseen(
    tmp_path: Path, rpo: str | None, rules: list[str]
) -> None:
    shelf = Shelf(tmp_path, rpo=rpo)
    shelf.take(5, 5)
    shelf.archive(range(5, 61))  # the newest is three hours old
    assert standing(shelf.points().points[0]) == rules


def test_a_base_backup_without_an_archive_has_no_windows(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, backup={"wal": None})
    shelf.take(5, 5, own=True)
    discovery = shelf.points()
    assert (discovery.windows, discovery.most_wal_bytes) == ((), None)
    assert discovery.points[0].start_lsn == 5 * SIZE + 40


class Locked(BaseBackupFolders):
    """Its WAL may not be listed."""

    def wal(
        self,
        place: str,
        target: Target,  # noqa: ARG002
        segment_bytes: int,  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
        workspace: Workspace | None = None,  # noqa: ARG002
    ) -> ListedWal:
        raise PermanentError("The role may not list it.", place, rule="list-denied")


def test_wal_that_may_not_be_listed_is_denied_before_the_download(shelf: Shelf) -> None:
    shelf.recovery = PhysicalRecovery(Locked())
    discovery = shelf.points()
    (refusal,) = discovery.points[0].foreseen.blocking
    assert (refusal.rule, discovery.windows) == ("wal-denied", ())
    assert "The role may not list it." in refusal.message


def branch_off(shelf: Shelf, number: int, born: float) -> None:
    """Leave timeline 1 in the middle of segment *number* for timeline 2, archived first at *born*."""
    history = shelf.folder / "wal" / "00000002.history"
    history.write_text(f"1\t{format_lsn(number * SIZE + 4096)}\tno recovery target specified\n")
    segment = shelf.folder / "wal" / segment_name(Segment(2, number))
    segment.touch()
    for path in (history, segment):
        os.utime(path, (shelf.at(born).timestamp(),) * 2)


def test_a_branch_whose_parent_lives_on_is_foreseen(shelf: Shelf) -> None:
    branch_off(shelf, 50, born=50.5)  # somebody's test restore: timeline 1 is archived up to 60
    discovery = shelf.points()
    (point,) = discovery.points
    assert (standing(point), blocking(point)) == (["timeline-fork"], [])
    assert point.foreseen.standing[0].severity is Severity.FAILURE
    assert [window.timeline for window in discovery.windows] == [2, 2]
    assert point.foreseen.recovery["wal"]["forks"][0]["left_behind"] == 10


def test_a_failover_is_no_fault(shelf: Shelf) -> None:
    branch_off(shelf, 58, born=61)  # the old primary's last segments were archived before
    (point,) = shelf.points().points
    assert [(item.rule, item.severity) for item in point.foreseen.standing] == [
        ("timeline-fork", Severity.INFO)
    ]


def test_a_base_backup_of_a_branch_that_was_left_cannot_follow_the_newest_timeline(shelf: Shelf) -> None:
    branch_off(shelf, 30, born=31)
    newer, older = shelf.points().windows
    assert (newer.usable, older.usable) == (False, True)
    assert blocking(shelf.points().points[0]) == ["timeline-fork"]
