"""Where each kind of damage can be done, and where it cannot."""

from __future__ import annotations

from dataclasses import replace

from tasks.mutants.damage import Damage, salt_of
from tasks.mutants.operators import KINDS, STRUCTURE, candidates
from tasks.mutants.schema import Schema
from tests.unit.mutants.schemas import SHOP

FOUND = candidates(SHOP, seed=1)


def places(kind: str) -> set[tuple[str, str | None]]:
    return {(one.table, one.column) for one in FOUND[kind]}


def test_only_nullable_columns_that_can_be_written_are_nulled() -> None:
    assert places("column-nulled") == {
        ("public.customers", "balance"),
        ("public.customers", "extra"),
        ("public.Gift Orders", "note"),
        ("public.events", "customer_id"),
        ("public.events", "kind"),
    }


def test_generated_columns_keys_and_partition_keys_keep_their_values() -> None:
    assert places("text-scrambled") == {("public.customers", "email"), ("public.Gift Orders", "note")}
    assert places("wrong-unit") == {
        ("public.customers", "balance"),
        ("public.Gift Orders", "amount"),
        ("public.events", "customer_id"),
    }
    assert places("times-moved-day") == {("public.Gift Orders", "placed_at")}


def test_what_cannot_be_compared_is_not_shifted() -> None:
    assert ("public.customers", "extra") not in places("values-shifted")


def test_rows_are_not_duplicated_where_a_key_forbids_it() -> None:
    assert {table for table, _ in places("rows-duplicated")} == {"public.Gift Orders", "public.events"}
    (orders,) = (one for one in FOUND["rows-duplicated"] if one.table == "public.Gift Orders")
    assert '"id"' not in text(orders).partition("SELECT")[0], "the duplicates need numbers of their own"


def test_orphans_are_made_by_foreign_keys_and_by_names() -> None:
    assert places("orphans") == {("public.Gift Orders", "customer_id"), ("public.events", "customer_id")}


def test_only_a_partition_from_the_middle_is_lost() -> None:
    assert [text(one) for one in FOUND["partition-lost"]] == ['DROP TABLE "public"."events_2"']


def test_an_index_behind_a_key_is_dropped_with_the_key_alone() -> None:
    assert [one.what for one in FOUND["index-dropped"]] == ["the index orders_placed dropped"]


def test_a_partitioned_table_is_damaged_whole_and_any_other_only_itself() -> None:
    statements = {one.table: text(one) for one in FOUND["table-emptied"]}
    assert statements["public.events"].startswith('DELETE FROM "public"."events"')
    assert statements["public.Gift Orders"].startswith('DELETE FROM ONLY "public"."Gift Orders"')


def test_a_damage_touches_its_partitions_too() -> None:
    for one in FOUND["wrong-unit"]:
        if one.table == "public.events":
            assert "public.events_3" in one.touched


def test_dropping_a_primary_key_touches_the_tables_whose_keys_go_with_it() -> None:
    (dropped,) = (one for one in FOUND["constraint-dropped"] if "customers_pkey" in one.what)
    assert "public.Gift Orders" in dropped.touched


def test_a_database_in_another_encoding_has_no_utf8_to_damage() -> None:
    assert candidates(replace(SHOP, utf8=False), 1)["encoding-damaged"] == []


def test_an_empty_schema_has_nothing_to_damage() -> None:
    assert not any(candidates(Schema({}), 1).values())


def test_rows_are_chosen_by_seed_kind_table_and_column() -> None:
    salts = {
        salt_of(1, "a", "t", "c"),
        salt_of(2, "a", "t", "c"),
        salt_of(1, "b", "t", "c"),
        salt_of(1, "a", "t", None),
    }
    assert len(salts) == 4
    assert salt_of(1, "a", "t", "c") == salt_of(1, "a", "t", "c")


def test_every_kind_knows_whether_rows_and_values_change() -> None:
    for kind in KINDS:
        for one in FOUND[kind]:
            if kind not in STRUCTURE and kind != "partition-lost":
                assert one.content, kind


def text(damage: Damage) -> str:
    return damage.attempts[0].as_string(None)
