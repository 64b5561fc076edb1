from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deployments.layouts import families, is_dated, name_in, round_up_rpo_s, template


@pytest.mark.parametrize(
    ("key", "at", "name", "time"),
    [
        ("o/2026/11/20/o_20261120T030000Z.dump", "o/%Y/%m/%d/o_%Y%m%dT%H%M%SZ.dump", "o", "03:00"),
        ("orders-2026-11-20.sql.gz", "orders-%Y-%m-%d.sql.gz", "orders", "00:00"),
        ("my_shop_20261120_0300.dump", "my_shop_%Y%m%d_%H%M.dump", "my_shop", "03:00"),
        ("2026/11/orders_20261120.dump", "%Y/%m/orders_%Y%m%d.dump", "orders", "00:00"),
        ("daily/2026-11-20/orders.sql.gz", "daily/%Y-%m-%d/orders.sql.gz", "orders", "00:00"),
        ("2026/11/20/orders_0300.dump", "%Y/%m/%d/orders_%H%M.dump", "orders", "03:00"),
        ("orders_1795143600.dump", "orders_%s.dump", "orders", "03:00"),
        ("year=2026/month=11/day=20/orders.dump", "year=%Y/month=%m/day=%d/orders.dump", "orders", "00:00"),
        ("orders/20-Nov-2026.dump", "orders/%d-%b-%Y.dump", "orders", "00:00"),
        ("20.11.2026/orders.dump", "%d.%m.%Y/orders.dump", "orders", "00:00"),
        ("pg_dumpall_2026-11-20T03:00:00+00:00.sql", "pg_dumpall_%Y-%m-%dT%H:%M:%S%z.sql", "b", "03:00"),
        ("backup-orders-20261120030000.dir/", "backup-orders-%Y%m%d%H%M%S.dir/", "orders", "03:00"),
        ("2026-11-20T030000Z/orders.dump", "%Y-%m-%dT%H%M%SZ/orders.dump", "orders", "03:00"),
        ("tenant_0001/2026-11-20_03-00.dump", "tenant_0001/%Y-%m-%d_%H-%M.dump", "tenant_0001", "03:00"),
        ("50%/orders_20261120.dump", "50%%/orders_%Y%m%d.dump", "orders", "00:00"),
    ],
)
def test_dates_of_every_usual_form_become_fields(key: str, at: str, name: str, time: str) -> None:
    (family,) = families([f"s3://b/{key}"])
    hour, minute = map(int, time.split(":"))
    assert family.at == f"s3://b/{at}"
    assert name_in(family.at) == name
    assert family.times == (datetime(2026, 11, 20, hour, minute, tzinfo=UTC),)


@pytest.mark.parametrize(
    "key", ["orders/latest.dump", "v1.2.3456/orders.dump", "orders_20261350.dump", "orders_12345678.dump"]
)
def test_what_is_no_date_stays_as_it_is(key: str) -> None:
    assert template(f"s3://b/{key}") == f"s3://b/{key}"


def test_a_random_part_becomes_a_star_and_tenants_do_not() -> None:
    random = [f"s3://b/orders_202611{day:02d}-{day * 7919:x}.dump" for day in range(1, 9)]
    tenants = [f"s3://b/tenant_000{number}_20261120.dump" for number in range(1, 9)]
    assert [f.at for f in families(random)] == ["s3://b/orders_%Y%m%d-*.dump"]
    assert len(families(tenants)) == 8


def test_weekdays_that_rotate_are_one_family() -> None:
    keys = [f"s3://b/orders_{day}.sql.gz" for day in ("Mon", "Tue", "Wed", "Sun")]
    (family,) = families(keys)
    assert (family.at, family.times) == ("s3://b/orders_*.sql.gz", ())


def test_a_family_knows_its_order_and_its_usual_interval() -> None:
    days = [20, 3, 4, 5, 6]
    (family,) = families([f"s3://b/o_202611{day:02d}.dump" for day in days])
    assert family.newest == "s3://b/o_20261120.dump"
    assert family.cadence_s == 86400
    assert families(["s3://b/o_20261120.dump"])[0].cadence_s is None


@pytest.mark.parametrize(
    ("folder", "dated"),
    [
        ("2026/", True),
        ("11/", True),
        ("day=03/", True),
        ("2026-11-20/", True),
        ("orders_20261120/", True),
        ("orders/", False),
        ("tenant_0001/", False),
    ],
)
def test_dated_folders_are_told_from_named_ones(folder: str, dated: bool) -> None:
    assert is_dated(f"s3://b/x/{folder}") is dated


def test_the_suggested_objective_leaves_room_for_the_backup_itself() -> None:
    assert [round_up_rpo_s(hours * 3600) / 3600 for hours in (24, 12, 168)] == [26, 13, 182]
    assert round_up_rpo_s(3600) / 60 == 70
