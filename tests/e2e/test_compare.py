"""`restore-drill compare`: two ways back of one database, both restored, held against each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fix_drill import MAJOR, Fleet, Here
from tests.fix_postgres import Source

CONTENT = """
CREATE TABLE public.notes (n int, t text, at timestamptz DEFAULT '2026-01-01 00:00+00');
INSERT INTO public.notes SELECT i % 50, 'note ' || i % 40 FROM generate_series(1, 500) i;
CREATE TABLE public.keyed (id int PRIMARY KEY, w text, amount numeric(9, 2));
INSERT INTO public.keyed SELECT i, 'word ' || i, i / 7.0 FROM generate_series(1, 2000) i;
CREATE MATERIALIZED VIEW public.sums AS SELECT n, count(*) FROM public.notes GROUP BY n;
SELECT lo_from_bytea(4711, '\\xdeadbeef');
"""


@pytest.fixture(scope="module")
def dumps(
    cluster: Callable[[int], Source], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Path]:
    """Give dumps of one database in a format, after some statements."""
    source = cluster(MAJOR)
    source.create_database("compared_template")
    source.execute(CONTENT, "compared_template")
    folder = tmp_path_factory.mktemp("compared")

    def dump(statements: str, option: str) -> Path:
        source.create_database("orders", options="TEMPLATE compared_template")
        source.execute(statements, "orders")
        return source.dump("orders", folder / f"dump{len(list(folder.iterdir()))}", option)

    return dump


def compared(here: Here, fleet: Fleet, first: Path, second: Path) -> tuple[int, dict[str, object]]:
    fleet.add("a", first)
    fleet.add("b", second)
    ran = here("compare", fleet.path, "-d", "a", "-d", "b", "--json")
    assert not list((fleet.evidence).glob("**/*.json"))
    return ran.exit_code, ran.document


def test_two_formats_of_one_database_agree(
    here: Here, fleet: Fleet, dumps: Callable[[str, str], Path]
) -> None:
    code, document = compared(here, fleet, dumps("SELECT", "-Fc"), dumps("SELECT", "--inserts"))
    assert code == 0, document
    assert document["agreement"] == "agree"
    assert (document["tables"], document["rows"]) == (3, 2550)
    assert document["not_compared"] == {}


def test_every_row_that_differs_is_counted_and_none_shown(
    here: Here, fleet: Fleet, dumps: Callable[[str, str], Path]
) -> None:
    code, document = compared(
        here,
        fleet,
        dumps("SELECT", "-Fc"),
        dumps(
            "UPDATE public.keyed SET w = 'secret-word' WHERE id <= 3;"
            "DELETE FROM public.keyed WHERE id > 1990;"
            "DELETE FROM public.notes WHERE ctid = (SELECT min(ctid) FROM public.notes);"
            "SELECT lo_put(4711, 0, '\\x00'); CREATE TABLE public.more (n int);"
            "DROP MATERIALIZED VIEW public.sums;",
            "-Fc",
        ),
    )
    assert code == 1
    differences = {item["table"]: item for item in document["differences"]}  # type: ignore[attr-defined]
    assert set(differences) == {"public.keyed", "public.notes", "large objects"}
    keyed, notes, pages = (differences[name] for name in ("public.keyed", "public.notes", "large objects"))
    assert (keyed["rows"], keyed["changed"], keyed["only_first"], keyed["only_second"]) == (
        [2000, 1990],
        3,
        10,
        0,
    )
    assert (notes["rows"], notes["changed"], notes["only_first"], notes["only_second"]) == (
        [500, 499],
        0,
        1,
        0,
    )
    assert (pages["changed"], pages["only_first"]) == (1, 0)
    assert document["only_second"] == {"tables": ["public.more"]}
    assert document["only_first"] == {"matviews": ["public.sums"], "tables": ["public.sums"]}
    assert "secret-word" not in str(document)


def test_what_cannot_be_compared_is_no_agreement(
    here: Here, fleet: Fleet, dumps: Callable[[str, str], Path]
) -> None:
    unlogged = "ALTER TABLE public.keyed SET UNLOGGED"
    code, document = compared(here, fleet, dumps(unlogged, "-Fc"), dumps(unlogged, "-Ft"))
    assert (code, document["agreement"]) == (2, "untold")
    assert "public.keyed" in str(document["not_compared"])


def test_one_that_cannot_be_restored_ends_it_and_nothing_is_left(
    here: Here, fleet: Fleet, dumps: Callable[[str, str], Path], drill_folder: Path
) -> None:
    whole = dumps("SELECT", "-Fc")
    cut = whole.with_suffix(".cut")
    cut.write_bytes(whole.read_bytes()[:2000])
    fleet.add("a", whole)
    fleet.add("b", cut)
    ran = here("compare", fleet.path, "-d", "a", "-d", "b")
    assert ran.exit_code == 2
    assert not list((drill_folder / "drills").glob("*"))


@pytest.mark.parametrize(
    "names", [("-d", "a"), ("-d", "a", "-d", "a"), ("-d", "a", "-d", "b", "--select", "all")]
)
def test_two_databases_and_one_backup_of_each_are_asked_for(
    here: Here, fleet: Fleet, names: tuple[str, ...]
) -> None:
    fleet.add("a")
    fleet.add("b")
    assert here("compare", fleet.path, *names).exit_code == 3
