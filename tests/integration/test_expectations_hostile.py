"""What a dump defines must not answer in PostgreSQL's place when its rows are judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg import sql

from expectations.loader import parse_suite
from expectations.results import Cause, Outcome, SuiteResult
from expectations.runner import run_suite
from tests.fix_postgres import Source

AS_OF = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ROWS = """
CREATE TABLE public.orders (id int PRIMARY KEY, status varchar(10) NOT NULL, amount int, at timestamptz);
INSERT INTO public.orders SELECT i, 'bad', i, '2020-01-01' FROM generate_series(1, 50) i;
"""
ON_STATUS = (
    ("expect_column_values_to_match_regex", {"column": "status", "regex": "^good$"}),
    ("expect_column_values_to_be_in_set", {"column": "status", "value_set": ["good"]}),
    ("expect_column_distinct_values_to_equal_set", {"column": "status", "value_set": ["good"]}),
    ("expect_column_most_common_value_to_be_in_set", {"column": "status", "value_set": ["good"]}),
    ("expect_column_values_to_match_like_pattern", {"column": "status", "like_pattern": "good"}),
    ("expect_column_value_lengths_to_equal", {"column": "status", "value": 4}),
    ("expect_column_values_to_be_unique", {"column": "status"}),
)
# An application's own operators, functions and aggregates, on the very types that the columns have.
SHADOWS = """
CREATE FUNCTION public.t(varchar, varchar) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION public.f(varchar, varchar) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE FUNCTION public.t4(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION public.f4(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE FUNCTION public.length(varchar) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 4';
CREATE FUNCTION public.char_length(varchar) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 4';
CREATE FUNCTION public.none(bigint, varchar) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 0::bigint';
CREATE AGGREGATE public.count(varchar) (SFUNC = public.none, STYPE = bigint, INITCOND = '0');
CREATE FUNCTION public.late(timestamptz, timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE
  AS $$SELECT '2026-03-04 11:00+00'::timestamptz$$;
CREATE AGGREGATE public.max(timestamptz) (SFUNC = public.late, STYPE = timestamptz);
"""
OPERATORS = [
    *((f"public.{name}", "varchar", "t") for name in ("~", "=", "~~", ">=", "<=")),
    *((f"public.{name}", "varchar", "f") for name in ("!~", "<>", "!~~", "<", ">")),
    *((f"public.{name}", "int", "t4") for name in ("=", ">=", "<=")),
    *((f"public.{name}", "int", "f4") for name in ("<>", "<", ">")),
]


@pytest.fixture(scope="module")
def database(cluster: Callable[[int], Source]) -> Iterator[Callable[..., str]]:
    """Give a function that restores SQL, as a superuser, and returns how the reader reaches it."""
    made: list[tuple[Source, str]] = []

    def make(statements: str, major: int = 17) -> str:
        source, name = cluster(major), f"hostile_{len(made)}"
        source.create_database(name)
        made.append((source, name))
        source.execute(statements, name)
        return source.dsn(name, "drill_reader")

    yield make
    for source, name in made:
        with source.connect() as session:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run(
    dsn: str, *expectations: tuple[str, Mapping[str, object]], table: str = "public.orders"
) -> SuiteResult:
    entries = [{"type": kind, "kwargs": kwargs} for kind, kwargs in expectations]
    text = json.dumps({"suite": "shop", "tables": {table: entries}})
    return run_suite(parse_suite(text, Path("shop.yaml")), dsn, as_of=AS_OF, deadline_s=60)


def outcomes(result: SuiteResult) -> list[tuple[str, Outcome]]:
    return [(one.type, one.outcome) for one in result.results]


def all_failed(*expectations: tuple[str, Mapping[str, object]]) -> list[tuple[str, Outcome]]:
    return [(kind, Outcome.FAILED) for kind, _ in expectations]


def test_operators_functions_and_aggregates_of_a_dump_do_not_judge_it(database: Callable[..., str]) -> None:
    operators = "".join(
        f"CREATE OPERATOR {name} (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = public.{function});\n"
        for name, kind, function in OPERATORS
    )
    dsn = database(ROWS + SHADOWS + operators)
    asked = (
        *ON_STATUS,
        ("expect_column_values_to_be_between", {"column": "amount", "min_value": 90, "max_value": 99}),
        ("expect_column_max_to_be_between", {"column": "at", "min_value": {"as_of": "-26h"}}),
        (
            "expect_column_values_to_be_in_set",
            {"column": "status", "value_set": ["good"], "row_condition": "amount > 10"},
        ),
        (
            "unexpected_rows_expectation",
            {"unexpected_rows_query": "SELECT * FROM {batch} WHERE status <> 'good'"},
        ),
    )
    result = run(dsn, *asked)
    assert outcomes(result) == all_failed(*asked)
    assert result.results[0].unexpected_count == 50


@pytest.mark.parametrize(
    ("column", "more"),
    [
        ("public.state", "CREATE TYPE public.state AS ENUM ('bad', 'good');"),
        ("public.state", "CREATE TYPE public.state AS (word text);"),
    ],
    ids=["enum", "composite"],
)
def test_a_types_own_casts_and_ordering_do_not_speak_for_its_values(
    database: Callable[..., str], column: str, more: str
) -> None:
    bad = "'bad'" if "ENUM" in more else "ROW('bad')"
    dsn = database(
        f"""{more}
        CREATE FUNCTION public.words(public.state) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'good'$$;
        CREATE CAST (public.state AS text) WITH FUNCTION public.words(public.state) AS IMPLICIT;
        CREATE FUNCTION public.differ(public.state, public.state) RETURNS int LANGUAGE sql STABLE
          AS 'SELECT -1';
        CREATE FUNCTION public.less(public.state, public.state) RETURNS bool LANGUAGE sql AS 'SELECT true';
        CREATE FUNCTION public.never(public.state, public.state) RETURNS bool LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR public.< (LEFTARG = public.state, RIGHTARG = public.state, FUNCTION = public.less);
        CREATE OPERATOR public.<= (LEFTARG = public.state, RIGHTARG = public.state, FUNCTION = public.less);
        CREATE OPERATOR public.= (LEFTARG = public.state, RIGHTARG = public.state, FUNCTION = public.never);
        CREATE OPERATOR public.>= (LEFTARG = public.state, RIGHTARG = public.state, FUNCTION = public.never);
        CREATE OPERATOR public.> (LEFTARG = public.state, RIGHTARG = public.state, FUNCTION = public.never);
        CREATE OPERATOR CLASS public.liar DEFAULT FOR TYPE public.state USING btree AS
          OPERATOR 1 public.<, OPERATOR 2 public.<=, OPERATOR 3 public.=, OPERATOR 4 public.>=,
          OPERATOR 5 public.>, FUNCTION 1 public.differ(public.state, public.state);
        CREATE TABLE public.orders (id int, status {column});
        INSERT INTO public.orders SELECT i, {bad}::public.state FROM generate_series(1, 50) i;"""
    )
    assert outcomes(run(dsn, *ON_STATUS[:5], ON_STATUS[6])) == all_failed(*ON_STATUS[:5], ON_STATUS[6])


def test_a_healthy_enum_is_judged_by_what_it_says(database: Callable[..., str]) -> None:
    dsn = database(
        """CREATE TYPE public.state AS ENUM ('paid', 'new'); CREATE DOMAIN public.word AS text;
        CREATE DOMAIN public.longer AS public.word CHECK (length(VALUE) > 2);
        CREATE TABLE public.orders (id int, status public.state, word public.longer);
        INSERT INTO public.orders VALUES (1, 'paid', 'abc'), (2, 'new', 'abd'), (3, NULL, NULL);"""
    )
    result = run(
        dsn,
        ("expect_column_values_to_be_in_set", {"column": "status", "value_set": ["paid", "new"]}),
        ("expect_column_distinct_values_to_equal_set", {"column": "status", "value_set": ["paid", "new"]}),
        ("expect_column_values_to_be_unique", {"column": "status"}),
        ("expect_column_values_to_not_be_null", {"column": "status", "mostly": 0.6}),
        ("expect_column_values_to_match_regex", {"column": "word", "regex": "^ab"}),
        ("expect_column_values_to_be_in_set", {"column": "word", "value_set": ["abc", "abd"]}),
        (
            "expect_table_row_count_to_equal",
            {"value": 1, "row_condition": "status = 'paid' AND word LIKE 'a%c' -- the first"},
        ),
    )
    assert [one.outcome for one in result.results] == [Outcome.PASSED] * 7
    assert result.results[3].unexpected_count == 1


def test_a_collation_of_the_dump_calls_no_two_texts_equal(database: Callable[..., str]) -> None:
    dsn = database(
        """CREATE COLLATION public.loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
        CREATE TABLE public.orders (id int, status text COLLATE public.loose);
        INSERT INTO public.orders SELECT i, 'GÓÓD' FROM generate_series(1, 50) i;""",
        major=15,
    )
    assert outcomes(run(dsn, *ON_STATUS[:5])) == all_failed(*ON_STATUS[:5])


def test_policies_settings_and_a_views_functions_change_no_row_and_no_meaning(
    database: Callable[..., str], cluster: Callable[[int], Source]
) -> None:
    dsn = database(
        ROWS
        + SHADOWS
        + """
        CREATE OPERATOR public.~ (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.t);
        CREATE OPERATOR public.!~ (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.f);
        ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
        ALTER TABLE public.orders FORCE ROW LEVEL SECURITY;
        CREATE POLICY few ON public.orders USING (id < 0);
        CREATE FUNCTION public.turn() RETURNS int LANGUAGE plpgsql AS $$
          BEGIN
            PERFORM set_config('search_path', 'public, pg_catalog', false);
            PERFORM set_config('default_transaction_read_only', 'off', false);
            PERFORM set_config('transform_null_equals', 'on', false);
            RETURN 1;
          END $$;
        CREATE FUNCTION public.mend() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
          BEGIN UPDATE public.orders SET status = 'good'; RETURN 1; END $$;
        CREATE VIEW public.open AS SELECT *, public.turn() AS turned FROM public.orders;
        CREATE VIEW public.mended AS SELECT *, public.mend() AS turned FROM public.orders LIMIT 1;
        DO $$BEGIN
          EXECUTE format('ALTER DATABASE %I SET search_path = public', current_database());
          EXECUTE format('ALTER DATABASE %I SET transform_null_equals = on', current_database());
        END$$;"""
    )
    first = ("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT turned FROM {batch}"})
    assert outcomes(run(dsn, first, *ON_STATUS[:1], table="public.open")) == all_failed(first, *ON_STATUS[:1])
    second = ("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT turned FROM {batch}"})
    (mended,) = run(dsn, second, table="public.mended").results
    assert (mended.outcome, mended.cause) == (Outcome.ERRORED, Cause.DENIED)
    asked = (("expect_table_row_count_to_equal", {"value": 0}), *ON_STATUS)
    assert outcomes(run(dsn, *asked)) == all_failed(*asked)


def test_sql_of_the_suites_own_says_what_to_do_about_names_without_a_schema(
    database: Callable[..., str],
) -> None:
    dsn = database(
        ROWS + "CREATE TABLE public.known (id int); CREATE FUNCTION public.due(int) RETURNS bool "
        "LANGUAGE sql AS 'SELECT false'; CREATE TYPE public.word AS ENUM ('a');"
    )
    queries = {
        "SELECT o.id FROM {batch} o LEFT JOIN known k ON k.id = o.id WHERE k.id IS NULL": "known",
        "SELECT id FROM {batch} WHERE due(id)": "schema",
        "SELECT id FROM {batch} WHERE 'a'::word IS NULL": "schema",
    }
    for query, word in queries.items():
        (one,) = run(dsn, ("unexpected_rows_expectation", {"unexpected_rows_query": query})).results
        assert (one.outcome, one.cause) == (Outcome.ERRORED, Cause.BAD_QUERY)
        assert word in (one.message or "")
        assert "public.NAME" in (one.message or "")
    (one,) = run(dsn, ("expect_table_row_count_to_equal", {"value": 0, "row_condition": "due(id)"})).results
    assert (one.outcome, one.cause) == (Outcome.ERRORED, Cause.BAD_QUERY)
    qualified = "SELECT o.id FROM {batch} o JOIN public.known k ON k.id = o.id WHERE public.due(o.id)"
    (one,) = run(dsn, ("unexpected_rows_expectation", {"unexpected_rows_query": qualified})).results
    assert one.outcome is Outcome.PASSED
