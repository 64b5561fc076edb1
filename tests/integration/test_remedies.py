"""For damage that nothing saw: an expectation that holds on the healthy data and fails on the damaged."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expectations.loader import parse_suite
from expectations.remedies import Remedies
from expectations.results import Outcome
from expectations.runner import run_suite
from expectations.yaml_text import read_yaml
from tests.fix_postgres import Source

MAJOR = 17
AS_OF = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HEALTHY = """
CREATE TABLE public.clients (id int PRIMARY KEY, city text NOT NULL, salary int NOT NULL, joined date);
INSERT INTO clients SELECT i, initcap(translate((i % 97)::text, '0123456789', 'abcdefghij')) || ' Town ' || i,
    30000 + i, date '2026-01-01' + i % 60 FROM generate_series(1, 500) i;
CREATE TABLE public.orders (id int PRIMARY KEY, client_id int, amount numeric NOT NULL, note text,
    placed_at timestamptz NOT NULL, sent_at timestamptz);
INSERT INTO orders SELECT i, 1 + i % 500, 1 + i % 90, CASE WHEN i % 3 > 0 THEN 'Leave it ' || i END,
    timestamptz '2026-03-04 10:00+00' - i * interval '30 minutes', timestamptz '2026-03-04 11:00+00'
    - i * interval '30 minutes' FROM generate_series(1, 2000) i;
ANALYZE;
"""
DAMAGE = {
    ("rows-deleted-random", "orders", None): "DELETE FROM orders WHERE id % 33 = 0",
    ("rows-deleted-newest", "orders", "placed_at"): "DELETE FROM orders WHERE id <= 200",
    ("table-emptied", "orders", None): "DELETE FROM orders",
    ("column-nulled", "orders", "note"): "UPDATE orders SET note = NULL",
    ("column-nulled-partly", "orders", "note"): "UPDATE orders SET note = NULL WHERE id % 4 = 0",
    ("text-scrambled", "clients", "city"): "UPDATE clients SET city = left(md5(city), length(city))",
    ("encoding-damaged", "clients", "city"): "UPDATE clients SET city = city || 'Ã¼' WHERE id % 10 = 0",
    ("wrong-unit", "orders", "amount"): "UPDATE orders SET amount = amount * 100",
    ("times-moved-day", "orders", "placed_at"): "UPDATE orders SET placed_at = placed_at + interval '1 day'",
    ("times-moved-far", "orders", "sent_at"): "UPDATE orders SET sent_at = sent_at - interval '400 days'",
    ("values-shifted", "orders", "sent_at"): "UPDATE orders o SET sent_at = p.sent_at"
    " FROM orders p WHERE p.id = o.id + 9",
    ("rows-duplicated", "orders", None): "INSERT INTO orders SELECT id + 5000, client_id, amount, note,"
    " placed_at, sent_at FROM orders WHERE id % 9 = 0",
    ("orphans", "orders", "client_id"): "UPDATE orders SET client_id = 501 WHERE id % 50 = 0",
}
BEYOND = "UPDATE clients SET salary = salary * 100"


@dataclass(frozen=True)
class Town:
    """The healthy database, and copies of it that are damaged."""

    source: Source
    name: str

    def broken(self, damage: str) -> str:
        copy = self.source.create_database(f"{self.name}_broken", options=f"TEMPLATE {self.name}")
        self.source.execute(damage, copy)
        return self.source.dsn(copy)

    def remedies(self, **more: object) -> Remedies:
        parameters = {"public.orders": {"last_rows": 2000}, "public.clients": {"last_rows": 500}}
        return Remedies(self.source.dsn(self.name), AS_OF, parameters, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def town(cluster: Callable[[int], Source]) -> Iterator[Town]:
    source = cluster(MAJOR)
    name = source.create_database(f"remedies_{uuid.uuid4().hex[:8]}")
    source.execute(HEALTHY, name)
    yield Town(source, name)
    for database in (f"{name}_broken", name):
        source.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


@pytest.fixture(scope="module")
def shared(town: Town) -> Remedies:
    """Remedies as a self test has them: one for all its mutants."""
    return town.remedies()


def outcome(pasted: str, url: str, as_of: datetime = AS_OF) -> Outcome:
    """Judge what is pasted below `tables:`, as a reader would paste it."""
    text = "suite: pasted\ntables:\n" + "".join(f"  {line}\n" for line in pasted.splitlines())
    parameters = {"public.orders": {"last_rows": 2000}}
    (result,) = run_suite(parse_suite(text, Path("s.yaml")), url, as_of=as_of, parameters=parameters).results
    return result.outcome


@pytest.mark.parametrize(("kind", "table", "column"), list(DAMAGE))
def test_what_is_offered_holds_when_healthy_and_fails_when_damaged(
    town: Town, shared: Remedies, kind: str, table: str, column: str | None
) -> None:
    broken = town.broken(DAMAGE[kind, table, column])
    offered = shared.find(kind, f"public.{table}", column, broken)
    assert offered is not None
    assert outcome(offered, town.source.dsn(town.name)) is Outcome.PASSED
    assert outcome(offered, broken) is Outcome.FAILED


def test_a_time_bound_still_holds_when_the_drill_comes_hours_later(town: Town) -> None:
    broken = town.broken(DAMAGE["times-moved-day", "orders", "placed_at"])
    offered = town.remedies().find("times-moved-day", "public.orders", "placed_at", broken) or ""
    assert outcome(offered, town.source.dsn(town.name), AS_OF + timedelta(hours=6)) is Outcome.PASSED


def test_of_a_sensitive_column_no_value_is_offered(town: Town) -> None:
    assert town.remedies().find("wrong-unit", "public.clients", "salary", town.broken(BEYOND)) is None
    scrambled = town.broken(DAMAGE["text-scrambled", "clients", "city"])
    hidden = town.remedies(sensitive=("public.clients.*",))
    offered = hidden.find("text-scrambled", "public.clients", "city", scrambled) or ""
    (entry,) = read_yaml(offered).data["public.clients"]
    assert entry["type"] == "expect_column_values_to_match_regex"


def test_that_there_is_no_remedy_is_an_answer(town: Town) -> None:
    same = town.broken("SELECT")
    assert town.remedies().find("values-shifted", "public.orders", "amount", same) is None
    assert town.remedies().find("table-emptied", "public.unknown", None, same) is None
