"""What a table of contents promises: names and figures, small enough to be handed about."""

from __future__ import annotations

import pickle
from datetime import datetime

import pytest

from tasks.engines.expected import expected_of, origin_of
from tasks.model.backup import Toc, TocEntry
from tasks.model.expected import Expected, Origin
from tests.fix_checks import entry

SHOP = Toc(
    (
        TocEntry(1, "EXTENSION", "hstore", "", "", "pre-data"),
        entry("TABLE", "a.t"),
        entry("TABLE", "a.bare"),
        entry("SEQUENCE", "a.s"),
        entry("MATERIALIZED VIEW", "a.filled"),
        entry("MATERIALIZED VIEW", "a.asleep"),
        entry("TABLE DATA", "a.t"),
        entry("SEQUENCE SET", "a.s", defn="SELECT pg_catalog.setval('a.s', 7, true);\n"),
        entry("SEQUENCE SET", "a.odd", defn="SELECT 1;"),
        entry("MATERIALIZED VIEW DATA", "a.filled"),
        TocEntry(42, "USER MAPPING", "m", "", "app", "none", "OPTIONS (password 'planted')"),
    )
)


def test_each_kind_is_told_apart() -> None:
    assert expected_of(SHOP) == Expected(
        tables=frozenset({"a.t", "a.bare"}),
        with_data=frozenset({"a.t"}),
        filled_views=frozenset({"a.filled"}),
        extensions=("hstore",),
        sequences={("a", "s"): frozenset({(7, True)}), ("a", "odd"): frozenset()},
    )


def test_an_empty_archive_promises_nothing() -> None:
    assert expected_of(Toc(())) == Expected()


def test_no_statement_is_kept_and_with_it_no_password() -> None:
    assert "planted" not in repr((expected_of(SHOP), origin_of(SHOP)))


@pytest.mark.parametrize(
    "desc", ["CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "INDEX", "INDEX ATTACH", "TRIGGER"]
)
def test_keys_indexes_and_triggers_are_known_to_be_listed(desc: str) -> None:
    assert expected_of(Toc((entry(desc, "a.t x"),))).has_post_data
    assert not expected_of(Toc((entry("COMMENT", "a.t x"),))).has_post_data


@pytest.mark.parametrize(
    ("descs", "data_only", "schema_only"),
    [
        (["TABLE DATA"], True, False),
        (["EXTENSION", "TABLE DATA"], False, False),
        (["TABLE", "TABLE DATA"], False, False),
        (["TABLE"], False, True),
        ([], False, False),
    ],
)
def test_a_part_of_a_dump_is_known(descs: list[str], *, data_only: bool, schema_only: bool) -> None:
    expected = expected_of(Toc(tuple(entry(desc, "a.t") for desc in descs)))
    assert (expected.is_data_only, expected.is_schema_only) == (data_only, schema_only)


@pytest.mark.parametrize(
    ("value", "position"),
    [("-9223372036854775808, false", (-9223372036854775808, False)), ("1, true", (1, True))],
)
def test_a_sequence_stands_where_the_backup_sets_it(value: str, position: tuple[int, bool]) -> None:
    defn = f"SELECT pg_catalog.setval('a.it''s', {value});"
    expected = expected_of(Toc((entry("SEQUENCE SET", "a.it's", defn=defn),)))
    assert expected.positions_of("a", "it's") == {position}
    assert expected.positions_of("b", "it's") == frozenset()


def test_a_sequence_without_a_schema_may_be_any_schemas() -> None:
    unqualified = TocEntry(1, "SEQUENCE SET", "s", "", "", "", "SELECT pg_catalog.setval('s', 3, false);")
    expected = expected_of(Toc((*SHOP.entries, unqualified)))
    assert expected.positions_of("a", "s") == {(7, True), (3, False)}
    assert expected.positions_of("b", "s") == {(3, False)}


def test_the_header_is_kept_for_the_evidence() -> None:
    toc = Toc(
        (),
        archive_version=(1, 16),
        server_version="17.1",
        dump_version="17.2",
        database="shop",
        made_at=datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001  an archive's header knows no zone
        compression="zstd",
        encoding="UTF8",
    )
    assert origin_of(toc) == Origin("17.1", "17.2", "shop", toc.made_at, "zstd", "UTF8")


def test_a_name_that_stands_in_two_places_is_held_and_sent_once() -> None:
    """A large archive lists a million tables; what is expected of it must not be a second archive."""
    names = [f"{'wide_schema_' * 4}.{'t' * 50}{number}" for number in range(1000)]
    tables = [entry("TABLE", name) for name in names]
    rows = [entry("TABLE DATA", name) for name in names]
    once = len(pickle.dumps(expected_of(Toc(tuple(tables)))))
    twice = len(pickle.dumps(expected_of(Toc((*tables, *rows)))))
    assert twice < 1.1 * once
