"""What this worker lacks or the WAL asks for: named as what it is, never as a broken backup, or provided."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Severity
from tasks.model.rules import RULES
from tasks.model.sandbox import PostgresInstall
from tasks.physical import recover as recover_module
from tasks.physical.bring_up import bring_up, take_over
from tasks.physical.start import adopt
from tasks.physical.target import RecoveryTarget
from tasks.sandbox import find_postgres
from tasks.sandbox.builds import fetch_build
from tests.corpus.base_backups import Production, production
from tests.fix_physical import DEADLINE_S, Drilled, rows

MAJOR = 17
MAJORS = (15, 17, 18)
GERMAN = "de_DE.UTF-8"


@pytest.fixture(scope="module", params=MAJORS)
def german(request: pytest.FixtureRequest) -> Iterator[Production]:
    """A production in a locale that this machine has not."""
    folder = Path(f"/tmp/rd-locale-{os.getpid()}-{request.param}")  # noqa: S108  nobody reads pytest's own
    folder.mkdir()
    argv = ["localedef", "-c", "-i", "de_DE", "-f", "UTF-8", str(folder / GERMAN)]
    try:
        subprocess.run(argv, check=False, capture_output=True, timeout=120)
        with production(
            find_postgres(request.param),
            initdb=(f"--locale={GERMAN}", "-E", "UTF8"),
            env={"LOCPATH": str(folder)},
        ) as source:
            yield source
    finally:
        shutil.rmtree(folder)


def test_a_locale_that_is_not_here_is_built_without_root(drilled: Drilled, german: Production) -> None:
    copy = drilled.up(german.base_backup("with-localedef", "-Ft"), german.major)
    assert rows(copy.adopted.sandbox, "SELECT 'ä' < 'b', count(*) FROM shop.orders") == [(True, 2000)]
    assert {found.severity for found in copy.findings} <= {Severity.INFO}


def test_a_locale_that_cannot_be_built_says_nothing_about_the_backup(
    drilled: Drilled, german: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = german.base_backup("without-localedef", "-Ft")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(PermanentError) as failure:
        drilled.up(folder, german.major)
    assert (failure.value.rule, failure.value.where) == ("locale-unavailable", GERMAN)


def test_another_version_of_a_collation_is_a_warning(drilled: Drilled, german: Production) -> None:
    german.execute("UPDATE pg_database SET datcollversion = '1.0' WHERE datname = 'shop'")
    try:
        copy = drilled.up(german.base_backup("other-collation", "-Ft"), german.major)
    finally:
        german.execute("ALTER DATABASE shop REFRESH COLLATION VERSION")
    assert copy.facts.collations == ("shop:database shop",)
    assert [found.rule for found in copy.findings if found.severity is Severity.WARNING] == [
        "collation-mismatch"
    ]


def test_icu_without_icu_is_named(drilled: Drilled) -> None:
    with_icu, without = find_postgres(15), bare_build(15)
    with production(with_icu) as source:
        source.execute("CREATE DATABASE icy LOCALE_PROVIDER icu ICU_LOCALE 'de' TEMPLATE template0")
        copy = drilled.brought(source.base_backup("icu", "-Ft"))
    adopted = take_over(adopt(drilled.workspace, without))
    with pytest.raises(PermanentError) as failure:
        bring_up(copy, adopted, RecoveryTarget(), Deadline.within(DEADLINE_S))
    assert (failure.value.rule, failure.value.where) == ("icu-unsupported", "icy")


def test_icu_with_icu_comes_back(drilled: Drilled) -> None:
    with production(find_postgres(15)) as source:
        source.execute("CREATE DATABASE icy LOCALE_PROVIDER icu ICU_LOCALE 'de' TEMPLATE template0")
        copy = drilled.up(source.base_backup("icu", "-Ft"), 15)
    assert copy.facts.databases == ("icy", "shop")


def bare_build(major: int) -> PostgresInstall:
    bindir = fetch_build(major)
    return PostgresInstall(major, str(major), bindir, "cache")


@pytest.mark.parametrize("major", MAJORS)
def test_more_prepared_transactions_than_the_backup_tells_take_another_start(
    major: int, drilled: Drilled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover_module, "LEAST_PREPARED", 4)
    with production(find_postgres(major), max_prepared_transactions="0") as source:
        folder = source.base_backup("few", "-Fp", "-X", "stream")
        source.stop()
        source.start(max_prepared_transactions="50", max_connections="200")
        for number in range(20):
            with source.connect("shop") as session:
                session.execute(f"BEGIN; INSERT INTO shop.marks VALUES ('p{number}')")
                session.execute(f"PREPARE TRANSACTION 'p{number}'")
        with_wal_of(source, folder)
        copy = drilled.up(folder, major)
    assert copy.recovered.attempts == 4
    assert rows(copy.adopted.sandbox, "SELECT count(*) FROM pg_prepared_xacts") == [(20,)]


def test_a_tablespace_that_was_made_later_says_nothing_about_the_backup(drilled: Drilled) -> None:
    with production(find_postgres(MAJOR)) as source:
        folder = source.base_backup("before", "-Fp", "-X", "stream")
        source.new_folder("later")
        source.execute(f"CREATE TABLESPACE later LOCATION '{source.folder}/later'")
        with_wal_of(source, folder)
        with pytest.raises(PermanentError) as failure:
            drilled.up(folder, MAJOR)
    assert failure.value.rule == "tablespace-made-later"
    assert RULES[failure.value.rule].klass == "drill"


@pytest.mark.parametrize("major", MAJORS)
def test_wal_that_speaks_of_pages_that_are_not_there_is_a_failed_recovery(
    major: int, drilled: Drilled
) -> None:
    with production(find_postgres(major), full_page_writes="off") as source:
        folder = source.base_backup("short", "-Fp", "-X", "stream", "--no-manifest")
        source.execute("UPDATE shop.orders SET note = 'x' WHERE id = 1", "shop")
        with source.connect("shop") as session:
            (path,) = session.execute("SELECT pg_relation_filepath('shop.orders')").fetchone() or ("",)
        with_wal_of(source, folder)
        (folder / path).write_bytes(b"")
        with pytest.raises(PermanentError) as failure:
            drilled.up(folder, major)
    assert failure.value.rule == "recovery-failed"
    assert "invalid pages" in failure.value.what


def with_wal_of(source: Production, folder: Path) -> None:
    """Put what production has written since into the copy's pg_wal."""
    source.execute("SELECT pg_switch_wal()")
    for segment in (source.data_dir / "pg_wal").glob("[0-9A-F]" * 24):
        (folder / "pg_wal" / segment.name).write_bytes(segment.read_bytes())
