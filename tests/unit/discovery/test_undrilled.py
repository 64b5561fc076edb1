from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.discovery import discover
from tasks.model.findings import Finding
from tests.unit.stores.fake import BUCKET, NOW, FakeStore, nightly, target


def undrilled(store: FakeStore, at: str | None = None) -> list[str | None]:
    return [one.where for one in warnings(store, at)]


def warnings(store: FakeStore, at: str | None = None) -> list[Finding]:
    found = discover(target() if at is None else target(at), store, NOW)
    return [one for one in found.findings if one.rule == "undrilled-backup"]


def flat(name: str, days: int = 3) -> list[str]:
    return [(NOW - timedelta(days=day, hours=9)).strftime(f"prod/{name}_%Y%m%d.dump") for day in range(days)]


def test_database_in_the_next_folder_that_no_fleet_names_is_a_warning() -> None:
    store = FakeStore()
    store.put_all(nightly(3))
    store.put_all(nightly(3, database="payroll"))
    assert undrilled(store) == [BUCKET + nightly(3, database="payroll")[-1]]


def test_database_that_the_fleet_drills_is_none() -> None:
    store = FakeStore()
    store.put_all(nightly(3))
    store.put_all(nightly(3, database="customers"))
    assert undrilled(store) == []


def test_folder_that_holds_no_backups_is_none() -> None:
    store = FakeStore()
    store.put_all([*nightly(3), "prod/logs/2026/11/22/backup.log", "prod/payroll/notes.txt"])
    assert undrilled(store) == []


def test_flat_layout_is_read_from_name_to_name() -> None:
    store = FakeStore()
    for name in ("accounts", "orders", "orders_archive", "zoo"):
        store.put_all(flat(name, 1000))
    at = BUCKET + "prod/orders_%Y%m%d.dump"
    (warning,) = warnings(store, at)
    assert '3 databases, "accounts", "orders_archive", "zoo", lie beside' in warning.message
    assert warning.names == ()
    assert store.pages < 20


def test_many_neighbours_are_one_warning_that_keeps_all_their_names() -> None:
    store = FakeStore()
    for number in range(30):
        store.put_all(flat(f"db{number:02}"))
    store.put_all(flat("orders"))
    (warning,) = warnings(store, BUCKET + "prod/orders_%Y%m%d.dump")
    assert '"db04" and 25 more, all named in the evidence' in warning.message
    assert warning.names == tuple(f'"db{number:02}"' for number in range(30))


def test_other_database_in_the_same_folder_says_so_among_the_rejected() -> None:
    store = FakeStore()
    store.put_all([f"{NOW:%Y/%m/%d}/{name}.dump" for name in ("orders", "payroll", "customers")])
    found = discover(target(BUCKET + "%Y/%m/%d/orders.dump"), store, NOW)
    assert {one.uri.rsplit("/", 1)[-1]: one.reason for one in found.candidates if not one.taken} == {
        "customers.dump": 'a backup of another database, "customers"',
        "payroll.dump": 'a backup of another database, "payroll"',
    }
    assert [one.where for one in found.findings] == [f"{BUCKET}{NOW:%Y/%m/%d}/payroll.dump"]


def test_other_database_under_a_star_is_rejected_by_name() -> None:
    store = FakeStore()
    store.put_all([f"host1/{NOW:%Y%m%d}-{name}.dump" for name in ("orders", "payroll")])
    found = discover(target(BUCKET + "*/%Y%m%d-orders.dump"), store, NOW)
    assert [one.reason for one in found.candidates if not one.taken] == [
        'a backup of another database, "payroll"'
    ]
    assert [one.rule for one in found.findings] == ["undrilled-backup"]


@pytest.mark.parametrize("at", ["prod/preorders_%Y%m%d.dump", "prod/latest.dump"])
def test_pattern_without_the_name_as_a_word_has_no_neighbours(at: str) -> None:
    store = FakeStore()
    store.put_all([*flat("preorders"), *flat("payroll"), "prod/latest.dump", "prod/other.dump"])
    assert undrilled(store, BUCKET + at) == []


def test_bucket_that_is_called_like_the_database_is_not_its_place() -> None:
    store = FakeStore()
    for name in ("a", "b"):
        store.put(f"s3://orders/{name}_20261122.dump")
    found = discover(target("s3://orders/a_%Y%m%d.dump"), store, NOW)
    assert found.findings == ()
