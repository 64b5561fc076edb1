"""Two dumps in one script, as `>>` leaves them, and dumps that rightly stand in one script."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.model.errors import PermanentError
from tasks.model.findings import Severity
from tests.fix_postgres import Source
from tests.fix_restore import Outcome, Restore

MAJOR = 18
SHOP = """
CREATE TABLE orders (id int PRIMARY KEY, note text);
CREATE TABLE notes (line text);
INSERT INTO orders SELECT g, 'n' FROM generate_series(1, 100) g;
INSERT INTO notes VALUES ('-- PostgreSQL database dump'), ('--'),
    ('-- Name: orders; Type: TABLE; Schema: public; Owner: app');
"""
NEWER = "INSERT INTO orders SELECT g, 'newer' FROM generate_series(101, 150) g"


@pytest.fixture
def shop(cluster: Callable[[int], Source]) -> Source:
    source = cluster(MAJOR)
    source.create_database("shop")
    source.execute(SHOP, "shop")
    return source


def dump(source: Source, path: Path, *options: str) -> bytes:
    if options == ("pg_dumpall",):
        return source.dump_all(path, "shop").read_bytes()
    return source.dump("shop", path, "--no-owner", *options).read_bytes()


def severities(outcome: Outcome) -> list[Severity]:
    return [found.severity for found in outcome.findings if found.rule == "archive-doubled"]


@pytest.mark.parametrize(
    ("options", "pack"),
    [
        (("-Fp",), bytes),
        (("-Fp",), gzip.compress),
        (("-C",), bytes),
        (("-C", "--clean"), bytes),
        (("--inserts",), bytes),
        (("pg_dumpall",), gzip.compress),
    ],
)
def test_a_second_dump_behind_the_first_is_a_failure_that_says_so(
    shop: Source,
    restore_dump: Restore,
    tmp_path: Path,
    options: tuple[str, ...],
    pack: Callable[[bytes], bytes],
) -> None:
    first = dump(shop, tmp_path / "first.sql", *options)
    path = tmp_path / "shop.sql"
    path.write_bytes(pack(first))
    assert restore_dump(MAJOR, path).failures == set()
    shop.execute(NEWER, "shop")
    path.write_bytes(pack(first) + pack(dump(shop, tmp_path / "second.sql", *options)))
    outcome = restore_dump(MAJOR, path)
    assert severities(outcome) == [Severity.FAILURE]
    assert "the older rows" in outcome.message("archive-doubled")


def test_a_second_dump_that_drops_the_first_comes_back_with_a_warning(
    shop: Source, restore_dump: Restore, tmp_path: Path
) -> None:
    options = ("--clean", "--if-exists")
    first = dump(shop, tmp_path / "first.sql", *options)
    shop.execute(NEWER, "shop")
    path = tmp_path / "shop.sql"
    path.write_bytes(first + dump(shop, tmp_path / "second.sql", *options))
    outcome = restore_dump(MAJOR, path)
    assert outcome.failures == set()
    assert severities(outcome) == [Severity.WARNING]
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.orders").fetchone() == (150,)


@pytest.mark.parametrize(
    "parts",
    [
        [("--schema-only",), ("--data-only",)],
        [("--section=pre-data",), ("--section=data",), ("--section=post-data",)],
        [("-t", "orders"), ("-t", "notes")],
        [("--exclude-table-data=notes",), ("--data-only", "-t", "notes")],
    ],
)
def test_dumps_that_complete_each_other_are_one_backup(
    shop: Source, restore_dump: Restore, tmp_path: Path, parts: list[tuple[str, ...]]
) -> None:
    path = tmp_path / "shop.sql"
    path.write_bytes(b"".join(dump(shop, tmp_path / "part.sql", *options) for options in parts))
    outcome = restore_dump(MAJOR, path)
    assert (outcome.failures, severities(outcome)) == (set(), [])
    with outcome.sandbox_session() as session:
        assert session.execute("SELECT count(*) FROM public.orders").fetchone() == (100,)
        assert session.execute("SELECT count(*) FROM public.notes").fetchone() == (3,)


def test_dumps_of_two_databases_in_one_script_are_two_backups(
    shop: Source, restore_dump: Restore, tmp_path: Path
) -> None:
    shop.create_database("other", options="TEMPLATE shop")
    path = tmp_path / "both.sql"
    other = shop.dump("other", tmp_path / "other.sql", "-C", "--no-owner").read_bytes()
    shop.execute("DELETE FROM orders WHERE id > 40", "shop")
    fewer = dump(shop, tmp_path / "fewer.sql", "-C")
    for parts in ([fewer, other], [other, fewer]):
        path.write_bytes(b"".join(parts))
        for database, rows in (("shop", 40), ("other", 100)):
            outcome = restore_dump(MAJOR, path, database=database)
            assert (outcome.failures, severities(outcome)) == (set(), [])
            assert outcome.restored is not None
            assert outcome.restored.database == database
            with outcome.sandbox_session() as session:
                assert session.execute("SELECT count(*) FROM public.orders").fetchone() == (rows,)
        with pytest.raises(PermanentError) as failure:
            restore_dump(MAJOR, path, database="third")
        assert failure.value.rule == "database-not-in-dump"
