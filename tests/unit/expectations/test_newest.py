"""What a local time means at the moment that is judged."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from expectations.newest import latest, moment

BERLIN, ANGELES = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Los_Angeles")
JUNE = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
BACK = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
"""When Berlin's clocks go from 3:00 to 2:00."""


def local(*fields: int) -> datetime:
    return datetime(*fields)  # type: ignore[arg-type,misc]  # noqa: DTZ001  as a column without a zone has it


@pytest.mark.parametrize(
    ("kind", "zone", "largest"),
    [
        ("timestamp", BERLIN, local(2026, 6, 1, 14, 5)),
        ("timestamp", ANGELES, local(2026, 6, 1, 5, 5)),
        ("timestamp", None, local(2026, 6, 2, 2, 0)),
        ("timestamptz", BERLIN, JUNE + timedelta(minutes=5)),
        ("date", ZoneInfo("Pacific/Kiritimati"), date(2026, 6, 2)),
        ("date", ZoneInfo("Pacific/Pago_Pago"), date(2026, 6, 1)),
    ],
)
def test_the_largest_value_of_now_is_the_zones_own(kind: str, zone: ZoneInfo | None, largest: object) -> None:
    assert latest(kind, JUNE, zone) == largest


@pytest.mark.parametrize(("zone", "hour"), [(BERLIN, 10), (ANGELES, 19), (None, 12)])
def test_a_time_without_a_zone_is_of_the_zone_that_is_given(zone: ZoneInfo | None, hour: int) -> None:
    assert moment(local(2026, 6, 1, 12), zone, JUNE) == datetime(2026, 6, 1, hour, tzinfo=UTC)


def test_a_time_with_a_zone_needs_none() -> None:
    assert moment(JUNE, BERLIN, JUNE) == JUNE


def test_rows_of_before_the_clocks_went_back_are_not_of_the_future() -> None:
    assert latest("timestamp", BACK + timedelta(minutes=10), BERLIN) == local(2026, 10, 25, 3, 15)
    tomorrow = latest("timestamp", BACK + timedelta(days=1), BERLIN)
    assert tomorrow == local(2026, 10, 26, 2, 5)


@pytest.mark.parametrize(
    ("after_the_change", "at"),
    [
        (timedelta(minutes=-15), BACK - timedelta(minutes=30)),
        (timedelta(hours=2), BACK + timedelta(minutes=30)),
    ],
)
def test_a_repeated_hour_is_the_later_one_that_has_been(after_the_change: timedelta, at: datetime) -> None:
    assert moment(local(2026, 10, 25, 2, 30), BERLIN, BACK + after_the_change) == at


def test_a_date_is_the_zones_own_midnight() -> None:
    assert moment(date(2026, 6, 1), BERLIN) == datetime(2026, 5, 31, 22, tzinfo=UTC)
    assert moment(date(2026, 6, 1)) == datetime(2026, 6, 1, tzinfo=UTC)
