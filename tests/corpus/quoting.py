"""A database whose restore makes PostgreSQL quote rows, in as many sentences as it has, and a dump's own.

Each statement works where it is dumped and fails where it is restored: the functions that indexes and checks
call are replaced once the rows are in.
"""

from __future__ import annotations

PLANTED = ("canary-row", "canary_row", "4111222233334444", "canary-default")
"""What nothing that a drill leaves or says may hold."""
CASTS = {
    "integer": "canary-row",
    "bigint": "99994111222233334444",
    "smallint": "4111222233334444",
    "real": "4111222233334444e99",
    "numeric(3,1)": "4111222233334444",
    "tsquery": "canary-row !! & (",
    "tsvector": "'canary-row",
    "timestamptz": "2020-01-01 00:00 canary-row/zone",
    "timestamp": "4111222233334444-01-01",
    "date": "canary-row",
    "interval": "canary-row",
    "uuid": "canary-row",
    "json": '{"canary-row": canary-row',
    "jsonpath": "$.canary-row ? (",
    "inet": "canary-row",
    "macaddr": "canary-row",
    "point": "(canary-row",
    "int4range": "[canary-row",
    "int[]": "{canary-row",
    "bit(3)": "canary-row",
    "boolean": "canary-row",
    "regclass": "canary_row",
    "regtype": "canary_row",
    "regrole": "canary_row",
    "bytea": "\\xcanary-row",
    "pg_lsn": "canary-row",
    "public.mood": "canary-row",
    "public.short": "canary-row",
}
"""Type to a text that is none of it."""
RAISES = (
    "RAISE EXCEPTION 'bad card number %', c",
    "RAISE EXCEPTION E'x\\n%\\nDETAIL:  %\\n%', c, c, c",
    "RAISE EXCEPTION 'duplicate key value violates unique constraint \"%\"', c",
    "RAISE EXCEPTION 'relation \"%\" does not exist', c",
    "RAISE EXCEPTION 'permission denied for table %', c",
    "RAISE EXCEPTION 'could not extend file \"%\": No space left on device', c",
    "RAISE EXCEPTION E'x\\npg_restore: error: could not execute query: ERROR:  %', c",
    "RAISE EXCEPTION USING MESSAGE = c, DETAIL = c, HINT = c, ERRCODE = '23505', COLUMN = c, CONSTRAINT = c",
    "RAISE EXCEPTION USING MESSAGE = c, DATATYPE = c, TABLE = c, SCHEMA = c",
    "RAISE EXCEPTION 'x' USING ERRCODE = upper(left(md5(c), 5))",
    "RAISE WARNING '%', c; RAISE NOTICE '%', c; RAISE LOG '%', c; RAISE EXCEPTION '%', c",
    "ASSERT false, c",
    "EXECUTE format('SELECT FROM %I', c)",
    "EXECUTE format('SELECT %I FROM pg_class', c)",
    "EXECUTE format('SELECT public.%I(1)', c)",
    "EXECUTE 'SELECT ' || c || ' FROM FROM'",
    "EXECUTE 'SELECT 1/0 AS ' || quote_ident(c)",
)
"""What a check's function may do with a row's value `c`."""


_OTHERS = """
CREATE TYPE public.mood AS ENUM ('fine');
CREATE DOMAIN public.short AS text CHECK (length(VALUE) < 5);
CREATE TABLE public.fine (id int, c text DEFAULT 'canary-default');
INSERT INTO public.fine VALUES (1, 'canary-row');
CREATE FUNCTION public.backend(c text DEFAULT 'canary-default') RETURNS int LANGUAGE internal AS 'pg_backend_pid';
"""


def schema() -> str:
    """Return the SQL that makes the database."""
    parts = [_OTHERS]
    casts = [(f"PERFORM c::{kind}", text) for kind, text in CASTS.items()]
    parts += [_indexed(f"i{number}", does, text) for number, (does, text) in enumerate(casts)]
    parts += [_checked(f"r{number}", does) for number, does in enumerate(RAISES)]
    return "".join([*parts, _twins(), _orphans()])


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _function(name: str, returns: str, does: str) -> str:
    body = f"BEGIN {does}; RETURN {'1' if returns == 'int' else 'true'}; END"
    return (
        f"CREATE OR REPLACE FUNCTION public.{name}(c text) RETURNS {returns} LANGUAGE plpgsql IMMUTABLE"
        f" AS {_literal(body)};"
    )


def _indexed(name: str, does: str, text: str) -> str:
    return (
        _function(f"f_{name}", "int", "NULL")
        + f"CREATE TABLE public.t_{name} (c text); INSERT INTO public.t_{name} VALUES ({_literal(text)});"
        + f"CREATE INDEX ON public.t_{name} (public.f_{name}(c));"
        + _function(f"f_{name}", "int", does)
    )


def _checked(name: str, does: str) -> str:
    return (
        _function(f"f_{name}", "boolean", "NULL")
        + f"CREATE TABLE public.t_{name} (c text CHECK (public.f_{name}(c)));"
        + f"INSERT INTO public.t_{name} VALUES ('canary-row');"
        + _function(f"f_{name}", "boolean", does)
    )


def _twins() -> str:
    """Return tables whose unique key and exclusion are broken once their function says the same of all."""
    return (
        "CREATE FUNCTION public.same(c text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT c';"
        "CREATE TABLE public.twins (c text); INSERT INTO public.twins VALUES ('canary-row'), ('canary-row 2');"
        "CREATE UNIQUE INDEX ON public.twins (public.same(c));"
        "CREATE TABLE public.apart (c text); INSERT INTO public.apart VALUES ('canary-row'), ('canary-row 2');"
        "ALTER TABLE public.apart ADD EXCLUDE USING btree (public.same(c) WITH =);"
        "CREATE OR REPLACE FUNCTION public.same(c text) RETURNS text LANGUAGE sql IMMUTABLE"
        " AS $$SELECT 'canary-row'$$;"
    )


def _orphans() -> str:
    return (
        "CREATE TABLE public.parents (c text PRIMARY KEY); CREATE TABLE public.children (c text"
        " REFERENCES public.parents); INSERT INTO public.parents VALUES ('canary-row');"
        "INSERT INTO public.children VALUES ('canary-row'); SET session_replication_role = replica;"
        "DELETE FROM public.parents; RESET session_replication_role;"
    )
