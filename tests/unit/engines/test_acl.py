"""Grants are read into privileges and written anew; what is none is not run."""

from __future__ import annotations

import pytest

from tasks.engines.acl import Grant, read_acl
from tasks.engines.owners import read_owner_change


def rebuilt(text: str) -> list[str] | None:
    statements = read_acl(text)
    return None if statements is None else [statement.text for statement in statements]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("GRANT ALL ON TABLE shop.orders TO app;", ['GRANT ALL ON TABLE "shop"."orders" TO "app"']),
        (
            'GRANT SELECT(a),UPDATE("B c") ON TABLE s.t TO "Odd Role" WITH GRANT OPTION;',
            ['GRANT SELECT ("a"), UPDATE ("B c") ON TABLE "s"."t" TO "Odd Role" WITH GRANT OPTION'],
        ),
        (
            (
                "SET SESSION AUTHORIZATION lender;\nGRANT USAGE ON SEQUENCE s TO PUBLIC;\n"
                "RESET SESSION AUTHORIZATION;"
            ),
            ['SET ROLE "lender"', 'GRANT USAGE ON SEQUENCE "s" TO PUBLIC', "RESET ROLE"],
        ),
        (
            'REVOKE ALL ON FUNCTION public.f(a integer, VARIADIC b public."T"[], OUT "char") FROM PUBLIC;',
            [
                (
                    'REVOKE ALL ON FUNCTION "public"."f"'
                    '(a integer , VARIADIC b public . "T" [ ] , OUT "char") FROM PUBLIC'
                )
            ],
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES TO b;",
            ['ALTER DEFAULT PRIVILEGES FOR ROLE "a" IN SCHEMA "s" GRANT SELECT ON TABLES TO "b"'],
        ),
        (
            "REVOKE GRANT OPTION FOR SELECT ON t FROM app GRANTED BY CURRENT_USER CASCADE",
            ['REVOKE GRANT OPTION FOR SELECT ON TABLE "t" FROM "app" GRANTED BY CURRENT_USER CASCADE'],
        ),
        ("GRANT SELECT ON LARGE OBJECT 12,13 TO app;", ['GRANT SELECT ON LARGE OBJECT 12, 13 TO "app"']),
        (
            "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA a, b TO GROUP app, other",
            ['GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "a", "b" TO "app", "other"'],
        ),
        ("GRANT ALL PRIVILEGES ON TYPE x TO app", ['GRANT ALL ON TYPE "x" TO "app"']),
        ("GRANT USAGE ON FOREIGN SERVER s TO a", ['GRANT USAGE ON FOREIGN SERVER "s" TO "a"']),
        ("GRANT SELECT ON type TO App", ['GRANT SELECT ON TABLE "type" TO "app"']),
        ('GRANT SELECT ON "x;y" TO "a;b";', ['GRANT SELECT ON TABLE "x;y" TO "a;b"']),
        ("GRANT SELECT ON t TO \u00c4", ['GRANT SELECT ON TABLE "t" TO "\u00c4"']),
        (
            "SET SESSION AUTHORIZATION 'it''s'; SET SESSION AUTHORIZATION DEFAULT",
            ['SET ROLE "it\'s"', "RESET ROLE"],
        ),
        ("", []),
    ],
)
def test_a_grant_is_written_anew(text: str, statements: list[str]) -> None:
    assert rebuilt(text) == statements


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE t",
        "GRANT SELECT ON t TO a; DROP TABLE t",
        "GRANT SELECT ON t TO a, (SELECT evil())",
        "GRANT ALL ON FUNCTION f(evil()) TO a; SELECT 1",
        "GRANT ALL ON FUNCTION f('x') TO a",
        "GRANT ALL ON FUNCTION f(a integer DEFAULT $$x$$) TO a",
        "GRANT ALL ON FUNCTION f(integer TO a",
        "GRANT ALL ON FUNCTION f(integer)) TO a",
        "GRANT app TO other",
        "GRANT SELECT ON t",
        "GRANT SELECT ON t TO",
        "GRANT FLY ON t TO a",
        "GRANT SET ON PARAMETER session_replication_role TO a",
        "GRANT CREATE ON TABLESPACE fast TO a",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON VIEWS TO a",
        "ALTER TABLE t ADD COLUMN z integer DEFAULT evil(), OWNER TO a",
        "SET SESSION AUTHORIZATION E'lender'",
        "SET search_path = public",
        'GRANT SELECT ON U&"d\\0061t" TO a',
        "GRANT SELECT ON t TO a -- \n; SELECT evil()",
    ],
)
def test_what_is_no_grant_is_not_run(text: str) -> None:
    assert rebuilt(text) is None


@pytest.mark.parametrize(
    ("text", "is_system"),
    [
        ("GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO a", True),
        ("REVOKE ALL ON TABLE pg_catalog.pg_proc FROM PUBLIC", True),
        ("REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC", True),
        ("GRANT CREATE ON SCHEMA pg_catalog TO a", True),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA information_schema TO a", True),
        ("GRANT SELECT ON public.pg_catalog TO a", False),
        ("GRANT SELECT ON pg_catalog TO a", False),
        ("GRANT USAGE ON LANGUAGE plperl TO a", False),
        ("ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO a", False),
    ],
)
def test_grants_on_the_systems_own_objects_are_told_apart(text: str, is_system: bool) -> None:
    (grant,) = read_acl(text) or ()
    assert isinstance(grant, Grant)
    assert grant.is_system is is_system


def test_a_name_without_a_schema_is_of_the_entrys_own() -> None:
    (table,) = read_acl("GRANT SELECT ON t TO a") or ()
    (schema,) = read_acl("GRANT USAGE ON SCHEMA s TO a") or ()
    assert isinstance(table, Grant)
    assert isinstance(schema, Grant)
    assert table.within("shop").text == 'GRANT SELECT ON TABLE "shop"."t" TO "a"'
    assert table.within("").text == table.text
    assert schema.within("shop").text == schema.text


def test_nobody_but_the_drills_own_roles_is_granted_anything() -> None:
    (grant,) = read_acl("GRANT SELECT ON t TO app, drill_reader, PUBLIC") or ()
    assert isinstance(grant, Grant)
    kept = grant.only_for(frozenset({"app"}))
    assert kept is not None
    assert kept.text == 'GRANT SELECT ON TABLE "t" TO "app", PUBLIC'
    (other,) = read_acl("GRANT SELECT ON t TO drill_reader") or ()
    assert isinstance(other, Grant)
    assert other.only_for(frozenset({"app"})) is None


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("ALTER FUNCTION f(a integer) OWNER TO app;", 'ALTER FUNCTION "f"(a integer) OWNER TO "app"'),
        ("alter procedure s.p() owner to App", 'ALTER PROCEDURE "s"."p"() OWNER TO "app"'),
        ("ALTER AGGREGATE total(*) OWNER TO app;", 'ALTER AGGREGATE "total"(*) OWNER TO "app"'),
        ("ALTER SERVER far OWNER TO app", 'ALTER SERVER "far" OWNER TO "app"'),
        (
            "ALTER TEXT SEARCH DICTIONARY d OWNER TO app",
            'ALTER TEXT SEARCH DICTIONARY "d" OWNER TO "app"',
        ),
        ("ALTER FUNCTION f(int) SECURITY DEFINER; ALTER FUNCTION f(int) OWNER TO app", None),
        ("ALTER FUNCTION f(evil('x')) OWNER TO app", None),
        ("ALTER EVENT TRIGGER e OWNER TO app", None),
        ("ALTER FUNCTION f() OWNER TO app, evil", None),
    ],
)
def test_owners_that_scripts_by_hand_set_are_written_anew(text: str, change: str | None) -> None:
    read = read_owner_change(text)
    assert (None if read is None else read.text) == change
