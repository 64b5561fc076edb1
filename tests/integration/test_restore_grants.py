"""Who may use what comes back as it was, from what every pg_dump writes, although no text of it is run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fix_postgres import Source
from tests.fix_restore import Restore

ROLES = ("grant_owner", "grant_app", "Grant Odd; Role", "grant\"quoted'", "grant_reader")
OBJECTS = """
CREATE SCHEMA "Odd; Schema";
CREATE TABLE "Odd; Schema"."T (a,b)" (id integer, "odd "" column" text, plain text);
CREATE TABLE public.orders (id integer, note text);
INSERT INTO public.orders VALUES (1, 'x');
CREATE VIEW public.seen AS SELECT id FROM public.orders;
CREATE MATERIALIZED VIEW public.kept AS SELECT id FROM public.orders;
CREATE SEQUENCE public.numbers;
CREATE TYPE public."Pair, of" AS (a integer, b text);
CREATE DOMAIN public.positive AS integer CHECK (VALUE > 0);
CREATE FUNCTION public.f(a integer, VARIADIC b text[]) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.f("odd (arg" public."Pair, of", OUT "char", OUT c timestamp with time zone)
    LANGUAGE sql AS $$SELECT '1'::"char", now()$$;
CREATE FUNCTION "Odd; Schema"."f;("(double precision, character varying[]) RETURNS void LANGUAGE sql AS '';
CREATE PROCEDURE public.p(INOUT x numeric) LANGUAGE sql AS 'SELECT 1.0';
CREATE AGGREGATE public.total(integer) (sfunc = int4pl, stype = integer);
CREATE FOREIGN DATA WRAPPER far;
CREATE SERVER "far; server" FOREIGN DATA WRAPPER far;
CREATE FOREIGN TABLE public.remote (id integer) SERVER "far; server";
SELECT lo_create(4711);
"""
RELATION = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
GRANTABLE = (
    ('TABLE "Odd; Schema"."T (a,b)"', RELATION),
    ("TABLE public.orders", RELATION),
    ("TABLE public.seen", RELATION),
    ("TABLE public.kept", RELATION),
    ("TABLE public.remote", RELATION),
    ("SEQUENCE public.numbers", ("SELECT", "UPDATE", "USAGE")),
    ("SCHEMA public", ("USAGE", "CREATE")),
    ('SCHEMA "Odd; Schema"', ("USAGE", "CREATE")),
    ('TYPE public."Pair, of"', ("USAGE",)),
    ("DOMAIN public.positive", ("USAGE",)),
    ("FUNCTION public.f(integer, text[])", ("EXECUTE",)),
    ('FUNCTION public.f(public."Pair, of")', ("EXECUTE",)),
    ('FUNCTION "Odd; Schema"."f;("(double precision, character varying[])', ("EXECUTE",)),
    ("PROCEDURE public.p(numeric)", ("EXECUTE",)),
    ("FUNCTION public.total(integer)", ("EXECUTE",)),
    ('FOREIGN SERVER "far; server"', ("USAGE",)),
    ("LARGE OBJECT 4711", ("SELECT", "UPDATE")),
)
COLUMNS = (
    ('"Odd; Schema"."T (a,b)"', ('"odd "" column"', "plain")),
    ("public.orders", ("id", "note")),
)
DEFAULTS = (
    ("TABLES", RELATION),
    ("SEQUENCES", ("USAGE",)),
    ("FUNCTIONS", ("EXECUTE",)),
    ("TYPES", ("USAGE",)),
)
ACLS = """
SELECT what, CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type,
    a.is_grantable, pg_get_userbyid(a.grantor) FROM (
    SELECT 'class ' || oid::regclass::text AS what, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'
        ELSE 'r' END::"char", relowner)) AS acl FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'S', 'f')
        AND oid >= 16384
    UNION ALL SELECT 'column ' || attrelid::regclass::text || '.' || attname, attacl FROM pg_attribute
        WHERE attrelid >= 16384
    UNION ALL SELECT 'function ' || oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner))
        FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 'schema ' || nspname, coalesce(nspacl, acldefault('n', nspowner))
        FROM pg_namespace WHERE oid >= 16384 OR (nspname = 'public' AND nspowner <> 10
        AND pg_get_userbyid(nspowner) !~ '^drill_')
    UNION ALL SELECT 'type ' || oid::regtype::text, coalesce(typacl, acldefault('T', typowner)) FROM pg_type
        WHERE oid >= 16384 AND typtype IN ('c', 'd') AND NOT EXISTS
        (SELECT FROM pg_class c WHERE c.oid = typrelid AND relkind <> 'c')
    UNION ALL SELECT 'server ' || srvname, coalesce(srvacl, acldefault('S', srvowner)) FROM pg_foreign_server
    UNION ALL SELECT 'large object ' || oid, coalesce(lomacl, acldefault('L', lomowner))
        FROM pg_largeobject_metadata
    UNION ALL SELECT format('default %s %s %s', defaclrole::regrole, defaclobjtype,
        (SELECT nspname FROM pg_namespace n WHERE n.oid = defaclnamespace)), defaclacl
        FROM pg_default_acl
) every, aclexplode(acl) a
"""


def quoted(role: str) -> str:
    return '"' + role.replace('"', '""') + '"'


def grantable(major: int) -> list[tuple[str, tuple[str, ...]]]:
    """Return what rights are given on; pg_dump 14 does not tell whom the schema public belongs to."""
    return [one for one in GRANTABLE if major >= 15 or one[0] != "SCHEMA public"]


def random_grants(major: int) -> list[str]:
    """Return statements by the owner, and by those to whom the owner gave the option to grant."""
    draw = random.Random(major)
    owner, *others = ROLES
    everybody = ", ".join(map(quoted, others))
    statements = [
        f"SET ROLE {quoted(owner)}",
        f'GRANT USAGE ON SCHEMA public, "Odd; Schema" TO {everybody}',  # without it they could grant nothing
    ]
    for name, privileges in grantable(major):
        first, second, third = draw.sample(others, 3)
        some = ", ".join(draw.sample(privileges, draw.randint(1, len(privileges))))
        statements += [
            f"GRANT {some} ON {name} TO {quoted(first)} WITH GRANT OPTION",
            f"GRANT {draw.choice(privileges)} ON {name} TO {quoted(second)}, PUBLIC",
            f"SET ROLE {quoted(first)}",
            f"GRANT {some} ON {name} TO {quoted(third)}",
            f"SET ROLE {quoted(owner)}",
        ]
        if draw.random() < 0.4 and not name.startswith("SCHEMA"):
            statements.append(f"REVOKE ALL ON {name} FROM {draw.choice(['PUBLIC', quoted(owner)])}")
    for name, columns in COLUMNS:
        for column in columns:
            words = ", ".join(f"{word} ({column})" for word in draw.sample(("SELECT", "UPDATE", "INSERT"), 2))
            statements.append(f"GRANT {words} ON TABLE {name} TO {quoted(draw.choice(others))}")
    for kind, privileges in DEFAULTS:
        within = draw.choice(["", ' IN SCHEMA "Odd; Schema"'])
        statements.append(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(owner)}{within} GRANT {draw.choice(privileges)}"
            f" ON {kind} TO {quoted(draw.choice(others))} WITH GRANT OPTION"
        )
    return [*statements, "RESET ROLE"]


def acls(session: psycopg.Connection[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    session.execute("SET search_path = pg_catalog")
    return set(session.execute(ACLS).fetchall())


@pytest.fixture
def granted(cluster: Callable[[int], Source]) -> Callable[[int], Source]:
    """Give a source whose database `granted` holds every kind of object and random grants on them."""

    def build(major: int) -> Source:
        source = cluster(major)
        source.create_database("granted")
        with source.connect("granted") as session:
            for role in ROLES:
                if session.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
                    session.execute(f"CREATE ROLE {quoted(role)}".encode())
            session.execute(OBJECTS)
            owner = quoted(ROLES[0])
            for name, _ in grantable(major):
                kind = name.replace("FOREIGN SERVER", "SERVER").replace(
                    "FUNCTION public.total", "AGGREGATE public.total"
                )
                session.execute(f"ALTER {kind} OWNER TO {owner}".encode())
            for statement in random_grants(major):
                session.execute(statement.encode())
        return source

    return build


@pytest.mark.parametrize(
    ("major", "form"), [*((major, "-Fc") for major in range(14, 19)), (14, "-Fp"), (18, "-Fp")]
)
def test_grants_of_every_kind_come_back_as_they_were(
    granted: Callable[[int], Source], restore_dump: Restore, tmp_path: Path, major: int, form: str
) -> None:
    source = granted(major)
    with source.connect("granted") as session:
        before = acls(session)
    dump = source.dump("granted", tmp_path / "granted.dump", form)
    source.execute("DROP DATABASE granted")
    outcome = restore_dump(major, dump, name="granted")
    assert outcome.failures == set()
    with outcome.sandbox_session() as session:
        after = acls(session)
    assert before - after == set()
    assert after - before == set()
