"""Whatever a backup script writes with strftime, the pattern reads back; and the listing reaches it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.stores.pattern import KeyPattern

FIRST, LAST = datetime.fromisoformat("2001-09-10T00:00:00"), datetime.fromisoformat("2060-01-01T00:00:00")
MOMENTS = st.datetimes(FIRST, LAST).map(lambda at: at.replace(microsecond=0))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"])
DATES = st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%F", "%y%j", "%d%b%Y", "%B/%d/%Y", "%Y/%j"])
TIMES = st.sampled_from(["%H%M%S", "T%H-%M-%SZ", "/%H/%M%S", "%T", "%I%M%S%p"])
FORMATS = st.tuples(DATES, TIMES).map("".join)
FOLDERS = st.sampled_from(["s3://bucket/", "s3://bucket/a b/%%/", "file:///mnt/ä(+)/", "s3://bucket/*/"])
NAMES = st.text("abzXY019_-.+() ü", min_size=0, max_size=8)


def written(pattern: str, local: datetime) -> str:
    """What the script on the backup host writes: strftime, a host name for the star."""
    return local.strftime(pattern.replace("*", "host-7")).replace("\x00", "")


@settings(deadline=None)
@given(MOMENTS, ZONES, FOLDERS, NAMES, FORMATS)
def test_reading_gives_back_what_was_written(
    moment: datetime, zone: str, folder: str, name: str, fields: str
) -> None:
    pattern = folder + "x" + name + fields + ".dump"
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    match = KeyPattern(pattern, zone).match(written(pattern, local))
    assert match is not None
    assert match.problem is None
    assert match.at == local.replace(fold=0).astimezone(UTC)


@settings(max_examples=50, deadline=None)
@given(MOMENTS, st.integers(0, 60 * 24 * 400), ZONES, FORMATS)
def test_every_key_of_the_window_lies_under_its_prefixes_however_fine(
    moment: datetime, minutes: int, zone: str, fields: str
) -> None:
    pattern = KeyPattern(f"s3://bucket/p/{fields}.dump", zone)
    end = moment.replace(tzinfo=UTC)
    start = end - timedelta(minutes=minutes)
    prefixes = pattern.prefixes(start, end)
    for at in (start, start + (end - start) / 3, end):
        key = written(pattern.uri, at.astimezone(ZoneInfo(zone)))
        finer: list[str] | None = prefixes.first
        while finer is not None:
            over = [prefix for prefix in finer if key.startswith(prefix)]
            assert len(over) == 1
            finer = prefixes.below(over[0])


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_key_makes_matching_fail(tail: str, other: str) -> None:
    pattern = KeyPattern("s3://bucket/o_%Y%m%d*.dump")
    match = pattern.match(f"s3://bucket/o_20261122{tail}{other}")
    assert match is None or (match.at is not None and "/" not in tail + other)
