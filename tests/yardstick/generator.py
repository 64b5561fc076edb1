"""Random databases of every kind of object that pg_dump knows, each with data where it can hold some.

One function for each kind; it gets names of its own and yields statements for a superuser. Kinds do not
depend on each other, so that any choice of them makes a database.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Kind = Callable[["Names"], Iterator[str]]
KINDS: dict[str, Kind] = {}
_ODD = (
    "",
    " of May",
    "-dash",
    '"quoted"',
    "Ümlaut",
    "'; --",
    "$1",
    "select",
    "%s",
    "line\nend",
    "\\.",
    "(odd",
    "; Type: TABLE",
    "\r\n-- Name: x",
    "/*",
)


@dataclass
class Names:
    """Names for the objects of one kind.

    Attributes:
        schema: quoted; exists.
        role: quoted; exists, cannot log in.
        number: differs for each use.
    """

    rng: random.Random
    schema: str
    role: str
    number: int

    def new(self, stem: str) -> str:
        """Return a new quoted name, now and then an odd one."""
        return quoted(f"{stem}{self.number}{self.rng.choice(_ODD) if self.rng.random() < 0.25 else ''}")

    def within(self, stem: str) -> str:
        """Return a new quoted name with its schema."""
        return f"{self.schema}.{self.new(stem)}"


def quoted(name: str) -> str:
    """Return *name* as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def make_statements(seed: int, major: int, kinds: int = 12) -> tuple[list[str], tuple[str, ...]]:
    """Return the statements of a random database, and the kinds that are in it.

    Args:
        seed: the same one makes the same database.
        major: PostgreSQL's; kinds that it lacks are left out.
        kinds: how many are drawn.
    """
    rng = random.Random(seed)
    available = sorted(name for name in KINDS if major >= _SINCE.get(name, 0))
    chosen = tuple(sorted(rng.sample(available, min(kinds, len(available)))))
    role = quoted(f"owner{seed}{rng.choice(_ODD)}")
    statements = [f"CREATE ROLE {role}"]
    for number, name in enumerate(chosen):
        schema = "public" if rng.random() < 0.3 else quoted(f"s{number}{rng.choice(_ODD)}")
        if schema != "public":
            statements.append(f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
        statements += KINDS[name](Names(rng, schema, role, number))
    return statements, chosen


_SINCE = {"publication_rows": 15, "security_invoker": 15, "nulls_not_distinct": 15, "merge_function": 15,
          "storage_of_columns": 16, "virtual_column": 18, "named_not_null": 18, "temporal_keys": 18}  # fmt: skip


def kind(body: Kind) -> Kind:
    """Take a function into `KINDS` under its name."""
    KINDS[body.__name__] = body
    return body


def _rows(rng: random.Random) -> int:
    return rng.choice((0, 1, 7, 300))


@kind
def table(names: Names) -> Iterator[str]:
    """Columns of many types, defaults, comments, grants, an owner."""
    it = names.within("t")
    yield f"""CREATE TABLE {it} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "odd col" text DEFAULT 'a''b\\c',
        n numeric(10,2), f float8, b bytea, j jsonb, a int[], ts timestamptz, iv interval, u uuid, ip inet, ch char(4))"""
    yield f"""INSERT INTO {it} ("odd col", n, f, b, j, a, ts, iv, u, ip, ch)
        SELECT E'tab\\tline\\nend\\\\.' || i, i / 7.0, i / 3.0, decode(md5(i::text), 'hex'), jsonb_build_object('k', i),
        ARRAY[i, NULL], timestamptz '2020-01-01 UTC' + i * interval '1 hour', i * interval '1 min',
        md5(i::text)::uuid, '10.0.0.1'::inet + i, 'x' FROM generate_series(1, {_rows(names.rng)}) i"""
    yield f"COMMENT ON TABLE {it} IS 'it''s a table'"
    yield f"""COMMENT ON COLUMN {it}."odd col" IS 'a column'"""
    yield f"GRANT SELECT, INSERT ON {it} TO {names.role} WITH GRANT OPTION"
    yield f"GRANT UPDATE (n, f) ON {it} TO PUBLIC"
    yield f"ALTER TABLE {it} OWNER TO {names.role}"


@kind
def serial_and_sequence(names: Names) -> Iterator[str]:
    """A serial column and a sequence alone, with values."""
    yield f"CREATE TABLE {(it := names.within('ser'))} (id serial PRIMARY KEY, x text)"
    yield f"INSERT INTO {it} (x) SELECT 'x' FROM generate_series(1, 5)"
    yield f"CREATE SEQUENCE {(seq := names.within('seq'))} AS int INCREMENT BY -3 MINVALUE -1000 MAXVALUE 50 START 20 CYCLE"
    yield f"SELECT nextval('{seq.replace(chr(39), chr(39) * 2)}')"
    yield f"GRANT USAGE ON SEQUENCE {seq} TO {names.role}"


@kind
def keys(names: Names) -> Iterator[str]:
    """Primary, unique, foreign, check and exclusion constraints."""
    parent, child = names.within("parent"), names.within("child")
    yield f"CREATE TABLE {parent} (a int, b text, PRIMARY KEY (a, b), UNIQUE (b, a))"
    yield f"INSERT INTO {parent} SELECT i, 'p' || i FROM generate_series(1, 50) i"
    yield f"""CREATE TABLE {child} (id int PRIMARY KEY, a int, b text, r int4range,
        CONSTRAINT "to parent" FOREIGN KEY (a, b) REFERENCES {parent} ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT sane CHECK (id > 0), EXCLUDE USING gist (r WITH &&))"""
    yield f"INSERT INTO {child} SELECT i, i, 'p' || i, int4range(i, i + 1) FROM generate_series(1, 50) i"
    yield f"ALTER TABLE {child} ADD CONSTRAINT later CHECK (id < 10) NOT VALID"


@kind
def circular_keys(names: Names) -> Iterator[str]:
    """Two tables that refer to each other, and one to itself."""
    one, two = names.within("one"), names.within("two")
    yield f"CREATE TABLE {one} (id int PRIMARY KEY, other int)"
    yield f"CREATE TABLE {two} (id int PRIMARY KEY, other int REFERENCES {one}, self int REFERENCES {two})"
    yield f"INSERT INTO {one} VALUES (1, 1)"
    yield f"INSERT INTO {two} VALUES (1, 1, 1)"
    yield f"ALTER TABLE {one} ADD FOREIGN KEY (other) REFERENCES {two}"


@kind
def indexes(names: Names) -> Iterator[str]:
    """Partial, expression, covering, descending indexes; gin, gist, brin, hash, spgist; a clustered one."""
    it = names.within("ix")
    yield f"CREATE TABLE {it} (id int PRIMARY KEY, t text, j jsonb, p point, ts tsvector)"
    yield f"INSERT INTO {it} SELECT i, 't' || i, '{{}}', point(i, i), 'a b'::tsvector FROM generate_series(1, 40) i"
    for number, what in enumerate(
        ("(lower(t)) WHERE id > 3", "USING gin (j jsonb_path_ops)", "USING gist (p)", "USING brin (id)",
         "USING hash (t)", "USING spgist (t text_ops)", "(id DESC NULLS LAST) INCLUDE (t)", '(t COLLATE "C" text_pattern_ops)')
    ):  # fmt: skip
        yield f"CREATE INDEX {names.new(f'i{number}x')} ON {it} {what}"


@kind
def partitions(names: Names) -> Iterator[str]:
    """Range and hash partitions with an index and a key, one level below another."""
    it = names.within("part")
    yield f"CREATE TABLE {it} (id int, day date, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)"
    for year in (2023, 2024):
        yield f"""CREATE TABLE {names.within(f"part_{year}_")} PARTITION OF {it}
            FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')"""
    sub = names.within("part_sub")
    yield f"CREATE TABLE {sub} PARTITION OF {it} DEFAULT PARTITION BY HASH (id)"
    for remainder in (0, 1):
        yield f"""CREATE TABLE {names.within(f"part_h{remainder}_")} PARTITION OF {sub}
            FOR VALUES WITH (MODULUS 2, REMAINDER {remainder})"""
    yield f"INSERT INTO {it} SELECT i, date '2023-06-01' + i, 'n' FROM generate_series(1, 900) i"
    yield f"CREATE INDEX ON {it} (note)"


@kind
def inheritance(names: Names) -> Iterator[str]:
    """A parent and a child that adds a column, both with rows."""
    parent, child = names.within("base"), names.within("derived")
    yield f"CREATE TABLE {parent} (id int PRIMARY KEY, a text)"
    yield f"CREATE TABLE {child} (b text) INHERITS ({parent})"
    yield f"INSERT INTO {parent} VALUES (1, 'p')"
    yield f"INSERT INTO {child} VALUES (2, 'c', 'more')"


@kind
def generated_columns(names: Names) -> Iterator[str]:
    """A stored generated column and an identity that is BY DEFAULT."""
    it = names.within("gen")
    yield f"""CREATE TABLE {it} (id int GENERATED BY DEFAULT AS IDENTITY (START 100), a int,
        double_a int GENERATED ALWAYS AS (a * 2) STORED)"""
    yield f"INSERT INTO {it} (a) SELECT i FROM generate_series(1, 20) i"


@kind
def unlogged_and_options(names: Names) -> Iterator[str]:
    """An unlogged table, storage options, replica identity, column storage and statistics."""
    it = names.within("opt")
    yield f"CREATE UNLOGGED TABLE {it} (id int PRIMARY KEY, t text) WITH (fillfactor = 70, autovacuum_enabled = off)"
    yield f"INSERT INTO {it} SELECT i, repeat('x', 3000) FROM generate_series(1, 5) i"
    yield f"ALTER TABLE {it} ALTER t SET STORAGE EXTERNAL, ALTER t SET STATISTICS 500, REPLICA IDENTITY FULL"


@kind
def views(names: Names) -> Iterator[str]:
    """Views on views, with rules, options and check options; a materialised view with an index."""
    it, view = names.within("vt"), names.within("v")
    yield f"CREATE TABLE {it} (id int PRIMARY KEY, t text)"
    yield f"INSERT INTO {it} SELECT i, 't' FROM generate_series(1, 30) i"
    yield f"CREATE VIEW {view} WITH (security_barrier) AS SELECT id, t FROM {it} WHERE id > 3 WITH LOCAL CHECK OPTION"
    yield f"CREATE VIEW {names.within('vv')} AS SELECT count(*) AS c FROM {view}"
    mat = names.within("mv")
    yield f"CREATE MATERIALIZED VIEW {mat} AS SELECT id, t FROM {view}"
    yield f"CREATE UNIQUE INDEX ON {mat} (id)"
    yield f"GRANT SELECT ON {mat}, {view} TO {names.role}"
    yield f"GRANT SELECT ON {it} TO {names.role}"
    yield f"ALTER VIEW {view} OWNER TO {names.role}"


@kind
def unpopulated_matview(names: Names) -> Iterator[str]:
    """A materialised view that nobody has refreshed."""
    yield f"CREATE MATERIALIZED VIEW {names.within('mvn')} AS SELECT 1 AS a WITH NO DATA"


@kind
def rules(names: Names) -> Iterator[str]:
    """A rewrite rule on a table."""
    it, log = names.within("rt"), names.within("rl")
    yield f"CREATE TABLE {it} (id int)"
    yield f"CREATE TABLE {log} (id int)"
    yield f"CREATE RULE {names.new('r')} AS ON INSERT TO {it} DO ALSO INSERT INTO {log} VALUES (new.id)"
    yield f"INSERT INTO {it} VALUES (1)"


@kind
def triggers(names: Names) -> Iterator[str]:
    """Row, statement, constraint and disabled triggers."""
    it, function = names.within("trt"), names.within("trf")
    yield f"CREATE TABLE {it} (id int PRIMARY KEY, n int)"
    yield f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'begin new.n := 1; return new; end'"
    yield f"CREATE TRIGGER {names.new('before')} BEFORE INSERT ON {it} FOR EACH ROW WHEN (new.id > 0) EXECUTE FUNCTION {function}()"
    yield f"CREATE CONSTRAINT TRIGGER {names.new('con')} AFTER UPDATE ON {it} DEFERRABLE FOR EACH ROW EXECUTE FUNCTION {function}()"
    yield f"CREATE TRIGGER {(off := names.new('off'))} BEFORE UPDATE OF n ON {it} FOR EACH ROW EXECUTE FUNCTION {function}()"
    yield f"ALTER TABLE {it} DISABLE TRIGGER {off}"
    yield f"INSERT INTO {it} SELECT i, 0 FROM generate_series(1, 9) i"


@kind
def functions(names: Names) -> Iterator[str]:
    """SQL, PL/pgSQL, set-returning, variadic, procedures, settings, defaults, grants."""
    yield f"""CREATE FUNCTION {(f := names.within("f"))}(a int, VARIADIC rest text[] DEFAULT '{{}}') RETURNS SETOF int
        LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 7 ROWS 3 SET search_path = pg_catalog AS $b$ SELECT a; $b$"""
    yield f"CREATE PROCEDURE {names.within('p')}(INOUT x int) LANGUAGE plpgsql AS $$ begin x := x + 1; end $$"
    yield f"REVOKE ALL ON FUNCTION {f}(int, text[]) FROM PUBLIC"
    yield f"GRANT EXECUTE ON FUNCTION {f}(int, text[]) TO {names.role}"
    yield f"CREATE FUNCTION {names.within('body')}(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a + 1; END"


@kind
def aggregates(names: Names) -> Iterator[str]:
    """An aggregate of a built-in state function, and an ordered one."""
    yield f"CREATE AGGREGATE {names.within('agg')} (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')"


@kind
def types(names: Names) -> Iterator[str]:
    """Domains, enums, composites, ranges, and a table that has them all."""
    domain, enum = names.within("dom"), names.within("mood")
    composite, span = names.within("comp"), names.within("span")
    yield f"CREATE DOMAIN {domain} AS text DEFAULT 'x' NOT NULL CONSTRAINT short CHECK (length(VALUE) < 50)"
    yield f"CREATE TYPE {enum} AS ENUM ('sad', 'it''s ok', 'happy')"
    yield f"CREATE TYPE {composite} AS (a int, b {enum})"
    yield f"CREATE TYPE {span} AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi)"
    it = names.within("typed")
    yield f"CREATE TABLE {it} (d {domain}, e {enum}, c {composite}, r {span}, da {domain}[])"
    yield f"INSERT INTO {it} SELECT 'd' || i, 'happy', '(1,sad)', '[1,2)', ARRAY['z'] FROM generate_series(1, 6) i"
    yield f"COMMENT ON TYPE {enum} IS 'mood'"
    yield f"GRANT USAGE ON TYPE {enum} TO {names.role}"


@kind
def base_type(names: Names) -> Iterator[str]:
    """A base type on built-in input and output, in a table."""
    it, into, out = names.within("base"), names.within("bin"), names.within("bout")
    yield f"CREATE TYPE {it}"
    yield f"CREATE FUNCTION {into}(cstring) RETURNS {it} AS 'int4in' LANGUAGE internal STRICT IMMUTABLE"
    yield f"CREATE FUNCTION {out}({it}) RETURNS cstring AS 'int4out' LANGUAGE internal STRICT IMMUTABLE"
    yield f"CREATE TYPE {it} (INTERNALLENGTH = 4, INPUT = {into}, OUTPUT = {out}, ALIGNMENT = int4, PASSEDBYVALUE)"
    yield f"CREATE TABLE {(based := names.within('based'))} (a {it})"
    yield f"INSERT INTO {based} VALUES ('42')"


@kind
def casts(names: Names) -> Iterator[str]:
    """Casts with a function, in and out, and without a function."""
    enum, domain = names.within("ce"), names.within("cc")
    yield f"CREATE TYPE {enum} AS ENUM ('1', '2')"
    yield f"CREATE TYPE {domain} AS (a int)"
    yield f"CREATE FUNCTION {(f := names.within('cf'))}({enum}) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'"
    yield f"CREATE CAST ({enum} AS int) WITH FUNCTION {f}({enum}) AS ASSIGNMENT"
    yield f"CREATE CAST ({domain} AS text) WITH INOUT"


@kind
def operators(names: Names) -> Iterator[str]:
    """An operator, an operator class and an index that uses it."""
    lower = names.within("lt")
    yield f"""CREATE FUNCTION {lower}(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE
        AS 'SELECT $1 OPERATOR(pg_catalog.<) $2'"""
    yield f"CREATE OPERATOR {names.schema}.<#< (FUNCTION = {lower}, LEFTARG = int, RIGHTARG = int)"
    opclass, it = names.within("oc"), names.within("oct")
    yield f"""CREATE OPERATOR CLASS {opclass} FOR TYPE int USING btree AS OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=,
        OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>, FUNCTION 1 btint4cmp(int, int)"""
    yield f"CREATE TABLE {it} (a int)"
    yield f"INSERT INTO {it} SELECT generate_series(1, 30)"
    yield f"CREATE INDEX ON {it} (a {opclass})"


@kind
def access_method(names: Names) -> Iterator[str]:
    """An index access method on a built-in handler."""
    yield f"CREATE ACCESS METHOD {names.new('am')} TYPE INDEX HANDLER gisthandler"
    yield f"CREATE ACCESS METHOD {(heap := names.new('heap'))} TYPE TABLE HANDLER heap_tableam_handler"
    yield f"CREATE TABLE {(it := names.within('amt'))} (a int) USING {heap}"
    yield f"INSERT INTO {it} VALUES (1), (2)"


@kind
def leakproof_and_internal(names: Names) -> Iterator[str]:
    """Functions that only a superuser may make."""
    yield f"CREATE FUNCTION {names.within('lp')}(int) RETURNS boolean LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT true'"
    yield f"CREATE FUNCTION {names.within('int')}(float8) RETURNS float8 LANGUAGE internal IMMUTABLE STRICT AS 'dsqrt'"
    yield f"CREATE FUNCTION {names.within('set')}() RETURNS int LANGUAGE sql SET log_min_duration_statement = '5s' AS 'SELECT 1'"


@kind
def collation_and_conversion(names: Names) -> Iterator[str]:
    """A collation of libc and a conversion."""
    yield f"""CREATE COLLATION {(it := names.within("coll"))} (provider = libc, locale = 'C')"""
    yield f"CREATE TABLE {names.within('ct')} (a text COLLATE {it})"
    yield f"CREATE CONVERSION {names.within('conv')} FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8"


@kind
def text_search(names: Names) -> Iterator[str]:
    """A configuration, a dictionary, a parser and a template."""
    yield f"CREATE TEXT SEARCH DICTIONARY {(dictionary := names.within('dict'))} (TEMPLATE = simple, STOPWORDS = english)"
    yield f"CREATE TEXT SEARCH CONFIGURATION {(config := names.within('cfg'))} (COPY = pg_catalog.english)"
    yield f"ALTER TEXT SEARCH CONFIGURATION {config} ALTER MAPPING FOR asciiword WITH {dictionary}"
    yield f"CREATE TEXT SEARCH TEMPLATE {names.within('tmpl')} (INIT = dsimple_init, LEXIZE = dsimple_lexize)"
    yield f"""CREATE TEXT SEARCH PARSER {names.within("prs")} (START = prsd_start, GETTOKEN = prsd_nexttoken,
        END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline)"""


@kind
def extensions(names: Names) -> Iterator[str]:
    """Trusted extensions with tables that use them."""
    yield f"CREATE EXTENSION IF NOT EXISTS {names.rng.choice(('citext', 'hstore', 'pg_trgm', 'btree_gist'))} SCHEMA public"
    yield "CREATE EXTENSION IF NOT EXISTS ltree SCHEMA public"
    it = names.within("ext")
    yield f"CREATE TABLE {it} (a public.ltree)"
    yield f"INSERT INTO {it} VALUES ('a.b.c')"
    yield f"CREATE INDEX ON {it} USING gist (a)"


@kind
def foreign_data(names: Names) -> Iterator[str]:
    """A wrapper without a handler, a server and a foreign table."""
    wrapper, server = names.new("fdw"), names.new("srv")
    yield f"CREATE FOREIGN DATA WRAPPER {wrapper} OPTIONS (debug 'true')"
    yield f"CREATE SERVER {server} TYPE 'x' VERSION '1' FOREIGN DATA WRAPPER {wrapper} OPTIONS (host 'h', dbname 'd')"
    yield f"CREATE FOREIGN TABLE {names.within('ft')} (a int OPTIONS (column_name 'x'), b text) SERVER {server}"
    yield f"GRANT USAGE ON FOREIGN SERVER {server} TO {names.role}"
    yield f"COMMENT ON SERVER {server} IS 'far away'"


@kind
def policies(names: Names) -> Iterator[str]:
    """Row security, forced, with policies for a role and for all."""
    it = names.within("pol")
    yield f"CREATE TABLE {it} (id int, who text)"
    yield f"INSERT INTO {it} SELECT i, 'w' FROM generate_series(1, 11) i"
    yield f"ALTER TABLE {it} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    yield f"CREATE POLICY {names.new('mine')} ON {it} FOR SELECT TO {names.role} USING (who = current_user)"
    yield f"CREATE POLICY {names.new('all')} ON {it} AS RESTRICTIVE FOR ALL USING (id > 0) WITH CHECK (id < 100)"


@kind
def publications(names: Names) -> Iterator[str]:
    """A publication of a table and one of all tables."""
    it = names.within("pub")
    yield f"CREATE TABLE {it} (id int PRIMARY KEY)"
    yield f"CREATE PUBLICATION {names.new('one')} FOR TABLE {it} WITH (publish = 'insert, update')"
    yield f"CREATE PUBLICATION {(every := names.new('every'))} FOR ALL TABLES"
    yield f"COMMENT ON PUBLICATION {every} IS 'all of them'"


@kind
def publication_rows(names: Names) -> Iterator[str]:
    """A publication with a row filter and columns, and one of a schema."""
    it = names.within("pubr")
    yield f"CREATE TABLE {it} (id int PRIMARY KEY, a int, b int)"
    yield f"CREATE PUBLICATION {names.new('some')} FOR TABLE {it} (id, a) WHERE (id > 5)"
    yield f"CREATE PUBLICATION {names.new('sch')} FOR TABLES IN SCHEMA {names.schema}"


@kind
def subscription(names: Names) -> Iterator[str]:
    """A subscription that connects to nobody."""
    yield f"CREATE SUBSCRIPTION sub_{names.number} CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)"


@kind
def event_trigger(names: Names) -> Iterator[str]:
    """An event trigger with a filter, disabled as many are."""
    yield f"CREATE FUNCTION {(f := names.within('etf'))}() RETURNS event_trigger LANGUAGE plpgsql AS 'begin null; end'"
    yield f"CREATE EVENT TRIGGER {(it := names.new('et'))} ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION {f}()"
    yield f"COMMENT ON EVENT TRIGGER {it} IS 'watches'"


@kind
def statistics(names: Names) -> Iterator[str]:
    """Extended statistics on columns."""
    it = names.within("st")
    yield f"CREATE TABLE {it} (a int, b int)"
    yield f"INSERT INTO {it} SELECT i % 3, i % 5 FROM generate_series(1, 100) i"
    yield f"CREATE STATISTICS {names.within('stx')} (dependencies, ndistinct) ON a, b FROM {it}"


@kind
def statistics_expression(names: Names) -> Iterator[str]:
    """Extended statistics on an expression."""
    it = names.within("ste")
    yield f"CREATE TABLE {it} (a int, b int)"
    yield f"CREATE STATISTICS {names.within('stex')} ON (a + b), b FROM {it}"


@kind
def default_privileges(names: Names) -> Iterator[str]:
    """Default privileges of a role, in a schema and everywhere."""
    yield f"ALTER DEFAULT PRIVILEGES FOR ROLE {names.role} IN SCHEMA {names.schema} GRANT SELECT ON TABLES TO PUBLIC"
    yield f"ALTER DEFAULT PRIVILEGES FOR ROLE {names.role} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"


@kind
def schema_grants(names: Names) -> Iterator[str]:
    """Grants and a comment on a schema."""
    it = quoted(f"granted{names.number}")
    yield f"CREATE SCHEMA {it}"
    yield f"GRANT USAGE ON SCHEMA {it} TO PUBLIC"
    yield f"GRANT ALL ON SCHEMA {it} TO {names.role}"
    yield f"COMMENT ON SCHEMA {it} IS 'granted'"


@kind
def large_objects(names: Names) -> Iterator[str]:
    """Large objects with bytes, an owner, a grant, a comment and a column that refers to them."""
    oid = 70000 + names.number
    yield f"SELECT lo_from_bytea({oid}, decode(repeat('00ff5c', 2000), 'hex'))"
    yield f"COMMENT ON LARGE OBJECT {oid} IS 'a scan'"
    yield f"GRANT SELECT ON LARGE OBJECT {oid} TO {names.role}"
    yield f"CREATE TABLE {(it := names.within('lo'))} (scan oid)"
    yield f"INSERT INTO {it} VALUES ({oid})"


@kind
def nulls_not_distinct(names: Names) -> Iterator[str]:
    """A unique constraint that takes NULLs for equal."""
    yield f"CREATE TABLE {names.within('nnd')} (a int UNIQUE NULLS NOT DISTINCT)"


@kind
def security_invoker(names: Names) -> Iterator[str]:
    """A view with the rights of who asks."""
    yield f"CREATE VIEW {names.within('si')} WITH (security_invoker = true) AS SELECT 1 AS a"


@kind
def languages(names: Names) -> Iterator[str]:
    """A grant on a language, and a function in it."""
    yield f"GRANT USAGE ON LANGUAGE plpgsql TO {names.role}"
    yield "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC"


@kind
def typed_and_empty(names: Names) -> Iterator[str]:
    """A table of a type, a table without columns, a table whose columns were dropped."""
    composite = names.within("tof")
    yield f"CREATE TYPE {composite} AS (a int, b text)"
    yield f"CREATE TABLE {names.within('ofs')} OF {composite} (PRIMARY KEY (a))"
    yield f"CREATE TABLE {names.within('void')} ()"
    yield f"CREATE TABLE {(it := names.within('dropped'))} (a int, b int, c int)"
    yield f"ALTER TABLE {it} DROP COLUMN b"
    yield f"INSERT INTO {it} VALUES (1, 3)"


@kind
def function_in_expressions(names: Names) -> Iterator[str]:
    """A qualified function in a default, a check, an index and a generated column."""
    function, it = names.within("fx"), names.within("fxt")
    yield f"CREATE FUNCTION {function}(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1'"
    yield f"CREATE TABLE {it} (a int DEFAULT {function}(1), b int GENERATED ALWAYS AS ({function}(a)) STORED, CHECK ({function}(a) > 0))"
    yield f"INSERT INTO {it} (a) SELECT generate_series(1, 12)"
    yield f"CREATE INDEX ON {it} ({function}(a))"


@kind
def list_partitions(names: Names) -> Iterator[str]:
    """List partitions by expression, with a default, a foreign key, a trigger and a detached one."""
    it, other, function = names.within("lp"), names.within("lpo"), names.within("lpf")
    yield f"CREATE TABLE {other} (id int PRIMARY KEY)"
    yield f"INSERT INTO {other} SELECT generate_series(0, 9)"
    yield f'CREATE TABLE {it} (id int, kind text COLLATE "C", o int REFERENCES {other}) PARTITION BY LIST (lower(kind))'
    for letter in ("a", "b"):
        yield f"CREATE TABLE {names.within('lp_' + letter)} PARTITION OF {it} FOR VALUES IN ('{letter}', '{letter}{letter}')"
    yield f"CREATE TABLE {names.within('lp_rest')} PARTITION OF {it} DEFAULT"
    yield f'CREATE TABLE {(late := names.within("lp_late"))} (kind text COLLATE "C", extra int, o int, id int)'
    yield f"ALTER TABLE {late} DROP COLUMN extra"
    yield f"ALTER TABLE {it} ATTACH PARTITION {late} FOR VALUES IN ('z', NULL)"
    yield f"INSERT INTO {it} SELECT i, (ARRAY['a', 'BB', 'q', 'z', NULL])[1 + i % 5], i % 10 FROM generate_series(1, 50) i"
    yield f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end'"
    yield f"CREATE TRIGGER {names.new('lpt')} BEFORE UPDATE ON {it} FOR EACH ROW EXECUTE FUNCTION {function}()"
    yield f"CREATE INDEX ON ONLY {it} (id)"


@kind
def identity_options(names: Names) -> Iterator[str]:
    """Identity columns with options, one that was moved on, one of a smallint."""
    it = names.within("ident")
    yield f"""CREATE TABLE {it} (a smallint GENERATED ALWAYS AS IDENTITY (INCREMENT BY 5 MAXVALUE 30000 CYCLE),
        b bigint GENERATED BY DEFAULT AS IDENTITY (MINVALUE -10 START -10), c text)"""
    yield f"INSERT INTO {it} (c) SELECT 'c' FROM generate_series(1, 7)"
    yield f"ALTER TABLE {it} ALTER b RESTART WITH 1000"


@kind
def virtual_column(names: Names) -> Iterator[str]:
    """Generated columns that are not stored."""
    it = names.within("virt")
    yield f"CREATE TABLE {it} (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL, c int GENERATED ALWAYS AS (a * 2) STORED)"
    yield f"INSERT INTO {it} SELECT generate_series(1, 9)"


@kind
def named_not_null(names: Names) -> Iterator[str]:
    """NOT NULL with a name, not valid, not inherited; a foreign key and a check that are not enforced."""
    it, other = names.within("nn"), names.within("nno")
    yield f'CREATE TABLE {it} (a int PRIMARY KEY, b int CONSTRAINT "b is there" NOT NULL NO INHERIT, c int)'
    yield f"INSERT INTO {it} VALUES (1, 1, NULL)"
    yield f"ALTER TABLE {it} ADD CONSTRAINT {names.new('later')} NOT NULL c NOT VALID"
    yield f"CREATE TABLE {other} (a int REFERENCES {it} NOT ENFORCED, CHECK (a > 5) NOT ENFORCED)"
    yield f"INSERT INTO {other} VALUES (1), (2)"


@kind
def temporal_keys(names: Names) -> Iterator[str]:
    """Keys without overlaps, and a foreign key by period."""
    it, other = names.within("temp"), names.within("tempo")
    yield f"CREATE TABLE {it} (id int4range, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS))"
    yield f"INSERT INTO {it} VALUES ('[1,2)', '[2020-01-01,2021-01-01)'), ('[1,2)', '[2021-01-01,2022-01-01)')"
    yield f"""CREATE TABLE {other} (id int4range, during daterange,
        FOREIGN KEY (id, PERIOD during) REFERENCES {it} (id, PERIOD during))"""
    yield f"INSERT INTO {other} VALUES ('[1,2)', '[2020-05-01,2021-05-01)')"


@kind
def merge_function(names: Names) -> Iterator[str]:
    """A function whose parsed body merges."""
    it = names.within("mt")
    yield f"CREATE TABLE {it} (id int, n int)"
    yield f"""CREATE PROCEDURE {names.within("mp")}() LANGUAGE sql BEGIN ATOMIC
        MERGE INTO {it} t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE
        WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1); END"""


@kind
def multirange(names: Names) -> Iterator[str]:
    """Ranges of a type of its own, with its multirange, in a table with an index."""
    span, it = names.within("mspan"), names.within("mr")
    yield f'CREATE TYPE {span} AS RANGE (SUBTYPE = text, COLLATION = "C", MULTIRANGE_TYPE_NAME = {names.within("mspans")})'
    yield f"CREATE TABLE {it} (r {span}, i int8multirange)"
    yield f"INSERT INTO {it} VALUES ('[a,b)', '{{[1,3),[5,7)}}')"
    yield f"CREATE INDEX ON {it} USING gist (i)"


@kind
def storage_of_columns(names: Names) -> Iterator[str]:
    """Columns with storage of their own."""
    it = names.within("comp")
    yield f"CREATE TABLE {it} (a text STORAGE EXTENDED COMPRESSION pglz, b text STORAGE PLAIN)"
    yield f"INSERT INTO {it} VALUES (repeat('x', 9000), 'y')"


@kind
def transforms(names: Names) -> Iterator[str]:
    """A transform for a built-in language with functions of PostgreSQL's own, and a function that uses it."""
    yield "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal))"
    yield "COMMENT ON TRANSFORM FOR int LANGUAGE sql IS 'of no use'"


@kind
def procedural_language(names: Names) -> Iterator[str]:
    """A language on the handler of another, and a function in it."""
    language, handler = names.new("lang"), names.within("lh")
    yield f"CREATE FUNCTION {handler}() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'"
    yield f"CREATE TRUSTED LANGUAGE {language} HANDLER {handler}"
    yield f"CREATE FUNCTION {names.within('inl')}() RETURNS int LANGUAGE {language} AS 'begin return 1; end'"
    yield f"COMMENT ON LANGUAGE {language} IS 'another name'"


@kind
def user_mapping(names: Names) -> Iterator[str]:
    """A server with a mapping for everybody and one for a role."""
    wrapper, server = names.new("umw"), names.new("ums")
    yield f"CREATE FOREIGN DATA WRAPPER {wrapper}"
    yield f"CREATE SERVER {server} FOREIGN DATA WRAPPER {wrapper}"
    yield f"CREATE USER MAPPING FOR {names.role} SERVER {server} OPTIONS (\"user\" 'u', password 'hidden')"
    yield f"CREATE USER MAPPING FOR PUBLIC SERVER {server}"
    yield f"COMMENT ON FOREIGN DATA WRAPPER {wrapper} IS 'reads nothing'"
    yield f"ALTER SERVER {server} OWNER TO {names.role}"


@kind
def foreign_checks(names: Names) -> Iterator[str]:
    """A foreign table with a check, a default, a trigger, statistics targets, and one that is a partition."""
    wrapper, server, it = names.new("fcw"), names.new("fcs"), names.within("fc")
    yield f"CREATE FOREIGN DATA WRAPPER {wrapper}"
    yield f"CREATE SERVER {server} FOREIGN DATA WRAPPER {wrapper}"
    yield f"CREATE FOREIGN TABLE {it} (a int DEFAULT 7 NOT NULL, b text, CHECK (a > 0)) SERVER {server}"
    yield f"ALTER FOREIGN TABLE {it} ALTER b SET STATISTICS 0"
    yield f"COMMENT ON FOREIGN TABLE {it} IS 'elsewhere'"
    parent = names.within("fcp")
    yield f"CREATE TABLE {parent} (a int) PARTITION BY RANGE (a)"
    yield f"CREATE FOREIGN TABLE {names.within('fcpf')} PARTITION OF {parent} FOR VALUES FROM (0) TO (10) SERVER {server}"


@kind
def comments_everywhere(names: Names) -> Iterator[str]:
    """A comment on each kind of object of a table's, and of the smaller kinds."""
    it, function = names.within("cmt"), names.within("cmf")
    yield f"CREATE TABLE {it} (id int CONSTRAINT {(key := names.new('cpk'))} PRIMARY KEY, t text)"
    yield f"COMMENT ON CONSTRAINT {key} ON {it} IS 'key'"
    yield f"CREATE INDEX {(index := names.new('cix'))} ON {it} (t)"
    yield f"COMMENT ON INDEX {names.schema}.{index} IS 'index'"
    yield f"ALTER TABLE {it} CLUSTER ON {index}"
    yield f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end'"
    yield f"COMMENT ON FUNCTION {function}() IS 'function'"
    yield f"CREATE TRIGGER {(trigger := names.new('ctr'))} AFTER INSERT ON {it} REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION {function}()"
    yield f"COMMENT ON TRIGGER {trigger} ON {it} IS 'trigger'"
    yield f"ALTER TABLE {it} ENABLE ALWAYS TRIGGER {trigger}"
    yield f"CREATE RULE {(rule := names.new('cru'))} AS ON DELETE TO {it} DO INSTEAD NOTHING"
    yield f"COMMENT ON RULE {rule} ON {it} IS 'rule'"
    yield f"CREATE POLICY {(policy := names.new('cpo'))} ON {it} USING (true)"
    yield f"COMMENT ON POLICY {policy} ON {it} IS 'policy'"
    yield f"CREATE STATISTICS {(statistics := names.within('cst'))} ON id, t FROM {it}"
    yield f"COMMENT ON STATISTICS {statistics} IS 'statistics'"
    yield f"CREATE DOMAIN {(domain := names.within('cdo'))} AS int CONSTRAINT {(check := names.new('cck'))} CHECK (VALUE > 0)"
    yield f"COMMENT ON CONSTRAINT {check} ON DOMAIN {domain} IS 'check'"
    yield f"CREATE TEXT SEARCH TEMPLATE {(template := names.within('cte'))} (LEXIZE = dsimple_lexize)"
    yield f"COMMENT ON TEXT SEARCH TEMPLATE {template} IS 'template'"
    yield f"CREATE TYPE {(shell := names.within('csh'))}"
    yield f"COMMENT ON TYPE {shell} IS 'only announced'"


@kind
def matviews_in_a_row(names: Names) -> Iterator[str]:
    """A materialised view over another over a table, with a view that groups by a key."""
    it, first = names.within("mr_t"), names.within("mr_1")
    yield f"CREATE TABLE {it} (id int PRIMARY KEY, t text)"
    yield f"INSERT INTO {it} SELECT i, 't' || i FROM generate_series(1, 25) i"
    yield f"CREATE VIEW {(view := names.within('mr_v'))} AS SELECT id, t, count(*) AS n FROM {it} GROUP BY id"
    yield f"CREATE MATERIALIZED VIEW {first} AS SELECT * FROM {view}"
    yield f"CREATE MATERIALIZED VIEW {names.within('mr_2')} AS SELECT sum(n) AS n FROM {first}"
    yield f"ALTER MATERIALIZED VIEW {first} OWNER TO {names.role}"
    yield f"GRANT SELECT ON {view} TO {names.role}"
    yield f"ALTER TABLE {it} OWNER TO {names.role}"


@kind
def grants_by_others(names: Names) -> Iterator[str]:
    """Grants that somebody who was given the right to grant has made, and default privileges of all kinds."""
    it = names.within("gbo")
    yield f"CREATE TABLE {it} (a int, b int)"
    yield f"GRANT SELECT, UPDATE ON {it} TO {names.role} WITH GRANT OPTION"
    yield f"SET ROLE {names.role}"
    yield f"GRANT SELECT ON {it} TO PUBLIC"
    yield "RESET ROLE"
    yield f"REVOKE ALL ON {it} FROM CURRENT_USER"
    yield f"ALTER DEFAULT PRIVILEGES FOR ROLE {names.role} GRANT USAGE ON TYPES TO PUBLIC"
    yield f"ALTER DEFAULT PRIVILEGES FOR ROLE {names.role} GRANT USAGE ON SCHEMAS TO PUBLIC"


@kind
def overloads(names: Names) -> Iterator[str]:
    """Functions of one name, of any type, of a window, with rights of their definer."""
    it = names.within("ovl")
    yield f"CREATE FUNCTION {it}(a anyelement, b anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1'"
    yield f"CREATE FUNCTION {it}(OUT a int, OUT b text) LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1, 'x' $$"
    yield f"CREATE FUNCTION {it}(a text) RETURNS TABLE (x int, y text) LANGUAGE plpgsql AS 'begin return; end'"
    yield f"ALTER FUNCTION {it}(text) OWNER TO {names.role}"
    yield f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {names.schema} TO {names.role}"


@kind
def ordered_aggregates(names: Names) -> Iterator[str]:
    """An aggregate over an ordered set, one that moves, one in parallel."""
    yield f"""CREATE AGGREGATE {names.within("mov")} (float8) (SFUNC = float8_accum, STYPE = float8[], FINALFUNC = float8_avg,
        COMBINEFUNC = float8_combine, INITCOND = '{{0,0,0}}', PARALLEL = SAFE)"""
    yield f"""CREATE AGGREGATE {names.within("ord")} (float8 ORDER BY anyelement) (SFUNC = ordered_set_transition,
        STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_WRITE)"""


@kind
def default_of_sequence(names: Names) -> Iterator[str]:
    """A sequence that several tables use, and one that belongs to a column by hand."""
    sequence, own = names.within("shared"), names.within("own")
    one, two = names.within("ds1"), names.within("ds2")
    yield f"CREATE SEQUENCE {sequence}"
    text = sequence.replace("'", "''")
    for it in (one, two):
        yield f"CREATE TABLE {it} (id bigint DEFAULT nextval('{text}') NOT NULL, x int)"
        yield f"INSERT INTO {it} (x) SELECT generate_series(1, 4)"
    yield f"CREATE SEQUENCE {own} OWNED BY {one}.x"
    yield f"COMMENT ON SEQUENCE {own} IS 'by hand'"


@kind
def database_words(names: Names) -> Iterator[str]:
    """What is about the database itself: a restore into another one leaves it out, and says so."""
    yield "COMMENT ON DATABASE shop IS 'the shop'"
    yield f"GRANT CONNECT ON DATABASE shop TO {names.role}"
    yield "ALTER DATABASE shop SET work_mem = '8MB'"
