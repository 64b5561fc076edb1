"""Suites judged by the real Great Expectations in a real cluster."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from expectations.loader import load_suite, parse_suite
from expectations.results import Cause, ExpectationResult, Outcome, SuiteResult
from expectations.runner import deep_problems, run_suite, warm_up
from expectations.suite import SuiteInvalid
from expectations.times import Unset
from expectations.vocabulary import UNSUPPORTED, expectation_types
from tests.fix_postgres import Source

CANARY = "CANARY-7781"
AS_OF = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
TABLES = f"""
CREATE EXTENSION citext;
CREATE TABLE public.orders (id int PRIMARY KEY, customer_id int, status text, amount numeric(12,2),
    email text, placed_at timestamptz, shipped_on date, seen_at timestamp, code citext, js jsonb);
INSERT INTO orders
  SELECT i, i %% 7, (array['new','paid','{CANARY}'])[1 + i %% 3], i / 3.0, '{CANARY}' || i || '@example.com',
         timestamptz '2026-03-04 10:00+00' - i * interval '1 hour', date '2026-03-03' - i,
         timestamp '2026-03-04 10:00' - i * interval '1 hour', 'A' || i, '{{}}'
    FROM generate_series(0, 99) i;
CREATE TABLE public.empty (id int, at timestamptz);
CREATE SCHEMA "My Shop";
CREATE TABLE "My Shop"."Gift Cards" ("Card No" text, "select" int);
INSERT INTO "My Shop"."Gift Cards" VALUES ('a', 1), ('b', 2);
CREATE TABLE public.parent (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE public.parent_1 PARTITION OF parent FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO parent VALUES (1, '2026-02-02');
CREATE VIEW public.paid AS SELECT * FROM orders WHERE status = 'paid';
CREATE FUNCTION public.leak(text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'row %%', $1 USING ERRCODE = '42601'; END $$;
ANALYZE;
""".replace("%%", "%")


@pytest.fixture(scope="module")
def shop(cluster: Callable[[int], Source]) -> Iterator[str]:
    source = cluster(17)
    source.create_database("expectations")
    source.execute(TABLES, "expectations")
    yield source.dsn("expectations", "drill_reader")
    with source.connect() as session:
        session.execute("DROP DATABASE expectations WITH (FORCE)")


def run(
    dsn: str, *expectations: tuple[str, Mapping[str, object]], table: str = "public.orders"
) -> SuiteResult:
    entries = [{"type": kind, "kwargs": kwargs} for kind, kwargs in expectations]
    text = json.dumps({"suite": "shop", "tables": {table: entries}})
    return run_suite(parse_suite(text, Path("shop.yaml")), dsn, as_of=AS_OF, deadline_s=60)


def only(result: SuiteResult) -> ExpectationResult:
    (one,) = result.results
    return one


def test_passed_and_failed_are_told_apart_in_the_suites_order(shop: str) -> None:
    result = run(
        shop,
        ("expect_table_row_count_to_equal", {"value": 100}),
        ("expect_column_values_to_be_between", {"column": "id", "max_value": 50}),
        ("expect_column_values_to_be_unique", {"column": "id"}),
        ("expect_column_values_to_be_unique", {"column": "customer_id"}),
    )
    assert [one.outcome for one in result.results] == ["passed", "failed", "passed", "failed"]
    assert result.results[0].observed == 100
    assert result.results[1].unexpected_count == 49
    assert result.results[1].element_count == 100
    assert result.results[1].unexpected_percent == 49.0


def test_relative_times_are_judged_at_as_of_whatever_the_columns_type(shop: str) -> None:
    for column, outcome in (("placed_at", "passed"), ("seen_at", "passed"), ("shipped_on", "failed")):
        limit = {"as_of": "-3h"}
        one = only(run(shop, ("expect_column_max_to_be_between", {"column": column, "min_value": limit})))
        assert (column, one.outcome) == (column, outcome)
        late = {"as_of": "-1h"}
        one = only(run(shop, ("expect_column_max_to_be_between", {"column": column, "min_value": late})))
        assert (column, one.outcome) == (column, "failed")


def test_one_bad_expectation_does_not_spoil_its_neighbours(shop: str) -> None:
    result = run(
        shop,
        ("expect_column_values_to_match_regex", {"column": "status", "regex": "("}),
        ("expect_column_values_to_not_be_null", {"column": "id"}),
        ("expect_column_values_to_match_regex", {"column": "id", "regex": "x"}),
        ("expect_column_values_to_be_between", {"column": "amount", "min_value": 0}),
        ("expect_column_values_to_be_between", {"column": "status", "min_value": 3}),
    )
    assert [one.outcome for one in result.results] == ["errored", "passed", "errored", "passed", "errored"]
    assert [one.cause for one in result.results if one.cause] == [
        Cause.BAD_QUERY,
        Cause.WRONG_TYPE,
        Cause.WRONG_TYPE,
    ]


def test_a_missing_column_is_an_error_except_where_it_is_the_question(shop: str) -> None:
    result = run(
        shop,
        ("expect_column_values_to_not_be_null", {"column": "gone"}),
        ("expect_column_values_to_not_be_null", {"column": "emial"}),
        ("expect_column_to_exist", {"column": "gone"}),
        ("expect_column_to_exist", {"column": "id"}),
        ("expect_table_columns_to_match_ordered_list", {"column_list": ["id", "gone"]}),
        ("expect_table_columns_to_match_set", {"column_set": ["id", "gone"]}),
    )
    assert [one.outcome for one in result.results] == [
        *("errored", "errored", "failed", "passed"),
        *("failed", "failed"),
    ]
    assert result.results[0].cause is Cause.COLUMN_MISSING
    assert result.results[0].message == "public.orders has no column gone"
    assert result.results[1].message == "public.orders has no column emial; is it email?"
    assert result.results[2].observed == "absent"


def test_a_missing_table_is_told_for_each_expectation(shop: str) -> None:
    result = run(shop, ("expect_table_row_count_to_equal", {"value": 1}), table="public.nope")
    assert only(result).outcome is Outcome.TABLE_MISSING
    assert result.documents == {}


def test_names_that_need_quotes_are_found(shop: str) -> None:
    result = run(
        shop,
        ("expect_table_row_count_to_equal", {"value": 2}),
        ("expect_column_values_to_be_unique", {"column": "Card No"}),
        (
            "expect_column_values_to_be_between",
            {"column": "select", "min_value": 1, "row_condition": '"select" > 0'},
        ),
        table="My Shop.Gift Cards",
    )
    assert {one.outcome for one in result.results} == {Outcome.PASSED}


@pytest.mark.parametrize("table", ["public.parent", "public.paid"])
def test_partitioned_tables_and_views_are_tables(shop: str, table: str) -> None:
    assert only(run(shop, ("expect_table_row_count_to_be_between", {"min_value": 1}), table=table)).observed


def test_an_empty_table_fails_counts_and_passes_rows(shop: str) -> None:
    result = run(
        shop,
        ("expect_table_row_count_to_be_between", {"min_value": 1}),
        ("expect_column_values_to_not_be_null", {"column": "id"}),
        ("expect_column_max_to_be_between", {"column": "at", "min_value": {"as_of": "-1h"}}),
        table="public.empty",
    )
    assert [one.outcome for one in result.results] == ["failed", "passed", "failed"]
    assert result.results[2].observed == "no rows"


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("id < 10", 10),
        ('col("id") < 20', 20),
        ("placed_at > {as_of} - interval '4 hours 30 minutes'", 3),
        ("id % 2 = 0 -- the even ones", 50),
        ("'50%' = concat('50', chr(37)) AND ':id' = concat(chr(58), 'id')", 100),
        ("code = 'A7' AND code LIKE 'A%'", 1),
    ],
)
def test_row_conditions_select_rows(shop: str, condition: str, rows: int) -> None:
    kwargs = {"column": "status", "row_condition": condition}
    one = only(run(shop, ("expect_column_values_to_not_be_null", kwargs)))
    assert (one.outcome, one.element_count) == (Outcome.PASSED, rows)
    assert one.kwargs["row_condition"] == condition


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT * FROM {batch} WHERE id > 97", 2),
        ("SELECT * FROM {batch} WHERE id % 50 = 0 AND '50%' = concat('50', chr(37))", 2),
        ("SELECT * FROM {batch} WHERE id::text = '7' AND ':id' = concat(chr(58), 'id')", 1),
        ("SELECT b.id FROM {batch} b LEFT JOIN public.empty e ON e.id = b.id WHERE e.id IS NULL", 100),
        ("SELECT * FROM {batch} WHERE status !~ '^[a-z]{3,4}$'", 33),
        ("SELECT * FROM {batch} WHERE placed_at < {as_of} - interval '100 hours'", 1),
    ],
)
def test_custom_sql_counts_the_rows_that_break_the_rule(shop: str, query: str, rows: int) -> None:
    one = only(run(shop, ("UnexpectedRowsExpectation", {"unexpected_rows_query": query})))
    assert (one.outcome, one.observed) == (Outcome.FAILED, rows)


def test_figures_of_earlier_drills_are_bounds(shop: str) -> None:
    kwargs = {"min_value": {"param": "last_rows", "times": 0.9}}
    entries = [{"type": "expect_table_row_count_to_be_between", "kwargs": kwargs}]
    suite = parse_suite(json.dumps({"tables": {"public.orders": entries}}), Path("shop.yaml"))

    def outcome(rows: object) -> ExpectationResult:
        known = {"public.orders": {"last_rows": rows}} if rows else {}
        return only(run_suite(suite, shop, as_of=AS_OF, parameters=known))

    assert [outcome(rows).outcome for rows in (110, 112)] == ["passed", "failed"]
    first = outcome(None)
    assert (first.outcome, first.cause) == (Outcome.NO_HISTORY, None)
    assert "no drill has been verified yet; it is judged from the next" in (first.message or "")
    assert outcome(Unset("the table was not in the last", for_now=True)).outcome is Outcome.NO_HISTORY
    never = outcome(Unset("it is a view", for_now=False))
    assert (never.outcome, never.cause) == (Outcome.ERRORED, Cause.NO_FIGURE)
    assert never.message == "last_rows has no value: it is a view"


@pytest.mark.parametrize("column", ["placed_at", "seen_at", "shipped_on"])
def test_the_newest_row_of_the_last_drill_is_a_bound_and_this_ones_is_measured(
    shop: str, column: str
) -> None:
    kwargs = {"column": column, "min_value": {"param": "newest_row"}}
    suite = parse_suite(
        json.dumps(
            {"tables": {"public.orders": [{"type": "expect_column_max_to_be_between", "kwargs": kwargs}]}}
        ),
        Path("shop.yaml"),
    )
    first = run_suite(suite, shop, as_of=AS_OF)
    assert only(first).outcome is Outcome.NO_HISTORY
    newest = first.newest["public.orders"][column]
    assert newest == (
        datetime(2026, 3, 3, tzinfo=UTC) if column == "shipped_on" else AS_OF - timedelta(hours=2)
    )

    def outcome(at: datetime) -> str:
        known = {"public.orders": {"newest_row": {column: at}}}
        return only(run_suite(suite, shop, as_of=AS_OF, parameters=known)).outcome

    assert [outcome(newest), outcome(newest + timedelta(days=1))] == ["passed", "failed"]
    other = only(
        run_suite(suite, shop, as_of=AS_OF, parameters={"public.orders": {"newest_row": {"x": newest}}})
    )
    assert (other.outcome, other.cause) == (Outcome.ERRORED, Cause.NO_FIGURE)


def test_the_newest_row_of_what_is_no_time_is_the_suites_mistake(shop: str) -> None:
    kwargs = {"column": "amount", "min_value": {"param": "newest_row"}}
    one = only(run(shop, ("expect_column_max_to_be_between", kwargs)))
    assert (one.outcome, one.cause) == (Outcome.ERRORED, Cause.WRONG_TYPE)
    assert one.message == "newest_row is a time, and amount is numeric"


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
@pytest.mark.parametrize("planned", ["2999-01-01", "infinity"])
def test_a_row_of_the_future_does_not_make_old_rows_new(
    cluster: Callable[[int], Source], kind: str, planned: str
) -> None:
    source = cluster(17)
    source.create_database("planned")
    source.execute(
        f"CREATE TABLE public.old (id int, at {kind}); CREATE TABLE public.new (id int, at {kind});"
        f"INSERT INTO public.old VALUES (1, '2020-01-01'), (2, '{planned}'), (3, '-infinity');"
        f"INSERT INTO public.new VALUES (1, '2026-03-04 10:00'), (2, '{planned}');",
        "planned",
    )
    dsn = source.dsn("planned", "drill_reader")
    fresh = {"column": "at", "min_value": {"as_of": "-26h"}}
    rows = ("expect_table_row_count_to_be_between", {"min_value": 1})
    for table, outcome in (("public.old", Outcome.FAILED), ("public.new", Outcome.PASSED)):
        result = run(dsn, ("expect_column_max_to_be_between", fresh), rows, table=table)
        assert [one.outcome for one in result.results] == [outcome, Outcome.PASSED]
        assert "rows dated later are left out" in str(result.results[0].observed)
        some = {**fresh, "row_condition": "id < 9 -- all"}
        assert only(run(dsn, ("expect_column_max_to_be_between", some), table=table)).outcome is outcome
    ahead = {"column": "at", "min_value": {"as_of": "1h"}}
    soon = only(run(dsn, ("expect_column_max_to_be_between", ahead), table="public.old"))
    assert soon.outcome is (Outcome.PASSED if planned == "2999-01-01" else Outcome.ERRORED)
    with source.connect() as session:
        session.execute("DROP DATABASE planned WITH (FORCE)")


def every_type() -> list[tuple[str, dict[str, object]]]:
    """One expectation of each type that a drill can run, most of them failing, about canaries."""
    special: dict[str, dict[str, object]] = {
        "expect_column_kl_divergence_to_be_less_than": {
            "partition_object": {"values": ["new"], "weights": [1.0]},
            "threshold": 0.1,
        },
        "expect_column_quantile_values_to_be_between": {
            "column": "amount",
            "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]},
        },
        "expect_table_row_count_to_equal_other_table": {"other_table_name": "public.empty"},
        "unexpected_rows_expectation": {"unexpected_rows_query": "SELECT * FROM {batch}"},
        "expect_column_values_to_not_be_outliers": {"column": "amount", "method": "iqr"},
    }
    values: dict[str, object] = {
        "column": "status",
        "column_A": "id",
        "column_B": "customer_id",
        "column_list": ["id", "customer_id"],
        "column_set": ["id"],
        "value_set": ["new"],
        "value_pairs_set": [[1, 2]],
        "value": 3,
        "sum_total": 3,
        "regex": "^x",
        "regex_list": ["^x"],
        "like_pattern": "x%",
        "like_pattern_list": ["x%"],
        "type_": "TEXT",
        "type_list": ["TEXT"],
        "threshold": 1,
        "double_sided": True,
        "quantile_ranges": None,
        "other_table_name": None,
        "unexpected_rows_query": None,
    }
    numeric = ("mean", "median", "stdev", "sum", "z_scores", "values_to_be_between", "max_to", "min_to")
    found = []
    for name, known in expectation_types().items():
        if name in UNSUPPORTED:
            continue
        asked = {*known.needed} - {"partition_object"}
        kwargs = {key: values[key] for key in asked}
        if "min_value" in known.known and "partition_object" not in known.known:
            kwargs["max_value"] = 0
        if "column" in kwargs and any(word in name for word in numeric):
            kwargs["column"] = "amount"
        found.append((name, kwargs | special.get(name, {})))
    return found


def test_every_supported_type_is_judged_and_none_leaks(
    shop: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="expectations"):
        result = run(shop, *every_type())
    errored = [(one.type, one.message) for one in result.results if one.outcome is Outcome.ERRORED]
    assert errored == []
    kept = json.dumps(result.as_dict()) + caplog.text + "".join(capfd.readouterr())
    assert CANARY not in kept
    assert len(result.results) == len(expectation_types()) - len(UNSUPPORTED)


def test_errors_do_not_leak_either(shop: str) -> None:
    result = run(
        shop,
        (
            "UnexpectedRowsExpectation",
            {"unexpected_rows_query": "SELECT * FROM {batch} WHERE status::int > 3"},
        ),
        (
            "UnexpectedRowsExpectation",
            {"unexpected_rows_query": "SELECT * FROM {batch} WHERE public.leak(email)"},
        ),
        (
            "expect_column_values_to_be_between",
            {"column": "id", "min_value": 0, "row_condition": "status::int = 3"},
        ),
    )
    assert {one.outcome for one in result.results} == {Outcome.ERRORED}
    assert CANARY not in json.dumps(result.as_dict())


def test_a_suite_cannot_write(shop: str) -> None:
    query = "WITH gone AS (DELETE FROM public.orders RETURNING 1) SELECT * FROM gone"
    one = only(run(shop, ("UnexpectedRowsExpectation", {"unexpected_rows_query": query})))
    assert one.outcome is Outcome.ERRORED
    assert only(run(shop, ("expect_table_row_count_to_equal", {"value": 100}))).outcome is Outcome.PASSED


def test_the_deadline_ends_a_suite(shop: str) -> None:
    entries = [
        {
            "type": "UnexpectedRowsExpectation",
            "kwargs": {"unexpected_rows_query": "SELECT pg_sleep(30) FROM {batch}"},
        },
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 100}},
    ]
    suite = parse_suite(json.dumps({"tables": {"public.orders": entries}}), Path("shop.yaml"))
    result = run_suite(suite, shop, as_of=AS_OF, deadline_s=2)
    assert result.seconds < 8
    assert result.results[0].cause is Cause.DEADLINE


def test_gx_documents_are_kept_by_table(shop: str) -> None:
    result = run(shop, ("expect_table_row_count_to_equal", {"value": 100}))
    document = result.documents["public.orders"]
    assert document["success"] is True
    assert document["statistics"]["evaluated_expectations"] == 1  # type: ignore[index]


def test_a_database_that_is_not_there_is_raised(shop: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        run(
            shop.replace("dbname=expectations", "dbname=nowhere"),
            ("expect_table_row_count_to_equal", {"value": 1}),
        )


def test_a_suite_that_great_expectations_wrote_is_read(tmp_path: Path) -> None:
    import great_expectations as gx  # noqa: PLC0415  seconds
    import great_expectations.expectations as gxe  # noqa: PLC0415

    written = gx.ExpectationSuite(
        name="orders",
        meta={"table": "public.orders"},
        suite_parameters={"least": 5},
        expectations=[
            gxe.ExpectColumnValuesToNotBeNull(column="id", mostly=0.9, severity="warning", notes="n"),
            gxe.ExpectTableRowCountToBeBetween(min_value={"$PARAMETER": "least"}),
            gxe.ExpectColumnValuesToBeInSet(column="status", value_set=["new", "paid"], description="states"),
        ],
    )
    path = tmp_path / "orders.json"
    path.write_text(json.dumps(written.to_json_dict()))
    suite = load_suite(path, deep=True)
    assert [one.type for one in suite.expectations] == [
        "expect_column_values_to_not_be_null",
        "expect_table_row_count_to_be_between",
        "expect_column_values_to_be_in_set",
    ]
    assert suite.expectations[0].severity == "warning"
    assert suite.expectations[1].kwargs == {"min_value": 5}


def test_deep_checks_use_gx_own_models(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    text = """
tables:
  public.orders:
    - type: expect_column_value_lengths_to_equal
      kwargs: {column: status, value: long}
"""
    path.write_text(text)
    assert load_suite(path).tables == ("public.orders",)
    with pytest.raises(SuiteInvalid, match="Great Expectations refuses") as caught:
        load_suite(path, deep=True)
    assert caught.value.line == 4


def test_dynamic_values_pass_the_deep_check() -> None:
    text = """
tables:
  public.orders:
    - {type: expect_column_max_to_be_between, kwargs: {column: at, min_value: {as_of: -26h}}}
    - {type: expect_table_row_count_to_be_between, kwargs: {min_value: {param: last_rows}}}
    - {type: expect_column_values_to_not_be_null, kwargs: {column: at, row_condition: "id > 3"}}
"""
    warm_up()
    assert deep_problems(parse_suite(text, Path("shop.yaml"))) == ()


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What is asked of a server while the test runs."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    yield seen
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


MANY = (
    ("expect_table_row_count_to_equal", {"value": 100}),
    ("expect_column_values_to_not_be_null", {"column": "status"}),
    ("expect_column_values_to_be_in_set", {"column": "status", "value_set": ["new", "paid", CANARY]}),
    ("expect_column_value_lengths_to_be_between", {"column": "email", "max_value": 99}),
    ("expect_column_mean_to_be_between", {"column": "amount", "min_value": 0, "max_value": 9}),
    ("expect_column_max_to_be_between", {"column": "placed_at", "min_value": {"as_of": "-3h"}}),
    ("expect_column_min_to_be_between", {"column": "id", "min_value": 1}),
)


def test_all_aggregates_of_a_table_share_one_scan(shop: str, statements: list[str]) -> None:
    outcomes = [one.outcome for one in run(shop, *MANY).results]
    assert outcomes == ["passed", "passed", "passed", "passed", "failed", "passed", "failed"]
    scans = [one for one in statements if "orders" in one and "count(*)" not in one]
    assert len(scans) == 1, scans


def test_more_aggregates_than_a_statement_holds_are_asked_in_several(
    shop: str, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    warm_up()
    whole = [(one.outcome, one.observed) for one in run(shop, *MANY).results]
    statements.clear()
    monkeypatch.setattr("expectations.one_scan.MOST_COLUMNS", 2)
    assert [(one.outcome, one.observed) for one in run(shop, *MANY).results] == whole
    assert len([one for one in statements if "orders" in one and "count(*)" not in one]) > 1
