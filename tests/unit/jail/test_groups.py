"""Control groups are found by making and entering one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.jail.groups import usable

PLACES = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
UNIFIED = [place for place in PLACES if (place / "cgroup.procs").exists()]


@pytest.mark.skipif(os.geteuid() != 0 or not UNIFIED, reason="only root makes groups at the top")
def test_the_first_place_that_fits_is_taken_and_left_clean() -> None:
    place = str(UNIFIED[0])
    before = sorted(Path(place).iterdir())
    assert usable(["/nonexistent", place, "/also/nonexistent"], "cgroup.procs") == place
    assert sorted(Path(place).iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0 or not UNIFIED, reason="only root makes groups at the top")
def test_a_place_without_what_is_needed_is_none() -> None:
    assert usable([str(UNIFIED[0])], "no-such-file") is None


def test_a_folder_that_is_no_control_group_is_none(tmp_path: Path) -> None:
    assert usable([str(tmp_path)], "memory.max") is None
    assert list(tmp_path.iterdir()) == []
