"""The inventory of a real database: the catalogue's names, exact rows, nothing that is not the user's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.checks.inventory import take_inventory
from tasks.model.errors import PermanentError
from tasks.model.inventory import Inventory
from tests.corpus.application import ROLES, application_sql
from tests.fix_postgres import Source, running_source

MAJORS = [14, 17]


@pytest.fixture(scope="module", params=MAJORS)
def application(request: pytest.FixtureRequest, cluster: Callable[[int], Source]) -> Source:
    source = cluster(request.param)
    source.create_database("application")
    with source.connect() as session:
        if session.execute("SELECT FROM pg_roles WHERE rolname = 'shop_owner'").fetchone() is None:
            source.execute(ROLES)
    source.execute(application_sql(request.param), "application")
    return source


@pytest.fixture(scope="module")
def held(application: Source) -> Inventory:
    return take_inventory(application.sandbox, "application")


def test_every_table_is_counted_exactly(held: Inventory) -> None:
    rows = {name: figures.rows for name, figures in held.tables.items()}
    assert rows["shop.customers"] == 505
    assert rows["shop.products"] == 50
    assert rows["public.Gift Cards"] == 2
    assert rows['Odd Schéma "x" -- y.tab"le; $$'] == 2
    assert rows["shop.empty_table"] == 0
    assert rows["shop.sessions"] == 1
    assert None not in rows.values()


def test_row_security_does_not_hide_rows_from_the_count(application: Source, held: Inventory) -> None:
    with application.connect("application") as session:
        assert session.execute(
            "SELECT relforcerowsecurity FROM pg_class WHERE relname = 'customers'"
        ).fetchone() == (True,)
    assert held.tables["shop.customers"].rows == 505


def test_a_partitioned_table_counts_its_partitions_at_every_level(held: Inventory) -> None:
    tables = held.tables
    assert tables["shop.orders"].rows == 4000
    assert tables["shop.orders_2025"].rows == sum(
        tables[f"shop.orders_2025_{part}"].rows or 0 for part in (0, 1)
    )
    leaves = ("shop.orders_2024", "shop.orders_2025_0", "shop.orders_2025_1", "shop.orders_rest")
    assert sum(tables[leaf].rows or 0 for leaf in leaves) == 4000
    assert (tables["shop.orders_2024"].partition_of, tables["shop.orders_2024"].partition_rank) == (
        "shop.orders",
        0,
    )
    assert tables["shop.orders_2025"].partition_rank == 1
    assert tables["shop.orders_rest"].partition_rank is None
    assert tables["shop.orders_2025_0"].partition_of == "shop.orders_2025"


def test_an_inherited_table_counts_its_own_rows_only(held: Inventory) -> None:
    assert held.tables["shop.vehicles"].rows == 1
    assert held.tables["shop.cars"].rows == 1
    assert held.tables["shop.cars"].partition_of is None


def test_foreign_tables_are_neither_listed_nor_read(held: Inventory) -> None:
    assert not any("far_away" in name for name in held.tables)


def test_constraints_are_named_without_not_null_entries(held: Inventory) -> None:
    names = held.objects["constraints"]
    assert "shop.customers.customers_pkey" in names
    assert "shop.products.products_price_check" in names
    assert "shop.bookings.bookings_during_excl" in names
    assert "shop.logs.logs_product" in names
    assert not any(name.endswith("_not_null") for name in names)


def test_keys_are_the_primary_unique_and_foreign_keys_of_their_own(held: Inventory) -> None:
    assert held.keys is not None
    assert {"shop.customers.customers_pkey", "shop.customers.customers_mail_key"} <= set(held.keys)
    assert {"shop.orders.orders_customer_fkey", "shop.logs.logs_product"} <= set(held.keys)
    assert "shop.logs.logs_line" not in held.keys
    assert not any(key.startswith("shop.orders_2024.") for key in held.keys)


def test_types_are_the_users_own(held: Inventory) -> None:
    assert set(held.objects["types"]) == {
        "shop.mood",
        "shop.pair",
        "shop.span",
        "shop.positive",
        "shop.email",
    }


def test_functions_are_named_once_and_without_those_of_extensions(held: Inventory) -> None:
    functions = held.objects["functions"]
    assert {"shop.tax", "shop.archive", "shop.total_of", "shop.touch"} <= set(functions)
    assert len(functions) == len(set(functions))
    assert not any("hstore" in name or "citext" in name or "trgm" in name for name in functions)


def test_the_other_kinds_are_listed_by_their_names(held: Inventory) -> None:
    objects = held.objects
    assert "shop.best" in objects["matviews"]
    assert {"shop.order_totals", "shop.cycle_a"} <= set(objects["views"])
    assert {"shop.numbers", "shop.customers_id_seq", "shop.products_id_seq"} <= set(objects["sequences"])
    assert "plpgsql" not in objects["extensions"]
    assert set(objects["extensions"]) == {"citext", "hstore", "pg_trgm", "postgres_fdw"}
    assert set(objects["policies"]) == {"shop.customers.own_rows", "shop.customers.all_rows"}
    assert {"shop.customers.asleep", "shop.products.later"} <= set(objects["triggers"])
    assert {"shop.customers_pkey", "shop.best_id", "shop.orders_by_customer"} <= set(objects["indexes"])


def test_large_objects_are_counted_with_their_bytes(held: Inventory) -> None:
    assert held.large_objects == 5
    assert held.large_object_bytes == 5 * len("photo 1")


def test_counts_off_leaves_every_row_uncounted(application: Source) -> None:
    held = take_inventory(application.sandbox, "application", counts="off")
    assert {figures.rows for figures in held.tables.values()} == {None}
    assert held.tables["shop.customers"].bytes


def test_a_table_that_cannot_be_counted_is_left_without_rows(tmp_path: Path) -> None:
    with running_source(tmp_path, 18) as source:  # its own: a cluster without a file makes no checkpoint
        source.create_database("damaged")
        source.execute("CREATE TABLE good AS SELECT 1; CREATE TABLE bad AS SELECT 2; CHECKPOINT", "damaged")
        with source.connect("damaged") as session:
            (path,) = session.execute("SELECT pg_relation_filepath('bad')").fetchone() or ("",)
        (source.sandbox.workspace.data_dir / path).unlink()
        held = take_inventory(source.sandbox, "damaged")
    assert held.tables["public.good"].rows == 1
    assert held.tables["public.bad"].rows is None


def test_hundreds_of_small_tables_are_counted_in_few_statements(cluster: Callable[[int], Source]) -> None:
    source = cluster(18)
    source.create_database("many")
    source.execute(
        "DO $$ BEGIN FOR i IN 1..450 LOOP"
        " EXECUTE format('CREATE TABLE t%s AS SELECT generate_series(1, %s)', i, i); END LOOP; END $$",
        "many",
    )
    held = take_inventory(source.sandbox, "many")
    assert {name: figures.rows for name, figures in held.tables.items()} == {
        f"public.t{i}": i for i in range(1, 451)
    }


def test_a_users_table_in_an_extensions_schema_is_listed_and_members_are_not(
    cluster: Callable[[int], Source],
) -> None:
    source = cluster(18)
    source.create_database("schemas")
    source.execute(
        "CREATE SCHEMA ext; CREATE EXTENSION pg_stat_statements SCHEMA ext;"
        "CREATE TABLE ext.mine (id int PRIMARY KEY)",
        "schemas",
    )
    held = take_inventory(source.sandbox, "schemas")
    assert set(held.tables) == {"ext.mine"}
    assert held.objects["views"] == ()
    assert held.objects["functions"] == ()


def test_an_inventory_that_takes_too_long_is_no_verdict_on_the_backup(
    cluster: Callable[[int], Source],
) -> None:
    source = cluster(18)
    source.create_database("slow")
    with pytest.raises(PermanentError) as late:
        take_inventory(source.sandbox, "slow", deadline_s=0.0)
    assert late.value.rule == "stage-deadline"


def test_a_database_that_is_not_there_is_the_sandboxs_fault(cluster: Callable[[int], Source]) -> None:
    with pytest.raises(PermanentError) as gone:
        take_inventory(cluster(18).sandbox, "nowhere")
    assert gone.value.rule == "postgres-failed"
