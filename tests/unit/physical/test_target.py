from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tasks.physical.target import Aim, RecoveryTarget


def test_a_time_is_written_as_postgresql_reads_it() -> None:
    moment = datetime(2026, 11, 25, 18, 15, 28, tzinfo=timezone(timedelta(hours=2)))
    assert (
        RecoveryTarget(Aim.TIME, moment).settings()["recovery_target_time"] == "2026-11-25 16:15:28.000000+00"
    )


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        (RecoveryTarget(Aim.IMMEDIATE), "recovery_target", "immediate"),
        (RecoveryTarget(Aim.NAME, name="before"), "recovery_target_name", "before"),
        (RecoveryTarget(Aim.LSN, lsn=0x1_00000028), "recovery_target_lsn", "1/28"),
    ],
)
def test_each_aim_sets_its_own_target_and_no_other(target: RecoveryTarget, name: str, value: str) -> None:
    settings = target.settings()
    assert settings[name] == value
    assert len(settings) == 3


def test_latest_sets_no_target() -> None:
    settings = RecoveryTarget(timeline="current").settings()
    assert settings == {"recovery_target_timeline": "current", "recovery_target_action": "promote"}
