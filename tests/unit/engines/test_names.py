"""Names read out of SQL text: roles, locales, extensions."""

from __future__ import annotations

import pytest

from tasks.engines.database import collations_named, database_name, is_icu, read_options
from tasks.engines.extensions import read_extension
from tasks.engines.globals import read_roles
from tasks.engines.roles import Role
from tasks.engines.sql.tokens import roles_in_grants, roles_in_policy


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("GRANT SELECT ON TABLE shop.orders TO app;", {"app"}),
        ('GRANT SELECT(name),UPDATE(name) ON TABLE "x TO y" TO "Odd Role" WITH GRANT OPTION;', {"Odd Role"}),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT ALL ON SCHEMA public TO PUBLIC;", set()),
        ("REVOKE ALL ON FUNCTION f(integer) FROM app;", {"app"}),
        (
            "SET SESSION AUTHORIZATION lender;GRANT SELECT ON t TO app;RESET SESSION AUTHORIZATION;",
            {"lender", "app"},
        ),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES TO b, c;", {"a", "b", "c"}),
        ("GRANT USAGE ON SCHEMA s TO GROUP g;", {"g"}),
        ("GRANT SELECT ON t TO pg_monitor, CURRENT_USER;", set()),
        ("ALTER TABLE t OWNER TO App;", {"app"}),
    ],
)
def test_roles_of_grants_are_found(text: str, roles: set[str]) -> None:
    assert roles_in_grants(text) == roles


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ('CREATE POLICY p ON t FOR SELECT TO a, "B c" USING (true);', {"a", "B c"}),
        ("CREATE POLICY p ON t USING ((x = 'TO y'::text));", set()),
        ('CREATE POLICY "TO x" ON t AS RESTRICTIVE TO PUBLIC WITH CHECK (true);', set()),
    ],
)
def test_roles_of_policies_are_found(text: str, roles: set[str]) -> None:
    assert roles_in_policy(text) == roles


GLOBALS = b"""
--
-- PostgreSQL database cluster dump
--
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER INHERIT LOGIN PASSWORD 'SCRAM-SHA-256$4096:planted';
CREATE ROLE "Odd; Role";
ALTER ROLE "Odd; Role" WITH SUPERUSER NOINHERIT PASSWORD 'md5planted';
CREATE USER joined IN ROLE app, readers PASSWORD 'x';
ALTER ROLE app SET search_path TO 'a';
GRANT app TO "Odd; Role" WITH ADMIN OPTION, INHERIT TRUE GRANTED BY postgres;
GRANT app TO stranger;
CREATE TABLESPACE fast LOCATION '/x';
"""


def test_globals_bring_names_groups_inheritance_and_who_is_superuser_and_nothing_else() -> None:
    roles = read_roles([GLOBALS])
    assert roles == (
        Role("app"),
        Role("Odd; Role", inherits=False, groups=("app",), is_superuser=True),
        Role("joined", groups=("app", "readers")),
    )
    assert "planted" not in repr(roles)


@pytest.mark.parametrize(
    ("text", "stated", "provider"),
    [
        (
            "CREATE DATABASE s WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'en_US.UTF-8';",
            "en_US.UTF-8",
            "libc",
        ),
        ("CREATE DATABASE s WITH ENCODING = 'UTF8' LC_COLLATE = 'a' LC_CTYPE = 'b';", "a/b", "libc"),
        (
            "CREATE DATABASE s WITH LOCALE_PROVIDER = icu LOCALE = 'C' ICU_LOCALE = 'de-AT';",
            "icu de-AT",
            "icu",
        ),
        (
            "CREATE DATABASE s LOCALE_PROVIDER = builtin LOCALE = 'C' BUILTIN_LOCALE = 'C.UTF-8';",
            "builtin C.UTF-8",
            "builtin",
        ),
        ("CREATE DATABASE s;", "", "libc"),
    ],
)
def test_what_a_backup_says_of_its_locale_is_read(text: str, stated: str, provider: str) -> None:
    options = read_options(text, "LATIN1")
    assert (options.stated, options.provider) == (stated, provider)
    assert options.encoding == ("UTF8" if "ENCODING" in text else "LATIN1")


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("shop", "shop"), ("postgres", "restored"), ("template1", "restored"), ("", "restored")],
)
def test_a_database_keeps_its_name_unless_the_cluster_has_one_of_it(wanted: str, name: str) -> None:
    assert database_name(wanted) == name


def test_collations_of_the_system_are_found() -> None:
    texts = [
        'a text COLLATE pg_catalog."de_DE.utf8"',
        "b text COLLATE pg_catalog.ucs_basic",
        "c text COLLATE shop.own",
    ]
    assert collations_named(texts) == {"de_DE.utf8", "ucs_basic"}
    assert is_icu("CREATE COLLATION c (provider = icu, locale = 'de')")
    assert not is_icu("CREATE COLLATION icu (provider = libc, locale = 'icu')")


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;", "public"),
        ('CREATE EXTENSION a SCHEMA "Odd one";', "Odd one"),
        ("CREATE EXTENSION a;", ""),
    ],
)
def test_the_schema_of_an_extension_is_read(text: str, schema: str) -> None:
    assert read_extension(text, "x").schema == schema
