"""`restore-drill compare`: a dump and the cluster's base backup with its WAL, at one moment and later."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.sandbox import find_postgres
from tests.corpus.base_backups import production
from tests.fix_drill import Fleet, Here
from tests.integration.test_physical_archive import archive_all

MAJOR = 17


@dataclass(frozen=True)
class Made:
    """A cluster with `shop` and `tiny`, its WAL, and a dump of `shop`: taken at *moment*, then it went on."""

    folder: Path
    dump: Path
    moment: datetime


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("two-ways")
    with production(
        find_postgres(MAJOR), archive_mode="on", archive_command="'cp %p ../archive/%f'"
    ) as source:
        source.execute("CREATE DATABASE tiny")
        begun = datetime.now(UTC)
        base = source.base_backup("base", "-Ft", "-z", "-X", "none")
        source.execute("INSERT INTO shop.marks VALUES ('before')", "shop")
        dump = source.folder / "shop.dump"
        source.run(
            "pg_dump", "-Fc", "-h", str(source.folder), "-U", "postgres", "-d", "shop", "-f", str(dump)
        )
        time.sleep(1.1)
        moment = datetime.now(UTC)
        time.sleep(1.1)
        source.execute("INSERT INTO shop.marks VALUES ('after')", "shop")
        archive_all(source)
        shutil.copytree(base, folder / "base" / f"{begun:%Y%m%dT%H%M%SZ}")
        shutil.copytree(source.archive, folder / "wal")
        kept = folder / f"shop_{moment:%Y%m%dT%H%M%SZ}.dump"
        shutil.copyfile(dump, kept)
    return Made(folder, kept, moment)


def add(fleet: Fleet, made: Made, **backup: object) -> None:
    fleet.add("dumped", backup={"at": f"{made.folder}/shop_%Y%m%dT%H%M%SZ.dump", "database": "shop"})
    at = f"{made.folder}/base/%Y%m%dT%H%M%SZ/"
    fleet.add("copied")
    fleet.databases[-1]["backup"] = {"kind": "basebackup", "at": at, "wal": f"{made.folder}/wal", **backup}
    fleet.write()


def test_a_dump_and_a_copy_of_the_same_moment_agree_and_later_ones_differ_by_what_was_written(
    here: Here, fleet: Fleet, made: Made
) -> None:
    add(fleet, made, databases="all")
    names = ("-d", "dumped", "-d", "copied", "--json")
    same = here("compare", fleet.path, *names, "--select", f"at:{made.moment.isoformat()}")
    assert same.exit_code == 0, same
    assert (same.document["agreement"], same.document["rows"]) == ("agree", 2001)
    assert same.document["second"]["recovery"]["target"].startswith("time")
    assert "recovered to time" in same.err
    later = here("compare", fleet.path, *names)
    assert later.exit_code == 1, later
    (difference,) = later.document["differences"]
    assert (difference["table"], difference["rows"]) == ("shop.marks", [1, 2])


def test_a_moment_that_is_drawn_is_no_comparison(here: Here, fleet: Fleet, made: Made) -> None:
    add(fleet, made, database="shop", recover={"to": {"random": {"within": "7d"}}})
    ran = here("compare", fleet.path, "-d", "dumped", "-d", "copied")
    assert ran.exit_code == 3
    assert "one backup of each" in ran.err
