"""Each kind of damage really does what it says, on a real server, and the same again under the same seed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from tasks.checks import take_inventory
from tasks.checks.breaches import broken_keys
from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox
from tasks.mutants.clones import copied, make_copy, refresh_views
from tasks.mutants.damage import Damage, Void, inflict
from tasks.mutants.operators import KINDS, candidates
from tasks.mutants.redump import dump_again
from tasks.mutants.schema import Schema, read_schema
from tasks.sandbox import connect
from tests.fix_postgres import Source

MAJOR = 17
LIMIT_S = 60.0
SHOP = """
CREATE TYPE public.channel AS ENUM ('web', 'shop');
CREATE TABLE public.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, name text,
    initial text GENERATED ALWAYS AS (left(name, 1)) STORED);
CREATE TABLE public.orders (
    id serial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES public.customers,
    amount numeric(12,2) NOT NULL, small smallint NOT NULL, note text, channel public.channel,
    placed_at timestamptz NOT NULL, CHECK (amount >= 0));
CREATE TABLE public.visits (customer_id int, at date NOT NULL, page varchar(8)) PARTITION BY RANGE (at);
CREATE TABLE public.visits_1 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE public.visits_2 PARTITION OF visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE public.visits_3 PARTITION OF visits FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE INDEX orders_placed ON public.orders (placed_at);
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a trigger ran'; END $$;
INSERT INTO public.customers (email, name)
  SELECT 'c' || i || '@example.com', case when i %% 2 = 0 then 'Zoë ' || i else 'Anna ' || i end
    FROM generate_series(1, 300) i;
INSERT INTO public.orders (customer_id, amount, small, note, channel, placed_at)
  SELECT 1 + i %% 300, 1 + i %% 90, 20000, 'Note ' || i, 'web',
         timestamptz '2026-03-20 12:00+00' - i * interval '1 hour'
    FROM generate_series(1, 1000) i;
INSERT INTO public.visits
  SELECT 1 + i %% 300, date '2026-01-01' + i %% 89, 'page' || i %% 7 FROM generate_series(1, 900) i;
CREATE TRIGGER stay BEFORE UPDATE OR DELETE OR INSERT ON public.orders
  FOR EACH ROW EXECUTE FUNCTION public.refuse();
CREATE MATERIALIZED VIEW public.totals AS SELECT count(*) AS orders, sum(amount) AS amount FROM public.orders;
CREATE VIEW public.names AS SELECT name FROM public.customers;
""".replace("%%", "%")


@dataclass(frozen=True)
class Shop:
    """A database in a sandbox, as a restore leaves it."""

    sandbox: Sandbox
    database: str
    schema: Schema

    def find(self, kind: str, table: str, column: str | None = None, seed: int = 1, at: int = 0) -> Damage:
        every = candidates(self.schema, seed)[kind]
        return [one for one in every if (one.table, one.column) == (f"public.{table}", column)][at]

    def ask(self, database: str, query: str) -> Any:
        with connect(self.sandbox, database, self.sandbox.reader) as session:
            row = session.execute(query.encode()).fetchone()
        assert row is not None
        return row[0] if len(row) == 1 else row


@pytest.fixture(scope="module")
def shop(cluster: Callable[[int], Source]) -> Iterator[Shop]:
    source = cluster(MAJOR)
    name = f"mutants_{uuid.uuid4().hex[:8]}"
    owner = sql.Identifier(source.sandbox.owner)
    with source.connect() as session:
        session.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), owner))
    with source.connect(name, source.sandbox.owner) as session:
        session.execute(SHOP.encode())
    inventory = take_inventory(source.sandbox, name)
    with connect(source.sandbox, name) as ours:
        schema = read_schema(ours, inventory.tables)
    yield Shop(source.sandbox, name, schema)
    with source.connect() as session:
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def damaged(shop: Shop) -> Iterator[Callable[[Damage], tuple[str, int | None]]]:
    """Do a damage in a copy of its own; give the copy's name and the rows that were touched."""
    copies: list[str] = []

    def run(damage: Damage) -> tuple[str, int | None]:
        copies.append(f"{shop.database}_{len(copies)}")
        make_copy(shop.sandbox, shop.database, copies[-1])
        return copies[-1], inflict(shop.sandbox, copies[-1], damage, LIMIT_S)

    yield run
    with connect(shop.sandbox) as ours:
        for name in copies:
            ours.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


Damaged = Callable[[Damage], tuple[str, int | None]]
DONE: dict[tuple[str, str, str | None], tuple[str, Any]] = {
    ("table-emptied", "orders", None): ("SELECT count(*) FROM orders", 0),
    ("rows-deleted-newest", "orders", "placed_at"): (
        "SELECT count(*), max(placed_at) < '2026-03-16 12:00+00' FROM orders",
        (900, True),
    ),
    ("rows-deleted-newest", "visits", "at"): ("SELECT count(*) < 820 AND count(*) > 790 FROM visits", True),
    ("rows-deleted-range", "orders", "placed_at"): (
        "SELECT count(*), min(id), max(id) FROM orders",
        (800, 1, 1000),
    ),
    ("rows-duplicated", "orders", None): (
        "SELECT count(*) > count(DISTINCT (placed_at, note)), count(*) = count(DISTINCT id) FROM orders",
        (True, True),
    ),
    ("column-nulled", "orders", "note"): ("SELECT count(note) FROM orders", 0),
    ("text-scrambled", "orders", "note"): (
        "SELECT count(*) FILTER (WHERE note LIKE 'Note %'), sum(length(note)) FROM orders",
        (0, 7893),
    ),
    ("text-scrambled", "customers", "email"): (
        "SELECT count(*) FILTER (WHERE email LIKE '%@%'), count(DISTINCT email) FROM customers",
        (0, 300),
    ),
    ("wrong-unit", "orders", "amount"): ("SELECT min(amount), max(amount) FROM orders", (100, 9000)),
    ("values-shifted", "orders", "note"): (
        "SELECT sum(CASE WHEN note = 'Note ' || id - 1 THEN 1 ELSE 0 END), count(note) FROM orders",
        (999, 1000),
    ),
    ("times-moved-far", "orders", "placed_at"): (
        "SELECT max(placed_at) < '2026-02-09' AND min(placed_at) > '2025-12-01' FROM orders",
        True,
    ),
    ("encoding-damaged", "customers", "name"): (
        "SELECT count(*) FILTER (WHERE name LIKE 'ZoÃ« %') FROM customers",
        150,
    ),
    ("sequence-set-back", "orders", None): ("SELECT last_value, is_called FROM orders_id_seq", (1, False)),
    ("constraint-dropped", "customers", None): (
        "SELECT count(*) FROM pg_constraint WHERE conname IN ('customers_pkey', 'orders_customer_id_fkey')",
        0,
    ),
    ("index-dropped", "orders", None): ("SELECT to_regclass('orders_placed') IS NULL", True),
    ("trigger-dropped", "orders", None): ("SELECT count(*) FROM pg_trigger WHERE tgname = 'stay'", 0),
    ("table-dropped", "customers", None): ("SELECT to_regclass('customers') IS NULL", True),
    ("partition-lost", "visits", None): ("SELECT to_regclass('visits_2') IS NULL", True),
    ("orphans", "orders", "customer_id"): (
        "SELECT count(*) > 0 FROM orders WHERE customer_id NOT IN (SELECT id FROM customers)",
        True,
    ),
    ("orphans", "visits", "customer_id"): (
        "SELECT count(*) > 0 FROM visits WHERE customer_id NOT IN (SELECT id FROM customers)",
        True,
    ),
}


@pytest.mark.parametrize(("kind", "table", "column"), list(DONE))
def test_a_damage_does_what_it_says(
    shop: Shop, damaged: Damaged, kind: str, table: str, column: str | None
) -> None:
    damage = shop.find(kind, table, column)
    copy, rows = damaged(damage)
    query, expected = DONE[kind, table, column]
    assert shop.ask(copy, query) == expected
    assert (rows is None) == (not damage.content)
    assert rows != 0


SHARES = {
    ("rows-deleted-random", "orders", None): (0.2, "SELECT 1000 - count(*) FROM orders", 1000),
    ("column-nulled-partly", "orders", "note"): (0.3, "SELECT count(*) - count(note) FROM orders", 1000),
}


@pytest.mark.parametrize(("kind", "table", "column"), list(SHARES))
def test_a_share_of_the_rows_is_about_that_share(
    shop: Shop, damaged: Damaged, kind: str, table: str, column: str | None
) -> None:
    share, query, of = SHARES[kind, table, column]
    copy, rows = damaged(shop.find(kind, table, column))
    assert shop.ask(copy, query) == rows
    assert 0.7 * share * of < (rows or 0) < 1.3 * share * of


def test_the_same_seed_damages_the_same_rows_and_another_seed_others(shop: Shop, damaged: Damaged) -> None:
    left = [
        shop.ask(
            damaged(shop.find("rows-deleted-random", "orders", seed=seed))[0],
            "SELECT md5(string_agg(id::text, ',' ORDER BY id)) FROM orders",
        )
        for seed in (5, 5, 6)
    ]
    assert left[0] == left[1] != left[2]


def test_every_kind_is_tried_here() -> None:
    tried = {kind for kind, _, _ in (*DONE, *SHARES)} | {"times-moved-day"}
    assert tried == set(KINDS)


def test_a_day_is_a_day_whichever_way(shop: Shop, damaged: Damaged) -> None:
    copy, rows = damaged(shop.find("times-moved-day", "orders", "placed_at"))
    assert rows == 1000
    moved = shop.ask(
        copy, "SELECT abs(extract(epoch FROM max(placed_at) - '2026-03-20 11:00+00')) FROM orders"
    )
    assert moved == 86400


def test_what_the_database_refuses_is_no_mutant(shop: Shop, damaged: Damaged) -> None:
    with pytest.raises(Void, match="refuses"):
        damaged(shop.find("wrong-unit", "orders", "small"))  # beyond a smallint


def test_what_changes_nothing_is_no_mutant(shop: Shop, damaged: Damaged) -> None:
    with pytest.raises(Void, match="changes nothing"):
        damaged(shop.find("values-shifted", "orders", "channel"))  # all the same


def test_generated_columns_views_and_partitions_are_no_place_of_their_own(shop: Shop) -> None:
    assert set(shop.schema.tables) == {"public.customers", "public.orders", "public.visits"}
    assert not shop.schema.tables["public.customers"].columns["initial"].written
    assert {"public.visits_1", "public.orders"} <= shop.schema.plain


def test_no_trigger_of_the_dump_runs_and_nothing_runs_as_superuser(shop: Shop, damaged: Damaged) -> None:
    copy, rows = damaged(shop.find("table-emptied", "orders"))
    assert rows == 1000, "the table's own trigger would have refused"
    granted = "SELECT rolsuper FROM pg_roles WHERE rolname = 'drill_owner'"
    assert shop.ask(copy, granted) is False


def test_keys_that_a_restore_could_not_create_are_found(shop: Shop, damaged: Damaged) -> None:
    for damage in (shop.find("orphans", "orders", "customer_id"), shop.find("table-emptied", "customers")):
        copy, _ = damaged(damage)
        (key,) = broken_keys(shop.sandbox, copy, damage.touched, LIMIT_S)
        assert key.full_name == "public.orders.orders_customer_id_fkey"


def test_views_above_the_damage_are_filled_again(shop: Shop, damaged: Damaged) -> None:
    damage = shop.find("wrong-unit", "orders", "amount")
    copy, _ = damaged(damage)
    before = shop.ask(shop.database, "SELECT amount FROM totals")
    assert refresh_views(shop.sandbox, copy, damage.touched, LIMIT_S) is None
    assert shop.ask(copy, "SELECT amount FROM totals") == before * 100


def test_a_copy_has_the_databases_own_settings_and_is_gone_afterwards(shop: Shop) -> None:
    with connect(shop.sandbox) as ours:
        ours.execute(sql.SQL("ALTER DATABASE {} SET geqo TO off").format(sql.Identifier(shop.database)))
    with copied(shop.sandbox, shop.database, f"{shop.database}_once") as copy:
        assert shop.ask(copy, "SHOW geqo") == "off"
    with connect(shop.sandbox) as ours:
        left = ours.execute("SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_once'").fetchone()
    assert left == (0,)


def test_a_database_whose_bytes_are_no_text_is_dumped_anew(
    cluster: Callable[[int], Source], tmp_path: Path
) -> None:
    source = cluster(MAJOR)
    name = source.create_database("bytes", options="ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    with source.connect(name) as session:
        session.execute("CREATE TABLE public.t (word text)")
        session.execute(f"ALTER TABLE public.t OWNER TO {source.sandbox.owner}")
        session.execute("INSERT INTO public.t SELECT convert_from('\\xff'::bytea, 'SQL_ASCII')")
    dump_again(source.sandbox, name, (), tmp_path / "again.dump", LIMIT_S)
    listed = source.run("pg_restore", "-f", "-", str(tmp_path / "again.dump")).stdout
    assert b"\n\xff\n" in listed
    with pytest.raises(PermanentError, match="could not make the backup anew") as caught:
        dump_again(source.sandbox, name, ("--table=gone",), tmp_path / "none.dump", LIMIT_S)
    assert "gone" not in str(caught.value)
