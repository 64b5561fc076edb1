"""Backups of barman-cloud and of a Barman server, made by Barman, drilled to the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fix_barman import MARKS, SERVER, BarmanBackups
from tests.fix_drill import Fleet, Here, validate
from tests.fix_s3 import Bucket

Backups = Callable[[int], BarmanBackups]


def add(fleet: Fleet, at: str, **keys: Any) -> None:
    backup = {"kind": "barman", "at": at, "server": SERVER, "database": "shop"}
    fleet.add("shop", backup=backup, expect={"suite": None, "required_tables": ["shop.marks"]}, **keys)


def require_whole(document: Mapping[str, Any], *warnings: str) -> None:
    validate(document)
    assert document["verdict"] == "verified", document["findings"]
    assert {item["rule"] for item in document["findings"] if item["severity"] != "info"} == {*warnings}
    tables = document["inventory"]["tables"]
    assert (tables["shop.marks"]["rows"], tables["shop.far"]["rows"]) == (len(MARKS), 1)
    wal = document["recovery"]["wal"]
    assert (wal["gaps"], wal["forks"], wal["ends_because"]) == ([], [], "the archive ends there")
    assert wal["last"] == wal["newest_archived"]


@pytest.mark.parametrize("major", [15, 17])
def test_barman_clouds_backup_in_a_bucket_is_verified(
    here: Here, fleet: Fleet, barman_backups: Backups, weed_bucket: Bucket, major: int
) -> None:
    upload(weed_bucket, barman_backups(major).cloud)
    add(fleet, f"{weed_bucket.uri}/prod", store=weed_bucket.config.model_dump(exclude_none=True), rpo="1h")
    document = here("run", fleet.path, "--json").document
    require_whole(document, "role-not-assumed")
    assert document["recovery_point"]["format"] == "barman"
    assert document["objectives"]["rpo_basis"] == "wal"
    assert document["recovery_commands"][0]["command"].startswith(
        f"barman-cloud-restore {weed_bucket.uri}/prod {SERVER} "
    )


def test_a_barman_servers_tars_are_verified(here: Here, fleet: Fleet, barman_backups: Backups) -> None:
    add(fleet, str(barman_backups(15).home))
    document = here("run", fleet.path, "--json").document
    require_whole(document)
    assert document["recovery_point"]["integrity"] == "manifest"


def test_a_barman_servers_incremental_backup_is_put_together_with_its_parent(
    here: Here, fleet: Fleet, barman_backups: Backups
) -> None:
    add(fleet, str(barman_backups(17).home))
    document = here("run", fleet.path, "--json").document
    require_whole(document)
    assert document["recovery_point"]["integrity"] == "manifest"


def upload(bucket: Bucket, folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            bucket.put(f"prod/{path.relative_to(folder)}", path.read_bytes())
