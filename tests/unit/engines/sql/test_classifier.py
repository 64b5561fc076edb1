"""What becomes of each statement of a script."""

from __future__ import annotations

import pytest

from tasks.engines.sql.classifier import (
    Action,
    Meta,
    database_named,
    decide,
    describe,
    makes_content,
    read_entries,
    read_meta,
    roles_created,
    sequences_set,
    table_switched,
    tables_named,
)


@pytest.mark.parametrize(
    ("statement", "action"),
    [
        ("INSERT INTO t VALUES (1);", Action.RUN),
        ("SELECT pg_catalog.setval('s', 1);", Action.RUN),
        ("SELECT pg_catalog.set_config('search_path', '', false);", Action.SETTING),
        ("SET client_encoding = 'UTF8';", Action.SETTING),
        ("SET SESSION AUTHORIZATION 'app';", Action.GRANTOR),
        ("SET ROLE app;", Action.SKIP),
        ("RESET SESSION AUTHORIZATION;", Action.GRANTOR),
        ("SET default_tablespace = '';", Action.SKIP),
        ("CREATE TABLE t (a int);", Action.RUN),
        ("CREATE TABLE owner_to (a text DEFAULT 'x OWNER TO y');", Action.RUN),
        ('ALTER TABLE public.t OWNER TO "Odd Role";', Action.OWNER),
        ("ALTER FUNCTION f(integer) OWNER TO app;", Action.OWNER),
        ("ALTER DATABASE shop OWNER TO app;", Action.SKIP),
        ("UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'shop';", Action.SKIP),
        ("UPDATE pg_database SET datistemplate = 't' WHERE datname = 'shop';", Action.SKIP),
        ("UPDATE shop.pg_database SET a = 1;", Action.RUN),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop';", Action.SKIP),
        ("ALTER TABLE public.t DISABLE TRIGGER ALL;", Action.TRIGGERS),
        ('alter table only "a.b"."c d" enable trigger all', Action.TRIGGERS),
        ("ALTER TABLE t DISABLE TRIGGER USER;", Action.RUN),
        ('ALTER TABLE t DISABLE TRIGGER "ALL";', Action.RUN),
        ("ALTER TABLE t DISABLE TRIGGER ALL, ADD a int;", Action.RUN),
        ("ALTER DATABASE shop SET search_path = x;", Action.SKIP),
        ("ALTER TABLE ONLY t ADD CONSTRAINT c PRIMARY KEY (a);", Action.RUN),
        ("ALTER TABLE IF EXISTS t DROP CONSTRAINT c;", Action.DROP),
        ("DROP TABLE t;", Action.DROP),
        ("DROP EXTENSION citext;", Action.SKIP),
        ("DROP DATABASE IF EXISTS shop;", Action.DROP_DATABASE),
        ("CREATE DATABASE shop;", Action.DATABASE),
        ("GRANT SELECT ON TABLE t TO app;", Action.GRANT),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC;", Action.GRANT),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b;", Action.GRANT),
        ("GRANT a TO b WITH ADMIN OPTION;", Action.ROLE),
        ('GRANT "on" TO b;', Action.ROLE),
        ("CREATE ROLE app;", Action.ROLE),
        ("CREATE USER app PASSWORD 'x';", Action.ROLE),
        ("ALTER ROLE app WITH SUPERUSER;", Action.ROLE),
        ("CREATE USER MAPPING FOR a SERVER s OPTIONS (password 'x');", Action.NEVER),
        ("CREATE SUBSCRIPTION s CONNECTION 'password=x' PUBLICATION p;", Action.NEVER),
        ("CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;", Action.EXTENSION),
        ("COMMENT ON EXTENSION citext IS 'x';", Action.LATER),
        ("COMMENT ON TABLE t IS 'x';", Action.RUN),
        ("CREATE FOREIGN DATA WRAPPER w;", Action.WRAPPER),
        ("CREATE FOREIGN TABLE t (a int) SERVER s;", Action.RUN),
        ("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();", Action.LATER),
        ("ALTER EVENT TRIGGER e DISABLE;", Action.SKIP),
        ("CREATE PUBLICATION p FOR ALL TABLES;", Action.LATER),
        ("CREATE PUBLICATION p WITH (publish = 'insert');", Action.RUN),
        ("ALTER PUBLICATION p ADD TABLE ONLY t;", Action.RUN),
        ("ALTER PUBLICATION p ADD TABLES IN SCHEMA s;", Action.LATER),
        ("CREATE OR REPLACE PROCEDURAL LANGUAGE plpgsql;", Action.SKIP),
        ("CREATE COLLATION c (provider = icu, locale = 'de');", Action.COLLATION),
        ("DO $$ BEGIN END $$;", Action.BLOCK),
        ("COPY t FROM stdin;", Action.RUN),
        ("COPY t FROM PROGRAM 'ls';", Action.HOSTILE),
        ("ALTER SYSTEM SET a = 1;", Action.HOSTILE),
        ("CREATE TABLESPACE x LOCATION '/x';", Action.SKIP),
    ],
)
def test_each_statement_has_its_action(statement: str, action: Action) -> None:
    assert decide(statement.encode()) is action


@pytest.mark.parametrize(
    ("statement", "made"),
    [
        ("CREATE TABLE IF NOT EXISTS shop.t (a int);", ("TABLE", "shop", "t")),
        ("CREATE UNIQUE INDEX i ON t (a);", ("INDEX", "", "i")),
        ("CREATE MATERIALIZED VIEW a.m AS SELECT 1;", ("MATERIALIZED VIEW", "a", "m")),
        ("CREATE TRIGGER g BEFORE INSERT ON shop.t EXECUTE FUNCTION f();", ("TRIGGER", "shop", "t g")),
        ("CREATE TEXT SEARCH CONFIGURATION s.c (PARSER = x);", ("TEXT SEARCH CONFIGURATION", "s", "c")),
        ("CREATE OPERATOR CLASS s.c FOR TYPE t USING btree AS STORAGE t;", ("OPERATOR CLASS", "s", "c")),
        ("ALTER TABLE ONLY shop.t ADD CONSTRAINT k PRIMARY KEY (a);", ("CONSTRAINT", "shop", "t k")),
        ("ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES u;", ("FK CONSTRAINT", "", "t k")),
        ('INSERT INTO "Odd"."T" VALUES (1);', ("TABLE DATA", "Odd", "T")),
        ("COPY shop.t (a) FROM stdin;", ("TABLE DATA", "shop", "t")),
        ("REFRESH MATERIALIZED VIEW shop.m;", ("MATERIALIZED VIEW DATA", "shop", "m")),
        ("VACUUM;", ("VACUUM", "", "")),
    ],
)
def test_a_statement_is_described_as_a_table_of_contents_would(
    statement: str, made: tuple[str, str, str]
) -> None:
    assert describe(statement.encode()) == made


def test_a_foreign_key_speaks_of_both_tables() -> None:
    statement = (
        b"ALTER TABLE ONLY shop.orders ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES shop.customers(id);"
    )
    assert tables_named(statement) == ("shop.orders", "shop.customers")


@pytest.mark.parametrize(
    ("line", "meta"),
    [
        ("\\connect shop\n", Meta("connect", database="shop")),
        ('\\connect "Odd name"\n', Meta("connect", database="Odd name")),
        ("\\connect -reuse-previous=on \"dbname='odd \\'name'\"\n", Meta("connect", database="odd 'name")),
        ("\\c shop\n", Meta("c", database="shop")),
        ("\\connect shop evil 192.0.2.1\n", Meta("connect")),
        ('\\connect "host=x dbname=shop"\n', Meta("connect")),
        ("\\connect host=x\n", Meta("connect")),
        ("\\connect postgresql://x/y\n", Meta("connect")),
        ("\\connect `ls`\n", Meta("connect")),
        ("\\connect :'x'\n", Meta("connect")),
        ("\\restrict abc123\n", Meta("restrict", key="abc123")),
        ("\\unrestrict `ls`\n", Meta("unrestrict")),
        ("\\.\n", Meta(".")),
        ("\\! ls\n", Meta("!")),
        ("\\!ls\n", Meta("!ls")),
        ("\\encoding SQL_ASCII\n", Meta("encoding", encoding="SQL_ASCII")),
        ("\\encoding UTF8'; DROP\n", Meta("encoding")),
        ("\\q\n", Meta("q", ends=True)),
        ("\\echo loading orders ...\n", Meta("echo", harmless=True)),
        ("\\echo `ls`\n", Meta("echo")),
        ("\\echo done \\! ls\n", Meta("echo")),
        ("\\timing on\n", Meta("timing", harmless=True)),
        ("\\pset pager off\n", Meta("pset", harmless=True)),
        ("\\set ON_ERROR_STOP on\n", Meta("set", harmless=True)),
        ("\\set AUTOCOMMIT off\n", Meta("set")),  # then nothing that follows is kept
        ("\\set x 1\n", Meta("set")),  # a statement could say :x
        ("\\i other.sql\n", Meta("i")),
        ("\\o /tmp/x\n", Meta("o")),
        ("\\copy t from program 'ls'\n", Meta("copy")),
        ("\\gexec\n", Meta("gexec")),
    ],
)
def test_a_command_is_read_strictly(line: str, meta: Meta) -> None:
    assert read_meta(line.encode()) == meta


def test_comments_of_pg_dump_announce_entries() -> None:
    gap = (
        b"\n--\n-- Name: orders id; Type: DEFAULT; Schema: shop; Owner: app\n--\n"
        b"--\n-- Data for Name: a; b; Type: TABLE DATA; Schema: Odd; s; Owner: -; Tablespace: fast\n--\n"
        b"--\n-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: pg_database_owner\n--\n-- Name: nothing\n"
    )
    assert [(e.dump_id, e.desc, e.tag, e.namespace, e.owner) for e in read_entries(gap, 7)] == [
        (7, "DEFAULT", "orders id", "shop", "app"),
        (8, "TABLE DATA", "a; b", "Odd; s", ""),
        (9, "ACL", "SCHEMA public", "", "pg_database_owner"),
    ]


def test_roles_that_a_block_guards_are_found() -> None:
    block = (
        b"DO $$ BEGIN IF NOT EXISTS (SELECT) THEN CREATE ROLE app; END IF;"
        b" CREATE USER \"Odd One\" PASSWORD 'x'; END $$"
    )
    assert roles_created(block) == ("app", "Odd One")


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE DATABASE shop WITH ENCODING = 'UTF8';", "shop"),
        ('DROP DATABASE IF EXISTS "A b";', "A b"),
        ("DROP DATABASE", ""),
    ],
)
def test_the_database_of_a_statement_is_found(statement: str, name: str) -> None:
    assert database_named(statement.encode()) == name


@pytest.mark.parametrize(
    "statement",
    [
        "zqplanted\t4111\tzqplanted;",
        "CREATE zqplanted zqplanted;",
        "comment zqplanted zqplanted zqplanted;",
        "4111\tzqplanted;",
        "'zqplanted';",
    ],
)
def test_a_row_that_lost_its_copy_names_nothing(statement: str) -> None:
    assert "zqplanted" not in " ".join(describe(statement.encode())).lower()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT setval('t_id_seq', 7, false);", [("", "t_id_seq", "7, false")]),
        ("SELECT pg_catalog.setval('shop.\"Odd Seq\"', 5, true);", [("shop", "Odd Seq", "5, true")]),
        (
            "select SETVAL ( 'shop.s'::regclass , -3 ), setval('b', 2)",
            [("shop", "s", "-3, true"), ("", "b", "2, true")],
        ),
        ("SELECT setval('t_id_seq', (SELECT max(id) FROM t));", []),
        ("SELECT setval('', 1);", []),
    ],
)
def test_what_a_script_by_hand_sets_its_sequences_to(
    statement: str, found: list[tuple[str, str, str]]
) -> None:
    entries = sequences_set(statement)
    assert [(entry.namespace, entry.tag) for entry in entries] == [(space, tag) for space, tag, _ in found]
    assert all(value in entry.defn for entry, (_, _, value) in zip(entries, found, strict=True))


@pytest.mark.parametrize(
    ("statement", "switched"),
    [
        (b"ALTER TABLE ONLY public.t DISABLE TRIGGER ALL;", ("public.t", False)),
        (b'ALTER TABLE IF EXISTS "a.b"."c ""d" ENABLE TRIGGER ALL', ('"a.b"."c ""d"', True)),
        (b"ALTER TABLE t DISABLE TRIGGER some;", None),
    ],
)
def test_the_table_whose_triggers_sleep_is_told(statement: bytes, switched: tuple[str, bool] | None) -> None:
    assert table_switched(statement) == switched


@pytest.mark.parametrize(
    ("statement", "makes"),
    [
        ("CREATE TABLE t (a int);", True),
        ("INSERT INTO t VALUES (1);", True),
        ("COPY t FROM stdin;", True),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity;", False),
        ("BEGIN;", False),
        ("SET search_path = a;", False),
        ("DO $$ BEGIN CREATE ROLE app; END $$;", False),
        ("DROP TABLE IF EXISTS t;", False),
    ],
)
def test_what_stands_before_a_connect_may_make_nothing(statement: str, makes: bool) -> None:
    assert makes_content(statement.encode(), decide(statement.encode())) is makes
