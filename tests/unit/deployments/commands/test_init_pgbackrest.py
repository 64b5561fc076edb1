"""`init` on repositories of pgBackRest: an entry for each stanza, and no guess at a passphrase."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.commands.init import initialise
from tasks.config import load_fleet
from tasks.model.target import PgBackRestBackup, Target
from tests.unit.deployments.buckets import NOW, put

LABEL = f"{NOW:%Y%m%d-%H%M%S}F"
PLAIN, ENCRYPTED = b"[backrest]\n", b"Salted__\x01\x02"


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    root = tmp_path / "acme"
    root.mkdir()
    return root


def stanza(root: Path, name: str, info: bytes = PLAIN) -> None:
    for key in (f"backup/{name}/backup.info", f"archive/{name}/archive.info"):
        put(root, key, info, NOW)
        put(root, f"{key}.copy", info, NOW)
    put(root, f"backup/{name}/{LABEL}/backup.manifest", info, NOW)
    put(root, f"backup/{name}/{LABEL}/pg_data/base/1/1259.gz", b"x", NOW)
    put(root, f"archive/{name}/17-1/0000000100000000/{1:024X}-{'0' * 40}.gz", b"x", NOW)


def entries(root: Path) -> tuple[tuple[Target, ...], str, tuple[str, ...]]:
    report = initialise(str(root), root.parent / "fleet.yaml", now=NOW)
    text = report.fleet_path.read_text()
    return load_fleet(report.fleet_path).targets, text, report.not_understood


def test_each_stanza_gets_an_entry(bucket: Path) -> None:
    stanza(bucket / "repo", "orders")
    stanza(bucket / "repo", "stock")
    targets, text, left = entries(bucket)
    places = [target.backup_as(PgBackRestBackup) for target in targets]
    assert [(target.name, place.stanza) for target, place in zip(targets, places, strict=True)] == [
        ("orders", "orders"),
        ("stock", "stock"),
    ]
    assert {place.at for place in places} == {f"file://{bucket}/repo"}
    assert left == ()
    assert "cipher" not in text


def test_an_encrypted_one_asks_for_its_passphrase(bucket: Path) -> None:
    stanza(bucket, "orders", ENCRYPTED)
    (target,), text, _ = entries(bucket)
    assert target.backup_as(PgBackRestBackup).cipher is None
    assert "# cipher: {passphrase_env: NAME}" in text
    assert "pgBackRest, 1 seen, encrypted" in text


def test_a_catalogue_that_is_gone_is_named(bucket: Path) -> None:
    stanza(bucket, "orders")
    (bucket / "backup" / "orders" / "backup.info").unlink()
    _, text, _ = entries(bucket)
    assert "the newest cannot be read" in text
