from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from expectations.draft import Draft, draft_expectations
from expectations.patterns import PATTERNS, telling
from expectations.profile import ColumnProfile, Profile, TableProfile
from expectations.profile_catalogue import ColumnFacts, Kind, TableFacts

AS_OF = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def column(
    kind: Kind, *, sensitive: bool = False, not_null: bool = False, **figures: object
) -> ColumnProfile:
    facts = ColumnFacts("c", "int4", kind, not_null, None, sensitive)
    return ColumnProfile(facts, **{"filled": 1000, **figures})  # type: ignore[arg-type]


def profile(
    one: ColumnProfile | None = None, *, rows: int = 1000, name: str = "public.orders", days: int = 0
) -> Profile:
    columns = {} if one is None else {"c": one}
    columns["id"] = ColumnProfile(ColumnFacts("id", "text", Kind.OTHER, False, None, False), rows)  # noqa: FBT003
    facts = TableFacts(name, rows, False, None, {key: value.facts for key, value in columns.items()})  # noqa: FBT003
    return Profile(AS_OF + timedelta(days=days), {name: TableProfile(facts, rows, columns)})


def drafts(*profiles: Profile) -> dict[str, Draft]:
    return {
        one.type.removeprefix("expect_"): one
        for one in draft_expectations(profiles)
        if one.kwargs.get("column") != "id"
    }


def test_a_row_count_follows_the_last_drill() -> None:
    bound = drafts(profile())["table_row_count_to_be_between"].kwargs["min_value"]
    assert bound == {"param": "last_rows", "times": 0.9, "default": 1000}


def test_a_tables_own_movement_widens_its_band() -> None:
    found = drafts(profile(rows=1000), profile(rows=700, days=1))["table_row_count_to_be_between"]
    assert found.kwargs["min_value"] == {"param": "last_rows", "times": 0.65, "default": 700}
    assert "700 to 1,000 over 2 points" in found.observed


def test_tiny_and_volatile_tables_are_left_alone() -> None:
    assert drafts(profile(rows=12))["table_row_count_to_be_between"].kwargs == {"min_value": 1}
    assert "table_row_count_to_be_between" not in drafts(profile(name="public.job_queue"))
    assert "table_row_count_to_be_between" not in drafts(profile(rows=0))


@pytest.mark.parametrize(("filled", "mostly"), [(1000, 0.95), (700, 0.64), (980, 0.93), (10, None)])
def test_null_shares_have_room(filled: int, mostly: float | None) -> None:
    found = drafts(profile(column(Kind.OTHER, filled=filled))).get("column_values_to_not_be_null")
    assert (found.kwargs.get("mostly") if found else None) == mostly


def test_declared_not_null_is_strict() -> None:
    found = drafts(profile(column(Kind.OTHER, not_null=True)))["column_values_to_not_be_null"]
    assert found.kwargs == {"column": "c"}


def test_a_mean_is_bounded_where_chance_does_not_move_it() -> None:
    steady = column(Kind.NUMBER, low=1.0, high=500.0, mean=250.0, deviation=100.0)
    found = drafts(profile(steady))
    assert found["column_mean_to_be_between"].kwargs == {"column": "c", "min_value": 167, "max_value": 375}
    assert found["column_values_to_be_between"].kwargs["max_value"] == 2000
    wild = column(Kind.NUMBER, low=1.0, high=500.0, mean=1.0, deviation=100.0)
    assert "column_mean_to_be_between" not in drafts(profile(wild))


def test_negative_means_are_bounded_the_right_way_round() -> None:
    debt = column(Kind.NUMBER, low=-500.0, high=-1.0, mean=-250.0, deviation=10.0)
    kwargs = drafts(profile(debt))["column_mean_to_be_between"].kwargs
    assert kwargs["min_value"] < -250 < kwargs["max_value"]  # type: ignore[operator]


@pytest.mark.parametrize("kind", [Kind.NUMBER, Kind.TIME, Kind.TEXT])
def test_sensitive_columns_get_no_value(kind: Kind) -> None:
    one = column(
        kind,
        sensitive=True,
        low=1.0,
        high=5.0,
        mean=2.0,
        deviation=0.1,
        shortest=3,
        longest=9,
        categories={"x": 900},
    )
    found = drafts(profile(one))
    assert not {
        "column_mean_to_be_between",
        "column_values_to_be_in_set",
        "column_values_to_be_between",
    } & set(found)


def test_the_newest_time_may_be_twice_as_old() -> None:
    day = 86400.0
    fresh = column(Kind.TIME, low=AS_OF.timestamp() - 90 * day, high=AS_OF.timestamp() - 2 * 3600)
    assert drafts(profile(fresh))["column_max_to_be_between"].kwargs["min_value"] == {"as_of": "-38h"}
    weekly = column(Kind.TIME, low=AS_OF.timestamp() - 90 * day, high=AS_OF.timestamp() - 6 * day)
    assert drafts(profile(weekly))["column_max_to_be_between"].kwargs["min_value"] == {"as_of": "-288h"}


def test_planned_and_ancient_times_have_no_freshness() -> None:
    planned = column(Kind.TIME, low=AS_OF.timestamp(), high=AS_OF.timestamp() + 9e6)
    assert "column_max_to_be_between" not in drafts(profile(planned))
    assert "column_values_to_be_between" not in drafts(profile(planned))
    ancient = column(Kind.TIME, low=0.0, high=1e9)
    newest = drafts(profile(ancient))["column_max_to_be_between"].kwargs["min_value"]
    assert newest == date(2001, 9, 8)  # a day of slack, and no age


def test_categories_allow_a_few_strangers() -> None:
    one = column(Kind.TEXT, categories={"new": 600, "paid": 390, "odd": 10}, shortest=3, longest=4)
    found = drafts(profile(one))
    assert found["column_values_to_be_in_set"].kwargs == {
        "column": "c",
        "value_set": ["new", "odd", "paid"],
        "mostly": 0.95,
    }
    assert found["column_distinct_values_to_contain_set"].kwargs["value_set"] == ["new", "paid"]


def test_shapes_must_hold_at_every_point() -> None:
    email = column(Kind.TEXT, shapes=frozenset({"email", "trimmed"}), shortest=5, longest=20)
    mixed = column(Kind.TEXT, shapes=frozenset({"trimmed"}), shortest=1, longest=20)
    assert drafts(profile(email))["column_values_to_match_regex"].kwargs["regex"] == PATTERNS["email"].regex
    both = drafts(profile(email), profile(mixed, days=1))
    assert both["column_values_to_match_regex"].kwargs["regex"] == PATTERNS["trimmed"].regex


def test_the_plain_says_nothing_beside_the_telling() -> None:
    assert [one.name for one in telling({"email", "digitless", "trimmed"})] == ["email"]
    assert [one.name for one in telling({"trimmed", "spaced"})] == ["spaced", "trimmed"]


def test_unread_tables_are_left_out() -> None:
    broken = TableProfile(profile().tables["public.orders"].facts, 0, {}, unread="DataCorrupted")
    assert draft_expectations([Profile(AS_OF, {"public.orders": broken})]) == []
