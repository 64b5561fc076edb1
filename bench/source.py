"""What is measured on: a database of a wanted size, dumped as a backup script would, and its fleet file."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tasks.model.sandbox import Sandbox
from tasks.model.target import SandboxConfig
from tasks.sandbox import connect, destroy, dsn, find_postgres, open_workspace, run_tool, start_sandbox

MAJOR = 17
ORDERS_PER_MIB = 1000
"""Rows of `orders`, with lines and events, that make about one MiB of database (by pg_database_size)."""
HOUR_S = 3600.0

SCHEMA = """
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
    email text NOT NULL UNIQUE, created_at timestamptz NOT NULL);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers, status text NOT NULL,
    amount numeric(10,2) NOT NULL CHECK (amount >= 0), tax numeric(10,2) NOT NULL, currency text NOT NULL,
    note text, address text NOT NULL, paid_at timestamptz, placed_at timestamptz NOT NULL);
CREATE TABLE order_lines (order_id bigint NOT NULL REFERENCES orders, line int NOT NULL, sku text NOT NULL,
    quantity int NOT NULL, PRIMARY KEY (order_id, line));
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL,
    body jsonb NOT NULL);
"""
_ROWS = """
INSERT INTO customers (name, email, created_at)
    SELECT 'Customer ' || i, 'c' || i || '@example.org', now() - i * interval '1 minute'
    FROM generate_series(1, {customers}) i;
INSERT INTO orders (customer_id, status, amount, tax, currency, note, address, paid_at, placed_at)
    SELECT 1 + i % {customers}, (ARRAY['new','paid','sent'])[1 + i % 3], (i % 9000) / 10.0, (i % 900) / 10.0,
        (ARRAY['EUR','USD'])[1 + i % 2], md5(i::text), 'Street ' || i || ', ' || repeat(md5(i::text), 3),
        now() - i * interval '1 second', now() - i * interval '1 second' FROM generate_series(1, {orders}) i;
INSERT INTO order_lines SELECT i, line, 'sku-' || i % 5000, 1 + i % 4
    FROM generate_series(1, {orders}) i, generate_series(1, 2) line;
INSERT INTO events (at, body) SELECT now() - i * interval '1 second', jsonb_build_object(
        'order', i, 'kind', (ARRAY['placed','paid','sent'])[1 + i % 3],
        'agent', repeat(md5((i % 97)::text), 8),
        'trace', md5(i::text) || md5((i + 1)::text), 'tags', jsonb_build_array(i % 50, i % 70))
    FROM generate_series(1, {events}) i;
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON orders (placed_at);
CREATE INDEX ON events (at);
CREATE INDEX ON events USING gin (body jsonb_path_ops);
"""
SUITE = """
suite: bench
tables:
  public.orders:
    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: id}}
    - {type: expect_column_values_to_be_unique, kwargs: {column: id}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: customer_id}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: status}}
    - {type: expect_column_values_to_be_in_set, kwargs: {column: status, value_set: [new, paid, sent]}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: amount}}
    - {type: expect_column_values_to_be_between, kwargs: {column: amount, min_value: 0, max_value: 1000}}
    - {type: expect_column_values_to_match_regex, kwargs: {column: note, regex: "^[0-9a-f]+$"}}
    - {type: expect_column_value_lengths_to_equal, kwargs: {column: note, value: 32}}
    - {type: expect_column_max_to_be_between, kwargs: {column: placed_at, min_value: {as_of: -26h}}}
    - {type: expect_column_mean_to_be_between, kwargs: {column: amount, min_value: 0, max_value: 1000}}
  public.customers:
    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: email}}
    - {type: expect_column_values_to_match_regex, kwargs: {column: email, regex: "@"}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: name}}
  public.order_lines:
    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}
    - {type: expect_column_values_to_be_between, kwargs: {column: quantity, min_value: 1, max_value: 10}}
  public.events:
    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: body}}
"""
"""Twenty expectations."""


def open_sandbox(name: str, config: SandboxConfig | None = None) -> Sandbox:
    """Start a cluster as a drill does, or with the settings of *config*."""
    workspace = open_workspace(
        "bench", name, f"bench{name}", "preferred", datetime.now(UTC).replace(year=2099)
    )
    return start_sandbox(workspace, find_postgres(MAJOR), config or SandboxConfig(), HOUR_S)


def make_database(sandbox: Sandbox) -> None:
    """Make the empty database `shop`, owned by the role that restores."""
    with connect(sandbox) as admin:
        admin.execute(f"CREATE DATABASE shop OWNER {sandbox.owner}")


def make_backup(folder: Path, mib: int) -> Path:
    """Build a database of about *mib* MiB and dump it in the custom format; return the dump."""
    sandbox = open_sandbox("source")
    try:
        make_database(sandbox)
        with connect(sandbox, "shop", sandbox.owner) as shop:
            shop.execute(SCHEMA)
            fill(shop, mib * ORDERS_PER_MIB)
            shop.execute("ANALYZE")
            print(f"database: {_bytes(shop) >> 20} MiB", flush=True)
        return _dump(sandbox, folder, datetime.now(UTC))
    finally:
        destroy(sandbox.workspace)


def fill(shop: psycopg.Connection[tuple[object, ...]], orders: int) -> None:
    """Write *orders* orders with all that belongs to them, and the indexes."""
    shop.execute(_ROWS.format(customers=max(10, orders // 20), orders=orders, events=orders))


def write_fleet(dumps: Path) -> Path:
    """Write the fleet file and the suite that drill *dumps*, with evidence of their own, into that folder."""
    (dumps / "bench_suite.yaml").write_text(SUITE)
    fleet = dumps / "fleet.yaml"
    fleet.write_text(
        "version: 1\nfleet: bench\nevidence: evidence\ndatabases:\n"
        f"  - name: shop\n    backup: {{at: '{dumps}/shop_%Y%m%dT%H%M%SZ.dump'}}\n    rpo: 26h\n    rto: 4h\n"
        "    expect: {suite: bench_suite.yaml, required_tables: [public.orders],\n"
        "             freshness: {table: public.orders, column: placed_at, max_age: 26h}}\n"
    )
    return fleet


def _bytes(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(str(row[0])) if row else 0


def _dump(sandbox: Sandbox, folder: Path, now: datetime) -> Path:
    inside = sandbox.workspace.scratch_dir / "shop.dump"
    done = run_tool(
        sandbox,
        ["pg_dump", "-Fc", "-f", str(inside), "-d", dsn(sandbox, "shop", sandbox.owner)],
        env={},
        deadline_s=HOUR_S,
    )
    if done.exit_code != 0:
        raise RuntimeError("\n".join(done.stderr_lines))
    folder.mkdir(parents=True, exist_ok=True)
    dump = folder / f"shop_{now:%Y%m%dT%H%M%SZ}.dump"
    shutil.copyfile(inside, dump)
    return dump
