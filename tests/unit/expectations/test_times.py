from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from expectations.suite import Parameter, RelativeTime
from expectations.times import NoHistory, Unset, bind, is_dynamic, parse_dynamic, parse_seconds, say_dynamic

AS_OF = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
DAY_AGO = RelativeTime(-86400.0, "-1d")


@pytest.mark.parametrize(("text", "seconds"), [("-26h", -93600), ("90s", 90), ("1.5d", 129600), (0, 0)])
def test_durations_are_read(text: object, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["26", "h", "2 weeks", True, None, "1e3h", ""])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"write|known"):
        parse_seconds(text)


def test_only_objects_are_dynamic() -> None:
    assert is_dynamic({"as_of": "-1d"})
    assert is_dynamic({"$PARAMETER": "x"})
    assert not is_dynamic("as_of")
    assert not is_dynamic({"values": [1]})


@pytest.mark.parametrize(
    ("column", "bound"),
    [
        ("timestamptz", datetime(2026, 3, 3, 5, 6, tzinfo=UTC)),
        (None, datetime(2026, 3, 3, 5, 6, tzinfo=UTC)),
        ("timestamp", datetime(2026, 3, 3, 5, 6)),  # noqa: DTZ001  the column knows no zone
        ("date", date(2026, 3, 3)),
        ("text", "2026-03-03T05:06:00+00:00"),
    ],
)
def test_a_relative_time_is_of_the_columns_type(column: str | None, bound: object) -> None:
    assert bind(DAY_AGO, AS_OF, {}, column) == bound


def test_as_of_in_another_zone_is_the_same_moment() -> None:
    elsewhere = AS_OF.astimezone(timezone(timedelta(hours=5)))
    assert bind(DAY_AGO, elsewhere, {}, "timestamp") == bind(DAY_AGO, AS_OF, {}, "timestamp")


def test_written_times_are_typed_as_the_column() -> None:
    assert bind("2026-01-01", AS_OF, {}, "timestamptz") == datetime(2026, 1, 1, tzinfo=UTC)
    assert bind("2026-01-01T02:00:00+02:00", AS_OF, {}, "date") == date(2026, 1, 1)
    assert bind(date(2026, 1, 1), AS_OF, {}, "timestamp") == datetime(2026, 1, 1)  # noqa: DTZ001
    assert bind("2026-01-01", AS_OF, {}, "text") == "2026-01-01"
    assert bind("soon", AS_OF, {}, "date") == "soon"


def test_values_are_bound_inside_lists_and_conditions() -> None:
    condition = {"column": {"name": "at"}, "parameter": DAY_AGO}
    assert bind({"row_condition": condition}, AS_OF, {}, "date") == {
        "row_condition": {"column": {"name": "at"}, "parameter": date(2026, 3, 3)}
    }
    assert bind([DAY_AGO], AS_OF, {}, "date") == [date(2026, 3, 3)]


def test_a_parameter_is_scaled_and_shifted() -> None:
    assert bind(Parameter("last_rows", 0.9), AS_OF, {"last_rows": 100}, None) == 90
    assert bind(Parameter("last_rows", 1, 5), AS_OF, {"last_rows": 100}, None) == 105
    newest = Parameter("newest_row", plus=-3600)
    assert bind(newest, AS_OF, {"newest_row": AS_OF}, "date") == date(2026, 3, 4)


def test_without_history_the_default_counts() -> None:
    assert bind(Parameter("last_rows", 0.5, default=10), AS_OF, {}, None) == 5
    with pytest.raises(NoHistory, match="last_rows"):
        bind(Parameter("last_rows"), AS_OF, {}, None)


@pytest.mark.parametrize(
    "written",
    [
        {"param": 3},
        {"param": "last_rows", "times": "2"},
        {"param": "last_rows", "times": float("nan")},
        {"param": "last_rows", "time": 2},
        {"param": "last_rows", "plus": "2h"},
        {"param": "last_rows", "default": {"as_of": "-1h"}},
        {"param": "newest_row", "plus": 60},
        {"param": "newest_row", "times": 0.9},
        {"param": "newest_row", "default": 3},
        {"param": "newest_row", "default": {"as_of": "-1h", "x": 1}},
        {"as_of": None},
        {"as_of": "-999999999999999d"},
        {"param": ""},
    ],
)
def test_a_bad_object_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"write|known"):
        parse_dynamic(written)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("last_row", "did you mean last_rows?"),
        ("newest_rows", "did you mean newest_row?"),
        ("last_verified", "did you mean last_verified_at?"),
        ("max_orders", "known: last_rows, newest_row, last_verified_at"),
    ],
)
@pytest.mark.parametrize("key", ["param", "$PARAMETER"])
def test_a_parameter_that_nobody_sets_is_refused_with_the_one_that_was_meant(
    key: str, name: str, remedy: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(f'no drill sets a parameter "{name}"; {remedy}')):
        parse_dynamic({key: name})


def test_a_time_without_history_may_have_a_relative_default() -> None:
    written = {"param": "newest_row", "plus": "-1h", "default": {"as_of": "-2h"}}
    assert bind(parse_dynamic(written), AS_OF, {}, "timestamptz", "at") == AS_OF - timedelta(hours=3)
    known = {"newest_row": {"at": AS_OF}}
    assert bind(parse_dynamic(written), AS_OF, known, "timestamptz", "at") == AS_OF - timedelta(hours=1)


def test_a_figure_that_is_unset_says_why() -> None:
    with pytest.raises(NoHistory) as caught:
        bind(Parameter("last_rows"), AS_OF, {"last_rows": Unset("it is a view", for_now=False)}, None)
    assert (caught.value.name, caught.value.unset.why) == ("last_rows", "it is a view")
    with pytest.raises(NoHistory) as caught:
        bind(Parameter("newest_row"), AS_OF, {"newest_row": {"other": AS_OF}}, "date", "at")
    assert (caught.value.unset.for_now, "of at" in caught.value.unset.why) == (False, True)


def test_they_are_said_in_words() -> None:
    assert say_dynamic(DAY_AGO) == "24 hours before the moment of judgement"
    assert say_dynamic(RelativeTime(60, "1m")) == "1 minute after the moment of judgement"
    assert say_dynamic(RelativeTime(0, "0s")) == "the moment of judgement"
    assert say_dynamic(Parameter("last_rows", 0.9, 2)) == "0.9 x the rows of the last verified drill + 2"
