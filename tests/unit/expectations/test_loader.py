from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from expectations.loader import load_suite, parse_suite
from expectations.suite import Gate, Parameter, RelativeTime, Severity, Suite, SuiteInvalid

HEALTHY = """\
suite: orders
gate: fail
owner: data-team
tables:
  public.orders:
    - type: expect_column_values_to_not_be_null
      kwargs: {column: customer_id}
      severity: critical
      meta: {why: "an order without a customer cannot be shipped", owner: data-team}
    - type: expect_column_max_to_be_between
      kwargs: {column: placed_at, min_value: {as_of: -26h}}
      severity: warning
  shop.Gift Cards:
    - type: UnexpectedRowsExpectation
      kwargs: {unexpected_rows_query: "SELECT * FROM {batch} WHERE value < 0"}
"""


def yaml_suite(text: str) -> Suite:
    return parse_suite(text, Path("orders.yaml"))


def problems(text: str, name: str = "orders.yaml") -> SuiteInvalid:
    with pytest.raises(SuiteInvalid) as caught:
        parse_suite(text, Path(name))
    return caught.value


def one(expectation: str, table: str = "public.orders") -> str:
    return f"suite: orders\ntables:\n  {table}:\n    - {expectation}\n"


def test_the_contracts_example_loads() -> None:
    suite = yaml_suite(HEALTHY)
    assert (suite.name, suite.gate, suite.owner) == ("orders", Gate.FAIL, "data-team")
    assert suite.tables == ("public.orders", "shop.Gift Cards")
    first, second, third = suite.expectations
    assert first.severity is Severity.CRITICAL
    assert (first.why, first.owner) == ("an order without a customer cannot be shipped", "data-team")
    assert second.severity is Severity.WARNING
    assert second.kwargs["min_value"] == RelativeTime(-93600.0, "-26h")
    assert third.type == "unexpected_rows_expectation"


def test_severity_and_gate_have_defaults() -> None:
    suite = yaml_suite(one("{type: expect_column_values_to_not_be_null, kwargs: {column: id}}"))
    assert suite.gate is Gate.FAIL
    assert suite.expectations[0].severity is Severity.CRITICAL


def test_a_file_is_stamped_with_its_path_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(HEALTHY)
    suite = load_suite(path)
    assert suite.path == path
    assert suite.sha256 is not None
    assert len(suite.sha256) == 64


def test_an_expectation_knows_its_line() -> None:
    assert [one.line for one in yaml_suite(HEALTHY).expectations] == [6, 10, 14]


def test_a_class_name_is_taken_for_its_type() -> None:
    suite = yaml_suite(one("{type: ExpectColumnValuesToNotBeNull, kwargs: {column: id}}"))
    assert suite.expectations[0].type == "expect_column_values_to_not_be_null"


@pytest.mark.parametrize(
    ("text", "what", "remedy", "line"),
    [
        (
            one("{type: expect_column_values_to_not_be_nul, kwargs: {column: id}}"),
            "unknown expectation type",
            "expect_column_values_to_not_be_null",
            4,
        ),
        (one("{kwargs: {column: id}}"), "has no type", "type:", 4),
        (one("just text"), "not an expectation", "type:", 4),
        (one("{type: expect_column_values_to_not_be_null}"), 'needs the kwarg "column"', "add column", 4),
        (
            one("{type: expect_column_values_to_not_be_null, kwargs: {colum: id, column: x}}"),
            'no kwarg "colum"',
            "column?",
            4,
        ),
        (one("{type: expect_column_values_to_not_be_null, kwargs: [1]}"), "no mapping", "name: value", 4),
        (
            one("{type: expect_column_values_to_not_be_null, kwargs: {column: 3}}"),
            "column is not a string",
            "string",
            4,
        ),
        (
            one("{type: expect_column_values_to_not_be_null, kwargs: {column: id, mostly: 95}}"),
            "mostly is not a share",
            "between 0 and 1",
            4,
        ),
        (
            one("{type: expect_column_values_to_be_in_set, kwargs: {column: id, value_set: red}}"),
            "value_set is not a list",
            "list",
            4,
        ),
        (
            one("{type: expect_column_values_to_not_be_null, kwargs: {column: id}, severity: fatal}"),
            'not a severity: "fatal"',
            "critical or warning or info",
            4,
        ),
        (
            one("{type: expect_column_values_to_not_be_null, kwargs: {column: id}, sevrity: info}"),
            'unknown key "sevrity"',
            "severity?",
            4,
        ),
        (one("{type: expect_table_row_count_to_be_between, kwargs: {}}"), "no bound", "min_value", 4),
        (
            one("{type: expect_table_row_count_to_be_between, kwargs: {min_value: 9, max_value: 3}}"),
            "above max_value",
            "exchange",
            4,
        ),
        (
            one("{type: expect_column_values_to_be_increasing, kwargs: {column: id}}"),
            "cannot be judged in PostgreSQL",
            "UnexpectedRowsExpectation",
            4,
        ),
        (
            one(
                "{type: expect_column_max_to_be_between, kwargs: {column: at, min_value: {as_of: -26}}}",
            ),
            "has no unit",
            "write -26h",
            4,
        ),
        (
            one(
                "{type: expect_column_max_to_be_between, kwargs: {column: at, min_value: {as_of: -2w}}}",
            ),
            'unknown unit "w"',
            "known",
            4,
        ),
        (
            one(
                "{type: expect_column_max_to_be_between,"
                " kwargs: {column: at, min_value: {as_of: -2h, time: 3}}}"
            ),
            'unknown key "time"',
            "known: as_of",
            4,
        ),
        (
            one("{type: expect_column_values_to_not_be_null, kwargs: {column: {as_of: -26h}}}"),
            "takes no relative value",
            "column itself",
            4,
        ),
        (
            one("{type: expect_column_values_to_not_be_null, kwargs: {column: id}}", "orders"),
            "has no schema",
            "public.orders",
            3,
        ),
        (
            one("{type: expect_column_values_to_not_be_null, kwargs: {column: id}}", "'public.\"Orders\"'"),
            "quoted",
            "public.Orders",
            3,
        ),
        (
            one("{type: expect_table_row_count_to_equal_other_table, kwargs: {other_table_name: b.c}}"),
            "another schema",
            "UnexpectedRowsExpectation",
            4,
        ),
        (
            one("{type: expect_column_values_to_be_in_set, kwargs: {column: id, value_set: []}}"),
            "value_set is empty: nothing is compared",
            "at least one member",
            4,
        ),
        (
            one(
                "{type: expect_column_distinct_values_to_be_in_set, kwargs: {column: id, value_set: [a, ~]}}"
            ),
            "value_set holds null, which equals nothing",
            "not_be_null",
            4,
        ),
        (
            one("{type: expect_column_values_to_not_be_null, kwargs: {column: id, mostly: 0}}"),
            "mostly is 0: no row has to comply",
            "share of rows",
            4,
        ),
        (
            one("{type: expect_column_values_to_be_between, kwargs: {column: id, max_value: .inf}}"),
            "max_value is not a number",
            "write a number",
            4,
        ),
        (
            one("{type: expect_column_values_to_be_between, kwargs: {column: id, max_value: true}}"),
            "max_value is not a number",
            "write a number",
            4,
        ),
        (
            one("{type: expect_table_row_count_to_be_between, kwargs: {min_value: {parm: last_rows}}}"),
            "min_value is not a number",
            "did you mean {param: ...}?",
            4,
        ),
        (
            one("{type: expect_table_row_count_to_be_between, kwargs: {min_value: {param: last_row}}}"),
            'no drill sets a parameter "last_row"',
            "did you mean last_rows?",
            4,
        ),
        (
            one("{type: expect_table_row_count_to_be_between, kwargs: {min_value: {param: newest_row}}}"),
            "newest_row is of a column, and none is named",
            "column of times",
            4,
        ),
        (
            one(
                "{type: expect_column_max_to_be_between, kwargs: {column: at, row_condition: id > 1,"
                " min_value: {param: newest_row}}}"
            ),
            "newest_row is of all rows",
            "row_condition out",
            4,
        ),
        (
            one("{type: expect_table_row_count_to_equal, kwargs: {value: {$PARAMETER: rows}}}"),
            'nothing sets the parameter "rows"',
            "did you mean last_rows?",
            4,
        ),
        (
            one("{type: expect_table_row_count_to_equal, kwargs: {value: {$PARAMETER: last_rows * 0.9}}}"),
            "is an expression",
            "{param: last_rows, times: 0.9}",
            4,
        ),
        (
            one("{type: expect_column_values_to_match_regex, kwargs: {column: id}}"),
            'needs the kwarg "regex"',
            "add",
            4,
        ),
        (
            one("{type: expect_table_columns_to_match_set}"),
            'needs the kwarg "column_set"',
            "add column_set",
            4,
        ),
        (
            one("{type: expect_table_columns_to_match_ordered_list}"),
            'needs the kwarg "column_list"',
            "add",
            4,
        ),
        (
            one("{type: expect_column_values_to_be_in_type_list, kwargs: {column: id}}"),
            'needs the kwarg "type_list"',
            "add",
            4,
        ),
        (
            one("{type: expect_column_kl_divergence_to_be_less_than, kwargs: {column: id, threshold: 1}}"),
            'needs the kwarg "partition_object"',
            "add",
            4,
        ),
        (
            one(
                "{type: expect_column_quantile_values_to_be_between, kwargs: {column: id,"
                " quantile_ranges: {quantiles: [0.5], value_ranges: [[null, null]]}}}"
            ),
            "do not fit",
            "at least one of them",
            4,
        ),
        (
            one(
                "{type: expect_column_quantile_values_to_be_between, kwargs: {column: id,"
                " quantile_ranges: {quantiles: [], value_ranges: []}}}"
            ),
            "quantile_ranges is empty",
            "quantiles",
            4,
        ),
        (
            one("{type: expect_column_to_exist, kwargs: {column: id, column_index: '2'}}"),
            "column_index is not a number",
            "write a number",
            4,
        ),
        (
            one("{type: expect_column_values_to_be_null, kwargs: {column: id, row_condition: ' '}}"),
            "row_condition is no condition",
            "write SQL",
            4,
        ),
        (
            one(
                "{type: expect_column_values_to_be_null, kwargs: {column: id, row_condition: a == 1,"
                " condition_parser: pandas}}"
            ),
            "conditions of this parser",
            "write SQL",
            4,
        ),
        (
            one("{type: expect_column_values_to_be_null, kwargs: {column: id}, meta: {sensitive: yes}}"),
            "sensitive is not true or false",
            "write one",
            4,
        ),
        (
            one("{type: expect_multicolumn_values_to_be_unique}"),
            "unknown expectation type",
            "within_record?",
            4,
        ),
        (one("{type: expect_column_values_to_not_be_null, kwargs: {column: id}, meta: x}"), "meta", "why", 4),
        ("suite: orders\ngate: maybe\ntables: {}\n", 'not a gate: "maybe"', "fail or report", 2),
        ("suite: orders\ntables: {}\n", "holds no expectation", "suite: null", 1),
        ("suite: orders\ntables:\n  public.orders: []\n", "has no expectations", "at least one", 3),
        ("suite: orders\n", "no tables", "tables:", 1),
        ("suite: orders\ntabels: {}\n", 'unknown key "tabels"', "tables?", 2),
        ("", "holds no suite", "suite, gate and tables", None),
        ("- a\n", "holds no suite", "suite, gate and tables", 1),
        ("suite: [\n", "expected", "correct", 2),
        ("suite: a\nsuite: b\n", "stands twice", "once", 2),
        ("suite: a\nsensitive: email\ntables: {}\n", "not a list of column patterns", "public.people", 2),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_remedy(
    text: str, what: str, remedy: str, line: int | None
) -> None:
    first = problems(text).problems[0]
    assert what in first.what
    assert remedy in first.remedy
    assert first.line == line
    assert first.file == "orders.yaml"


def test_the_same_expectation_twice_is_an_error() -> None:
    text = one("{type: expect_column_values_to_not_be_null, kwargs: {column: id}}")
    error = problems(
        text + "    - {type: ExpectColumnValuesToNotBeNull, kwargs: {column: id}, severity: info}\n"
    )
    assert "stands twice" in error.problems[0].what
    assert "line 4" in error.remedy
    assert error.line == 5


def test_a_table_written_twice_is_an_error() -> None:
    text = one("{type: expect_column_values_to_not_be_null, kwargs: {column: id}}")
    error = problems(text + "  public.orders:\n    - {type: x}\n")
    assert "stands twice, first in line 3" in str(error)


def test_all_problems_are_reported_at_once() -> None:
    error = problems("gate: x\nfoo: 1\ntables:\n  orders:\n    - {type: nonsense}\n")
    assert len(error.problems) == 4
    assert len(str(error).splitlines()) == 4


def test_an_error_says_file_line_path_and_value() -> None:
    text = one("{type: expect_column_values_to_not_be_null, kwargs: {column: id}, severity: fatal}")
    error = problems(text)
    assert (error.file, error.line, error.path, error.value) == (
        "orders.yaml",
        4,
        "tables.public.orders[0].severity",
        "fatal",
    )
    assert str(error).startswith("orders.yaml:4: ")


def test_no_such_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "billing.yaml").write_text(HEALTHY)
    with pytest.raises(SuiteInvalid, match=r"no such suite.*billing\.yaml"):
        load_suite(tmp_path / "orders.yaml")


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteInvalid, match="cannot be read"):
        load_suite(tmp_path / "orders.yaml")


def test_a_parameter_of_earlier_drills_loads() -> None:
    kwargs = "{min_value: {param: last_rows, times: 0.9, default: 10}}"
    suite = yaml_suite(one(f"{{type: expect_table_row_count_to_be_between, kwargs: {kwargs}}}"))
    assert suite.expectations[0].kwargs["min_value"] == Parameter("last_rows", 0.9, 0.0, 10)


def test_sensitive_columns_are_marked_by_name_pattern_and_tag() -> None:
    def sensitive(column: str, more: str = "", head: str = "") -> bool:
        text = one(f"{{type: expect_column_values_to_not_be_null, kwargs: {{column: {column}}}{more}}}")
        return yaml_suite(head + text).expectations[0].sensitive

    assert sensitive("email")
    assert sensitive("nick", head='sensitive: ["public.*.nick"]\n')
    assert sensitive("nick", ", meta: {sensitive: true}")
    assert not sensitive("nick")
    assert not sensitive("email", ", meta: {sensitive: false}")


def test_plain_values_are_yaml_1_2s_and_what_others_read_otherwise_is_noted() -> None:
    suite = yaml_suite(
        one("{type: expect_column_values_to_be_in_set, kwargs: {column: country, value_set: [DK, NO, SE]}}")
        + "    - {type: expect_column_values_to_be_in_set, kwargs: {column: slot, value_set: [1:30, 010]}}\n"
    )
    assert [one.kwargs["value_set"] for one in suite.expectations] == [["DK", "NO", "SE"], ["1:30", 10]]
    assert [(note.line, note.value) for note in suite.notes] == [(4, "NO"), (5, "1:30"), (5, "010")]
    assert str(suite.notes[0]) == (
        'orders.yaml:4: tables.public.orders[0].kwargs.value_set[1]: "NO" is text, read as YAML 1.2; readers'
        ' of YAML 1.1 take it for false; write "NO" in quotes for text, or false'
    )


def test_a_large_suite_is_read_in_less_than_two_seconds() -> None:
    entries = "".join(
        f"    - {{type: expect_column_values_to_be_in_set, kwargs: {{column: c{at}, value_set: [paid, new]}},"
        " meta: {why: an unknown value is scrambled text}}\n"
        for at in range(500)
    )
    began = time.process_time()
    assert len(yaml_suite(f"tables:\n  public.orders:\n{entries}").expectations) == 500
    assert time.process_time() - began < 2


def native(**more: object) -> dict[str, object]:
    expectation = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}
    return {"name": "orders", "expectations": [{**expectation, **more}], "meta": {"table": "public.orders"}}


def test_a_native_suite_takes_its_table_from_its_meta() -> None:
    suite = parse_suite(json.dumps(native()), Path("orders.json"))
    assert suite.tables == ("public.orders",)
    assert suite.name == "orders"


def test_an_expectations_own_table_comes_first() -> None:
    suite = parse_suite(json.dumps(native(meta={"table": "shop.a"})), Path("orders.json"))
    assert suite.tables == ("shop.a",)


def test_a_native_suite_named_like_a_table_is_about_that_table() -> None:
    text = json.dumps({**native(), "name": "public.people", "meta": {"gate": "report"}})
    suite = parse_suite(text, Path("orders.json"))
    assert suite.tables == ("public.people",)
    assert suite.gate is Gate.REPORT


def test_a_native_suite_without_a_table_is_told_where_to_write_it() -> None:
    error = problems(json.dumps({**native(), "meta": {}}, indent=1), "orders.json")
    assert "names no table" in error.problems[0].what
    assert '"table": "schema.name"' in error.remedy


def test_gx_own_parameters_are_figures_of_earlier_drills() -> None:
    entry = {"type": "expect_table_row_count_to_equal", "kwargs": {"value": {"$PARAMETER": "last_rows"}}}
    suite = parse_suite(json.dumps({**native(), "expectations": [entry]}), Path("orders.json"))
    assert suite.expectations[0].kwargs["value"] == Parameter("last_rows")


def test_broken_json_is_told_with_its_line() -> None:
    error = problems('{"name": "x",\n "expectations": [}', "orders.json")
    assert "not valid JSON" in error.problems[0].what
    assert error.line == 2


def from_native(**changes: object) -> Suite:
    return parse_suite(json.dumps({**native(), **changes}), Path("orders.json"))


def test_a_native_suites_own_parameters_are_put_in() -> None:
    kwargs = {"column": "status", "value_set": {"$PARAMETER": "states"}, "mostly": {"$PARAMETER": "share"}}
    entry = {"type": "expect_column_values_to_be_in_set", "kwargs": kwargs}
    suite = from_native(
        expectations=[entry], suite_parameters={"states": ["a", "b"], "share": 0.9, "more": 1}
    )
    assert suite.expectations[0].kwargs == {"column": "status", "value_set": ["a", "b"], "mostly": 0.9}
    inline = {"min_value": {"$PARAMETER": "least", "$PARAMETER.least": 7}}
    suite = from_native(expectations=[{"type": "expect_table_row_count_to_be_between", "kwargs": inline}])
    assert suite.expectations[0].kwargs == {"min_value": 7}


@pytest.mark.parametrize(
    ("parameter", "what", "remedy"),
    [
        ({"$PARAMETER": "leest"}, 'nothing sets the parameter "leest"', "did you mean least?"),
        ({"$PARAMETER": "zzz"}, 'nothing sets the parameter "zzz"', "suite_parameters"),
        ({"$PARAMETER": "least * 2"}, "is an expression", "the value itself"),
        ({"$PARAMETER": "now() - timedelta(days=1)"}, "is an expression", "{as_of: -26h}"),
        ({"$PARAMETER": "urn:great_expectations:validations:x"}, "is an expression", "the value itself"),
        ({"$PARAMETER": 3}, "is an expression", "the value itself"),
        ({"$PARAMETER": "least", "plus": 3}, 'unknown key "plus"', "known: $PARAMETER"),
        ({"$PARAMETER": "text"}, "min_value is not a number", "write a number"),
    ],
)
def test_a_native_parameter_that_nothing_sets_is_refused(
    parameter: dict[str, object], what: str, remedy: str
) -> None:
    entry = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": parameter}}
    with pytest.raises(SuiteInvalid) as caught:
        from_native(expectations=[entry], suite_parameters={"least": 3, "text": ["x"]})
    assert what in caught.value.problems[0].what
    assert remedy in caught.value.problems[0].remedy


def test_a_suite_of_great_expectations_0_18_is_read() -> None:
    suite = parse_suite(
        json.dumps(
            {
                "data_asset_type": None,
                "expectation_suite_name": "orders",
                "ge_cloud_id": None,
                "evaluation_parameters": {"least": 3},
                "meta": {"great_expectations_version": "0.18.22", "table": "public.orders"},
                "expectations": [
                    {
                        "expectation_type": "expect_column_values_to_be_between",
                        "kwargs": {
                            "column": "id",
                            "min_value": {"$PARAMETER": "least"},
                            "auto": False,
                            "profiler_config": None,
                            "result_format": "COMPLETE",
                            "batch_id": "x",
                        },
                        "meta": {},
                        "ge_cloud_id": None,
                    },
                    {
                        "expectation_type": "expect_column_pair_values_A_to_be_greater_than_B",
                        "kwargs": {"column_A": "a", "column_B": "b"},
                    },
                ],
            }
        ),
        Path("orders.json"),
    )
    assert suite.name == "orders"
    assert [(one.type, one.kwargs) for one in suite.expectations] == [
        ("expect_column_values_to_be_between", {"column": "id", "min_value": 3}),
        ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "a", "column_B": "b"}),
    ]


@pytest.mark.parametrize(
    ("changes", "what", "remedy"),
    [
        ({"kwargs": {"column": "id", "auto": True}}, "auto bounds hold for any data", "write the bounds out"),
        (
            {"kwargs": {"column": "id", "parse_strings_as_datetimes": True}},
            "parse_strings_as_datetimes",
            "knows",
        ),
        (
            {"expectation_type": "expect_multicolumn_values_to_be_unique"},
            "unknown expectation type",
            "select_column",
        ),
    ],
)
def test_what_0_18_knew_and_nobody_knows_any_more_is_refused_by_name(
    changes: dict[str, object], what: str, remedy: str
) -> None:
    entry = {"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}, **changes}
    with pytest.raises(SuiteInvalid) as caught:
        from_native(expectations=[entry])
    assert what in str(caught.value)
    assert remedy in str(caught.value)


def test_what_is_no_file_of_bounded_size_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "orders.yaml")
    with pytest.raises(SuiteInvalid, match="cannot be read: this is no regular file"):
        load_suite(tmp_path / "orders.yaml")


def test_one_mistake_is_told_once() -> None:
    kwargs = "kwargs: {min_value: {$PARAMETER: rows}}"
    entry = f"{{type: expect_table_row_count_to_be_between, {kwargs}}}"
    error = problems(one(entry) + f"    - {entry}\n")
    assert [problem.line for problem in error.problems] == [4, 5]
    assert all("nothing sets the parameter" in problem.what for problem in error.problems)
