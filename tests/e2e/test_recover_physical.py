"""`restore-drill recover` of base backups: the drilled path for good, and nothing of production's obeyed."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tasks.sandbox import find_postgres
from tests.corpus.base_backups import production
from tests.fix_drill import Fleet, Here, Shell, hours_ago
from tests.fix_postgres import wait_for
from tests.fix_recovered import running
from tests.integration.test_physical_archive import archive_all

MAJOR = 17
CONTENT = """
CREATE ROLE clerk LOGIN PASSWORD 'sesame';
CREATE TABLE shop.spaced TABLESPACE fast AS SELECT generate_series(1, 500) AS id;
GRANT SELECT ON shop.marks TO clerk;
ALTER ROLE clerk SET session_preload_libraries = 'auto_explain';
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE SUBSCRIPTION feed CONNECTION 'host=production.example dbname=shop' PUBLICATION everything
    WITH (connect = false, slot_name = 'feed', enabled = false);
ALTER SUBSCRIPTION feed ENABLE;
ALTER SYSTEM SET recovery_end_command = 'touch {marker}';
ALTER SYSTEM SET primary_conninfo = 'host=production.example';
"""


@dataclass(frozen=True)
class Made:
    """A repository: m1 and m2 are committed before *between*, m3 after it."""

    folder: Path
    marker: Path
    between: datetime


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("repository")
    marker = folder / "marker"
    with production(
        find_postgres(MAJOR), archive_mode="on", archive_command="'cp %p ../archive/%f'"
    ) as source:
        spot = source.new_folder("fast")
        source.execute(f"CREATE TABLESPACE fast LOCATION '{spot}'")
        for statement in CONTENT.format(marker=marker).split(";\n"):
            if statement.strip():
                source.execute(statement, "shop")
        base = source.base_backup("base", "-Ft", "-z", "-X", "none")
        for name in ("m1", "m2", "m3"):
            if name == "m3":
                time.sleep(1.1)
                between = datetime.now(UTC)
                time.sleep(1.1)
            source.execute(f"INSERT INTO shop.marks VALUES ('{name}')", "shop")
            archive_all(source)
        shutil.copytree(base, folder / "base" / f"{between:%Y%m%dT%H%M%SZ}")
        shutil.copytree(source.archive, folder / "wal")
    return Made(folder, marker, between)


def add(fleet: Fleet, folder: Path) -> None:
    place = {
        "kind": "basebackup",
        "at": f"{folder}/base/%Y%m%dT%H%M%SZ/",
        "wal": f"{folder}/wal",
        "database": "shop",
    }
    fleet.add("shop", backup=place, expect={"suite": None})


def test_what_comes_back_is_the_copy_without_production_s_settings(
    here: Here, fleet: Fleet, made: Made, open_folder: Path, drill_folder: Path
) -> None:
    add(fleet, made.folder)
    into = open_folder / "back"
    ran = here("recover", fleet.path, "-d", "shop", "--into", into, "--json")
    assert ran.exit_code == 0, ran
    document = ran.document
    assert sorted(path.name for path in into.iterdir()) == ["copy-settings", "data", "tablespaces"]
    assert not list((drill_folder / "drills").glob("*"))
    assert (document["superuser"], document["whole"]) == ("postgres", True)
    assert document["recovery"]["target"] == "latest"
    kept = (into / "copy-settings" / "postgresql.auto.conf").read_text()
    assert "production.example" in kept
    assert "production.example" not in ran.err  # values may be secrets
    remains = "\n".join(document["remains"])
    for words in ("copy-settings", "recovery_end_command", "feed", "session_preload_libraries", "timeline 2"):
        assert words in remains, words
    assert not (Path(document["data"]) / "recovery.signal").exists()
    assert not (Path(document["data"]) / "standby.signal").exists()

    with running(document) as place, psycopg.connect(f"{place} dbname=shop", autocommit=True) as session:
        told = session.execute("SELECT string_agg(name, ' ' ORDER BY name) FROM shop.marks").fetchone()
        assert told == ("m1 m2 m3",)
        assert session.execute("SELECT count(*) FROM shop.spaced").fetchone() == (500,)
        located = session.execute(
            "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'"
        )
        assert str(located.fetchone()).count(str(into / "tablespaces")) == 1
        roles = {row[0] for row in session.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'")}
        assert roles == {"postgres", "clerk"}
        password = session.execute("SELECT rolpassword ~ '^SCRAM' FROM pg_authid WHERE rolname = 'clerk'")
        assert password.fetchone() == (True,)
        for name, value in {
            "fsync": "on",
            "full_page_writes": "on",
            "archive_mode": "off",
            "wal_level": "replica",
            "primary_conninfo": "",
            "max_logical_replication_workers": "0",
        }.items():
            assert session.execute(f"SHOW {name}").fetchone() == (value,), name
        session.execute("INSERT INTO shop.marks VALUES ('after')")
    assert not made.marker.exists()


def test_the_moment_asked_for_comes_back_and_what_will_come_is_said_before(
    here: Here, fleet: Fleet, made: Made, open_folder: Path
) -> None:
    add(fleet, made.folder)
    into = open_folder / "then"
    ran = here(
        "recover", fleet.path, "-d", "shop", "--to", made.between.isoformat(), "--into", into, "--json"
    )
    assert ran.exit_code == 0, ran
    assert ran.document["recovery"]["target"].startswith("time")
    said = ran.err.splitlines()
    assert said[0].startswith("back to")
    assert any(line.startswith("prove it: restore-drill run") for line in said)
    with running(ran.document) as place, psycopg.connect(f"{place} dbname=shop") as session:
        assert session.execute("SELECT max(name), count(*) FROM shop.marks").fetchone() == ("m2", 2)


def test_a_gap_is_named_and_what_lies_before_it_stays(
    here: Here, fleet: Fleet, made: Made, open_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(made.folder, broken)
    segments = sorted((broken / "wal").glob("[0-9A-F]" * 24))
    segments[-2].unlink()
    os.utime(segments[-1], (hours_ago(1).timestamp(),) * 2)
    add(fleet, broken)
    ran = here("recover", fleet.path, "-d", "shop", "--into", open_folder / "gap", "--json")
    assert ran.exit_code == 1, ran
    assert "failure wal-gap" in ran.err
    assert ran.document["whole"] is False


def test_a_recovery_that_does_not_come_to_its_target_leaves_nothing(
    here: Here, fleet: Fleet, made: Made, open_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(made.folder, broken)
    newest = sorted((broken / "wal").glob("[0-9A-F]" * 24))[-2]
    body = bytearray(newest.read_bytes())
    body[:8192] = bytes(8192)
    newest.write_bytes(body)
    os.utime(newest, (hours_ago(1).timestamp(),) * 2)
    add(fleet, broken)
    into = open_folder / "corrupt"
    ran = here("recover", fleet.path, "-d", "shop", "--into", into)
    assert ran.exit_code == 1, ran
    assert "failure wal-corrupt" in ran.err
    assert not list(into.iterdir())


def test_killed_in_the_middle_it_leaves_nothing_running_and_no_cluster(
    shell: Shell, fleet: Fleet, made: Made, open_folder: Path
) -> None:
    add(fleet, made.folder)
    into = open_folder / "killed"
    with shell.start("recover", fleet.path, "-d", "shop", "--into", into, "--json") as process:
        assert process.stderr is not None
        said = next((line for line in process.stderr if line.strip().endswith(": restore")), "")
        is_at_it = wait_for(lambda: any(b"postgres" in line for line in _that_mention(into)), 60)
        process.kill()
    assert (said != "", is_at_it) == (True, True)
    assert wait_for(lambda: not _that_mention(into), 60), _that_mention(into)
    assert not (into / "data").exists()


def _that_mention(folder: Path) -> list[bytes]:
    """Return the command lines of other processes that name *folder*."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in line and int(place.name) != os.getpid():
            found.append(line)
    return found
