"""Payments: a database of its own cluster, backed up by base backup and WAL; a day is an hour here."""

from deployments.samples.sample import Sample

_SCHEMA = """
CREATE TABLE accounts (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    holder text NOT NULL UNIQUE
);
CREATE TABLE payments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account integer NOT NULL REFERENCES accounts,
    paid_at timestamptz NOT NULL,
    cents bigint NOT NULL CHECK (cents > 0)
);
CREATE INDEX payments_by_time ON payments (paid_at);
GRANT SELECT ON accounts, payments TO payments_reader;
"""
_ROWS = """
INSERT INTO accounts (holder) SELECT 'Holder ' || i FROM generate_series(1, 200) AS i;
INSERT INTO payments (account, paid_at, cents)
SELECT 1 + i % 200,
       current_setting('demo.now')::timestamptz - i * interval '60 days'
           / (4000 * current_setting('demo.scale')::float),
       100 + (i * 7919) % 20000
FROM generate_series(1, (4000 * current_setting('demo.scale')::float)::integer) AS i;
"""
_DAY = """
INSERT INTO payments (account, paid_at, cents)
SELECT 1 + i % 200, current_setting('demo.now')::timestamptz - i * interval '1 second', 100 + i
FROM generate_series(1, 100) AS i;
"""

SAMPLE = Sample(
    name="payments",
    owner="payments_owner",
    shows="a base backup and its WAL, on disk",
    roles=("payments_owner", "payments_reader"),
    extensions=(),
    schema=_SCHEMA,
    rows=_ROWS,
    day=_DAY,
)
