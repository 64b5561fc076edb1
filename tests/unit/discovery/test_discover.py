from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from tasks.discovery import discover
from tasks.discovery.globals_file import find_globals
from tasks.model.backup import Candidate, Discovery, DumpPoint
from tasks.model.errors import PermanentError, StageFailed
from tasks.model.findings import Severity
from tasks.model.target import Selection
from tests.growth import assert_linear
from tests.unit.stores.fake import AT, BUCKET, NOW, FakeStore, key_of, nightly, target

YEAR = 365
FIRST_DAY, LAST_DAY = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def rules(found: Discovery[DumpPoint]) -> list[str]:
    return [one.rule for one in found.findings]


def reasons(found: Discovery[DumpPoint]) -> dict[str, str]:
    return {one.uri.rsplit("/", 1)[-1]: one.reason for one in found.candidates}


def taken(found: Discovery[DumpPoint]) -> list[Candidate]:
    return [one for one in found.candidates if one.taken]


def store_of(*keys: str) -> FakeStore:
    store = FakeStore()
    store.put_all(keys)
    return store


def test_newest_is_taken_and_every_other_key_says_why_not() -> None:
    newest = NOW - timedelta(hours=9)
    store = store_of(
        *nightly(40),
        key_of(newest + timedelta(hours=1), suffix=".partial"),
        key_of(newest, suffix=".sha256"),
        key_of(newest, suffix=".inventory.json"),
        key_of(NOW + timedelta(hours=3)),
        newest.strftime("prod/orders/%Y/%m/%d/"),
        newest.strftime("prod/orders/%Y/%m/%d/notes.txt"),
        "prod/orders/2026/11/31/orders_20261131T030000Z.dump",
    )
    found = discover(target(), store, NOW)
    assert [point.uri for point in found.points] == [BUCKET + key_of(newest)]
    assert found.points[0].at == newest
    assert len(found.points_at) == 30
    assert [one.uri for one in taken(found)] == [BUCKET + key_of(newest)]
    why = reasons(found)
    assert why["orders_20261122T030000Z.dump"] == "the newest that matches"
    assert why["orders_20261121T030000Z.dump"] == "older than the newest"
    assert why["orders_20261122T040000Z.dump.partial"] == "an unfinished upload"
    assert why["orders_20261122T030000Z.dump.sha256"] == "a sidecar, not a backup"
    assert why["orders_20261122T030000Z.dump.inventory.json"] == "a sidecar, not a backup"
    assert why["orders_20261122T150000Z.dump"] == "its name lies in the future"
    assert why[""] == "a folder marker"
    assert why["notes.txt"] == "does not match the pattern"
    assert why["orders_20261131T030000Z.dump"].startswith("its name holds no real time")
    assert why["orders_20261020T030000Z.dump"] == "older than the window"


def test_healthy_store_yields_no_finding() -> None:
    assert discover(target(rpo="26h"), store_of(*nightly(YEAR)), NOW).findings == ()


def test_empty_newest_is_taken_all_the_same() -> None:
    store = store_of(*nightly(5))
    newest = store.put(key_of(NOW - timedelta(hours=1)), size=0)
    assert discover(target(), store, NOW).points[0].stored == newest


def test_two_keys_of_one_time_give_the_later_upload() -> None:
    at = BUCKET + "*/o_%Y%m%d.dump"
    store = FakeStore()
    late = store.put("a/o_20261122.dump", modified_at=NOW)
    store.put("b/o_20261122.dump", modified_at=NOW - timedelta(hours=1))
    assert discover(target(at), store, NOW).points[0].stored == late


def test_walk_back_adds_the_next_older_in_order() -> None:
    found = discover(target(), store_of(*nightly(10)), NOW, Selection(kind="newest", walk_back=3))
    assert [point.at.day for point in found.points] == [22, 21, 20, 19]
    assert [one.reason for one in taken(found)][1:] == ["tried if the newer ones fail"] * 3


def test_random_is_repeatable_by_its_seed() -> None:
    store = store_of(*nightly(30))
    first = discover(target(), store, NOW, Selection(kind="random"))
    assert first.seed is not None
    again = discover(target(), store, NOW, Selection(kind="random", seed=first.seed))
    assert again.points == first.points
    drawn = {discover(target(), store, NOW, Selection(kind="random", seed=i)).points[0].at for i in range(60)}
    assert len(drawn) > 10


def test_all_takes_the_window_newest_first() -> None:
    found = discover(target(window="7d"), store_of(*nightly(30)), NOW, Selection(kind="all"))
    assert [point.at.day for point in found.points] == [22, 21, 20, 19, 18, 17, 16]


def test_at_takes_the_newest_not_after_the_time_even_before_the_window() -> None:
    asked = datetime(2026, 6, 15, 2, 0, tzinfo=UTC)
    found = discover(target(), store_of(*nightly(YEAR)), NOW, Selection(kind="at", at=asked))
    assert [point.at for point in found.points] == [datetime(2026, 6, 14, 3, 0, tzinfo=UTC)]
    assert max(found.points_at) == found.points[0].at


@pytest.mark.parametrize("spelled", ["{uri}", "{key}", "{name}"])
def test_key_is_found_by_uri_key_or_name_however_old(spelled: str) -> None:
    key = key_of(NOW - timedelta(days=300, hours=9))
    asked = spelled.format(uri=BUCKET + key, key=key, name=key.rsplit("/", 1)[-1])
    store = store_of(*nightly(YEAR))
    found = discover(target(), store, NOW, Selection(kind="key", key=asked))
    assert [point.uri for point in found.points] == [BUCKET + key]
    assert store.pages < 6


def test_unknown_key_names_what_is_there() -> None:
    with pytest.raises(StageFailed, match=r"orders_20261122T030000Z\.dump") as caught:
        discover(target(), store_of(*nightly(3)), NOW, Selection(kind="key", key="nope.dump"))
    assert caught.value.rule == "no-backup-found"


def test_fixed_key_takes_its_modification_time_and_says_so() -> None:
    store = FakeStore()
    store.put("latest/orders.dump", modified_at=NOW - timedelta(hours=5))
    found = discover(target(BUCKET + "latest/orders.dump"), store, NOW)
    assert (found.points[0].at, found.points[0].dated_by) == (NOW - timedelta(hours=5), "modified")
    assert rules(found) == ["recovery-point-from-modified"]


def test_fixed_key_is_not_mistaken_for_its_longer_neighbours() -> None:
    store = store_of("latest/orders.dump.old", "latest/orders.dump2", "latest/orders.dump")
    found = discover(target(BUCKET + "latest/orders.dump"), store, NOW)
    assert [point.label for point in found.points] == ["orders.dump"]


def test_directory_dump_is_its_folder_with_its_members() -> None:
    at = BUCKET + "prod/orders-%Y%m%d/"
    store = store_of(
        "prod/orders-20261121/toc.dat",
        "prod/orders-20261122/toc.dat",
        "prod/orders-20261122/",
        "prod/orders-20261122/3001.dat.gz",
        "prod/orders-20261122/../../etc/passwd",
        "prod/orders-20261123.partial/toc.dat",
        "prod/orders-20261122.log",
    )
    found = discover(target(at), store, NOW)
    point = found.points[0]
    assert point.uri == BUCKET + "prod/orders-20261122/"
    assert [one.uri.rsplit("/", 1)[-1] for one in point.stored.members] == ["3001.dat.gz", "toc.dat"]
    assert point.bytes == 200
    assert reasons(found)["orders-20261122.log"] == "does not match the pattern"


@pytest.mark.parametrize("members", [["3001.dat.gz"], [""], ["half.dump"]])
def test_directory_without_a_table_of_contents_is_taken_all_the_same(members: list[str]) -> None:
    store = store_of("prod/orders-20261121/toc.dat", *(f"prod/orders-20261122/{name}" for name in members))
    found = discover(target(BUCKET + "prod/orders-%Y%m%d/"), store, NOW)
    assert found.points[0].uri == BUCKET + "prod/orders-20261122/"


def test_directory_dump_without_a_slash_in_the_pattern_gets_the_remedy() -> None:
    with pytest.raises(StageFailed, match="end the pattern with /"):
        discover(target(BUCKET + "prod/orders-%Y%m%d"), store_of("prod/orders-20261122/toc.dat"), NOW)


def test_names_in_the_future_are_left_out_and_said() -> None:
    store = store_of(*nightly(3), key_of(NOW + timedelta(hours=2)))
    found = discover(target(), store, NOW)
    assert found.points[0].at < NOW
    assert rules(found) == ["backup-in-future"]


def test_name_a_few_minutes_ahead_is_a_clock_not_the_future() -> None:
    ahead = NOW + timedelta(minutes=4)
    found = discover(target(), store_of(key_of(ahead)), NOW)
    assert found.points[0].at == ahead
    assert rules(found) == []


@pytest.mark.parametrize(("skew_s", "said"), [(0.5, []), (300.0, ["clock-skew"]), (-300.0, ["clock-skew"])])
def test_small_difference_of_clocks_is_a_warning(skew_s: float, said: list[str]) -> None:
    store = store_of(*nightly(3))
    store.skew_s = skew_s
    found = discover(target(), store, NOW)
    assert rules(found) == said
    assert all(one.severity is Severity.WARNING for one in found.findings)


def test_clock_two_days_ahead_judges_nothing() -> None:
    store = store_of(*nightly(3))
    store.skew_s = 2 * 86400.0
    with pytest.raises(StageFailed, match="ahead of the store") as caught:
        discover(target(), store, NOW + timedelta(days=2))
    assert [(one.rule, one.klass.value, one.severity) for one in caught.value.findings] == [
        ("clock-skew", "drill", Severity.FAILURE)
    ]


def test_thousands_of_rejected_keys_are_counted_not_listed() -> None:
    store = store_of(*nightly(3), *(f"prod/orders/2026/11/22/log-{i:05d}.txt" for i in range(2500)))
    found = discover(target(), store, NOW)
    assert len(found.candidates) < 1100
    assert found.candidates[-1].reason.startswith("1500 more were looked at: 1500 x does not match")


def test_newer_backup_behind_a_delete_marker_is_named_when_the_rest_is_too_old() -> None:
    store = store_of(*nightly(5, newest=NOW - timedelta(days=3)))
    store.hidden.append(FakeStore().put(key_of(NOW - timedelta(hours=9))))
    assert rules(discover(target(rpo="26h"), store, NOW)) == ["newest-deleted"]
    assert rules(discover(target(rpo="8d"), store, NOW)) == []


def test_retention_that_deletes_old_backups_is_not_a_finding() -> None:
    store = store_of(*nightly(5, newest=NOW - timedelta(days=3)))
    store.hidden.append(FakeStore().put(key_of(NOW - timedelta(days=20))))
    assert rules(discover(target(rpo="26h"), store, NOW)) == []


class TestScale:
    def test_listing_costs_the_same_in_a_bucket_of_a_hundred_thousand_keys(self) -> None:
        small, large = store_of(*nightly(100)), store_of(*nightly(YEAR))
        start = NOW - timedelta(days=YEAR)
        for i in range(100_000 - YEAR):
            at = start + timedelta(minutes=5 * i)
            large.put(key_of(at, f"db{i % 50:02d}") if i % 2 else at.strftime(f"logs/%Y/%m/%d/{i}.log"))
        for store in (small, large):
            discover(target(), store, NOW)
        window = [prefix for prefix in large.prefixes if "/orders/" in prefix]
        assert window == [AT[: AT.index("%")] + "2026/10/", AT[: AT.index("%")] + "2026/11/"]
        # besides the window only the neighbours are looked at: one listing of names, one call each
        assert large.pages - small.pages <= 51

    def test_crowded_month_is_taken_apart_into_the_days_of_the_window(self) -> None:
        at = BUCKET + "flat/orders_%Y%m%dT%H%M.dump"
        start = NOW - timedelta(days=YEAR)
        store = store_of(
            *(
                (start + timedelta(minutes=5 * i)).strftime("flat/orders_%Y%m%dT%H%M.dump")
                for i in range(YEAR * 288 + 1)
            )
        )
        found = discover(target(at, window="2d"), store, NOW)
        assert len(found.points_at) == 2 * 24 * 12 + 1
        assert store.pages <= 12


ODD = [
    "x" * 200,
    "\x1b[31m",
    "\u202e",
    "-" * 100,
    "a_b.c-d" * 20,
    "\n",
    "%s",
    "*",
    "$(x)",
    "'\"",
    "orders",
    "1" * 90,
]


@pytest.mark.parametrize(
    "at",
    [
        BUCKET + "prod/*/%Y/%m/%d/orders_%Y%m%dT%H%M%SZ.dump",
        BUCKET + "prod/orders/*/*/*/*rd*rs_%Y%m%dT%H%M%SZ.dump",
        BUCKET + "prod/orders/%Y/%m/%d/*_%Y%m%dT%H%M%SZ.dump/",
    ],
)
def test_keys_with_odd_names_cost_no_more_than_their_number(at: str) -> None:
    def look(count: int) -> None:
        store = FakeStore()
        store.put_all(nightly(3))
        draw = random.Random(1)
        store.put_all(f"prod/orders/2026/11/22/{''.join(draw.choices(ODD, k=4))}_{n}" for n in range(count))
        with suppress(StageFailed):
            discover(target(at), store, NOW)

    assert_linear(look, 1500)


def test_more_keys_than_any_window_reaches_are_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.discovery.listing.MOST_KEYS", 100)
    store = FakeStore()
    store.put_all(nightly(3))
    assert discover(target(), store, NOW).points
    store.put_all(f"prod/orders/2026/11/22/{number}" for number in range(200))
    with pytest.raises(PermanentError) as error:
        discover(target(), store, NOW)
    assert error.value.rule == "listing-too-large"


@pytest.mark.parametrize("key", ["orders_00010101T000000Z.dump", "orders_99991231T235959Z.dump"])
@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns"])
def test_keys_of_the_first_and_the_last_day_of_all_time_are_rejected_like_others(key: str, zone: str) -> None:
    store = FakeStore()
    store.put_all([*nightly(1), f"prod/orders/2026/11/22/{key}"])
    at = BUCKET + "prod/orders/*/*/*/orders_%Y%m%dT%H%M%SZ.dump"
    found = discover(target(at, timezone=zone), store, NOW)
    assert [point.uri for point in found.points] == [BUCKET + nightly(1)[0]]
    point = DumpPoint.of(store.objects[BUCKET + nightly(1)[0]], FIRST_DAY if key[7] == "0" else LAST_DAY)
    with pytest.raises(PermanentError) as error:
        find_globals(point, store, target(at, timezone=zone, globals=BUCKET + "g_%Y%m%d.sql"))
    assert error.value.rule == "globals-missing"


@pytest.mark.parametrize("moment", ["0001-01-01T01:00:00", "9999-12-31T23:00:00"])
def test_any_time_can_be_asked_for(moment: str) -> None:
    store = FakeStore()
    store.put_all(nightly(3))
    asked = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    wanted = target(select=Selection(kind="at", at=asked))
    with pytest.raises(StageFailed):
        discover(wanted, store, NOW)
