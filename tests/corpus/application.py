"""A real application's database, made by a superuser, with one of everything that pg_dump knows.

Healthy: a drill of any dump of it must come back `verified`. Roles are the cluster's, so `roles` comes first.
"""

from __future__ import annotations

OWNER, READER, ODD = "shop_owner", "shop_reader", "Odd Role"
SECRET = "planted-Pa55word-of-the-application"

ROLES = f"""
CREATE ROLE {OWNER} LOGIN PASSWORD '{SECRET}-owner' CREATEDB;
CREATE ROLE {READER} NOLOGIN;
CREATE ROLE "{ODD}" LOGIN NOINHERIT CONNECTION LIMIT 5 PASSWORD '{SECRET}-odd';
GRANT {READER} TO "{ODD}";
ALTER ROLE {OWNER} SET statement_timeout = '1min';
"""

SCHEMA = f'''
CREATE SCHEMA shop AUTHORIZATION {OWNER};
CREATE SCHEMA "Odd Schéma ""x"" -- y" AUTHORIZATION "{ODD}";
CREATE SCHEMA ext;
CREATE EXTENSION pg_trgm WITH SCHEMA ext;
CREATE EXTENSION citext WITH SCHEMA public;
CREATE EXTENSION hstore;
CREATE EXTENSION postgres_fdw;
SET search_path = shop, public;

CREATE TYPE mood AS ENUM ('glad', 'sad', 'so-so; really');
CREATE TYPE pair AS (a integer, b text);
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN email AS citext CONSTRAINT has_at CHECK (VALUE ~ '@');
CREATE COLLATION posix (provider = libc, locale = 'C');

CREATE TABLE customers (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE shop.posix NOT NULL,
    mail email,
    moods mood[] DEFAULT '{{glad}}',
    extra jsonb DEFAULT '{{}}',
    tags public.hstore,
    full_name text GENERATED ALWAYS AS (upper(name)) STORED,
    since timestamptz NOT NULL DEFAULT now(),
    UNIQUE (mail)
);
CREATE TABLE products (id serial PRIMARY KEY, sku text NOT NULL UNIQUE, price numeric(10,2) CHECK (price >= 0),
    weight span, part pair, photo oid);
CREATE TABLE orders (id bigserial, customer integer NOT NULL, placed_at timestamptz NOT NULL, total numeric,
    PRIMARY KEY (id, placed_at)) PARTITION BY RANGE (placed_at);
CREATE TABLE orders_2024 PARTITION OF orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE orders_2025 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
    PARTITION BY HASH (id);
CREATE TABLE orders_2025_0 PARTITION OF orders_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE orders_2025_1 PARTITION OF orders_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE orders_rest PARTITION OF orders DEFAULT;
CREATE INDEX orders_by_customer ON orders (customer) INCLUDE (total);
ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers (id) DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE vehicles (id integer PRIMARY KEY, wheels positive);
CREATE TABLE cars (doors integer DEFAULT 4) INHERITS (vehicles);
CREATE UNLOGGED TABLE sessions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), data bytea);
CREATE TABLE bookings (room integer, during tstzrange, EXCLUDE USING gist (during WITH &&));
CREATE TABLE logs (id integer REFERENCES customers, line text) WITH (fillfactor = 70, autovacuum_enabled = off);
ALTER TABLE logs ADD CONSTRAINT logs_product FOREIGN KEY (id) REFERENCES products NOT VALID;
ALTER TABLE logs ADD CONSTRAINT logs_line CHECK (line <> 'never') NOT VALID;
ALTER TABLE logs ALTER COLUMN line SET STORAGE EXTERNAL;
ALTER TABLE logs ALTER COLUMN line SET STATISTICS 500;
ALTER TABLE logs REPLICA IDENTITY FULL;
CREATE TABLE public."Gift Cards" ("Card No." integer PRIMARY KEY, "naïve; ""value""" text);
CREATE TABLE "Odd Schéma ""x"" -- y"."tab""le; $$" ("col'umn" integer, "ünï" text);
CREATE TABLE empty_table ();
CREATE SEQUENCE numbers AS smallint START 7 INCREMENT 3 MAXVALUE 1000 CYCLE;

CREATE FUNCTION tax(amount numeric) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN amount * 0.2;
CREATE FUNCTION body(a integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC
    SELECT CASE WHEN a > 1 THEN 1 ELSE 2 END; SELECT a + 1; END;
CREATE FUNCTION clean(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = shop, public AS $fn$
BEGIN RETURN regexp_replace(t, E'[\\\\s;''"]+', '-', 'g'); -- a comment; with 'quotes
END $fn$;
CREATE FUNCTION secret_total() RETURNS numeric LANGUAGE sql SECURITY DEFINER SET search_path = shop AS
    'SELECT sum(total) FROM orders';
CREATE PROCEDURE archive(days integer, INOUT done integer DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN DELETE FROM shop.logs WHERE id < days; done := 1; END $$;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.since := now(); RETURN NEW; END $$;
CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION audit_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'ddl'; END $$;
CREATE FUNCTION add_pair(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT coalesce($1,0)+coalesce($2,0)';
CREATE AGGREGATE total_of(numeric) (SFUNC = shop.add_pair, STYPE = numeric, INITCOND = '0');
CREATE FUNCTION same_mood(mood, mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1::text = $2::text';
CREATE OPERATOR === (LEFTARG = mood, RIGHTARG = mood, FUNCTION = shop.same_mood);
CREATE FUNCTION pair_text(pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).b';
CREATE CAST (pair AS text) WITH FUNCTION shop.pair_text(pair) AS ASSIGNMENT;
CREATE TEXT SEARCH DICTIONARY plain_words (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION shop_search (PARSER = default);
ALTER TEXT SEARCH CONFIGURATION shop_search ADD MAPPING FOR asciiword WITH shop.plain_words, simple;

CREATE INDEX customers_clean ON customers (shop.clean(name)) WHERE name <> '';
CREATE INDEX customers_trgm ON customers USING gin (name ext.gin_trgm_ops);
CREATE INDEX customers_extra ON customers USING gin (extra jsonb_path_ops);
CREATE STATISTICS order_stats (dependencies, ndistinct) ON customer, total FROM orders;
CREATE VIEW order_totals AS SELECT c.id, c.name, sum(o.total) AS total FROM customers c LEFT JOIN orders o
    ON o.customer = c.id GROUP BY c.id;
CREATE VIEW glad_customers WITH (security_barrier) AS SELECT * FROM customers WHERE 'glad' = ANY (moods)
    WITH LOCAL CHECK OPTION;
CREATE RECURSIVE VIEW counting (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counting WHERE n < 5;
CREATE MATERIALIZED VIEW best AS SELECT * FROM order_totals WHERE total > 10;
CREATE UNIQUE INDEX best_id ON best (id);
CREATE MATERIALIZED VIEW best_of_best AS SELECT count(*) AS n, shop.total_of(total) AS t FROM best;
CREATE MATERIALIZED VIEW never_filled AS SELECT 1 AS one WITH NO DATA;
CREATE VIEW cycle_a AS SELECT 1 AS one; CREATE VIEW cycle_b AS SELECT one FROM cycle_a;
CREATE OR REPLACE VIEW cycle_a AS SELECT one FROM (SELECT 1 AS one) s WHERE EXISTS (SELECT 1);
CREATE RULE log_delete AS ON DELETE TO vehicles DO ALSO (INSERT INTO logs VALUES (1, 'gone;'); SELECT 1);
CREATE TRIGGER touch_customers BEFORE UPDATE ON customers FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION touch();
CREATE TRIGGER asleep BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE customers DISABLE TRIGGER asleep;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON products DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION seen();
ALTER TABLE products ENABLE ALWAYS TRIGGER later;
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON customers FOR SELECT TO {READER}, "{ODD}" USING (name = current_user);
CREATE POLICY all_rows ON customers AS RESTRICTIVE TO PUBLIC USING (true);
CREATE EVENT TRIGGER audit ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION shop.audit_ddl();
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION a_few FOR TABLE customers, products WITH (publish = 'insert');
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '192.0.2.1', dbname 'other');
CREATE USER MAPPING FOR {OWNER} SERVER elsewhere OPTIONS (user 'u', password '{SECRET}-mapping');
CREATE FOREIGN TABLE far_away (id integer, what text) SERVER elsewhere OPTIONS (table_name 'things');

GRANT USAGE ON SCHEMA shop TO {READER};
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO {READER};
GRANT SELECT (name), UPDATE (name) ON customers TO "{ODD}" WITH GRANT OPTION;
GRANT USAGE, SELECT ON SEQUENCE numbers TO {READER};
GRANT USAGE ON FOREIGN SERVER elsewhere TO {READER};
GRANT USAGE ON TYPE mood TO {READER};
REVOKE EXECUTE ON FUNCTION secret_total() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION secret_total() TO {READER};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA shop GRANT SELECT ON TABLES TO {READER};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

COMMENT ON TABLE customers IS 'people; who "buy" -- and don''t $$pay$$';
COMMENT ON COLUMN customers.name IS E'a name\\nin two lines';
COMMENT ON FUNCTION clean(text) IS 'cleans';
COMMENT ON CONSTRAINT logs_product ON logs IS 'kept for history';
COMMENT ON SCHEMA shop IS 'the shop';

ALTER TABLE customers OWNER TO {OWNER};
ALTER TABLE orders OWNER TO {OWNER};
ALTER TABLE orders_2024 OWNER TO {OWNER};
ALTER TABLE products OWNER TO {OWNER};
ALTER TABLE logs OWNER TO {OWNER};
ALTER VIEW order_totals OWNER TO {OWNER};
ALTER MATERIALIZED VIEW best OWNER TO {OWNER};
ALTER FUNCTION secret_total() OWNER TO {OWNER};
ALTER FUNCTION clean(text) OWNER TO "{ODD}";
ALTER PROCEDURE archive(integer, integer) OWNER TO {OWNER};
ALTER AGGREGATE total_of(numeric) OWNER TO {OWNER};
ALTER OPERATOR === (mood, mood) OWNER TO {OWNER};
ALTER TYPE mood OWNER TO {OWNER};
ALTER DOMAIN positive OWNER TO {OWNER};
ALTER SEQUENCE numbers OWNER TO {OWNER};
ALTER STATISTICS order_stats OWNER TO {OWNER};
ALTER COLLATION posix OWNER TO {OWNER};
ALTER TEXT SEARCH CONFIGURATION shop_search OWNER TO {OWNER};
ALTER TEXT SEARCH DICTIONARY plain_words OWNER TO {OWNER};
ALTER SERVER elsewhere OWNER TO {OWNER};
ALTER PUBLICATION a_few OWNER TO {OWNER};
'''

SCHEMA_15 = """
CREATE PUBLICATION by_schema FOR TABLES IN SCHEMA shop;
CREATE PUBLICATION some_rows FOR TABLE shop.customers (id, name) WHERE (id > 3);
CREATE VIEW shop.invoking WITH (security_invoker = true) AS SELECT id FROM shop.customers;
CREATE UNIQUE INDEX nulls_too ON shop.products (photo, sku) NULLS NOT DISTINCT;
"""

SCHEMA_18 = """
CREATE TABLE shop.virtual_columns (a integer, b integer GENERATED ALWAYS AS (a * 2) VIRTUAL,
    c text NOT NULL, CONSTRAINT c_filled CHECK (c <> '') NOT ENFORCED);
INSERT INTO shop.virtual_columns (a, c) VALUES (1, 'x');
"""

DATA = """
INSERT INTO shop.customers (name, mail, tags, since)
    SELECT 'Customer ' || g || E'; \\\\ "q" ''s\\ttab', 'c' || g || '@example.org', 'k=>v', timestamptz '2025-01-01' + g * interval '1 h'
    FROM generate_series(1, 500) g;
INSERT INTO shop.customers (name) VALUES (E'two\\nlines'), ('\\.'), ('$$'), (E'\\\\N'), ('');
INSERT INTO shop.products (sku, price, weight, part, photo)
    SELECT 'sku-' || g, g, shop.span(g, g + 1), row(g, 'p')::shop.pair, NULL FROM generate_series(1, 50) g;
INSERT INTO shop.orders (customer, placed_at, total)
    SELECT 1 + g % 500, timestamptz '2024-06-01' + g * interval '4 h', g % 97 FROM generate_series(1, 4000) g;
INSERT INTO shop.vehicles VALUES (1, 4); INSERT INTO shop.cars VALUES (2, 4, 2);
INSERT INTO shop.sessions (data) VALUES ('\\x00ff');
INSERT INTO shop.bookings VALUES (1, '[2025-01-01,2025-01-02)');
INSERT INTO shop.logs VALUES (1, 'fine'), (NULL, 'COPY x FROM stdin;');
INSERT INTO public."Gift Cards" VALUES (1, 'one'), (2, NULL);
INSERT INTO "Odd Schéma ""x"" -- y"."tab""le; $$" VALUES (1, 'ü'), (2, '\\connect nowhere');
SELECT nextval('shop.numbers'), nextval('shop.numbers');
UPDATE shop.products SET photo = lo_from_bytea(90000 + id, convert_to('photo ' || id, 'UTF8')) WHERE id <= 5;
REFRESH MATERIALIZED VIEW shop.best; REFRESH MATERIALIZED VIEW shop.best_of_best;
"""
LARGE_OBJECT_GRANTS = f"""
ALTER LARGE OBJECT 90001 OWNER TO {OWNER};
GRANT SELECT ON LARGE OBJECT 90001 TO {READER};
COMMENT ON LARGE OBJECT 90002 IS 'a photo';
"""


def application_sql(major: int) -> str:
    """Return the script that builds the application in an empty database of PostgreSQL *major*, roles left out."""
    newer = (SCHEMA_15 if major >= 15 else "") + (SCHEMA_18 if major >= 18 else "")
    return SCHEMA + newer + DATA + LARGE_OBJECT_GRANTS
