"""Layouts that public backup scripts write: each is one database per database, and its newest is found."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deployments.commands.init import initialise
from deployments.layouts import families
from deployments.rotations import numbered, one_for_each
from tasks.config import load_fleet
from tasks.discovery import discover
from tasks.stores.open import open_store
from tests.unit.deployments.buckets import NOW, SCRIPT, put

Key = Callable[[str, datetime], str]
DATABASES = ("orders", "billing")


@dataclass(frozen=True)
class Layout:
    """What a script writes.

    Attributes:
        key: of a database's backup of a time.
        also: further copies that it makes of the newest, and links.
        every, count: its rhythm.
    """

    key: Key
    also: tuple[Key, ...] = ()
    every: timedelta = timedelta(days=1)
    count: int = 14


def _epoch(at: datetime) -> int:
    return int(at.timestamp())


def _rotated(database: str, at: datetime) -> str:
    """pg_backup_rotated.sh of PostgreSQL's wiki: one folder a night, monthly before weekly before daily."""
    word = "monthly" if at.day == 1 else "weekly" if at.isoweekday() == 5 else "daily"
    return f"{at:%Y-%m-%d}-{word}/{database}.sql.gz"


def _autopostgresql(database: str, at: datetime) -> str:
    """autopostgresqlbackup: on Saturdays the weekly one only."""
    if at.isoweekday() == 6:
        return f"weekly/{database}/{database}_week.{at:%V}.{at:%Y-%m-%d_%Hh%Mm}.sql.gz"
    return f"daily/{database}/{database}_{at:%Y-%m-%d_%Hh%Mm}.{at:%A}.sql.gz"


LAYOUTS: dict[str, Layout] = {
    "pg_dump and date": Layout(lambda db, at: f"{db}_{at:%Y-%m-%d}.dump"),
    "day of year": Layout(lambda db, at: f"{db}-{at:%Y%j}.dump"),
    "day of year, dashed": Layout(lambda db, at: f"{db}/{at:%Y-%j}-{at:%H%M}.dump"),
    "month's name": Layout(lambda db, at: f"{db}_{at:%d-%b-%Y}.sql"),
    "month's name first": Layout(lambda db, at: f"{db}_{at:%B_%d_%Y}.sql"),
    "month's name, no separators": Layout(lambda db, at: f"{at:%d%b%Y}/{db}.sql"),
    "European": Layout(lambda db, at: f"{db}.{at:%d.%m.%Y}.sql"),
    "American": Layout(lambda db, at: f"{db}-{at:%m-%d-%Y}.sql", count=25),
    "twelve hours": Layout(
        lambda db, at: f"{db}_{at:%Y-%m-%d_%I-%M%p}.sql", every=timedelta(hours=6), count=30
    ),
    "twelve hours, small": Layout(
        lambda db, at: f"{db}_{at:%Y%m%d-%I%M}{at:%p}.sql".replace("AM", "am").replace("PM", "pm"),
        every=timedelta(hours=6), count=30,
    ),
    "milliseconds": Layout(lambda db, at: f"{db}-{at:%Y-%m-%dT%H-%M-%S}-{at.day * 31:03d}Z.sql"),
    "milliseconds, ISO": Layout(lambda db, at: f"{db}-{at:%Y-%m-%dT%H:%M:%S}.{at.day * 31:03d}Z.sql"),
    "milliseconds, digits alone": Layout(lambda db, at: f"{db}-{at:%Y%m%d%H%M%S}{at.day * 31:03d}.sql"),
    "epoch": Layout(lambda db, at: f"{db}-{_epoch(at)}.sql"),
    "epoch in milliseconds": Layout(lambda db, at: f"{db}-{_epoch(at)}{at.day * 31:03d}.sql"),
    "folder of a date": Layout(lambda db, at: f"{at:%Y-%m-%d}/{db}.sql.gz"),
    "folders of a date": Layout(lambda db, at: f"{at:%Y/%m/%d}/{db}.sql.gz"),
    "folders of a date and a time": Layout(lambda db, at: f"{at:%Y/%m/%d}/{db}/{at:%H-%M-%S}/dump.sql.gz"),
    "folder of a database": Layout(lambda db, at: f"{db}/{at:%Y%m%dT%H%M%SZ}.sql.gz"),
    "weekday": Layout(lambda db, at: f"{db}_{at:%a}.sql.gz", count=7),
    "weekday, whole": Layout(lambda db, at: f"{at:%A}/{db}.sql.gz", count=7),
    "weekday beside a date": Layout(lambda db, at: f"{db}-{at:%a-%Y-%m-%d}.sql.gz"),
    "weekday in small letters": Layout(lambda db, at: f"{db}-{at:%Y%m%d}-{at:%a}.sql".lower()),
    "day of the month": Layout(lambda db, at: f"{db}_{at:%d}.sql"),
    "number of the weekday": Layout(lambda db, at: f"{db}.{at:%u}.dump.gz", count=7),
    "logrotate": Layout(lambda db, at: f"{db}.sql{f'.{(NOW - at).days}' if at < NOW else ''}", count=9),
    "logrotate, packed": Layout(
        lambda db, at: f"{db}.sql{f'.{(NOW - at).days}.gz' if at < NOW else ''}", count=9
    ),
    "fixed name": Layout(lambda db, _: f"{db}.sql", count=1),
    "autopostgresqlbackup": Layout(_autopostgresql),
    "pg_backup_rotated.sh": Layout(_rotated, count=40),
    "prodrigestivill/postgres-backup-local": Layout(
        lambda db, at: f"last/{db}-{at:%Y%m%d-%H%M%S}.sql.gz",
        (
            lambda db, _: f"last/{db}-latest.sql.gz",
            lambda db, at: f"daily/{db}-{at:%Y%m%d}.sql.gz",
            lambda db, _: f"daily/{db}-latest.sql.gz",
            lambda db, at: f"weekly/{db}-{at:%G%V}.sql.gz",
            lambda db, _: f"weekly/{db}-latest.sql.gz",
            lambda db, at: f"monthly/{db}-{at:%Y%m}.sql.gz",
            lambda db, _: f"monthly/{db}-latest.sql.gz",
        ),
    ),
    "kartoza/pg-backup": Layout(lambda db, at: f"{at:%Y}/{at:%B}/PG_{db}.{at:%d-%B-%Y}.dmp"),
    "tiredofit/db-backup": Layout(
        lambda db, at: f"pgsql_{db}_db01_{at:%Y%m%d-%H%M%S}.sql.gz",
        (lambda db, _: f"latest-pgsql_{db}_db01.sql.gz",),
    ),
    "eeshugerman/postgres-backup-s3": Layout(lambda db, at: f"{db}_{at:%Y-%m-%dT%H:%M:%S}.dump"),
    "Coolify": Layout(lambda db, at: f"databases/root-0/{db}-abcd/pg-dump-{db}-{_epoch(at)}.dmp"),
    "Zalando": Layout(
        lambda db, at: f"spilo/{db}-cluster/0a1b2c3d-1111-2222-3333-44445555666{len(db) % 10}"
        f"/logical_backups/{_epoch(at)}.sql.gz"
    ),
    "Odoo": Layout(lambda db, at: f"{db}_{at:%Y-%m-%d_%H-%M-%S}.sql"),
    "daily, weekly and monthly of one name": Layout(
        lambda db, at: f"daily/{db}_{at:%Y%m%d}.sql.gz",
        (lambda db, at: f"weekly/{db}_{at:%Y%m%d}.sql.gz", lambda db, at: f"monthly/{db}_{at:%Y%m%d}.sql.gz"),
    ),
    "a link to the newest": Layout(
        lambda db, at: f"{db}/{db}-{at:%Y%m%d%H%M}.sql.gz", (lambda db, _: f"{db}/{db}-latest.sql.gz",)
    ),
}  # fmt: skip


def written(root: Path, layout: Layout) -> dict[str, str]:
    """Write what *layout* leaves behind; return the newest backup's key of each database."""
    for number in range(layout.count):
        at = NOW - number * layout.every
        for database in DATABASES:
            put(root, layout.key(database, at), at=at)
    newest = {database: layout.key(database, NOW) for database in DATABASES}
    for database, key in newest.items():
        for other in layout.also:
            path = root / other(database, NOW)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(root / key, path)
    return newest


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_public_layout_is_one_database_per_database_and_its_newest_is_found(
    name: str, tmp_path: Path
) -> None:
    root = tmp_path / "backups"
    newest = written(root, LAYOUTS[name])
    report = initialise(str(root), tmp_path / "fleet.yaml", now=NOW)
    targets = load_fleet(report.fleet_path).targets
    assert len(targets) == len(DATABASES), [target.name for target in targets]
    for database in DATABASES:
        (target,) = (target for target in targets if database in target.name)
        taken = discover(target, open_store(target.store, target.backup.at), NOW)
        assert taken.points[0].uri == f"file://{root}/{newest[database]}"


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_key_is_lost_without_a_word(name: str, tmp_path: Path) -> None:
    root = tmp_path / "backups"
    written(root, LAYOUTS[name])
    keys = {f"file://{path}" for path in root.rglob("*") if path.is_file()}
    found = families(keys)
    rotated = one_for_each(found)
    held = {key for family in rotated.families for key in (*family.keys, *family.astray)}
    told = {key for family in found if family.at in sum(rotated.copies.values(), ()) for key in family.keys}
    assert held | told == keys


def test_shards_of_one_night_are_databases_of_their_own(tmp_path: Path) -> None:
    for number in range(1, 8):
        put(tmp_path / "b", f"shard_{number}.sql", at=NOW + timedelta(minutes=number))
    report = initialise(str(tmp_path / "b"), tmp_path / "fleet.yaml", now=NOW)
    assert len(load_fleet(report.fleet_path).targets) == 7


def test_names_whose_times_are_not_known_are_not_joined() -> None:
    found = families(f"s3://b/orders_{number}.sql" for number in range(1, 8))
    assert numbered(found, lambda _: None) == found


def test_heroku_numbers_its_backups(tmp_path: Path) -> None:
    for number in range(9):
        put(tmp_path / "shop", f"b{100 + number}", at=NOW - timedelta(days=9 - number))
    report = initialise(str(tmp_path / "shop"), tmp_path / "fleet.yaml", now=NOW)
    (target,) = load_fleet(report.fleet_path).targets
    taken = discover(target, open_store(target.store, target.backup.at), NOW)
    assert taken.points[0].uri.endswith("/shop/b108")


def test_gitlab_and_discourse_bear_numbers_of_their_own() -> None:
    gitlab = [
        f"s3://b/{_epoch(NOW - timedelta(days=day))}_{NOW - timedelta(days=day):%Y_%m_%d}_17.{day // 3}.0-ee"
        "_gitlab_backup.tar"
        for day in range(9)
    ]
    (family,) = families(gitlab)
    assert (family.newest, len(family.times)) == (gitlab[0], 9)
    discourse = [
        f"s3://b/forum-{NOW - timedelta(days=day):%Y-%m-%d-%H%M%S}-v20260{1 + day // 3}20123456.tar.gz"
        for day in range(9)
    ]
    (family,) = families(discourse)
    assert (family.newest, len(family.times)) == (discourse[0], 9)


@pytest.mark.parametrize("form", ["%d-%b-%Y", "%d-%B-%Y"])
def test_may_is_of_the_months_around_it(form: str) -> None:
    days = [datetime(2026, 4, 20, tzinfo=NOW.tzinfo) + timedelta(days=day) for day in range(60)]
    (family,) = families(f"s3://b/{day:%Y}/orders.{day.strftime(form)}.dmp" for day in days)
    assert (family.at, len(family.times)) == (f"s3://b/%Y/orders.{form}.dmp", 60)
    (alone,) = families(f"s3://b/orders_{day.strftime(form)}.dmp" for day in days if day.month == 5)
    assert len(alone.times) == 31


def test_railway_has_one_database(tmp_path: Path) -> None:
    keys = [
        f"s3://b/shop/backup-{NOW - timedelta(days=day):%Y-%m-%dT%H-%M-%S}-{day * 37:03d}Z.tar.gz"
        for day in range(9)
    ]
    (family,) = families(keys)
    assert family.newest == keys[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("stats_{}.sql", "stats_daily_{}.sql"),
        ("shop2024_{}.sql", "shop2025_{}.sql"),
        ("archive_2024/{}.sql", "archive_2025/{}.sql"),
        ("a-b_{}.sql", "a_b_{}.sql"),
        ("last_orders_{}.sql", "orders_{}.sql"),
        ("march_{}.sql", "may_{}.sql"),
        ("tenant_0001_{}.sql", "tenant_0002_{}.sql"),
        ("daily/orders_{}.sql", "daily/billing_{}.sql"),
        ("prod/daily/orders_{}.sql", "test/daily/orders_{}.sql"),
        ("orders_{}.sql", "orders_{}.dump"),
    ],
)
def test_two_databases_stay_two(one: str, other: str) -> None:
    days = [f"{NOW - timedelta(days=day):%Y%m%d}" for day in range(9)]
    found = families(f"s3://b/{form.format(day)}" for form in (one, other) for day in days)
    assert len(one_for_each(found).families) == 2


def test_a_gap_that_only_the_weekly_copy_fills_is_the_rhythm() -> None:
    keys = [f"s3://b/{_autopostgresql('orders', NOW - timedelta(days=day))}" for day in range(14)]
    (family,) = one_for_each(families(keys)).families
    assert family.cadence_s == 2 * 86400


def test_a_weekly_backup_instead_of_a_daily_one_is_of_the_same_family() -> None:
    keys = [f"s3://b/{_rotated('orders', NOW - timedelta(days=day))}" for day in range(40)]
    (family,) = one_for_each(families(keys)).families
    assert (family.at, len(family.times), family.cadence_s) == ("s3://b/%Y-%m-%d-*/orders.sql.gz", 40, 86400)


def test_a_zip_that_odoo_made_is_a_backup(tmp_path: Path) -> None:
    for day in range(4):
        at = NOW - timedelta(days=day)
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("dump.sql", SCRIPT)
            archive.writestr("filestore/ab/abcd", b"%PDF-1.7")
            archive.writestr("manifest.json", "{}")
        put(tmp_path / "b", f"shop_{at:%Y-%m-%d_%H-%M-%S}.zip", made.getvalue(), at)
    report = initialise(str(tmp_path / "b"), tmp_path / "fleet.yaml", now=NOW)
    (target,) = load_fleet(report.fleet_path).targets
    assert target.name == "shop"
    assert any("plain in zip, PostgreSQL 17.11, 4 seen" in line for line in report.lines)
