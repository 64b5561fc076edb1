"""Which moment a recovery is asked for, and which base backup it begins with."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.model.errors import ConfigInvalid
from tasks.model.findings import Severity
from tasks.model.target import BaseBackup, Recover
from tasks.recovery.moments import draw
from tests.unit.config.fleets import target_of
from tests.unit.recovery.repositories import NOW, Shelf, name

HOUR = timedelta(hours=1)


def shelf_of(folder: Path, **recover: Any) -> Shelf:
    """Return a repository with bases in segments 5 and 40, WAL up to 60, a gap at 20."""
    shelf = Shelf(folder, backup={"recover": recover})
    shelf.take(5, 6)
    shelf.take(40, 40)
    shelf.archive(range(3, 61))
    (shelf.folder / "wal" / name(20)).unlink()
    return shelf


def test_a_time_asked_for_is_the_moment_and_takes_the_newest_base_that_was_consistent(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path)
    for number, first in ((50, 40), (30, 5)):
        moment = shelf.at(number)
        discovery = shelf.points(kind="at", at=moment)
        (point,) = discovery.points
        assert (point.recover_to, point.label) == (moment, f"{shelf.at(first - 0.5):%Y%m%dT%H%M%SZ}")
        assert [item.at for item in discovery.candidates if item.taken] == [point.at]


def test_a_gap_behind_the_moment_is_a_warning_and_before_it_a_failure(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path)
    for number, severity in ((15, Severity.WARNING), (30, Severity.FAILURE)):
        (gap,) = shelf.points(kind="at", at=shelf.at(number)).points[0].foreseen.standing
        assert (gap.rule, gap.severity) == ("wal-gap", severity)


def test_a_base_that_had_begun_and_was_not_consistent_yet_is_not_taken(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path)
    discovery = shelf.points(kind="at", at=shelf.at(39.8))  # between its name and its last segment
    assert discovery.points[0].label == f"{shelf.at(4.5):%Y%m%dT%H%M%SZ}"
    assert [item.reason for item in discovery.candidates] == [
        "not the base backup of the moment asked for",
        "the newest that was consistent at the moment asked for",
    ]


def test_a_time_in_the_fleet_file_chooses_its_base_too(tmp_path: Path) -> None:
    moment = Shelf.at(shelf_of(tmp_path), 30)
    (tmp_path / "again").mkdir()
    shelf = shelf_of(tmp_path / "again", to={"time": moment.isoformat()})
    (point,) = shelf.points().points
    assert (point.recover_to, point.start_lsn) == (moment, 5 * (16 << 20) + 40)


def test_without_a_moment_the_fleet_files_target_counts(tmp_path: Path) -> None:
    assert shelf_of(tmp_path, to="immediate").points().points[0].recover_to is None


def test_a_random_moment_lies_in_a_window_and_its_seed_gives_it_again(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, to={"random": {"within": "1d", "seed": 3}})
    first, second = shelf.points(), shelf.points()
    assert first.points[0].recover_to == second.points[0].recover_to
    assert first.seed == 3
    drawn = set()
    for seed in range(40):
        keys = {"at": shelf.target.backup.place, "wal": f"{tmp_path}/wal"}
        recover = {"to": {"random": {"within": "1d", "seed": seed}}}
        backup = BaseBackup.model_validate({**keys, "recover": recover})
        shelf.target = shelf.target.model_copy(update={"backup": backup})
        discovery = shelf.points()
        (point,) = discovery.points
        (window,) = (item for item in discovery.windows if item.uri == point.uri)
        assert point.recover_to is not None
        assert window.holds(point.recover_to)
        drawn.add(point.label)
    assert len(drawn) == 2


def test_no_moment_to_draw_ends_the_drill_before_anything_is_moved(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, to={"random": {"within": "1h"}})  # the newest segment is three hours old
    (point,) = shelf.points().points
    assert [item.rule for item in point.foreseen.blocking] == ["pitr-target-not-reached"]
    assert point.recover_to is None


def test_a_moment_is_drawn_evenly_over_windows_that_overlap() -> None:
    def at(hours: float) -> datetime:
        return NOW + hours * HOUR

    spans = [(at(0), at(2)), (at(1), at(3)), (at(10), at(11))]
    hours = Counter(int((moment - NOW) / HOUR) for seed in range(2000) if (moment := draw(spans, seed)))
    assert set(hours) == {0, 1, 2, 10}
    assert all(400 < count < 600 for count in hours.values())
    assert draw([], 1) is None


@pytest.mark.parametrize("to", [{"time": "2026-11-25T08:00:00Z"}, {"random": {"within": "7d"}}])
def test_a_selection_beside_a_moment_is_refused(to: object) -> None:
    with pytest.raises(ValidationError, match="take select out"):
        BaseBackup.model_validate({"at": "/b/%Y/", "recover": {"to": to}, "select": {"kind": "all"}})
    BaseBackup.model_validate({"at": "/b/%Y/", "recover": {"to": "latest"}, "select": {"kind": "all"}})


@pytest.mark.parametrize(
    "to",
    [{"random": {}}, {"random": {"within": "soon"}}, {"random": {"within": "7d", "seed": -1}}, {"random": 7}],
)
def test_a_draw_without_its_bounds_is_refused(to: object) -> None:
    with pytest.raises(ValidationError):
        Recover.model_validate({"to": to})


def test_the_fleet_file_refuses_a_selection_beside_a_moment(tmp_path: Path) -> None:
    backup = {"kind": "basebackup", "at": "/b/%Y/", "recover": {"to": {"random": {"within": "7d"}}}}
    target = target_of(tmp_path, {"backup": backup})
    assert target.physical.recover.random is not None
    assert str(target.physical.recover.random) == "random:604800.0:"
    with pytest.raises(ConfigInvalid, match="take select out"):
        target_of(tmp_path, {"backup": {**backup, "select": "newest"}})
