"""Bills: hash partitions, an exclusion constraint, a deferred key, functions, a sequence on its own."""

from deployments.samples.sample import Sample

_SCHEMA = """
CREATE SEQUENCE invoice_numbers START 100000;
CREATE TABLE accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    parent uuid REFERENCES accounts DEFERRABLE INITIALLY DEFERRED,
    name text NOT NULL
);
CREATE TABLE tariffs (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    valid daterange NOT NULL,
    cents_per_unit numeric(8, 3) NOT NULL,
    EXCLUDE USING gist (valid WITH &&)
);
CREATE TABLE entries (
    account uuid NOT NULL REFERENCES accounts,
    number bigint NOT NULL DEFAULT nextval('invoice_numbers'),
    booked_at timestamptz NOT NULL,
    cents bigint NOT NULL CHECK (cents <> 0),
    PRIMARY KEY (account, number)
) PARTITION BY HASH (account);
CREATE TABLE entries_0 PARTITION OF entries FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE entries_1 PARTITION OF entries FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE entries_2 PARTITION OF entries FOR VALUES WITH (MODULUS 3, REMAINDER 2);
CREATE INDEX entries_by_time ON entries (booked_at);
CREATE FUNCTION balance_cents(account uuid) RETURNS numeric LANGUAGE sql STABLE
    AS 'SELECT coalesce(sum(cents), 0) FROM public.entries WHERE entries.account = $1';
CREATE VIEW balances AS SELECT id, name, balance_cents(id) AS cents FROM accounts;
GRANT SELECT ON accounts, entries, tariffs TO billing_audit;
"""
_ROWS = """
INSERT INTO accounts (id, name)
SELECT md5('account ' || i)::uuid, 'Account ' || i FROM generate_series(1, 150) AS i;
UPDATE accounts SET parent = md5('account 1')::uuid WHERE name LIKE '%7';
INSERT INTO tariffs (valid, cents_per_unit)
SELECT daterange(make_date(2020 + i, 1, 1), make_date(2021 + i, 1, 1)), 20 + i * 1.125
FROM generate_series(0, 9) AS i;
INSERT INTO entries (account, booked_at, cents)
SELECT md5('account ' || 1 + i % 150)::uuid,
       current_setting('demo.now')::timestamptz - i * interval '60 days'
           / (3000 * current_setting('demo.scale')::float),
       (i * 7919) % 20000 - 10000 + (i % 2) * 2 - 1
FROM generate_series(1, (3000 * current_setting('demo.scale')::float)::integer) AS i
WHERE (i * 7919) % 20000 - 10000 + (i % 2) * 2 - 1 <> 0;
"""
_DAY = """
INSERT INTO entries (account, booked_at, cents)
SELECT md5('account ' || 1 + i % 150)::uuid,
       current_setting('demo.now')::timestamptz - i * interval '10 minutes', 100 + i
FROM generate_series(1, 140) AS i;
"""

SAMPLE = Sample(
    name="billing",
    owner="billing_owner",
    shows="hash partitions, an exclusion constraint, a deferred key, functions",
    roles=("billing_owner", "billing_audit"),
    extensions=(),
    schema=_SCHEMA,
    rows=_ROWS,
    day=_DAY,
)
