"""Freshness of columns that name no zone, and of numbers, on real servers: in both directions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from tasks.checks import measure_freshness
from tasks.model.findings import Outcome
from tests.fix_checks import NOW, check, context_of, failures, restored_of, rules, target_of
from tests.fix_postgres import Source

MAJOR = 17
NOW_S = int(NOW.timestamp())
Built = Callable[[str], tuple[Source, str]]


@pytest.fixture
def built(cluster: Callable[[int], Source]) -> Iterator[Built]:
    source = cluster(MAJOR)
    made: list[str] = []

    def build(script: str) -> tuple[Source, str]:
        database = source.create_database(f"fresh_{uuid.uuid4().hex[:8]}")
        made.append(database)
        source.execute(script, database)
        return source, database

    yield build
    with source.connect() as session:
        for database in made:
            session.execute(f"DROP DATABASE {database} WITH (FORCE)")


def measured(built: Built, kind: str, value: object, **keys: Any) -> tuple[float | None, Any]:
    source, database = built(
        f"CREATE TABLE t (id int PRIMARY KEY, at {kind}); INSERT INTO t VALUES (1, {value}), (2, NULL);"
    )
    freshness = {"table": "public.t", "column": "at", "max_age": "6h"} | keys
    target = target_of(expect={"freshness": freshness})
    return measure_freshness(context_of(source.sandbox, restored_of(database), target=target))


@pytest.mark.parametrize(
    ("zone", "hours"), [("Europe/Berlin", 2), ("America/Los_Angeles", -7), ("Asia/Kathmandu", 5.75)]
)
@pytest.mark.parametrize("age", [timedelta(minutes=10), timedelta(hours=7)])
def test_a_local_time_is_as_old_as_its_zone_says(
    built: Built, zone: str, hours: float, age: timedelta
) -> None:
    local = (NOW - age + timedelta(hours=hours)).replace(tzinfo=None)
    age_s, seen = measured(built, "timestamp", f"'{local}'", timezone=zone)
    assert age_s == age.total_seconds()
    assert rules(seen) == ({"content-stale"} if age > timedelta(hours=6) else set())


def test_without_its_zone_a_local_time_in_the_west_is_stale_and_one_in_the_east_hides_its_age(
    built: Built,
) -> None:
    west = (NOW - timedelta(hours=7, minutes=10)).replace(tzinfo=None)
    _, seen = measured(built, "timestamp", f"'{west}'")
    assert rules(seen) == {"content-stale"}
    assert "expect.freshness.timezone" in seen.findings[0].hint
    _, seen = measured(built, "timestamp", f"'{west}'", timezone="UTC")
    assert "expect.freshness.timezone" not in seen.findings[0].hint
    east = (NOW + timedelta(hours=2) - timedelta(hours=7)).replace(tzinfo=None)
    age_s, seen = measured(built, "timestamp", f"'{east}'")
    assert (age_s, rules(seen)) == (5 * 3600, set())


def test_a_planned_row_is_of_the_future_by_its_zone(built: Built) -> None:
    planned = (NOW + timedelta(hours=2, minutes=30)).replace(tzinfo=None)
    _, seen = measured(built, "timestamp", f"'{planned}'", timezone="Europe/Berlin")
    assert rules(seen) == {"content-in-future", "freshness-unknown"}


@pytest.mark.parametrize(
    ("zone", "value", "age_s"),
    [
        ("America/Los_Angeles", "2026-03-30", 0),
        ("Asia/Tokyo", "2026-03-30", 15 * 3600),
        (None, "2026-03-30", 21600),
    ],
)
def test_a_date_ends_with_its_zones_day(built: Built, zone: str | None, value: str, age_s: float) -> None:
    measured_s, _ = measured(built, "date", f"'{value}'", timezone=zone)
    assert measured_s == age_s


@pytest.mark.parametrize("kind", ["bigint", "numeric", "double precision"])
@pytest.mark.parametrize(("unit", "in_a_second"), [("s", 1), ("ms", 1000), ("us", 1_000_000)])
@pytest.mark.parametrize("hours", [1, 7])
def test_a_number_since_1970_is_a_time_its_unit_said_or_not(
    built: Built, kind: str, unit: str, in_a_second: int, hours: int
) -> None:
    value = (NOW_S - hours * 3600) * in_a_second
    for said in ("auto", unit):
        age_s, seen = measured(built, kind, value, unit=said)
        assert age_s == pytest.approx(hours * 3600)
        assert rules(seen) == ({"content-stale"} if hours > 6 else set())


def test_an_integer_holds_seconds(built: Built) -> None:
    age_s, seen = measured(built, "integer", NOW_S - 60)
    assert (age_s, rules(seen)) == (60, set())


def test_one_number_in_another_unit_neither_hides_the_age_nor_decides(built: Built) -> None:
    source, database = built(
        "CREATE TABLE t (id int PRIMARY KEY, at bigint);"
        f"INSERT INTO t SELECT g, {NOW_S - 9 * 86400} FROM generate_series(1, 9) g;"
        f"INSERT INTO t VALUES (10, {NOW_S * 1000}), (11, 0), (12, -1);"
    )
    freshness = {"table": "public.t", "column": "at", "max_age": "6h"}
    target = target_of(expect={"freshness": freshness})
    age_s, seen = measure_freshness(context_of(source.sandbox, restored_of(database), target=target))
    assert age_s == 9 * 86400
    assert rules(seen) == {"content-stale", "content-in-future"}


@pytest.mark.parametrize("kind", ["integer", "bigint", "numeric", "double precision"])
def test_numbers_that_are_no_times_are_not_called_stale(built: Built, kind: str) -> None:
    age_s, seen = measured(built, kind, 5000)
    assert age_s is None
    assert failures(seen) == {("freshness-unknown", "public.t.at")}
    assert check(seen, "freshness").outcome is Outcome.NOT_RUN


@pytest.mark.parametrize("value", ["'NaN'", "'Infinity'", "'-Infinity'"])
def test_no_number_is_no_time(built: Built, value: str) -> None:
    age_s, seen = measured(built, "double precision", value, unit="s")
    assert (age_s, rules(seen)) == (None, {"content-stale"})


def test_a_table_of_numbers_without_a_row_is_stale(built: Built) -> None:
    age_s, seen = measured(built, "bigint", "NULL")
    assert (age_s, rules(seen)) == (None, {"content-stale"})
