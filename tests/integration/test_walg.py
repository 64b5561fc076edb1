"""WAL-G's repositories, in the layout that its source describes: whole, and each damaged in one respect."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.sandbox import Workspace
from tasks.model.target import Target, WalgBackup
from tasks.sandbox import find_postgres
from tests.corpus.base_backups import production
from tests.corpus.walg import COMPRESS, write_backup, write_wal
from tests.fix_barman import MARKS, archive_all
from tests.fix_drill import Fleet, Here, validate
from tests.fix_physical import failed_rules, to_the_end
from tests.fix_wal import rewrite

LAIN_S = 1200
FORMS = {15: ("lz4",), 17: ("zst", "br")}
"""The compressions that each major's backup is written in."""
Drill = Callable[[], tuple[list[str], list[str]]]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Give a folder with a repository in each form, of one source of a major."""
    made: dict[int, Path] = {}

    def get(major: int) -> Path:
        if major not in made:
            made[major] = tmp_path_factory.mktemp(f"walg{major}")
            _make(made[major], major)
        return made[major]

    return get


def _make(folder: Path, major: int) -> None:
    archive_command = "'cp %p ../archive/%f'"
    with production(find_postgres(major), archive_mode="on", archive_command=archive_command) as source:
        source.execute(f"CREATE TABLESPACE far LOCATION '{source.new_folder('far')}'")
        source.execute(
            "CREATE TABLE shop.far (x int) TABLESPACE far; INSERT INTO shop.far VALUES (1)", "shop"
        )
        mapped = f"{source.folder / 'far'}={source.folder / 'base-far'}"
        copy = source.base_backup("base", "-Fp", "-X", "none", "-T", mapped)
        for mark in MARKS:
            source.execute(f"INSERT INTO shop.marks VALUES ('{mark}')", "shop")
            archive_all(source)
        for suffix in FORMS[major]:
            write_backup(folder / suffix, copy, suffix)
            write_wal(folder / suffix, source.archive, suffix)
    for path in folder.rglob("*"):
        moment = path.stat().st_mtime - LAIN_S
        os.utime(path, (moment, moment))


@pytest.fixture
def repository(healthy: Callable[[int], Path], tmp_path: Path) -> Path:
    """A copy in lz4, to break."""
    return Path(shutil.copytree(healthy(15) / "lz4", tmp_path / "walg", copy_function=os.link))


@pytest.fixture
def drill(repository: Path, workspace: Workspace) -> Drill:
    backup = WalgBackup(at=str(repository), database="shop")
    target = Target(fleet="f", name="shop", evidence="/e", backup=backup)
    return lambda: to_the_end(target, workspace)


@pytest.mark.parametrize(("major", "suffix"), [(major, suffix) for major in FORMS for suffix in FORMS[major]])
def test_a_whole_backup_is_verified_and_said_to_be_unproven_against_the_tool(
    here: Here, fleet: Fleet, healthy: Callable[[int], Path], major: int, suffix: str
) -> None:
    backup = {"kind": "walg", "at": str(healthy(major) / suffix), "database": "shop"}
    fleet.add("shop", backup=backup, expect={"suite": None, "required_tables": ["shop.marks"]})
    document = here("run", fleet.path, "--json").document
    validate(document)
    assert document["verdict"] == "verified", document["findings"]
    assert {item["severity"] for item in document["findings"]} <= {"info"}
    tables = document["inventory"]["tables"]
    assert (tables["shop.marks"]["rows"], tables["shop.far"]["rows"]) == (len(MARKS), 1)
    assert document["recovery_point"]["format"] == "wal-g"
    assert any("WAL-G's own bytes" in line for line in document["not_proven"])


def parts(repository: Path) -> Path:
    (folder,) = repository.glob("basebackups_005/*/tar_partitions")
    return folder


def wal(repository: Path) -> list[Path]:
    """Return the segments, oldest first; each of the last three holds a mark."""
    return sorted(path for path in repository.glob("wal_005/*") if ".backup" not in path.name)


def test_a_segment_that_is_missing_in_the_middle_is_a_gap(drill: Drill, repository: Path) -> None:
    wal(repository)[-2].unlink()
    assert drill() == (["wal-gap"], ["m1"])


def test_a_segment_that_was_cut_is_named(drill: Drill, repository: Path) -> None:
    path = wal(repository)[-2]
    rewrite(path, path.read_bytes()[: path.stat().st_size // 2])
    assert failed_rules(drill) == ["wal-corrupt"]


def test_a_tar_that_was_cut_is_named(drill: Drill, repository: Path) -> None:
    path = parts(repository) / "part_001.tar.lz4"
    rewrite(path, path.read_bytes()[:-1000])
    assert failed_rules(drill) == ["archive-truncated"]


def test_a_tar_that_is_missing_is_named(drill: Drill, repository: Path) -> None:
    (parts(repository) / "part_002.tar.lz4").unlink()
    assert failed_rules(drill) == ["archive-truncated"]


def test_without_the_tar_of_pg_control_it_was_not_finished(drill: Drill, repository: Path) -> None:
    (parts(repository) / "pg_control.tar.lz4").unlink()
    assert failed_rules(drill) == ["backup-unfinished"]


def test_without_its_labels_it_cannot_be_told_from_a_torn_copy(drill: Drill, repository: Path) -> None:
    rewrite(parts(repository) / "backup_label.tar.lz4", COMPRESS["lz4"](bytes(1024)))
    assert failed_rules(drill) == ["backup-label-missing"]
