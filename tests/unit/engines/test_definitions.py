"""What our superuser may run is read so that it can mean one thing only; what he adds is cut out exactly."""

from __future__ import annotations

import pytest

from tasks.engines.comments import read_comment
from tasks.engines.definitions import Setting, language_of, library_of, needs_superuser, soften, strict
from tasks.engines.extensions import Extension, read_extension

OURS = frozenset({"log_min_messages"})


@pytest.mark.parametrize(
    "text",
    [
        "CREATE OPERATOR CLASS s.c FOR TYPE bigint USING btree AS OPERATOR 1 <(bigint,bigint);",
        'CREATE CAST (text AS "Odd; type") WITHOUT FUNCTION AS IMPLICIT;',
        "CREATE TYPE public.n (INPUT = public.n_in, DEFAULT = 'it''s; 42');",
        "CREATE FUNCTION f(cstring) RETURNS n LANGUAGE internal STRICT AS $$int4in$$;",
        "ALTER OPERATOR FAMILY s.f USING hash ADD OPERATOR 1 pg_catalog.=(integer,smallint);",
    ],
)
def test_a_plain_statement_is_run_as_it_stands(text: str) -> None:
    assert strict(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "CREATE CAST (text AS x) WITHOUT FUNCTION; SELECT evil()",
        "CREATE CAST (text AS x) WITHOUT FUNCTION -- \n",
        "CREATE CAST (text AS /* ; */ x) WITHOUT FUNCTION",
        "CREATE FUNCTION f() RETURNS x LANGUAGE internal AS $a$int4in$a$",
        "CREATE FUNCTION f() RETURNS x LANGUAGE internal AS E'int4in'",
        'CREATE CAST (text AS U&"d\\0061ta") WITHOUT FUNCTION',
        "CREATE TYPE x (INPUT = f, DEFAULT = 'a\\'; SELECT evil(); --')",
        "CREATE TABLE t AS SELECT evil()",
        "SELECT evil()",
        "COPY t TO PROGRAM 'x'",
        "CREATE TYPE x (INPUT = f, DEFAULT = 'unclosed",
    ],
)
def test_anything_else_is_not_run(text: str) -> None:
    assert strict(text) is None


def test_what_is_there_is_never_replaced() -> None:
    text = "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE internal AS 'pg_backend_pid'"
    assert strict(text) == text.replace("OR REPLACE ", "")


def test_attributes_of_a_superuser_are_cut_out_and_nothing_else() -> None:
    text = (
        "CREATE FUNCTION s.f(a text DEFAULT 'LEAKPROOF') RETURNS text LANGUAGE sql LEAKPROOF COST 7"
        " SUPPORT s.plans SET search_path TO 'a', 'b' SET x.y TO '0.4' SET log_min_messages TO 'error'"
        " AS $$SELECT 'LEAKPROOF SUPPORT x SET x.y TO 1'$$;"
    )
    softened = soften(text, OURS)
    assert softened is not None
    assert softened.leakproof
    assert softened.support == ("s", "plans")
    assert softened.settings == (Setting(("x", "y"), ("0.4",)), Setting(("log_min_messages",), ("error",)))
    assert " ".join(softened.text.split()) == (
        "CREATE FUNCTION s.f(a text DEFAULT 'LEAKPROOF') RETURNS text LANGUAGE sql COST 7"
        " SET search_path TO 'a', 'b' AS $$SELECT 'LEAKPROOF SUPPORT x SET x.y TO 1'$$;"
    )


def test_an_ordinary_function_is_left_as_it_is() -> None:
    text = (
        "CREATE FUNCTION f() RETURNS integer LANGUAGE sql NOT LEAKPROOF SET search_path TO 'a' AS 'SELECT 1';"
    )
    assert soften(text, OURS) is None
    assert not needs_superuser("FUNCTION", text, OURS)


@pytest.mark.parametrize(
    ("desc", "text", "needs"),
    [
        ("OPERATOR CLASS", "CREATE OPERATOR CLASS c", True),
        ("TYPE", "CREATE TYPE s.n;", True),
        ("TYPE", "CREATE TYPE s.n (INPUT = f)", True),
        ("TYPE", "CREATE TYPE s.n AS (a integer)", False),
        ("TYPE", "CREATE TYPE s.n AS ENUM ('a')", False),
        ("AGGREGATE", "CREATE AGGREGATE a(text) (SFUNC = f, STYPE = internal)", True),
        ("AGGREGATE", 'CREATE AGGREGATE "a"("text") (SFUNC = "f", STYPE = "internal")', True),
        ("AGGREGATE", 'CREATE AGGREGATE "a"("text") (SFUNC = "f", STYPE = "Internal")', False),
        ("AGGREGATE", "CREATE AGGREGATE a(integer) (SFUNC = int4pl, STYPE = integer)", False),
        ("FUNCTION", "CREATE FUNCTION f() RETURNS x LANGUAGE C AS '$libdir/a'", True),
        ("FUNCTION", "CREATE FUNCTION f() RETURNS x LANGUAGE 'internal' AS 'now'", True),
        ("TABLE", "CREATE TABLE t (a integer)", False),
    ],
)
def test_what_needs_a_superuser_is_known_by_its_kind(desc: str, text: str, needs: bool) -> None:
    assert needs_superuser(desc, text, OURS) is needs


def test_library_and_symbol_are_what_the_server_would_load() -> None:
    assert library_of("CREATE FUNCTION f() RETURNS x LANGUAGE c AS '$libdir/a', 'b'") == ("$libdir/a", "b")
    assert library_of("CREATE FUNCTION s.f() RETURNS x LANGUAGE c AS '/evil'") == ("/evil", "f")
    assert library_of("CREATE FUNCTION f() RETURNS x LANGUAGE internal AS $$now$$") == ("", "now")
    assert library_of("CREATE FUNCTION f() RETURNS x LANGUAGE c AS 'a' AS 'b'") is None
    assert language_of("CREATE FUNCTION f() RETURNS x /* LANGUAGE sql */ LANGUAGE C AS 'a'") == "c"


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("COMMENT ON EVENT TRIGGER e IS 'it''s';", "COMMENT ON EVENT TRIGGER \"e\" IS 'it''s'"),
        ("COMMENT ON CAST (bytea AS text) IS NULL", "COMMENT ON CAST (bytea AS text) IS NULL"),
        (
            "COMMENT ON TRANSFORM FOR integer LANGUAGE sql IS 'x'",
            "COMMENT ON TRANSFORM FOR integer LANGUAGE \"sql\" IS 'x'",
        ),
        ("COMMENT ON DATABASE d IS 'x'", None),
        ("COMMENT ON PUBLICATION p IS E'x'", None),
        ("COMMENT ON PUBLICATION p IS 'x'; SELECT evil()", None),
    ],
)
def test_a_comment_is_written_anew(text: str, comment: str | None) -> None:
    assert read_comment(text) == comment


@pytest.mark.parametrize(
    ("text", "extension"),
    [
        ("CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA s;", Extension("citext", "s")),
        ("create extension earthdistance cascade", Extension("earthdistance", cascade=True)),
        ('CREATE EXTENSION "uuid-ossp" SCHEMA "Odd" VERSION \'1.1\'', Extension("uuid-ossp", "Odd", "1.1")),
        ("CREATE EXTENSION cascade", Extension("cascade")),
        ("SELECT 1", Extension("tag")),
    ],
)
def test_what_a_create_extension_asks_for_is_read(text: str, extension: Extension) -> None:
    assert read_extension(text, "tag") == extension
