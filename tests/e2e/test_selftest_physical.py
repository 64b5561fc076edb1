"""`restore-drill selftest` of base backups: what becomes of a repository with one file of it changed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tasks.sandbox import find_postgres
from tests.corpus.base_backups import production
from tests.fix_drill import Fleet, Here, hours_ago
from tests.integration.test_physical_archive import archive_all


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base backup and WAL that is old enough to show a gap."""
    folder = tmp_path_factory.mktemp("repository")
    with production(find_postgres(17), archive_mode="on", archive_command="'cp %p ../archive/%f'") as source:
        source.execute("CREATE DATABASE tiny")
        source.execute("CREATE TABLE small AS SELECT generate_series(1, 9) AS id", "tiny")
        base = source.base_backup("base", "-Ft", "-z", "-X", "none")
        for number in range(4):
            source.execute(f"INSERT INTO shop.marks VALUES ('m{number}')", "shop")
            archive_all(source)
        shutil.copytree(base, folder / "base" / f"{hours_ago(2):%Y%m%dT%H%M%SZ}")
        shutil.copytree(source.archive, folder / "wal")
    for path in (folder / "wal").iterdir():
        os.utime(path, (hours_ago(1).timestamp(),) * 2)
    return folder


def add(fleet: Fleet, folder: Path) -> None:
    at = f"{folder}/base/%Y%m%dT%H%M%SZ/"
    place = {"kind": "basebackup", "at": at, "wal": f"{folder}/wal", "databases": "all"}
    fleet.add("cluster", expect={"databases": {"shop": {"required_tables": ["shop.orders"]}}})
    fleet.databases[-1]["backup"] = place
    fleet.write()


def test_each_damage_to_the_repository_is_caught_by_its_name_and_the_repository_is_untouched(
    here: Here, fleet: Fleet, repository: Path
) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in _files(repository)}
    add(fleet, repository)
    ran = here("selftest", fleet.path, "-d", "cluster", "--mutants", "40", "--json")
    assert ran.exit_code == 0, ran
    rows = ran.document["rows"]
    assert not [row for row in rows if row["outcome"] == "errored"]
    caught = {row["kind"]: row["by"][0].split(" ")[0] for row in rows if row["outcome"] == "caught"}
    expected = {
        "wal-segment-missing": "wal-gap",
        "wal-byte-turned": "wal-corrupt",
        "wal-of-another-cluster": "wal-corrupt",
        "wal-segment-cut": "wal-corrupt",
        "timeline-bogus": "timeline-fork",
        "page-turned": "backup-manifest-mismatch",
        "backup-label-missing": "backup-label-missing",
        "control-file-turned": "backup-manifest-mismatch",
        "base-cut": "archive-truncated",
        "table-file-missing": "backup-manifest-mismatch",
    }
    assert {kind: caught.get(kind) for kind in expected} == expected
    damaged = {row["kind"]: row["outcome"] for row in rows if row["family"] == "data"}
    tables = {row["table"] for row in rows if row["family"] == "data"}
    assert tables <= {"shop.orders", "shop.marks", None}  # the largest database's
    assert damaged["table-emptied"] == damaged["table-dropped"] == "caught"
    assert "m1" not in json.dumps(ran.document)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in _files(repository)} == before


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
