"""Whatever a backup script writes with strftime, the pattern reads back; and the listing reaches it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from re import _parser as sre  # type: ignore[attr-defined]
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.discovery import strftime as fields
from tasks.discovery.matching import by_parts, regex_of
from tasks.discovery.pattern import EARLIEST, LATEST, KeyPattern, moved, tokens_of
from tests.growth import assert_linear

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


PIECES = st.lists(
    st.sampled_from(["*", "a", "-", "b.", "%Y", "%m%d", "%H", "%f", "/", "%B", "%z"]), min_size=1, max_size=9
)
KEY_PIECES = st.lists(
    st.sampled_from(["a", "-", "b.", "2026", "1122", "03", "5", "/", "May", "Z", "+0100", "x"]), max_size=12
)


@settings(max_examples=400, deadline=None)
@given(PIECES, KEY_PIECES, st.booleans())
def test_matching_part_by_part_finds_what_one_expression_would(
    pieces: list[str], keys: list[str], directory: bool
) -> None:
    pattern = "".join(pieces).replace("**", "*").replace("**", "*") + ("/" if directory else "")
    tokens = tokens_of(f"s3://b/{pattern}")
    uri = "s3://b/" + "".join(keys)
    expected = re.compile(regex_of(tokens, directory=directory), re.ASCII | re.DOTALL).fullmatch(uri)
    read = by_parts(tokens, directory=directory).read(uri)
    assert (read is None) is (expected is None)
    if read is not None and expected is not None:
        fixed = {
            f"f{i}" for i, token in enumerate(tokens) if token.kind == "field" and token.text not in "fBz"
        }
        assert read["whole"] == expected["whole"]
        if "%f" not in pattern and "%B" not in pattern and "%z" not in pattern:
            assert {name: read[name] for name in fixed} == {name: expected[name] for name in fixed}


@pytest.mark.parametrize("at", ["*_*_*_%Y%m%d*.dump", "*a*a*a*a*a*b", "*/*-*-*-*%Y", "o*%f*%f*%f*%f*x/"])
def test_stars_between_the_same_slashes_take_time_with_the_keys_length_only(at: str) -> None:
    pattern = KeyPattern(f"s3://bucket/{at}")
    for unit in ("_", "a", "-", "1", "20260101", "_20260101", "-/"):
        assert_linear(partial(_match_many_times, pattern, unit), 2000)


def _match_many_times(pattern: KeyPattern, unit: str, size: int) -> None:
    pattern.match(f"s3://bucket/{unit * size}")


@given(st.datetimes(), st.timedeltas())
def test_time_can_be_moved_any_way(at: datetime, by: timedelta) -> None:
    there = moved(at.replace(tzinfo=UTC), by)
    assert EARLIEST <= there <= LATEST
    assert there.astimezone(ZoneInfo("Asia/Kathmandu")).astimezone(ZoneInfo("America/St_Johns"))


@pytest.mark.parametrize("field", sorted(fields.REGEX))
def test_a_field_is_as_wide_as_it_is_said(field: str) -> None:
    assert sre.parse(fields.REGEX[field]).getwidth() == fields.WIDTHS[field]
