"""A restored database as a whole: what is wrong is found, and nothing else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments.commands.manifest import write_manifest
from tasks.checks import check_suite, measure_freshness, take_inventory, verify
from tasks.model.backup import TocEntry
from tasks.model.errors import ConfigInvalid
from tasks.model.findings import Finding, Outcome
from tasks.model.history import History
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tests.fix_checks import (
    NOW,
    check,
    context_of,
    entry,
    failures,
    inventory_of,
    outcomes,
    past,
    restored_of,
    rules,
    target_of,
    warnings,
)
from tests.fix_postgres import Source, running_source

MAJOR = 17
SHOP = """
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers, placed_at timestamptz);
INSERT INTO customers (name) SELECT 'c' || g FROM generate_series(1, 2000) g;
INSERT INTO orders (customer, placed_at)
    SELECT 1 + g % 2000, timestamptz '2026-03-31 05:00+00' - g * interval '1 minute'
    FROM generate_series(1, 5000) g;
"""
TABLES = ("public.customers", "public.orders")
FULL_TOC = tuple(entry(desc, name) for name in TABLES for desc in ("TABLE", "TABLE DATA", "CONSTRAINT"))


@pytest.fixture
def built(cluster: Callable[[int], Source]) -> Iterator[Callable[..., tuple[Source, str]]]:
    """Build a database by a script: `source, database = built("CREATE ...")`."""
    source = cluster(MAJOR)
    made: list[str] = []

    def build(script: str) -> tuple[Source, str]:
        made.append(source.create_database(f"verify_{uuid.uuid4().hex[:8]}"))
        source.execute(script, made[-1])
        return source, made[-1]

    yield build
    with source.connect() as session:
        for name in made:
            session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def verified(built: Callable[..., tuple[Source, str]]) -> Callable[..., Checked]:
    """Build a database by a script and verify it."""

    def run(
        script: str,
        toc: tuple[TocEntry, ...] = FULL_TOC,
        history: History | None = None,
        manifest: dict[str, Any] | None = None,
        roles: tuple[str, ...] = (),
        kept_out: dict[str, str] | None = None,
        restore_findings: tuple[Finding, ...] = (),
        **keys: Any,
    ) -> Checked:
        source, database = built(script)
        target = target_of(**keys)
        inventory = take_inventory(source.sandbox, database, counts=target.checks.counts)
        restored = replace(
            restored_of(database, toc, roles), kept_out=kept_out or {}, findings=restore_findings
        )
        return verify(
            context_of(
                source.sandbox,
                restored,
                inventory=inventory,
                target=target,
                history=history or History(),
                manifest=manifest,
            )
        )

    return run


Verified = Callable[..., Checked]


def test_a_healthy_first_drill_yields_no_more_than_the_start_of_its_baseline(verified: Verified) -> None:
    seen = verified(SHOP)
    assert rules(seen) == {"baseline-started"}
    assert set(outcomes(seen).values()) == {Outcome.PASSED, Outcome.NOT_CONFIGURED}
    assert len({one.name for one in seen.checks}) == len(seen.checks)
    for name in (
        "tables-present",
        "counts",
        "table-data",
        "keys-present",
        "foreign-keys",
        "sequences",
        "matviews",
    ):
        assert outcomes(seen)[name] is Outcome.PASSED


def test_required_tables_must_be_there_and_hold_rows(verified: Verified) -> None:
    seen = verified(
        SHOP + "CREATE TABLE empty (x int); CREATE TABLE p (x int) PARTITION BY RANGE (x);",
        expect={"required_tables": [*TABLES, "public.gone", "public.empty", "public.p"]},
    )
    assert failures(seen) == {
        ("required-table-missing", "public.gone"),
        ("required-table-empty", "public.empty"),
        ("required-table-empty", "public.p"),
    }
    assert check(seen, "required-tables").outcome is Outcome.FAILED


def test_required_tables_are_looked_into_where_rows_are_not_counted(verified: Verified) -> None:
    expect = {"required_tables": ["public.orders", "public.empty"]}
    seen = verified(SHOP + "CREATE TABLE empty (x int);", expect=expect, checks={"counts": "off"})
    assert failures(seen) == {("required-table-empty", "public.empty")}
    assert check(seen, "counts").outcome is Outcome.NOT_CONFIGURED


WITH_EMPTY = SHOP + "CREATE TABLE audit (x int);"
REQUIRED = {"required_tables": ["public.audit"]}
EMPTY_FAILS = {("required-table-empty", "public.audit")}


def test_a_required_table_that_was_empty_at_the_source_is_a_warning(verified: Verified) -> None:
    """Its data entry is there and holds no row, the baseline had none, or the manifest says so."""
    seen = verified(WITH_EMPTY, toc=(*FULL_TOC, entry("TABLE DATA", "public.audit")), expect=REQUIRED)
    assert (failures(seen), warnings(seen)) == (set(), EMPTY_FAILS)
    assert "So it was at the source." in seen.findings[0].message
    assert check(seen, "required-tables").outcome is Outcome.PASSED
    before = inventory_of({"public.audit": 0, "public.orders": 5000, "public.customers": 2000})
    assert failures(verified(WITH_EMPTY, expect=REQUIRED, history=History((past(before),)))) == set()


def test_a_required_table_that_held_rows_before_is_lost(verified: Verified) -> None:
    """Whatever the archive holds: its data entry may be empty because the job filtered the rows."""
    toc = (*FULL_TOC, entry("TABLE DATA", "public.audit"))
    before = inventory_of({"public.audit": 7, "public.orders": 5000, "public.customers": 2000})
    seen = verified(WITH_EMPTY, toc=toc, expect=REQUIRED, history=History((past(before),)))
    assert failures(seen) == EMPTY_FAILS | {("rows-dropped", "public.audit")}
    manifest = {"inventory": before.as_dict()}
    assert failures(verified(WITH_EMPTY, toc=toc, expect=REQUIRED, manifest=manifest)) >= EMPTY_FAILS


def test_rows_that_failed_to_load_do_not_speak_for_the_source(verified: Verified) -> None:
    broken = finding("rows-not-restored", "The rows of public.audit could not be loaded.")
    toc = (*FULL_TOC, entry("TABLE DATA", "public.audit"))
    assert failures(verified(WITH_EMPTY, toc=toc, expect=REQUIRED, restore_findings=(broken,))) == EMPTY_FAILS


KEPT_OUT = {"public.orders": "superuser-entry", "public.customers": "superuser-entry"}


def test_what_this_host_kept_out_is_missed_by_no_check(verified: Verified, built: Any) -> None:
    """The finding that names the cause has said it: none of these may turn inconclusive into failed."""
    source, database = built(SHOP)
    inventory = take_inventory(source.sandbox, database)
    known: dict[str, Any] = {
        "history": History((past(inventory),)),
        "manifest": {"inventory": inventory.as_dict()},
    }
    expect = {"required_tables": list(TABLES)}
    for script in ("CREATE TABLE other (x int);", SHOP + "TRUNCATE orders, customers;"):
        for name, value in known.items():
            twin = verified(script, expect=expect, **{name: value})
            assert failures(twin), "where nobody said so"
            seen = verified(script, expect=expect, kept_out=KEPT_OUT, **{name: value})
            assert failures(seen) == set()
            assert check(seen, "required-tables").outcome is Outcome.NOT_RUN


def test_what_is_lost_beside_what_this_host_kept_out_is_still_missed(verified: Verified, built: Any) -> None:
    source, database = built(SHOP)
    history = History((past(take_inventory(source.sandbox, database)),))
    seen = verified(
        "CREATE TABLE other (x int);", history=history, expect={"required_tables": list(TABLES)},
        kept_out={"public.orders": "superuser-entry"},
    )  # fmt: skip
    assert failures(seen) == {
        ("table-lost", "public.customers"),
        ("required-table-missing", "public.customers"),
    }
    assert check(seen, "required-tables").outcome is Outcome.FAILED


def test_freshness_of_rows_that_this_host_kept_out_is_not_known(built: Any) -> None:
    source, database = built(SHOP + "TRUNCATE orders;")
    target = target_of(
        expect={"freshness": {"table": "public.orders", "column": "placed_at", "max_age": "1h"}}
    )
    restored = restored_of(database)
    kept_out = replace(restored, kept_out=KEPT_OUT)
    age_s, seen = measure_freshness(context_of(source.sandbox, kept_out, target=target))
    assert (age_s, rules(seen), check(seen, "freshness").outcome) == (
        None,
        {"freshness-unknown"},
        Outcome.NOT_RUN,
    )
    _, stale = measure_freshness(context_of(source.sandbox, restored, target=target))
    assert rules(stale) == {"content-stale"}


def test_required_roles_must_come_with_the_backup(verified: Verified) -> None:
    seen = verified(SHOP, roles=("app",), expect={"required_roles": ["app", "reporting"]})
    assert failures(seen) == {("required-role-missing", "reporting")}
    assert failures(verified(SHOP, roles=("app",), expect={"required_roles": ["app"]})) == set()


EMPTY = "CREATE TABLE customers (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY);"


def test_a_schema_only_dump_is_told_from_a_database_of_empty_tables(verified: Verified) -> None:
    schema_only = tuple(one for one in FULL_TOC if one.desc != "TABLE DATA")
    assert failures(verified(EMPTY, toc=schema_only)) == {("schema-only", None)}
    assert failures(verified(EMPTY)) == {("all-tables-empty", None)}


def test_a_database_that_was_empty_before_is_not_called_broken(verified: Verified, built: Any) -> None:
    source, database = built(EMPTY)
    inventory = take_inventory(source.sandbox, database)
    assert failures(verified(EMPTY, history=History((past(inventory),)))) == set()
    assert failures(verified(EMPTY, manifest={"inventory": inventory.as_dict()})) == set()


def test_a_table_whose_rows_were_left_out_on_purpose_warns(verified: Verified) -> None:
    toc = tuple(one for one in FULL_TOC if (one.desc, one.tag) != ("TABLE DATA", "orders"))
    seen = verified(SHOP + "TRUNCATE orders;", toc=toc)
    assert failures(seen) == set()
    assert warnings(seen) == {("table-data-excluded", "public.orders")}


NO_KEYS = "CREATE TABLE a AS SELECT 1 AS x; CREATE TABLE b AS SELECT 2 AS y;"
LOST_KEYS = """
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY, name text);
INSERT INTO customers (name) VALUES ('x');
CREATE TABLE orders (id bigint NOT NULL, customer_id int NOT NULL);
INSERT INTO orders VALUES (1, 1);
"""
NO_POST_DATA = tuple(one for one in FULL_TOC if one.desc != "CONSTRAINT")


def test_a_dump_without_its_last_section_is_told_from_a_database_without_keys(verified: Verified) -> None:
    assert failures(verified(LOST_KEYS, toc=NO_POST_DATA)) == {("no-post-data", None)}
    healthy = verified(NO_KEYS, toc=())
    assert failures(healthy) == set()
    assert warnings(healthy) == {("no-keys", None)}


def test_an_archive_with_data_and_no_tables_is_named(verified: Verified) -> None:
    assert ("data-only", None) in failures(verified("SELECT 1", toc=(entry("TABLE DATA", "public.orders"),)))


def test_not_one_table_is_never_a_pass(verified: Verified) -> None:
    assert failures(verified("CREATE VIEW v AS SELECT 1", toc=())) == {("nothing-restored", None)}


def test_a_table_that_cannot_be_counted_leaves_its_check_undone(tmp_path: Path) -> None:
    with running_source(tmp_path, MAJOR) as source:  # its own: a cluster without a file makes no checkpoint
        database = source.create_database("damaged")
        source.execute(
            "CREATE TABLE good AS SELECT 1 AS x; CREATE TABLE bad AS SELECT 2; CHECKPOINT", database
        )
        with source.connect(database) as session:
            (path,) = session.execute("SELECT pg_relation_filepath('bad')").fetchone() or ("",)
        (source.sandbox.workspace.data_dir / path).unlink()
        inventory = take_inventory(source.sandbox, database)
        seen = verify(context_of(source.sandbox, restored_of(database), inventory=inventory))
    assert check(seen, "counts").outcome is Outcome.NOT_RUN
    assert ("check-errored", "public.bad") in failures(seen)


# --- drift and manifest on real inventories


def test_loss_against_history_and_its_healthy_twin(verified: Verified, built: Any) -> None:
    source, database = built(SHOP)
    history = History((past(take_inventory(source.sandbox, database)),))
    assert rules(verified(SHOP, history=history)) == set()
    third = verified(SHOP + "DELETE FROM orders WHERE id % 3 = 0;", history=history)
    assert failures(third) == {("rows-dropped", "public.orders")}
    gone = verified(SHOP + "DROP TABLE orders;", history=history)
    assert failures(gone) == {("table-lost", "public.orders")}
    keyless = verified(SHOP + "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey;", history=history)
    assert failures(keyless) == {("object-lost", "public.orders.orders_customer_fkey")}


def test_rows_that_were_not_counted_are_no_passed_comparison(verified: Verified, built: Any) -> None:
    source, database = built(SHOP)
    inventory = take_inventory(source.sandbox, database)
    history = History((past(inventory),))
    script = SHOP + "TRUNCATE orders; INSERT INTO orders (customer) VALUES (1);"
    seen = verified(script, history=history, checks={"counts": "off"})
    assert failures(seen) == set()
    assert outcomes(seen)["drift-rows"] is Outcome.NOT_CONFIGURED
    assert outcomes(seen)["drift-tables"] is Outcome.PASSED
    assert failures(verified(script, history=history)) == {("rows-dropped", "public.orders")}
    manifest = {"inventory": inventory.as_dict()}
    seen = verified(script, manifest=manifest, checks={"counts": "off"})
    assert check(seen, "manifest").observed == "the same, rows not counted"


def test_the_targets_own_seed_is_compared_with(verified: Verified, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("tables:\n  public.orders: {rows: 9000}\n")
    seen = verified(SHOP, expect={"drift": {"baseline": {"seed": str(seed)}}})
    assert failures(seen) == {("rows-dropped", "public.orders")}
    seed.write_text("tables:\n  public.orders: {rows: 5100}\n")
    assert failures(verified(SHOP, expect={"drift": {"baseline": {"seed": str(seed)}}})) == set()


PARTITIONED = """
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, day date, PRIMARY KEY (id, day))
    PARTITION BY RANGE (day);
CREATE TABLE notes (event bigint, day date, FOREIGN KEY (event, day) REFERENCES events);
"""


def months(first: int, last: int) -> str:
    made = "".join(
        f"CREATE TABLE events_{n} PARTITION OF events FOR VALUES FROM ('2025-{n:02}-01')"
        f" TO ('2025-{n:02}-28');"
        f"INSERT INTO events (day) SELECT '2025-{n:02}-05' FROM generate_series(1, 1500);"
        for n in range(first, last + 1)
    )
    return PARTITIONED + made + "INSERT INTO notes SELECT id, day FROM events LIMIT 10;"


def test_retention_of_partitions_is_healthy_and_a_gap_is_not(verified: Verified, built: Any) -> None:
    source, database = built(months(1, 12))
    history = History((past(take_inventory(source.sandbox, database)),))
    expired = verified(months(5, 12), history=history)
    assert failures(expired) == warnings(expired) == set()
    assert "partition-expired" in rules(expired)
    gap = verified(
        months(1, 12) + "TRUNCATE notes; ALTER TABLE events DETACH PARTITION events_7; DROP TABLE events_7;",
        history=history,
    )
    assert ("partition-lost", "public.events_7") in failures(gap)


def test_a_manifest_taken_with_the_dump_is_exact(
    verified: Verified, built: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, database = built(SHOP)
    pg_dump = str(source.install.bindir / "pg_dump")
    output = tmp_path / "shop.dump"
    assert write_manifest([pg_dump, "-Fc", f"--file={output}", "-d", source.dsn(database)]) == 0
    document = json.loads((tmp_path / "shop.dump.inventory.json").read_text())
    assert output.read_bytes()[:5] == b"PGDMP"
    assert document["inventory"]["tables"]["public.orders"]["rows"] == 5000
    assert "2 tables" in capfd.readouterr().err
    assert rules(verified(SHOP, manifest=document)) == {"baseline-started"}
    short = verified(SHOP + "DELETE FROM orders WHERE id = 7;", manifest=document)
    assert failures(short) == {("manifest-mismatch", "public.orders")}


def test_a_dump_that_fails_leaves_no_manifest(built: Any, tmp_path: Path) -> None:
    source, database = built(SHOP)
    pg_dump = str(source.install.bindir / "pg_dump")
    output = tmp_path / "nowhere" / "shop.dump"
    assert write_manifest([pg_dump, "-Fc", "-f", str(output), source.dsn(database)]) != 0
    assert not list(tmp_path.rglob("*.json"))


def test_a_source_that_cannot_be_reached_is_said_and_no_dump_begins(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        write_manifest(["pg_dump", "-f", str(tmp_path / "x"), "-h", str(tmp_path), "-d", "nobody"])


# --- freshness


def fresh(
    source: Source, database: str, column: str, table: str = "public.orders", **keys: Any
) -> tuple[float | None, Checked]:
    expect = {"freshness": {"table": table, "column": column, "max_age": "26h"}} | keys
    return measure_freshness(
        context_of(source.sandbox, restored_of(database), target=target_of(expect=expect))
    )


def test_the_newest_row_is_fresh_or_stale_by_the_moment_that_is_judged(built: Any) -> None:
    source, database = built(SHOP)
    age_s, seen = fresh(source, database, "placed_at")
    assert age_s == 3660
    assert check(seen, "freshness").outcome is Outcome.PASSED
    target = target_of(
        expect={"freshness": {"table": "public.orders", "column": "placed_at", "max_age": "26h"}}
    )
    later = NOW + timedelta(days=9)
    age_s, seen = measure_freshness(
        context_of(source.sandbox, restored_of(database), target=target, as_of=later)
    )
    assert age_s == 9 * 86400 + 3660
    assert failures(seen) == {("content-stale", "public.orders.placed_at")}


@pytest.mark.parametrize(
    ("kind", "value", "age_s"),
    [
        ("timestamptz", "2026-03-31 04:00+02", 4 * 3600),
        ("timestamp", "2026-03-31 04:00", 2 * 3600),
        ("date", "2026-03-30", 6 * 3600),
        ("date", "2026-03-31", 0),
        ("stamp", "2026-03-31 04:00+00", 2 * 3600),
    ],
)
def test_every_kind_of_date_is_read_and_rows_of_the_future_are_not(
    built: Any, kind: str, value: str, age_s: float
) -> None:
    source, database = built(
        f"CREATE DOMAIN stamp AS timestamptz; CREATE TABLE t (at {kind});"
        f"INSERT INTO t VALUES ('{value}'), ('2031-01-01'), ('infinity'), ('-infinity'), (NULL),"
        " ('2020-01-01')"
    )
    measured, seen = fresh(source, database, "at", "public.t")
    assert measured == age_s
    assert failures(seen) == set()
    assert rules(seen) == {"content-in-future"}


@pytest.mark.parametrize("rows", ["", "INSERT INTO t VALUES (NULL), (NULL);"])
def test_a_table_without_a_date_is_stale(built: Any, rows: str) -> None:
    source, database = built(f"CREATE TABLE t (at timestamptz); {rows}")
    age_s, seen = fresh(source, database, "at", "public.t")
    assert age_s is None
    assert failures(seen) == {("content-stale", "public.t.at")}


@pytest.mark.parametrize(
    ("table", "column"), [("public.typo", "at"), ("public.orders", "typo"), ("public.orders", "id")]
)
def test_a_column_that_is_not_there_or_no_date_is_inconclusive(built: Any, table: str, column: str) -> None:
    source, database = built(SHOP)
    age_s, seen = fresh(source, database, column, table)
    assert age_s is None
    assert rules(seen) == {"freshness-unknown"}
    assert check(seen, "freshness").outcome is Outcome.NOT_RUN


def test_a_required_table_that_is_gone_is_the_backups_fault(built: Any) -> None:
    source, database = built(SHOP)
    _, seen = fresh(source, database, "at", "public.gone", required_tables=["public.gone"])
    assert failures(seen) == {("required-table-missing", "public.gone")}


def test_no_freshness_is_not_configured(built: Any) -> None:
    source, database = built(SHOP)
    age_s, seen = measure_freshness(context_of(source.sandbox, restored_of(database)))
    assert age_s is None
    assert check(seen, "freshness").outcome is Outcome.NOT_CONFIGURED


# --- suites


def test_a_suite_is_run_and_judged(built: Any, tmp_path: Path) -> None:
    source, database = built(SHOP)
    inventory = take_inventory(source.sandbox, database)
    suite = tmp_path / "shop.yaml"
    suite.write_text(
        "suite: shop\ntables:\n  public.orders:\n"
        "    - {type: expect_column_values_to_not_be_null, kwargs: {column: customer}}\n"
        "    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 6000}}\n"
        "  public.typo:\n    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}\n"
    )
    target = target_of(expect={"suite": str(suite)})
    context = context_of(
        source.sandbox, restored_of(database), inventory=inventory, target=target, deadline_s=120
    )
    done = check_suite(context)
    assert {rule for rule, _ in failures(done.seen)} == {"expectation-failed", "suite-table-unknown"}
    assert [one.outcome for one in done.seen.checks] == [Outcome.PASSED, Outcome.FAILED, Outcome.NOT_RUN]
    assert set(done.results) == {"shop"}
    assert done.sha256


def test_no_suite_is_not_configured(built: Any) -> None:
    source, database = built(SHOP)
    inventory = take_inventory(source.sandbox, database)
    done = check_suite(context_of(source.sandbox, restored_of(database), inventory=inventory))
    assert check(done.seen, "suite").outcome is Outcome.NOT_CONFIGURED
