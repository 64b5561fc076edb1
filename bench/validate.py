"""Validation: twenty expectations on a million rows against one hand-written query; many tables at once."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg

from bench.source import HOUR_S, make_database, open_sandbox
from bench.timing import ratio, seconds, timed
from expectations.loader import parse_suite
from expectations.results import Outcome
from expectations.runner import run_suite, warm_up
from expectations.suite import Suite
from tasks.model.sandbox import Sandbox
from tasks.sandbox import connect, destroy, dsn, url

ROWS_PER_MIB = 1000
TABLES = 8
ROWS_TINY = 100
GOAL = 1.8

_COLUMNS = """(id bigint NOT NULL, customer_id bigint NOT NULL, status text NOT NULL,
    amount numeric(10,2) NOT NULL, tax numeric(10,2), currency text NOT NULL, note text, address text,
    paid_at timestamptz, placed_at timestamptz NOT NULL)"""
_ROWS = """
SELECT i, 1 + i % 1000, (ARRAY['new','paid','sent'])[1 + i % 3], (i % 9000) / 10.0, (i % 900) / 10.0,
       (ARRAY['EUR','USD'])[1 + i % 2], md5(i::text), 'Street ' || i, now() - i * interval '1 second',
       now() - i * interval '1 second'
  FROM generate_series(1, {rows}) i
"""
_EXPECTATIONS = """
    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: id}}
    - {type: expect_column_values_to_be_unique, kwargs: {column: id}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: customer_id}}
    - {type: expect_column_values_to_be_between, kwargs: {column: customer_id, min_value: 1, max_value: 1000}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: status}}
    - {type: expect_column_values_to_be_in_set, kwargs: {column: status, value_set: [new, paid, sent]}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: amount}}
    - {type: expect_column_values_to_be_between, kwargs: {column: amount, min_value: 0, max_value: 1000}}
    - {type: expect_column_mean_to_be_between, kwargs: {column: amount, min_value: 0, max_value: 1000}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: tax}}
    - {type: expect_column_max_to_be_between, kwargs: {column: tax, max_value: 100}}
    - {type: expect_column_values_to_be_in_set, kwargs: {column: currency, value_set: [EUR, USD]}}
    - {type: expect_column_values_to_match_regex, kwargs: {column: note, regex: "^[0-9a-f]+$"}}
    - {type: expect_column_value_lengths_to_equal, kwargs: {column: note, value: 32}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: address}}
    - {type: expect_column_value_lengths_to_be_between, kwargs: {column: address, max_value: 40}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: paid_at}}
    - {type: expect_column_max_to_be_between, kwargs: {column: placed_at, min_value: {as_of: -26h}}}
    - {type: expect_column_min_to_be_between, kwargs: {column: placed_at, max_value: {as_of: 0h}}}
"""
_BY_HAND = """
SELECT count(*) >= 1, count(*) FILTER (WHERE id IS NULL), count(id),
       count(*) FILTER (WHERE customer_id IS NULL),
       count(*) FILTER (WHERE NOT customer_id BETWEEN 1 AND 1000),
       count(*) FILTER (WHERE status IS NULL),
       count(*) FILTER (WHERE status NOT IN ('new', 'paid', 'sent')),
       count(*) FILTER (WHERE amount IS NULL),
       count(*) FILTER (WHERE NOT amount BETWEEN 0 AND 1000), avg(amount),
       count(*) FILTER (WHERE tax IS NULL), max(tax),
       count(*) FILTER (WHERE currency NOT IN ('EUR', 'USD')),
       count(*) FILTER (WHERE note !~ '^[0-9a-f]+$'), count(*) FILTER (WHERE length(note) <> 32),
       count(*) FILTER (WHERE address IS NULL), count(*) FILTER (WHERE length(address) > 40),
       count(*) FILTER (WHERE paid_at IS NULL), max(placed_at), min(placed_at),
       (SELECT count(*) FROM (SELECT 1 FROM orders GROUP BY id HAVING count(*) > 1) twice)
  FROM orders
"""


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print the ratio to one query, the gain of running side by side, and what a suite costs on no rows."""
    del folder
    rows = options.mib * ROWS_PER_MIB
    parts = [f"part_{number}" for number in range(TABLES)]
    sandbox = open_sandbox("validate")
    try:
        _fill(sandbox, {"orders": rows, "tiny": ROWS_TINY} | dict.fromkeys(parts, rows // TABLES))
        warm_up()
        whole, tiny, many = _suite("orders"), _suite("tiny"), _suite(*parts)
        _judge(sandbox, tiny)  # what is compiled or cached once
        ours, base, alone, together = [], [], [], []
        for _ in range(options.rounds):
            base.append(timed(partial(_by_hand, sandbox)))
            ours.append(timed(partial(_judge, sandbox, whole)))
            alone.append(timed(partial(_judge, sandbox, many, 1)))
            together.append(timed(partial(_judge, sandbox, many)))
        small = [timed(partial(_judge, sandbox, tiny)) for _ in range(options.rounds)]
    finally:
        destroy(sandbox.workspace)
    ratio(f"20 expectations on {rows:,} rows against one query", ours, base, GOAL)
    ratio(f"{TABLES} tables side by side against one by one, {os.cpu_count()} CPUs", together, alone, 1)
    seconds(f"20 expectations on {ROWS_TINY} rows", small, 0.5)


def _fill(sandbox: Sandbox, tables: dict[str, int]) -> None:
    make_database(sandbox)
    with connect(sandbox, "shop", sandbox.owner) as shop:
        for name, rows in tables.items():
            shop.execute(f"CREATE TABLE {name} {_COLUMNS}")
            shop.execute(f"INSERT INTO {name} {_ROWS.format(rows=rows)}")
        shop.execute("ANALYZE")


def _suite(*tables: str) -> Suite:
    grouped = "".join(f"  public.{table}:{_EXPECTATIONS}" for table in tables)
    return parse_suite(f"suite: bench\ntables:\n{grouped}", Path("bench.yaml"))


def _judge(sandbox: Sandbox, suite: Suite, parallel: int | None = None) -> None:
    place = url(sandbox, "shop", sandbox.reader)
    ran = run_suite(suite, place, as_of=datetime.now(UTC), deadline_s=HOUR_S, parallel=parallel)
    if ran.count(Outcome.PASSED) != len(suite.expectations):
        raise RuntimeError("\n".join(f"{one.name}: {one.outcome} {one.message}" for one in ran.results))


def _by_hand(sandbox: Sandbox) -> None:
    with psycopg.connect(dsn(sandbox, "shop", sandbox.reader)) as session:
        session.execute(_BY_HAND).fetchone()
