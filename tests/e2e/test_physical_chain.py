"""Incremental backups drilled from the fleet file to the verdict."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_physical import add
from tests.fix_chain import Chain
from tests.fix_drill import Fleet, Here, hours_ago, rules_of, validate

NAMES = {
    name: f"{hours_ago(age_h):%Y%m%dT%H%M%SZ}"
    for name, age_h in (("full", 1440), ("first", 2), ("second", 1))
}


@pytest.fixture
def repository(chain_of_major: Callable[[int], Chain], tmp_path: Path) -> Path:
    """A folder with a chain, the full backup two months old."""
    chain = chain_of_major(17).copy(tmp_path / "repository" / "base")
    for name, stored in NAMES.items():
        (chain.folder / name).rename(chain.folder / stored)
    return chain.folder.parent


def test_an_incremental_backup_is_verified_with_what_it_builds_on(
    here: Here, fleet: Fleet, repository: Path
) -> None:
    add(fleet, repository, wal=None, window="30d")
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 0, ran
    validate(ran.document)
    assert ran.document["recovery"]["base"]["chain"] == [NAMES["full"], NAMES["first"]]
    assert ran.document["inventory"]["tables"]["shop.marks"]["rows"] == 2
    commands = [item["command"] for item in ran.document["recovery_commands"]]
    assert "pg_combinebackup -o DATA PART1 PART2 PART3" in commands
    assert {item["severity"] for item in ran.document["findings"]} <= {"info"}


def test_a_chain_without_its_full_backup_fails_before_the_download(
    here: Here, fleet: Fleet, repository: Path
) -> None:
    shutil.rmtree(repository / "base" / NAMES["full"])
    add(fleet, repository, wal=None)
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (1, {"chain-broken"})
    assert "fetch" not in ran.document["phases_s"]
    assert NAMES["first"] in ran.document["findings"][0]["message"]
