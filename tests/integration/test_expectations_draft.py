"""Drafted suites hold on the backup they came from and on the next healthy one, and not on damaged ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expectations.drafting import Drafted, draft_suite
from expectations.loader import parse_suite
from expectations.profile import Profile, profile_database
from expectations.results import Outcome, SuiteResult
from expectations.runner import run_suite
from expectations.yaml_text import read_yaml
from tests.fix_postgres import Source

AS_OF = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
CANARY = "CANARY-4471"
HEALTHY = f"""
CREATE TYPE public.channel AS ENUM ('web', 'shop');
CREATE TABLE public.customers (
    id int PRIMARY KEY, email text NOT NULL, full_name text, city text, salary numeric, joined date);
INSERT INTO customers
  SELECT i, 'user' || i || '@example.com', '{CANARY} ' || i,
         initcap(translate((i %% 97)::text, '0123456789', 'abcdefghij')) || ' Town', 30000 + i,
         date '2020-01-01' + i %% 2000
    FROM generate_series(1, 600) i;
CREATE TABLE public.orders (
    id bigint, customer_id int, status text NOT NULL, channel public.channel, amount numeric(12,2),
    reference uuid, note text, placed_at timestamptz NOT NULL) PARTITION BY RANGE (placed_at);
CREATE TABLE public.orders_01 PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE public.orders_02 PARTITION OF orders FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE public.orders_03 PARTITION OF orders FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
ALTER TABLE orders ADD PRIMARY KEY (id, placed_at);
CREATE FUNCTION public.fill(first int, last int, newest timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO public.orders
    SELECT i, 1 + i %% 600, (array['new','paid','shipped'])[1 + i %% 3],
           (array['web','shop'])[1 + i %% 2]::public.channel, 10 + (i * 37 %% 9000) / 100.0,
           gen_random_uuid(), case when i %% 4 = 0 then null else 'Leave at the Door' end,
           newest - (last - i) * interval '15 minutes'
      FROM generate_series(first, last) i $$;
SELECT public.fill(1, 5000, '2026-03-04 10:00+00');
CREATE TABLE public.job_queue (id int PRIMARY KEY, payload text);
INSERT INTO job_queue SELECT i, 'x' FROM generate_series(1, 300) i;
CREATE TABLE public.ledger (id int, booked timestamp NOT NULL) PARTITION BY RANGE (booked);
CREATE TABLE public.ledger_1 PARTITION OF ledger FOR VALUES FROM ('2020-01-01') TO ('2020-07-01');
CREATE TABLE public.ledger_2 PARTITION OF ledger FOR VALUES FROM ('2020-07-01') TO ('2021-01-01');
CREATE TABLE public.ledger_3 PARTITION OF ledger FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO ledger SELECT i, timestamp '2020-02-01' + i * interval '9 minutes'
  FROM generate_series(1, 2000) i;
INSERT INTO ledger SELECT i, timestamp '2020-08-01' + i * interval '1 hour' FROM generate_series(1, 60) i;
INSERT INTO ledger SELECT i, timestamp '2021-05-01' + i * interval '1 hour' FROM generate_series(1, 60) i;
CREATE TABLE public.nothing (id int);
ANALYZE;
""".replace("%%", "%")
NEXT_DAY = """
SELECT public.fill(5001, 5090, '2026-03-05 09:00+00');
INSERT INTO customers
  SELECT i, 'user' || i || '@example.org', 'Somebody New', 'New Town', 30000 + i, date '2026-03-05'
    FROM generate_series(601, 620) i;
DELETE FROM orders WHERE id % 400 = 0;
UPDATE orders SET note = NULL WHERE id % 100 = 3;
UPDATE orders SET status = 'returned' WHERE id % 250 = 7;
TRUNCATE job_queue;
"""
DAMAGE = {
    "scrambled text": "UPDATE customers SET email = md5(email), city = md5(city)",
    "scrambled sensitive text": "UPDATE customers SET email = reverse(email) || '#'",
    "scrambled categories": "UPDATE orders SET status = md5(id::text)",
    "a flood of NULLs": "UPDATE orders SET note = NULL",
    "half a flood of NULLs": "UPDATE orders SET amount = NULL WHERE id % 2 = 0",
    "amounts in cents": "UPDATE orders SET amount = amount * 100",
    "amounts in thousands": "UPDATE orders SET amount = amount / 1000",
    "a partition emptied in the middle": "TRUNCATE orders_02",
    "the last partition emptied": "TRUNCATE orders_03",
    "the first partition detached": "ALTER TABLE orders DETACH PARTITION orders_01",
    "a small partition emptied in the middle of a quiet table": "TRUNCATE ledger_2",
    "the small last partition of a quiet table emptied": "TRUNCATE ledger_3",
    "the times of a quiet table moved": (
        "UPDATE ledger SET booked = booked - interval '50 days' WHERE booked > '2020-08-01'"
    ),
    "a category lost": "DELETE FROM orders WHERE status = 'paid'",
    "newest rows lost": "DELETE FROM orders WHERE id > 4500",
    "rows lost everywhere": "DELETE FROM customers WHERE id % 8 = 0",
    "timestamps in the future": (
        "CREATE TABLE orders_28 PARTITION OF orders FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');"
        "UPDATE orders SET placed_at = placed_at + interval '2 years' WHERE id > 4900"
    ),
    "wrong encoding": "UPDATE customers SET city = convert_from(convert_to(city || 'é', 'UTF8'), 'LATIN1')",
    "a column dropped": "ALTER TABLE customers DROP COLUMN city",
    "a table dropped": "DROP TABLE customers CASCADE",
    "rows twice": (
        "ALTER TABLE customers DROP CONSTRAINT customers_pkey;"
        "INSERT INTO customers SELECT * FROM customers WHERE id < 300"
    ),
    "orphans": "DELETE FROM customers WHERE id = 17",
}


@pytest.fixture(scope="module")
def shop(cluster: Callable[[int], Source]) -> Iterator[Source]:
    source = cluster(17)
    source.create_database("healthy")
    source.execute(HEALTHY, "healthy")
    yield source
    for name in ("healthy", "mutant"):
        with source.connect() as session:
            session.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def profiled(shop: Source) -> Profile:
    return profile_database(shop.dsn("healthy", "drill_reader"), as_of=AS_OF)


@pytest.fixture(scope="module")
def drafted(shop: Source, profiled: Profile) -> Drafted:
    return draft_suite("shop", [profiled], url=shop.dsn("healthy", "drill_reader"))


def mutant(shop: Source, statements: str) -> str:
    shop.create_database("mutant", options="TEMPLATE healthy")
    shop.execute(statements, "mutant")
    return shop.dsn("mutant", "drill_reader")


def judge(drafted: Drafted, dsn: str, as_of: datetime = AS_OF) -> SuiteResult:
    return run_suite(parse_suite(drafted.proposal.text, Path("shop.yaml")), dsn, as_of=as_of)


def not_passed(result: SuiteResult) -> list[str]:
    return [
        f"{one.name}: {one.message or one.observed}"
        for one in result.results
        if one.outcome is not Outcome.PASSED
    ]


def test_the_draft_holds_on_its_own_backup(shop: Source, drafted: Drafted) -> None:
    assert drafted.dropped == ()
    assert drafted.unread == ()
    assert not_passed(judge(drafted, shop.dsn("healthy", "drill_reader"))) == []


def test_the_draft_reports_only(drafted: Drafted) -> None:
    assert read_yaml(drafted.proposal.text).data["gate"] == "report"


def test_the_draft_holds_on_the_next_healthy_backup(shop: Source, drafted: Drafted) -> None:
    dsn = mutant(shop, NEXT_DAY)
    assert not_passed(judge(drafted, dsn, AS_OF + timedelta(days=1, hours=2))) == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_caught(shop: Source, drafted: Drafted, damage: str) -> None:
    assert not_passed(judge(drafted, mutant(shop, DAMAGE[damage])))


def test_no_value_of_a_sensitive_column_is_in_the_file(drafted: Drafted) -> None:
    text = drafted.proposal.text
    assert CANARY not in text
    assert "example.com" not in text
    assert not any(f"column: {name}, min_value" in text for name in ("salary", "joined_birth"))


def test_each_entry_says_why_and_what_was_seen(drafted: Drafted) -> None:
    tables = read_yaml(drafted.proposal.text).data["tables"]
    for entries in tables.values():
        for entry in entries:
            assert entry["meta"]["why"]
            assert entry["meta"]["observed"]


def test_several_points_widen_the_bands(shop: Source, profiled: Profile) -> None:
    later = profile_database(
        mutant(shop, "DELETE FROM orders WHERE id % 2 = 0"), as_of=AS_OF + timedelta(days=1)
    )
    one, several = draft_suite("shop", [profiled]), draft_suite("shop", [profiled, later])

    def floor(drafted: Drafted) -> object:
        entries = read_yaml(drafted.proposal.text).data["tables"]["public.orders"]
        count = next(entry for entry in entries if entry["type"] == "expect_table_row_count_to_be_between")
        return count["kwargs"]["min_value"]["times"]

    assert floor(one) == 0.9
    assert floor(several) == 0.45


def test_drafting_again_proposes_nothing_new(profiled: Profile, drafted: Drafted, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(drafted.proposal.text)
    again = draft_suite("shop", [profiled], path=path)
    assert again.proposal.diff == ""
    assert again.proposal.text == drafted.proposal.text


def test_what_people_wrote_stays_when_the_data_moves(shop: Source, drafted: Drafted, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    mine = (
        "    # ours: see the incident of May\n"
        "    - type: expect_table_row_count_to_equal\n"
        "      kwargs: {value: 5000}\n"
    )
    text = drafted.proposal.text.replace("  public.orders:\n", "  public.orders:\n" + mine)
    path.write_text(text.replace("gate: report", "gate: fail"))
    later = profile_database(mutant(shop, NEXT_DAY), as_of=AS_OF + timedelta(days=1))
    proposal = draft_suite("shop", [later], path=path).proposal
    assert mine in proposal.text
    assert "gate: fail" in proposal.text
    assert proposal.changed
    assert "-      kwargs" in proposal.diff
    parse_suite(proposal.text, path)


def test_a_database_in_another_encoding_is_profiled(shop: Source) -> None:
    shop.create_database("mutant", options="TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, title text); INSERT INTO t"
        " SELECT i, 'Title ' || chr(233) FROM generate_series(1, 300) i; ANALYZE",
        "mutant",
    )
    dsn = shop.dsn("mutant", "drill_reader")
    made = draft_suite("latin", [profile_database(dsn, as_of=AS_OF)], url=dsn)
    assert made.unread == ()
    assert made.dropped == ()
