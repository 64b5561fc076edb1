from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.discovery.pattern import KeyPattern
from tasks.model.errors import ConfigInvalid

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MONTH = timedelta(days=30)


def utc(*parts: int) -> datetime:
    year, month, day, *time = parts
    return datetime(year, month, day, *time, tzinfo=UTC)  # type: ignore[misc, arg-type]


def at(pattern: str, key: str, zone: str = "UTC") -> datetime | None:
    match = KeyPattern(pattern, zone).match(key)
    return None if match is None else match.at


@pytest.mark.parametrize(
    ("pattern", "key", "moment"),
    [
        ("s3://bk/o_%Y%m%dT%H%M%SZ.dump", "s3://bk/o_20261122T030405Z.dump", utc(2026, 11, 22, 3, 4, 5)),
        ("s3://bk/%Y/%m/%d/o.dump", "s3://bk/2026/11/22/o.dump", utc(2026, 11, 22)),
        ("s3://bk/o-%F.dump", "s3://bk/o-2026-11-22.dump", utc(2026, 11, 22)),
        ("s3://bk/o-%F_%T.dump", "s3://bk/o-2026-11-22_23:59:58.dump", utc(2026, 11, 22, 23, 59, 58)),
        ("s3://bk/o-%y%j.dump", "s3://bk/o-26326.dump", utc(2026, 11, 22)),
        ("s3://bk/o-%d-%b-%Y.dump", "s3://bk/o-22-Nov-2026.dump", utc(2026, 11, 22)),
        ("s3://bk/o-%A-%d-%B-%Y.dump", "s3://bk/o-Sunday-22-November-2026.dump", utc(2026, 11, 22)),
        ("s3://bk/o-%Y%m%d-%I%p.dump", "s3://bk/o-20261122-12AM.dump", utc(2026, 11, 22)),
        ("s3://bk/o-%Y%m%d-%I%p.dump", "s3://bk/o-20261122-12PM.dump", utc(2026, 11, 22, 12)),
        ("s3://bk/o-%s.dump", "s3://bk/o-1795316645.dump", utc(2026, 11, 22, 3, 4, 5)),
        ("s3://bk/o-%Y%m%d%H%M%S.%f", "s3://bk/o-20261122030405.5", utc(2026, 11, 22, 3, 4, 5, 500_000)),
        ("s3://bk/o-%Y%m%dT%H%M%S%z", "s3://bk/o-20261122T030405+0200", utc(2026, 11, 22, 1, 4, 5)),
        ("s3://bk/o-%Y%m%dT%H%M%S%z", "s3://bk/o-20261122T030405Z", utc(2026, 11, 22, 3, 4, 5)),
        ("s3://bk/100%%-%Y.dump", "s3://bk/100%-2026.dump", utc(2026, 1, 1)),
        ("s3://bk/o-%Y-%m.dump", "s3://bk/o-2026-11.dump", utc(2026, 11, 1)),
        ("s3://bk/*/o-*-%Y%m%d.dump", "s3://bk/host7/o-a.b-20261122.dump", utc(2026, 11, 22)),
        ("/bk/ö ü/o+(%Y).dump", "file:///bk/ö ü/o+(2026).dump", utc(2026, 1, 1)),
    ],
)
def test_time_is_read_out_of_a_key(pattern: str, key: str, moment: datetime) -> None:
    assert at(pattern, key) == moment


@pytest.mark.parametrize(
    "key",
    [
        "s3://bk/prod/shop_20261122.dump.partial",
        "s3://bk/prod/shop_archive_20261122.dump",
        "s3://bk/prod/old/shop_20261122.dump",
        "s3://bk/prod/shop_20261122Xdump",
        "s3://bk/prod/shop_2026112.dump",
        "s3://bk/prod/shop_20261322.dump",
        "s3://bk2/prod/shop_20261122.dump",
        "s3://bk/prod/shop_20261122.dump\n",
        "s3://bk/prod/shop_\u0662\u0660\u0662\u06661122.dump",
    ],
)
def test_key_that_the_line_cannot_have_written_does_not_match(key: str) -> None:
    assert KeyPattern("s3://bk/prod/shop_%Y%m%d.dump").match(key) is None


def test_star_does_not_cross_a_slash() -> None:
    pattern = KeyPattern("s3://bk/*/o.dump")
    assert pattern.match("s3://bk/a/o.dump") is not None
    assert pattern.match("s3://bk/a/b/o.dump") is None


@pytest.mark.parametrize(
    ("pattern", "key", "said"),
    [
        ("s3://bk/%Y/%m/%d/o_%Y%m%d.dump", "s3://bk/2026/11/22/o_20261121.dump", "%d is 22"),
        ("s3://bk/o_%Y%m%d.dump", "s3://bk/o_20260231.dump", "day"),
        ("s3://bk/o_%Y%m%d_%j.dump", "s3://bk/o_20261122_001.dump", "%j says 001"),
        ("s3://bk/o_%a_%Y%m%d.dump", "s3://bk/o_Mon_20261122.dump", "%a says Mon"),
        ("s3://bk/o_%Y_%j.dump", "s3://bk/o_2026_366.dump", "no day 366"),
        ("s3://bk/%Y/o_%s.dump", "s3://bk/2025/o_1795316645.dump", "%Y says 2025"),
    ],
)
def test_fields_that_name_no_moment_say_why(pattern: str, key: str, said: str) -> None:
    match = KeyPattern(pattern).match(key)
    assert match is not None
    assert match.at is None
    assert said in (match.problem or "")


def test_fields_are_read_in_the_zone_of_the_pattern() -> None:
    assert at("s3://bk/o_%Y%m%d%H.dump", "s3://bk/o_2026112203.dump", "America/New_York") == datetime(
        2026, 11, 22, 8, tzinfo=UTC
    )


def test_hour_that_a_clock_change_repeats_is_the_earlier_one() -> None:
    # 25 October 2026, 03:00 CEST becomes 02:00 CET: 02:30 happens twice
    moment = at("s3://bk/o_%Y%m%d%H%M.dump", "s3://bk/o_202610250230.dump", "Europe/Berlin")
    assert moment == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_hour_that_a_clock_change_skips_is_still_a_moment() -> None:
    moment = at("s3://bk/o_%Y%m%d%H%M.dump", "s3://bk/o_202603290230.dump", "Europe/Berlin")
    assert moment == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_directory_pattern_matches_the_folder_and_what_is_in_it() -> None:
    pattern = KeyPattern("s3://bk/o-%Y%m%d/")
    for key in ("s3://bk/o-20261122/", "s3://bk/o-20261122/toc.dat", "s3://bk/o-20261122/a/b"):
        match = pattern.match(key)
        assert match is not None
        assert match.uri == "s3://bk/o-20261122/"
    assert pattern.match("s3://bk/o-20261122.tmp/toc.dat") is None


@pytest.mark.parametrize(("text", "said"), [("s3://bk/%Q.dump", "%Q"), ("s3://bk/50%", "%")])
def test_field_that_cannot_be_read_back_is_a_configuration_error(text: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        KeyPattern(text)


def test_unknown_time_zone_is_a_configuration_error() -> None:
    with pytest.raises(ConfigInvalid, match="Mars/Olympus"):
        KeyPattern("s3://bk/%Y.dump", "Mars/Olympus")


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("s3://bk/orders/%Y/%m/%d/o_%Y%m%d.dump", ["s3://bk/orders/2026/10/", "s3://bk/orders/2026/11/"]),
        ("s3://bk/orders_%Y%m%d.dump", ["s3://bk/orders_202610", "s3://bk/orders_202611"]),
        ("s3://bk/%Y-%b/o.dump", ["s3://bk/2026-Oct/o.dump", "s3://bk/2026-Nov/o.dump"]),
        ("s3://bk/o-%s.dump", ["s3://bk/o-1792", "s3://bk/o-1793", "s3://bk/o-1794", "s3://bk/o-1795"]),
        ("s3://bk/*/%Y.dump", ["s3://bk/"]),
        ("s3://bk/o.dump", ["s3://bk/o.dump"]),
        ("s3://bk/%H/%Y%m%d.dump", ["s3://bk/"]),
    ],
)
def test_prefixes_are_those_that_the_window_reaches(pattern: str, first: list[str]) -> None:
    assert KeyPattern(pattern).prefixes(NOW - MONTH, NOW).first == first


def test_finer_prefixes_follow_for_crowded_months() -> None:
    prefixes = KeyPattern("s3://bk/%Y/%m/%d/%H/o.dump").prefixes(NOW - MONTH, NOW)
    days = prefixes.below("s3://bk/2026/11/")
    assert days is not None
    assert (days[0], days[-1], len(days)) == ("s3://bk/2026/11/01/", "s3://bk/2026/11/22/", 22)
    hours = prefixes.below(days[-1])
    assert hours is not None
    assert (hours[-1], len(hours)) == ("s3://bk/2026/11/22/12/o.dump", 13)
    assert prefixes.below(hours[-1]) is None


def test_prefixes_are_written_in_the_zone_of_the_pattern() -> None:
    midnight = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)  # still October in New York
    pattern = KeyPattern("s3://bk/%Y%m.dump", "America/New_York")
    assert pattern.prefixes(midnight, midnight).first == ["s3://bk/202610.dump"]


def test_time_of_a_key_needs_only_its_last_part() -> None:
    pattern = KeyPattern("s3://bk/%Y/%m/o_%Y%m%d.dump")
    expected = datetime(2026, 11, 22, tzinfo=UTC)
    for key in ("o_20261122.dump", "11/o_20261122.dump", "s3://bk/2026/11/o_20261122.dump"):
        assert pattern.time_of(key) == expected
    assert pattern.time_of("other.dump") is None
