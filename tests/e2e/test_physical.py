"""Base backups drilled from the fleet file to the verdict, with their WAL in an archive."""

from __future__ import annotations

import os
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.model.clock import iso
from tasks.sandbox import find_postgres
from tests.corpus.base_backups import production
from tests.fix_drill import Fleet, Here, hours_ago, rules_of, validate
from tests.integration.test_physical_archive import archive_all


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base backup and the WAL behind it, of a cluster with one database, `shop`."""
    folder = tmp_path_factory.mktemp("repository")
    with production(find_postgres(17), archive_mode="on", archive_command="'cp %p ../archive/%f'") as source:
        base = source.base_backup("base", "-Ft", "-z", "-X", "none")
        for name in ("m1", "m2", "m3"):
            source.execute(f"INSERT INTO shop.marks VALUES ('{name}')", "shop")
            archive_all(source)
        shutil.copytree(base, folder / "base" / f"{hours_ago(1):%Y%m%dT%H%M%SZ}")
        shutil.copytree(source.archive, folder / "wal")
    return folder


def add(
    fleet: Fleet, folder: Path, *, rpo: str | None = None, required: str = "shop.marks", **backup: object
) -> None:
    place = {
        "kind": "basebackup",
        "at": f"{folder}/base/%Y%m%dT%H%M%SZ/",
        "wal": f"{folder}/wal",
        "database": "shop",
    }
    expect = {"suite": None, "required_tables": [required]}
    keys: dict[str, Any] = {"rpo": rpo} if rpo else {}
    fleet.add("shop", backup={**place, **backup}, expect=expect, **keys)


def test_a_base_backup_with_its_archive_is_verified(here: Here, fleet: Fleet, repository: Path) -> None:
    add(fleet, repository, rpo="55m")  # the base backup is an hour old by its name, its WAL is not
    ran = here("run", fleet.path, "--json")
    assert ran.exit_code == 0, ran
    assert ran.document["objectives"]["rpo_basis"] == "wal"
    validate(ran.document)
    assert ran.document["verdict"] == "verified"
    assert ran.document["recovery_point"]["format"] == "pg_basebackup"
    assert ran.document["inventory"]["tables"]["shop.marks"]["rows"] == 3
    assert {item["severity"] for item in ran.document["findings"]} <= {"info"}
    recovery, wal = ran.document["recovery"], ran.document["recovery"]["wal"]
    segments = sorted(path.name for path in (repository / "wal").glob("[0-9A-F]" * 24))
    assert recovery["target"] == "latest"
    assert recovery["base"]["timeline"] == recovery["reached"]["timeline"] - 1 == 1
    assert recovery["reached"]["last_commit_at"] is not None
    assert (wal["last"], wal["newest_archived"]) == (segments[-1], segments[-1])
    assert (wal["gaps"], wal["forks"]) == ([], [])
    assert set(recovery["phases_s"]) == {"start", "replay", "promote"}
    (window,) = recovery["windows"]
    assert (window["base"], window["usable"]) == (recovery["base"]["label"], True)
    assert window["from"] <= window["to"] == wal["newest_archived_at"]
    assert ran.document["newest_recoverable"]["at"] == window["to"]
    assert "postgresql.conf: shared_buffers" in ran.document["sandbox"]["neutralised"]
    page = fleet.evidence / "report" / "tests" / "shop" / fleet.evidence_file(ran.document).name
    text = page.with_suffix(".html").read_text()
    assert "How far it recovered" in text
    assert segments[-1] in text


def test_a_gap_in_the_archive_fails_the_drill(
    here: Here, fleet: Fleet, repository: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(repository, broken)
    segments = sorted((broken / "wal").glob("[0-9A-F]" * 24))
    segments[-2].unlink()
    os.utime(segments[-1], (hours_ago(1).timestamp(),) * 2)  # a gap of this very minute may be filled yet
    add(fleet, broken)
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, ran.document["verdict"]) == (1, "failed")
    assert [item["rule"] for item in ran.document["findings"]].count("wal-gap") == 1
    (gap,) = ran.document["recovery"]["wal"]["gaps"]
    assert gap["first"] == segments[-2].name
    assert ran.document["recovery"]["windows"][0]["why"].startswith(segments[-2].name)
    validate(ran.document)
    checked = here("check", fleet.path, "--json")  # hours before a drill, and without one
    assert (checked.exit_code, [item["rule"] for item in checked.document["findings"]]) == (1, ["wal-gap"])


def test_a_base_that_cannot_become_consistent_is_refused_before_the_download(
    here: Here, fleet: Fleet, repository: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(repository / "wal", broken / "wal")
    (stored,) = (repository / "base").iterdir()
    plain = broken / "base" / stored.name
    with tarfile.open(stored / "base.tar.gz") as tar:
        tar.extractall(plain, filter="data")
    shutil.copy(stored / "backup_manifest", plain)
    for path in plain.rglob("*"):  # of this very minute: then its last segment may be on its way
        os.utime(path, (hours_ago(1).timestamp(),) * 2)
    for segment in sorted((broken / "wal").glob("[0-9A-F]" * 24))[:-1]:
        segment.unlink()
    add(fleet, broken)
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, ran.document["verdict"]) == (1, "failed")
    assert "wal-missing-for-backup" in rules_of(ran.document)
    assert "fetch" not in ran.document["phases_s"]
    assert ran.document["recovery"]["reached"] is None
    assert ran.document["recovery"]["windows"][0]["usable"] is False
    validate(ran.document)
    assert here("can-i-recover", fleet.path).exit_code == 1
    listed = here("list", fleet.path, "-d", "shop")
    assert "is not consistent" in listed.out.replace("\n", " ")


def test_list_and_can_i_recover_show_the_windows(here: Here, fleet: Fleet, repository: Path) -> None:
    add(fleet, repository, rpo="55m")
    listed = here("list", fleet.path, "-d", "shop", "--json").document
    newest = max((repository / "wal").glob("[0-9A-F]" * 24)).stat().st_mtime
    assert listed["window"]["usable"] is True
    assert abs(datetime.fromisoformat(listed["window"]["to"]).timestamp() - newest) < 1
    told = here("can-i-recover", fleet.path, "--json").document
    assert (told["recoverable"], told["back_to"]) == ("unproven", listed["window"]["to"])
    assert told["within_rpo"] is True
    assert told["warnings"] == []


def test_a_database_that_is_not_in_the_cluster_is_no_verdict_about_it(
    here: Here, fleet: Fleet, repository: Path
) -> None:
    add(fleet, repository, database="nobody")
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, ran.document["verdict"]) == (2, "inconclusive")
    assert "config-invalid" in rules_of(ran.document)


def test_a_time_on_the_command_line_is_the_moment_to_recover_to(
    here: Here, fleet: Fleet, repository: Path
) -> None:
    add(fleet, repository, rpo="1s")  # of another moment than the latest nothing is said about the RPO
    archived = sorted((repository / "wal").glob("[0-9A-F]" * 24))
    moment = datetime.fromtimestamp(
        archived[-2].stat().st_mtime + 0.001, UTC
    )  # m2 is archived, m3 not yet written
    ran = here("run", fleet.path, "-d", "shop", "--select", f"at:{moment.isoformat()}", "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (0, set())
    assert ran.document["inventory"]["tables"]["shop.marks"]["rows"] == 2
    recovery = ran.document["recovery"]
    assert recovery["target"] == f"time {moment}"
    assert recovery["reached"]["last_commit_at"] <= iso(moment) < recovery["reached"]["next_commit_at"]
    assert ran.document["as_of"] == iso(moment)
    listed = here("list", fleet.path, "-d", "shop", "--select", f"at:{moment.isoformat()}")
    assert "a time is the moment to recover to" in " ".join(listed.out.split())


def test_a_random_moment_is_drawn_from_the_windows_by_its_seed(
    here: Here, fleet: Fleet, repository: Path
) -> None:
    drawn = {"to": {"random": {"within": "2h", "seed": 7}}}
    add(fleet, repository, recover=drawn, required="shop.orders")  # the first mark may be younger
    ran = here("run", fleet.path, "--json")
    assert (ran.exit_code, rules_of(ran.document)) == (0, set())
    (window,) = ran.document["recovery"]["windows"]
    assert ran.document["config"]["seed"] == 7
    assert window["from"] <= ran.document["as_of"] <= window["to"]
    validate(ran.document)
