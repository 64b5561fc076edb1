from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.commands.init import InitReport, initialise
from tasks.config import Fleet, load_fleet
from tasks.model.backup import StoredObject
from tasks.model.errors import ConfigInvalid, PermanentError
from tasks.model.printable import printable
from tasks.model.target import StoreConfig
from tests.unit.deployments.buckets import GLOBALS, NOW, history, put


def look(root: Path, **options: object) -> tuple[InitReport, Fleet]:
    report = initialise(str(root), root.parent / "fleet.yaml", now=NOW, **options)  # type: ignore[arg-type]
    return report, load_fleet(report.fleet_path)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    root = tmp_path / "Acme Backups"
    root.mkdir()
    return root


def daily(name: str, suffix: str = "sql.gz") -> object:
    return lambda at: f"prod/{name}/{at:%Y/%m/%d}/{name}_{at:%Y%m%dT%H%M%SZ}.{suffix}"


def test_databases_of_one_line_share_it_and_a_rhythm(bucket: Path) -> None:
    for name in ("orders", "shop_eu"):
        history(bucket, daily(name))  # type: ignore[arg-type]
    report, fleet = look(bucket)
    assert fleet.name == "acme-backups"
    assert [(t.name, t.rpo) for t in fleet.targets] == [("orders", 26 * 3600), ("shop_eu", 26 * 3600)]
    assert fleet.targets[1].backup.at.endswith("/prod/shop_eu/%Y/%m/%d/shop_eu_%Y%m%dT%H%M%SZ.sql.gz")
    assert report.fleet_path.read_text().count("    at: ") == 1
    assert report.not_understood == ()
    assert (
        "  orders: plain in gzip, PostgreSQL 17.11, 5 seen, one every 24 h, the newest 0.0 s old"
        in report.lines
    )
    assert report.lines[-1] == f"Next: restore-drill check {report.fleet_path}"


def test_an_hourly_database_beside_daily_ones_has_its_own_line_and_objective(bucket: Path) -> None:
    history(bucket, lambda at: f"a/x_{at:%Y%m%d}.sql")
    history(bucket, lambda at: f"a/y_{at:%Y%m%d}.sql")
    history(bucket, lambda at: f"crm-{at:%Y-%m-%d_%H%M}.sql", every=timedelta(hours=1), count=30)
    _, fleet = look(bucket)
    assert [(t.name, t.rpo) for t in fleet.targets] == [
        ("x", 26 * 3600),
        ("y", 26 * 3600),
        ("crm", 70 * 60),
    ] or {t.name: t.rpo for t in fleet.targets} == {"x": 26 * 3600, "y": 26 * 3600, "crm": 70 * 60}


def test_a_fixed_key_says_that_its_upload_dates_it(bucket: Path) -> None:
    put(bucket, "wiki/latest.sql")
    report, fleet = look(bucket)
    assert (fleet.targets[0].name, fleet.targets[0].rpo) == ("wiki", None)
    assert any("the time of upload counts" in line for line in report.lines)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"Salted__" + bytes(40), "openssl, which the drill cannot open"),
        (b"age-encryption.org/v1\n-> X25519 x\n--- x\n", "age: name its key"),
        (b"\x8c\x0d\x04\x09\x03\x02" + bytes(range(60)), "gpg: name its key"),
    ],
)
def test_what_encrypts_the_backups_is_said_with_what_helps(bucket: Path, first: bytes, said: str) -> None:
    history(bucket, lambda at: f"x_{at:%Y%m%d}.sql.enc", data=first)
    report, fleet = look(bucket)
    assert [target.name for target in fleet.targets] == ["x"]
    assert any(said in line for line in report.lines)
    assert ("decrypt:" in report.fleet_path.read_text()) is ("name its key" in said)


def test_sidecars_and_manifests_are_no_databases(bucket: Path) -> None:
    history(bucket, lambda at: f"x_{at:%Y%m%d}.sql")
    history(bucket, lambda at: f"x_{at:%Y%m%d}.sql.sha256", data=b"0  x")
    history(bucket, lambda at: f"x_{at:%Y%m%d}.sql.inventory.json", data=b"{}")
    report, fleet = look(bucket)
    assert [t.name for t in fleet.targets] == ["x"]
    assert report.not_understood == ()


def test_roles_made_in_the_same_night_become_globals(bucket: Path) -> None:
    history(bucket, lambda at: f"x_{at:%Y%m%d_%H%M}.sql")
    history(bucket, lambda at: f"globals_{at:%Y%m%d_%H%M}.sql", data=GLOBALS)
    _, fleet = look(bucket)
    assert [t.name for t in fleet.targets] == ["x"]
    assert fleet.targets[0].dump.globals == f"file://{bucket}/globals_%Y%m%d_%H%M.sql"


def test_roles_of_several_servers_are_left_to_the_reader(bucket: Path) -> None:
    history(bucket, lambda at: f"x/x_{at:%Y%m%d}.sql")
    for server in ("a", "b"):
        history(bucket, lambda at, s=server: f"globals/roles-{s}_{at:%Y%m%d}.sql", data=GLOBALS)  # type: ignore[misc]
    report, fleet = look(bucket)
    assert [(t.name, t.dump.globals) for t in fleet.targets] == [("x", None)]
    assert len(report.not_understood) == 2
    assert "whose they are could not be told" in report.not_understood[0]


def test_what_is_not_understood_is_said_with_its_reason_in_report_and_file(bucket: Path) -> None:
    history(bucket, lambda at: f"x_{at:%Y%m%d}.sql")
    put(bucket, "notes/readme.txt", b"hello\nworld\n" * 30)
    put(bucket, "wiki_20261122.sql.gz.partial", b"x")
    report, fleet = look(bucket)
    assert [t.name for t in fleet.targets] == ["x"]
    said = "\n".join(report.not_understood)
    assert "readme.txt" in said
    assert "wiki_20261122.sql.gz.partial: not finished" in said
    assert all(line in report.fleet_path.read_text() for line in ("#   file://",))


def test_a_broken_newest_backup_is_drilled_and_said(bucket: Path) -> None:
    history(bucket, lambda at: f"x_{at:%Y%m%d}.sql")
    put(bucket, f"x_{NOW:%Y%m%d}.sql", b"")
    report, fleet = look(bucket)
    assert [t.name for t in fleet.targets] == ["x"]
    assert any("the newest cannot be read" in line for line in report.lines)


def test_two_databases_of_one_name_are_told_apart_by_their_folders(bucket: Path) -> None:
    history(bucket, lambda at: f"prod/orders/orders_{at:%Y%m%d}.sql")
    history(bucket, lambda at: f"staging/orders/orders_{at:%Y%m%d}.sql")
    _, fleet = look(bucket)
    assert sorted(t.name for t in fleet.targets) == ["prod-orders", "staging-orders"]
    assert {t.backup.at.split("/")[-3] for t in fleet.targets} == {"prod", "staging"}


def test_names_ahead_of_their_uploads_are_local_time(bucket: Path) -> None:
    for i in range(5):
        at = NOW - timedelta(days=i)
        put(bucket, f"x_{at:%Y%m%d_%H%M}.sql", at=at - timedelta(hours=2) + timedelta(minutes=3))
    report, fleet = look(bucket)
    assert fleet.targets[0].backup.timezone == "Etc/GMT-2"
    assert any("local time" in line for line in report.lines)


def test_an_existing_file_is_kept_without_force(bucket: Path) -> None:
    history(bucket, lambda at: f"x_{at:%Y%m%d}.sql")
    out = bucket.parent / "fleet.yaml"
    out.write_text("mine")
    with pytest.raises(ConfigInvalid, match="is there already; nothing was written"):
        look(bucket)
    assert out.read_text() == "mine"
    assert look(bucket, force=True)[1].targets


def test_an_empty_bucket_writes_nothing_and_says_so(bucket: Path) -> None:
    with pytest.raises(ConfigInvalid, match="nothing is stored there; nothing was written"):
        look(bucket)
    put(bucket, "readme.txt", b"hello\nworld\n" * 30)
    with pytest.raises(ConfigInvalid, match=r"1 objects were looked at; nothing was written\.\n.*readme.txt"):
        look(bucket)
    assert not (bucket.parent / "fleet.yaml").exists()


def test_how_the_store_is_reached_goes_into_the_file(bucket: Path) -> None:
    history(bucket, lambda at: f"x_{at:%Y%m%d}.sql")
    _, fleet = look(bucket, store=StoreConfig(endpoint_url="http://127.0.0.1:9000", region="eu-west-1"))
    assert fleet.store == StoreConfig(endpoint_url="http://127.0.0.1:9000", region="eu-west-1")


def test_a_bucket_of_many_dates_is_listed_a_few_times_only(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.stores.local import LocalStore  # noqa: PLC0415

    for day in range(200):
        at = NOW - timedelta(days=day)
        put(bucket, f"{at:%Y/%m/%d}/x_{at:%Y%m%d}.sql", at=at)
    asked: list[str] = []
    folders = LocalStore.folders

    def counted(store: LocalStore, prefix: str) -> object:
        asked.append(prefix)
        return folders(store, prefix)

    monkeypatch.setattr(LocalStore, "folders", counted)
    _, fleet = look(bucket)
    assert [t.name for t in fleet.targets] == ["x"]
    assert len(asked) < 15


def test_a_store_that_cannot_be_listed_is_the_stores_own_error(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.stores.local import LocalStore  # noqa: PLC0415

    def refuse(store: LocalStore, prefix: str) -> list[StoredObject]:
        raise PermanentError("Listing is denied.", prefix, rule="list-denied")

    monkeypatch.setattr(LocalStore, "folders", refuse)
    with pytest.raises(PermanentError, match="Listing is denied"):
        look(bucket)


@pytest.mark.parametrize(
    "name", [b"x_\xff_20261120.sql", b"x\x1b[31m_20261120.sql", "x\u202e_20261120.sql".encode()]
)
def test_a_key_with_what_does_not_show_is_named_and_left_out(bucket: Path, name: bytes) -> None:
    history(bucket, lambda at: f"a/orders_{at:%Y%m%d}.sql")
    (bucket / "a").joinpath(os.fsdecode(name)).write_bytes(b"-- a dump\nSELECT 1;\n")
    report, fleet = look(bucket)
    assert [target.name for target in fleet.targets] == ["orders"]
    (left,) = report.not_understood
    assert left.endswith("its name holds what does not show, or is no text")
    assert left == printable(left)
