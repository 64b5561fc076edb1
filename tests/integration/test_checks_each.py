"""Each deep check by itself on a real database: what only it can meet, and its healthy twin."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.checks import Context
from tasks.checks.amcheck import AMCHECK_SCHEMA, check_amcheck
from tasks.checks.collations import check_collations
from tasks.checks.full_read import check_full_read
from tasks.checks.large_objects import check_large_objects
from tasks.checks.matviews import check_matviews
from tasks.checks.sequences import check_sequences, read_pairs
from tasks.checks.triggers import check_triggers
from tasks.model.expected import Expected
from tasks.model.findings import Outcome
from tests.fix_checks import (
    check,
    context_of,
    failures,
    inventory_of,
    outcomes,
    restored_of,
    rules,
    target_of,
    warnings,
)
from tests.fix_postgres import Source, running_source

MAJOR = 17
Built = Callable[..., Context]


@pytest.fixture
def built(cluster: Callable[[int], Source]) -> Iterator[Built]:
    """Build a database by a script, and what checks work on: `built("CREATE ...", amcheck="failure")`."""
    made: list[tuple[Source, str]] = []

    def build(
        script: str, *, major: int = MAJOR, options: str = "", expected: Expected | None = None, **levels: str
    ) -> Context:
        source = cluster(major)
        database = source.create_database(f"each_{uuid.uuid4().hex[:8]}", options=options)
        made.append((source, database))
        source.execute(script, database)
        restored = replace(restored_of(database), expected=expected or Expected())
        return context_of(source.sandbox, restored, target=target_of(checks=levels))

    yield build
    for source, database in made:
        with source.connect() as session:
            session.execute(f"DROP DATABASE {database} WITH (FORCE)")


# --- amcheck

TABLE = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100);"
BROKEN_INDEX = """
CREATE FUNCTION sort_key(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n';
CREATE INDEX by_key ON t (sort_key(id));
CREATE OR REPLACE FUNCTION sort_key(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT -n';
"""


def test_sound_indexes_pass_and_amcheck_stays_in_a_schema_of_its_own(built: Built) -> None:
    context = built(TABLE)
    assert check(check_amcheck(context), "amcheck").observed == "1 of 1 indexes sound"
    with context.reading() as connection:
        homes = connection.execute(
            "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
            " WHERE e.extname = 'amcheck'"
        ).fetchall()
    assert homes == [(AMCHECK_SCHEMA,)]


def test_a_broken_index_fails_or_warns_as_the_fleet_file_says(built: Built) -> None:
    context = built(TABLE + BROKEN_INDEX, amcheck="failure")
    assert failures(check_amcheck(context)) == {("index-corrupt", "public.by_key")}
    lowered = check_amcheck(replace(context, target=target_of(checks={"amcheck": "warning"})))
    assert (failures(lowered), warnings(lowered)) == (set(), {("index-corrupt", "public.by_key")})
    assert check(lowered, "amcheck").observed == "1 of 2 indexes sound"


def test_an_index_that_the_source_left_invalid_is_not_looked_into(built: Built) -> None:
    context = built(
        TABLE + BROKEN_INDEX + "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_key'::regclass"
    )
    assert check(check_amcheck(context), "amcheck").observed == "1 of 1 indexes sound"


def test_where_postgresql_has_no_amcheck_the_check_did_not_run(built: Built) -> None:
    context = built(TABLE, major=18)
    role = context.sandbox.superuser
    with context.reading(role) as connection:
        connection.execute(f"ALTER ROLE {role} SET extension_control_path = '/nowhere'".encode())
    try:
        seen = check_amcheck(context)
    finally:
        with context.reading(role) as connection:
            connection.execute(f"ALTER ROLE {role} RESET extension_control_path".encode())
    assert check(seen, "amcheck").outcome is Outcome.NOT_RUN
    assert rules(seen) == {"check-errored"}
    assert check(check_amcheck(context), "amcheck").outcome is Outcome.PASSED


# --- full reads


def test_one_table_that_cannot_be_read_leaves_the_others_read(tmp_path: Path) -> None:
    with running_source(tmp_path, MAJOR) as source:  # its own: a cluster without a file makes no checkpoint
        database = source.create_database("damaged")
        source.execute(
            "CREATE TABLE good AS SELECT 1 AS x; CREATE TABLE bad AS SELECT 2 AS x; CHECKPOINT", database
        )
        context = context_of(source.sandbox, restored_of(database))
        assert check(check_full_read(context), "full-read").observed == "2 of 2 tables read"
        with source.connect(database) as session:
            (path,) = session.execute("SELECT pg_relation_filepath('bad')").fetchone() or ("",)
        (source.sandbox.workspace.data_dir / path).unlink()
        seen = check_full_read(replace(context, target=target_of(checks={"full_read": "failure"})))
    assert failures(seen) == {("full-read-failed", "public.bad")}
    assert check(seen, "full-read").observed == "1 of 2 tables read"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "UTF8"])
def test_letters_of_any_encoding_are_read(built: Built, encoding: str) -> None:
    seen = check_full_read(
        built(
            "CREATE TABLE t (x text); INSERT INTO t VALUES ('Gr\u00fc\u00dfe');",
            options=f"TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'",
        )
    )
    assert (seen.findings, check(seen, "full-read").outcome) == ((), Outcome.PASSED)


def test_rows_of_an_inheriting_or_partitioned_table_are_read_once(built: Built) -> None:
    seen = check_full_read(
        built(
            "CREATE TABLE up (x int); CREATE TABLE down () INHERITS (up); CREATE VIEW v AS SELECT 1;"
            "CREATE TABLE p (x int) PARTITION BY LIST (x); CREATE TABLE p1 PARTITION OF p DEFAULT;"
        )
    )
    assert check(seen, "full-read").observed == "3 of 3 tables read"


# --- collations and triggers


def test_a_collation_of_another_version_is_named_and_its_own_version_is_silent(built: Built) -> None:
    made = "CREATE COLLATION plain (provider = builtin, locale = 'C.UTF-8');"
    assert check_collations(built(made)).findings == ()
    aged = built(made + "UPDATE pg_collation SET collversion = '0.9' WHERE collname = 'plain'")
    assert warnings(check_collations(aged)) == {("collation-mismatch", "public.plain")}


TRIGGERS = """
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE child (t int REFERENCES t);
CREATE TABLE p (x int) PARTITION BY LIST (x); CREATE TABLE p1 PARTITION OF p DEFAULT;
CREATE TRIGGER one BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER two BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION f();
"""


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("", []),
        ("ALTER TABLE t ENABLE REPLICA TRIGGER one", []),
        ("ALTER TABLE t DISABLE TRIGGER one", ["public.t.one"]),
        ("ALTER TABLE p DISABLE TRIGGER two", ["public.p.two"]),
        ("ALTER TABLE child DISABLE TRIGGER ALL", []),
    ],
    ids=["enabled", "of-replicas", "disabled", "once-for-all-partitions", "postgresqls-own"],
)
def test_triggers_that_are_disabled_are_named_once(built: Built, change: str, names: list[str]) -> None:
    seen = check_triggers(built(TRIGGERS + change))
    assert [(finding.rule, finding.where) for finding in seen.findings] == [
        ("disabled-trigger", name) for name in names
    ]
    assert outcomes(seen) == {"triggers": Outcome.PASSED}


# --- what a backup says of views and sequences


def test_only_a_view_that_the_backup_fills_must_hold_rows(built: Built) -> None:
    views = (
        "CREATE MATERIALIZED VIEW filled AS SELECT 1 AS x;"
        "CREATE MATERIALIZED VIEW asleep AS SELECT 1 AS x WITH NO DATA;"
    )
    at_source = check_matviews(built(views, expected=Expected(filled_views=frozenset({"public.filled"}))))
    assert (failures(at_source), warnings(at_source)) == (set(), {("matview-unpopulated", "public.asleep")})
    lost = check_matviews(built(views, expected=Expected(filled_views=frozenset({"public.asleep"}))))
    assert failures(lost) == {("matview-unpopulated", "public.asleep")}
    assert check(lost, "matviews").observed == "1 of 2 populated"


BEHIND = """
CREATE TABLE t (id serial PRIMARY KEY);
INSERT INTO t SELECT generate_series(1, 9);
SELECT setval('t_id_seq', 4);
"""


@pytest.mark.parametrize(
    ("sequences", "failed"),
    [
        ({}, True),
        ({("public", "t_id_seq"): frozenset({(9, True)})}, True),
        ({("public", "t_id_seq"): frozenset({(4, False)})}, True),
        ({("other", "t_id_seq"): frozenset({(4, True)})}, True),
        ({("public", "t_id_seq"): frozenset({(4, True)})}, False),
        ({("", "t_id_seq"): frozenset({(4, True)})}, False),
    ],
    ids=["nowhere", "further", "not-given-out", "another-schemas", "there", "there-by-search-path"],
)
def test_a_sequence_is_behind_unless_the_backup_sets_it_there(
    built: Built, sequences: dict[tuple[str, str], frozenset[tuple[int, bool]]], *, failed: bool
) -> None:
    seen = check_sequences(built(BEHIND, expected=Expected(sequences=sequences)))
    named = {("sequence-behind", "public.t_id_seq")}
    assert (failures(seen), warnings(seen)) == ((named, set()) if failed else (set(), named))


def test_a_sequence_counts_downwards_as_it_counts_upwards(built: Built) -> None:
    script = """
    CREATE SEQUENCE s INCREMENT -2 MAXVALUE 100 MINVALUE -1000 START 100;
    CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('s'));
    INSERT INTO t SELECT nextval('s') FROM generate_series(1, 9);
    """
    assert check_sequences(built(script)).findings == ()
    behind = check_sequences(built(script + "SELECT setval('s', 92)"))
    assert failures(behind) == {("sequence-behind", "public.s")}
    assert "4 rows hold numbers" in behind.findings[0].message


def test_columns_are_paired_with_the_sequences_that_feed_them(built: Built) -> None:
    context = built(
        "CREATE DOMAIN number AS bigint; CREATE SEQUENCE s; CREATE SEQUENCE idle;"
        "CREATE TABLE a (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n number DEFAULT nextval('s'),"
        " code text DEFAULT 'x' || nextval('idle'))"
    )
    with context.reading() as connection:
        pairs = read_pairs(connection)
    assert [(pair.column, pair.sequence, pair.unique) for pair in pairs] == [
        ("id", "a_id_seq", True),
        ("n", "s", False),
    ]


# --- large objects


def test_a_column_of_the_type_lo_refers_to_large_objects_whatever_else_there_is(built: Built) -> None:
    context = built(
        "CREATE DOMAIN lo AS oid; CREATE TABLE photos (image lo) PARTITION BY HASH (image);"
        "CREATE TABLE photos1 PARTITION OF photos FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "INSERT INTO photos VALUES (lo_from_bytea(50001, 'bytes')), (50002);"
    )
    context = replace(context, inventory=inventory_of(large_objects=1, large_object_bytes=5))
    seen = check_large_objects(context)
    assert failures(seen) == {("large-objects-missing", "public.photos.image")}
    assert check(seen, "large-objects").observed == "1 large objects, 5 bytes"
