"""Which listings are asked for, and what becomes of every object that is listed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.discovery import listing
from tasks.discovery.candidates import (
    FUTURE_TOLERANCE,
    candidate,
    future_names,
    is_in_future,
    order,
    shortened,
    sort_out,
)
from tasks.discovery.listing import older, reachable
from tasks.discovery.pattern import KeyPattern
from tasks.discovery.scan import every_point, look_round, window_of
from tasks.discovery.undrilled import Siblings
from tasks.model.backup import DumpPoint
from tasks.model.errors import PermanentError
from tasks.model.target import Selection
from tests.unit.stores.fake import AT, BUCKET, NOW, FakeStore, key_of, nightly, target

PATTERN = KeyPattern(AT, "UTC")


def reason_of(key: str) -> str:
    store = FakeStore()
    obj = store.put(key)
    result = sort_out([obj], PATTERN, Siblings(PATTERN, "orders", ("orders", "customers")))
    return result.rejected[0].reason if result.rejected else "taken"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (key_of(NOW), "taken"),
        (key_of(NOW, suffix=".partial"), "an unfinished upload"),
        (key_of(NOW, suffix=".sha256"), "a sidecar, not a backup"),
        (key_of(NOW)[:-5] + "/", "a folder marker"),
        (key_of(NOW) + "/toc.dat", "in a folder that matches: end the pattern with / for directory dumps"),
        ("prod/orders/2026/11/22/notes.txt", "does not match the pattern"),
        ("prod/orders/2026/11/22/x.tmp", "a temporary name that does not match the pattern"),
    ],
)
def test_every_object_says_why_it_is_no_backup(key: str, reason: str) -> None:
    assert reason_of(key) == reason


def test_a_name_that_holds_no_real_time_is_said() -> None:
    assert "its name holds no real time" in reason_of("prod/orders/2026/11/31/orders_20261131T030000Z.dump")


def test_points_are_in_the_order_of_their_time_then_of_their_upload() -> None:
    store = FakeStore()
    late, early = store.put("b", modified_at=NOW), store.put("a", modified_at=NOW - timedelta(hours=1))
    points = [DumpPoint.of(late, NOW), DumpPoint.of(early, NOW), DumpPoint.of(late, NOW - timedelta(days=1))]
    assert sorted(points, key=order) == [points[2], points[1], points[0]]


def test_many_candidates_are_counted_by_their_reason() -> None:
    store = FakeStore()
    many = [candidate(store.put(f"k{number}"), "older than the newest") for number in range(1500)]
    short = shortened(many)
    assert len(short) == 1001
    assert short[-1].reason == "500 more were looked at: 500 x older than the newest"
    assert shortened(many[:1000]) == many[:1000]


def test_a_name_in_the_future_is_not_believed_a_times_of_upload_is() -> None:
    store = FakeStore()
    ahead = DumpPoint.of(store.put("x"), NOW + timedelta(hours=2))
    assert is_in_future(ahead, NOW)
    assert not is_in_future(DumpPoint.of(store.put("x"), NOW + timedelta(minutes=5)), NOW)
    assert not is_in_future(DumpPoint.of(store.put("x"), NOW + timedelta(hours=2), "modified"), NOW)
    assert [found.rule for found in future_names([ahead], NOW)] == ["backup-in-future"]
    assert future_names([], NOW) == []


def test_a_window_costs_as_many_listings_however_large_the_bucket_is() -> None:
    small, large = FakeStore(), FakeStore()
    small.put_all(nightly(40))
    large.put_all(nightly(40))
    large.put_all(f"prod/orders/20{year:02}/01/01/x{number}" for year in range(20) for number in range(500))
    for store in (small, large):
        assert len(reachable(store, PATTERN, NOW - timedelta(days=30), NOW)) >= 30
    assert small.pages == large.pages


def test_a_crowded_prefix_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "CROWDED", 50)
    store = FakeStore()
    hours = [NOW - timedelta(hours=number) for number in range(24 * 20)]
    store.put_all(key_of(at) for at in hours)
    found = reachable(store, PATTERN, NOW - timedelta(days=18), NOW)
    assert len(found) == len({obj.uri for obj in found})
    assert {BUCKET + key_of(at) for at in hours[: 24 * 18]} <= {obj.uri for obj in found}
    assert BUCKET + key_of(hours[-1]) not in {obj.uri for obj in found}, "finer prefixes leave out old days"
    assert max(map(len, store.prefixes)) > len(store.prefixes[0])


def test_more_keys_than_a_drill_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_KEYS", 20)
    store = FakeStore()
    store.put_all(nightly(30))
    with pytest.raises(PermanentError) as refused:
        reachable(store, PATTERN, NOW - timedelta(days=30), NOW)
    assert refused.value.rule == "listing-too-large"


def test_ever_older_stretches_are_looked_at_and_come_to_an_end() -> None:
    store = FakeStore()
    store.put(key_of(NOW - timedelta(days=400)))
    listed = list(older(store, PATTERN, NOW))
    assert any(listed)
    assert len(listed) < 12
    assert list(older(store, KeyPattern(BUCKET + "orders.dump", "UTC"), NOW)) == []


def test_every_point_is_found_whatever_the_window_and_no_older_one_before_it_is_asked_for() -> None:
    store = FakeStore()
    days = (-1, 3, 20, 300)
    store.put_all([key_of(NOW - timedelta(days=day)) for day in days])
    points = every_point(target(), store, NOW - timedelta(days=2), NOW)
    first = [next(points) for _ in range(3)]
    assert [(NOW - point.at).days for point in first] == [3, 20, -1]
    pages = store.pages
    assert [(NOW - point.at).days for point in points] == [300]
    assert store.pages > pages


def test_a_look_ends_where_the_selection_says() -> None:
    store = FakeStore()
    store.put_all(nightly(40))
    asked = NOW - timedelta(days=5)
    seen = look_round(target(), store, NOW, Selection(kind="at", at=asked))
    assert seen.window == window_of(target(), PATTERN, Selection(kind="at", at=asked), NOW)
    assert (seen.window.end, seen.window.listed_to) == (asked, asked)
    newest = window_of(target(), PATTERN, Selection(), NOW)
    assert newest.end == NOW + FUTURE_TOLERANCE
    assert newest.listed_to > newest.end, "a name in the wrong time zone is looked at"
