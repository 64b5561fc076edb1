"""Deep checks on real databases: each finds its own damage, and is silent on the healthy twin."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from tasks.checks.deep import check_deep
from tasks.checks.inventory import take_inventory
from tasks.checks.session import reading
from tasks.model.backup import TocEntry
from tasks.model.deadline import Deadline
from tasks.model.findings import Outcome
from tasks.model.restored import Checked
from tests.corpus.application import ROLES, application_sql
from tests.fix_checks import (
    check,
    context_of,
    entry,
    failures,
    outcomes,
    restored_of,
    rules,
    target_of,
    warnings,
)
from tests.fix_postgres import Source

MAJOR = 17
Deep = Callable[..., Checked]


@pytest.fixture
def deep(cluster: Callable[[int], Source]) -> Callable[..., Checked]:
    """Build a database by a script and run the deep checks on it: `deep("CREATE ...", amcheck="failure")`."""

    def run(
        script: str,
        *,
        major: int = MAJOR,
        toc: tuple[TocEntry, ...] = (),
        options: str = "",
        unproven_keys: frozenset[str] | None = frozenset(),
        kept_out: dict[str, str] | None = None,
        **checks: object,
    ) -> Checked:
        source = cluster(major)
        database = source.create_database(f"deep_{uuid.uuid4().hex[:8]}", options=options)
        try:
            source.execute(script, database)
            inventory = take_inventory(source.sandbox, database)
            deadline = checks.pop("deadline", None) or Deadline.within(60)
            restored = replace(
                restored_of(database, toc), unproven_keys=unproven_keys, kept_out=kept_out or {}
            )
            target = target_of(checks=checks)
            return check_deep(
                context_of(source.sandbox, restored, inventory=inventory, target=target, deadline=deadline)
            )
        finally:
            with source.connect() as session:
                session.execute(f"DROP DATABASE {database} WITH (FORCE)")

    return run


SHOP = """
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
CREATE TABLE orders (id serial PRIMARY KEY, customer int);
INSERT INTO customers (name) SELECT 'c' || g FROM generate_series(1, 100) g;
INSERT INTO orders (customer) SELECT 1 + g % 100 FROM generate_series(1, 500) g;
"""
NOT_VALID = (
    "ALTER TABLE orders ADD CONSTRAINT to_customer FOREIGN KEY (customer) REFERENCES customers NOT VALID;"
)

ORPHANS = SHOP + "INSERT INTO orders (customer) VALUES (7777), (8888), (NULL);" + NOT_VALID


def test_the_healthy_shop_passes_every_check_that_is_on(deep: Deep) -> None:
    seen = deep(SHOP + "ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers;")
    assert seen.findings == ()
    assert {name for name, outcome in outcomes(seen).items() if outcome is Outcome.PASSED} == {
        "triggers",
        "collations",
        "matviews",
        "sequences",
        "large-objects",
        "foreign-keys",
    }
    assert outcomes(seen)["amcheck"] is Outcome.NOT_CONFIGURED
    assert all(one.seconds is not None for one in seen.checks if one.outcome is Outcome.PASSED)


@pytest.mark.parametrize("major", [14, 17])
def test_a_real_applications_database_has_no_failure_and_no_warning(
    cluster: Callable[[int], Source], deep: Deep, major: int
) -> None:
    source = cluster(major)
    with source.connect() as session:
        if session.execute("SELECT FROM pg_roles WHERE rolname = 'shop_owner'").fetchone() is None:
            source.execute(ROLES)
    seen = deep(application_sql(major), major=major, full_read="failure", amcheck="failure")
    assert failures(seen) == set()
    assert {rule for rule, _ in warnings(seen)} == {"matview-unpopulated"}  # as it was at the source
    assert rules(seen) == {"foreign-key-not-valid", "matview-unpopulated", "disabled-trigger"}
    assert Outcome.NOT_RUN not in outcomes(seen).values()


# --- foreign keys


def test_orphans_behind_a_key_that_is_not_valid_are_found(deep: Deep) -> None:
    seen = deep(ORPHANS)
    assert (failures(seen), warnings(seen)) == (set(), {("foreign-key-orphans", "public.orders.to_customer")})
    (found,) = (one for one in seen.findings if one.rule == "foreign-key-orphans")
    assert found.message.endswith("which is NOT VALID. So it was at the source.")
    assert "2 rows" in found.message
    assert "7777" not in found.message


def test_orphans_that_the_source_had_fail_where_the_fleet_file_asks_for_that(deep: Deep) -> None:
    seen = deep(ORPHANS, foreign_keys="failure")
    assert failures(seen) == {("foreign-key-orphans", "public.orders.to_customer")}


VALID = SHOP + "ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (customer) REFERENCES customers;"
UNCHECKED = (
    VALID
    + """
SET session_replication_role = replica;
INSERT INTO orders (customer) VALUES (7777), (8888);
RESET session_replication_role;
"""
)


@pytest.mark.parametrize("unproven", [None, frozenset({"public.orders.k"})])
def test_a_valid_key_that_the_restore_has_not_proven_is_joined(
    deep: Deep, unproven: frozenset[str] | None
) -> None:
    seen = deep(UNCHECKED, unproven_keys=unproven)
    assert failures(seen) == {("foreign-key-orphans", "public.orders.k")}
    healthy = check(deep(VALID, unproven_keys=unproven), "foreign-keys")
    assert (healthy.outcome, healthy.observed) == (Outcome.PASSED, "1 keys hold, 1 of them by anti-join")
    assert warnings(deep(UNCHECKED, unproven_keys=unproven, foreign_keys="warning")) == failures(seen)


def test_a_valid_key_that_the_restore_has_proven_is_not_joined_again(deep: Deep) -> None:
    assert deep(UNCHECKED, unproven_keys=frozenset({"public.orders.other"})).findings == ()


def test_a_key_that_is_not_valid_and_holds_is_information(deep: Deep) -> None:
    seen = deep(SHOP + NOT_VALID)
    assert failures(seen) == set()
    assert rules(seen) == {"foreign-key-not-valid"}


def test_orphans_are_a_warning_where_the_level_is_one(deep: Deep) -> None:
    seen = deep(SHOP + "INSERT INTO orders (customer) VALUES (7777);" + NOT_VALID, foreign_keys="warning")
    assert failures(seen) == set()
    assert warnings(seen) == {("foreign-key-orphans", "public.orders.to_customer")}


@pytest.mark.parametrize(
    ("match", "rows", "orphans"),
    [
        ("SIMPLE", "(1, 1), (NULL, 9), (9, NULL), (NULL, NULL)", 0),
        ("SIMPLE", "(1, 9)", 1),
        ("FULL", "(1, 1), (NULL, NULL)", 0),
        ("FULL", "(NULL, 1), (1, NULL), (9, 9)", 3),
    ],
)
def test_nulls_in_keys_of_two_columns_are_read_as_the_key_means_them(
    deep: Deep, match: str, rows: str, orphans: int
) -> None:
    seen = deep(
        "CREATE TABLE parent (a int, b int, PRIMARY KEY (a, b)); INSERT INTO parent VALUES (1, 1);"
        f"CREATE TABLE child (x int, y int); INSERT INTO child VALUES {rows};"
        f"ALTER TABLE child ADD CONSTRAINT k FOREIGN KEY (x, y) REFERENCES parent MATCH {match} NOT VALID;"
    )
    found = [one for one in seen.findings if one.rule == "foreign-key-orphans"]
    assert [f"{orphans} rows" in one.message for one in found] == ([True] if orphans else [])


def test_a_key_to_a_partitioned_table_looks_into_its_partitions(deep: Deep) -> None:
    script = """
    CREATE TABLE parent (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE parent_1 PARTITION OF parent FOR VALUES FROM (1) TO (10);
    INSERT INTO parent VALUES (5);
    CREATE TABLE child (p bigint); INSERT INTO child VALUES (5);
    ALTER TABLE child ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES parent NOT VALID;
    """
    assert failures(deep(script)) == set()
    assert warnings(
        deep(
            script + "ALTER TABLE child DROP CONSTRAINT k; INSERT INTO child VALUES (7);"
            "ALTER TABLE child ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES parent NOT VALID;"
        )
    ) == {("foreign-key-orphans", "public.child.k")}


def test_rows_of_an_inheriting_table_are_no_orphans_of_its_parents_key(deep: Deep) -> None:
    seen = deep(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int);"
        "CREATE TABLE grandchild () INHERITS (c); INSERT INTO grandchild VALUES (99);"
        "ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p NOT VALID"
    )
    assert failures(seen) == set()


def test_a_key_that_is_not_enforced_only_warns_of_orphans(deep: Deep) -> None:
    seen = deep(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int); INSERT INTO c VALUES (1);"
        "ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p NOT ENFORCED",
        major=18,
    )
    assert failures(seen) == set()
    assert warnings(seen) == {("foreign-key-orphans", "public.c.k")}


# --- sequences


@pytest.mark.parametrize("column", ["orders_id_seq", "customers_id_seq"])
def test_a_sequence_that_starts_again_is_behind(deep: Deep, column: str) -> None:
    seen = deep(SHOP + f"SELECT setval('{column}', 1, false);")
    assert failures(seen) == {("sequence-behind", f"public.{column}")}
    assert check(seen, "sequences").outcome is Outcome.FAILED


def test_a_sequence_one_behind_is_found(deep: Deep) -> None:
    assert failures(deep(SHOP + "SELECT setval('orders_id_seq', 499);")) == {
        ("sequence-behind", "public.orders_id_seq")
    }


def setval(value: int, *, called: bool = True, tag: str = "orders_id_seq") -> TocEntry:
    word = "true" if called else "false"
    defn = f"SELECT pg_catalog.setval('public.{tag}', {value}, {word});\n"
    return entry("SEQUENCE SET", f"public.{tag}", defn=defn)


BEHIND = SHOP + "SELECT setval('orders_id_seq', 7, true);"


def test_a_sequence_that_stands_where_the_backup_sets_it_was_behind_at_the_source(deep: Deep) -> None:
    seen = deep(BEHIND, toc=(setval(7),))
    assert (failures(seen), warnings(seen)) == (set(), {("sequence-behind", "public.orders_id_seq")})
    assert seen.findings[0].message.endswith("So it was at the source.")
    assert failures(deep(BEHIND, toc=(setval(7),), sequences="failure")) == warnings(seen)


@pytest.mark.parametrize(
    "toc",
    [(), (setval(8),), (setval(7, called=False),), (setval(7, tag="customers_id_seq"),), (setval(500),)],
)
def test_a_sequence_that_stands_elsewhere_than_the_backup_sets_it_is_behind(
    deep: Deep, toc: tuple[TocEntry, ...]
) -> None:
    assert failures(deep(BEHIND, toc=toc)) == {("sequence-behind", "public.orders_id_seq")}


def test_a_sequence_behind_a_partitioned_table_is_found(deep: Deep) -> None:
    seen = deep(
        "CREATE TABLE t (id bigserial, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"
        "INSERT INTO t (day) SELECT '2025-05-05' FROM generate_series(1, 50); SELECT setval('t_id_seq', 5);"
    )
    assert failures(seen) == {("sequence-behind", "public.t_id_seq")}


HEALTHY_SEQUENCES = {
    "empty": "CREATE TABLE t (id serial PRIMARY KEY);",
    "emptied": "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES; DELETE FROM t;",
    "shared": """
        CREATE SEQUENCE s;
        CREATE TABLE a (id int PRIMARY KEY DEFAULT nextval('s'));
        CREATE TABLE b (id int PRIMARY KEY DEFAULT nextval('s'));
        INSERT INTO a SELECT FROM generate_series(1, 5);
        INSERT INTO b SELECT FROM generate_series(1, 5);""",
    "downwards": """
        CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1) PRIMARY KEY);
        INSERT INTO t SELECT FROM generate_series(1, 5);""",
    "odd-numbers": """
        CREATE TABLE odd (id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT 2 START 1) PRIMARY KEY);
        INSERT INTO odd SELECT FROM generate_series(1, 9);
        INSERT INTO odd SELECT g * 2 FROM generate_series(1, 20) g;""",
    "pooled": """
        CREATE TABLE t (id bigint PRIMARY KEY);
        CREATE SEQUENCE s INCREMENT 50 OWNED BY t.id;
        SELECT nextval('s');
        INSERT INTO t SELECT generate_series(1, 49);""",
    "pooled-lo": """
        CREATE SEQUENCE s INCREMENT 50;
        CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('s'));
        SELECT nextval('s');
        INSERT INTO t SELECT generate_series(1, 50);""",
    "cycle": """
        CREATE SEQUENCE s MAXVALUE 5 CYCLE;
        CREATE TABLE t (id smallint PRIMARY KEY DEFAULT nextval('s'));
        INSERT INTO t VALUES (4);""",
    "computed": """
        CREATE SEQUENCE s;
        CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('s') * 10);
        INSERT INTO t VALUES (DEFAULT), (DEFAULT);""",
    "used-up": """
        CREATE TABLE t (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
        INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (32767);
        SELECT setval('t_id_seq', 32767);""",
}


@pytest.mark.parametrize("script", HEALTHY_SEQUENCES.values(), ids=HEALTHY_SEQUENCES.keys())
def test_healthy_sequences_of_every_kind_are_silent(deep: Deep, script: str) -> None:
    assert deep(script).findings == ()


def test_a_lone_value_far_ahead_only_warns(deep: Deep) -> None:
    seen = deep(SHOP + "INSERT INTO orders (id) VALUES (2147483647);")
    assert failures(seen) == set()
    assert warnings(seen) == {("sequence-behind", "public.orders_id_seq")}


def test_a_column_that_nothing_keeps_unique_only_warns(deep: Deep) -> None:
    seen = deep("CREATE TABLE t (id serial); INSERT INTO t SELECT generate_series(1, 9);")
    assert failures(seen) == set()
    assert warnings(seen) == {("sequence-behind", "public.t_id_seq")}


# --- large objects

PHOTOS = """
CREATE TABLE photos (id int PRIMARY KEY, image oid);
INSERT INTO photos SELECT g, lo_from_bytea(50000 + g, 'bytes') FROM generate_series(1, 20) g;
"""


def test_large_objects_that_resolve_are_silent(deep: Deep) -> None:
    assert deep(PHOTOS).findings == ()


def test_a_large_object_that_is_gone_is_missed(deep: Deep) -> None:
    seen = deep(PHOTOS + "SELECT lo_unlink(50003);")
    assert failures(seen) == {("large-objects-missing", "public.photos.image")}


def test_large_objects_that_are_all_gone_are_missed(deep: Deep) -> None:
    seen = deep(PHOTOS + "SELECT lo_unlink(image) FROM photos;")
    assert failures(seen) == {("large-objects-missing", "public.photos.image")}


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE seen (reloid oid); INSERT INTO seen SELECT (oid::bigint + 90000)::oid FROM pg_class;",
        "CREATE TABLE seen (what oid); INSERT INTO seen SELECT oid FROM pg_class;",
        "CREATE TABLE seen (what oid); INSERT INTO seen SELECT 20000 FROM generate_series(1, 9);",
        "CREATE TABLE seen (what oid); INSERT INTO seen VALUES (NULL), (0);",
        PHOTOS + "CREATE TABLE seen (what oid); INSERT INTO seen VALUES (70001), (70002);",
    ],
    ids=["named-for-the-catalogue", "system-oids", "repeated", "none", "others-resolve"],
)
def test_oid_columns_that_mean_something_else_are_silent(deep: Deep, script: str) -> None:
    assert failures(deep(script)) == set()


def test_large_objects_without_bytes_are_found_when_most_are(deep: Deep) -> None:
    emptied = "SELECT lo_truncate(lo_open(oid, 131072), 0) FROM pg_largeobject_metadata WHERE oid {};"
    assert failures(deep(PHOTOS + emptied.format("> 50005"))) == {("large-objects-empty", None)}
    few = deep(PHOTOS + emptied.format("= 50005"))
    assert failures(few) == set()
    assert rules(few) == {"large-objects-empty"}


# --- materialised views

VIEW = SHOP + "CREATE MATERIALIZED VIEW best AS SELECT * FROM orders WITH NO DATA;"


def test_a_view_that_the_archive_refreshes_must_be_populated(deep: Deep) -> None:
    refreshed = (entry("MATERIALIZED VIEW DATA", "public.best"),)
    assert failures(deep(VIEW, toc=refreshed)) == {("matview-unpopulated", "public.best")}
    assert deep(VIEW + "REFRESH MATERIALIZED VIEW best;", toc=refreshed).findings == ()


def test_a_view_that_was_unpopulated_at_the_source_is_a_warning(deep: Deep) -> None:
    toc = (entry("MATERIALIZED VIEW", "public.best"),)
    seen = deep(VIEW, toc=toc)
    assert (failures(seen), warnings(seen)) == (set(), {("matview-unpopulated", "public.best")})
    assert seen.findings[0].message.endswith("So it was at the source.")
    assert warnings(deep(VIEW, toc=toc, matviews="warning")) == warnings(seen)
    assert failures(deep(VIEW, toc=toc, matviews="failure")) == {("matview-unpopulated", "public.best")}


def test_a_view_that_this_host_could_not_refresh_is_the_matter_of_what_said_so(deep: Deep) -> None:
    refreshed = (entry("MATERIALIZED VIEW DATA", "public.best"),)
    seen = deep(VIEW, toc=refreshed, kept_out={"public.best": "superuser-entry"}, matviews="failure")
    assert (failures(seen), warnings(seen)) == (set(), {("matview-unpopulated", "public.best")})
    assert "superuser-entry" in seen.findings[0].message


# --- reading everything


def test_amcheck_finds_an_index_that_a_changed_function_broke(deep: Deep) -> None:
    broken = """
    CREATE FUNCTION sort_key(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n';
    CREATE INDEX by_key ON orders (sort_key(id));
    CREATE OR REPLACE FUNCTION sort_key(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT -n';
    """
    assert deep(SHOP, amcheck="failure").findings == ()
    assert failures(deep(SHOP + broken, amcheck="failure")) == {("index-corrupt", "public.by_key")}


def test_amcheck_that_the_dump_brought_is_used_where_it_is(deep: Deep) -> None:
    brought = "CREATE SCHEMA tools; CREATE EXTENSION amcheck SCHEMA tools;"
    assert deep(SHOP + brought, amcheck="failure").findings == ()


def test_a_full_read_finds_bytes_that_are_not_utf8(deep: Deep) -> None:
    assert deep(SHOP, full_read="failure").findings == ()
    bad = (
        SHOP
        + "CREATE CAST (bytea AS text) WITHOUT FUNCTION;"
        + "INSERT INTO customers (name) VALUES ('\\xff80'::bytea::text);"
    )
    assert failures(deep(bad, full_read="failure")) == {("full-read-failed", "public.customers")}


def test_disabled_triggers_are_named(deep: Deep) -> None:
    seen = deep(
        SHOP + "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f();"
        "ALTER TABLE orders DISABLE TRIGGER t;"
    )
    assert [(one.rule, one.where) for one in seen.findings] == [("disabled-trigger", "public.orders.t")]


# --- limits and errors


def test_checks_over_their_budget_did_not_run_and_say_so(deep: Deep) -> None:
    seen = deep(SHOP, deadline=Deadline.within(0, "check-over-budget"))
    assert set(outcomes(seen).values()) == {Outcome.NOT_RUN, Outcome.NOT_CONFIGURED}
    assert rules(seen) == {"check-over-budget"}


def test_a_check_that_the_deadline_cuts_off_did_not_run(deep: Deep) -> None:
    slow = (
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int);"
        "INSERT INTO c SELECT generate_series(1, 3000000);"
        "ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES p NOT VALID;"
    )
    seen = deep(slow, deadline=Deadline.within(0.15))
    assert check(seen, "foreign-keys").outcome is Outcome.NOT_RUN
    assert ("stage-deadline", "foreign-keys") in failures(seen)


def test_switched_off_checks_are_not_configured(deep: Deep) -> None:
    off = {"foreign_keys": "off", "sequences": "off", "large_objects": "off", "matviews": "off"}
    seen = deep(SHOP + "SELECT setval('orders_id_seq', 1, false);", **off)
    assert seen.findings == ()
    for name in ("foreign-keys", "sequences", "large-objects", "matviews"):
        assert outcomes(seen)[name] is Outcome.NOT_CONFIGURED


def test_the_reader_cannot_write(cluster: Callable[[int], Source]) -> None:
    source = cluster(MAJOR)
    source.create_database("guarded")
    with pytest.raises(psycopg.Error), reading(source.sandbox, "guarded") as connection:
        connection.execute("CREATE TABLE public.mine (x int)")


def test_what_code_of_the_dump_changes_in_a_session_is_put_back(cluster: Callable[[int], Source]) -> None:
    """A view's function turns the path and the time limit round: the next statement means what it says."""
    source = cluster(MAJOR)
    database = source.create_database("deep_session")
    source.execute(
        """
        CREATE FUNCTION public.never(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = int, FUNCTION = public.never);
        CREATE FUNCTION public.turn() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
            PERFORM set_config('search_path', 'public, pg_catalog', false);
            PERFORM set_config('statement_timeout', '0', false);
            PERFORM set_config('transform_null_equals', 'on', false); RETURN true; END $$;
        CREATE VIEW public.v AS SELECT 1 AS x WHERE public.turn();
        """,
        database,
    )
    ask = "SELECT count(*), current_setting('search_path') FROM generate_series(1, 5) i WHERE i = 3"
    with reading(source.sandbox, database, Deadline.within(50)) as session:
        assert session.execute("SELECT x FROM public.v").fetchall() == [(1,)]
        assert session.execute(ask).fetchall() == [(1, "pg_catalog")]
        (limit,) = session.execute("SHOW statement_timeout").fetchone() or ("",)
    assert limit.removesuffix("ms").removesuffix("s").isdigit()
    assert limit != "0"
    with source.connect(database) as bare:
        bare.execute("SELECT x FROM public.v")
        assert bare.execute(ask).fetchone() == (0, "public, pg_catalog")
