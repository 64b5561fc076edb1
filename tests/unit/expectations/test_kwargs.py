"""What GX would take and judge nothing by is refused when a suite is loaded, each with its remedy."""

from __future__ import annotations

import math
from typing import Any

import pytest

from expectations.kwargs import Kwargs
from expectations.problems import Problems
from expectations.suite import Parameter, RelativeTime
from expectations.vocabulary import expectation_types
from expectations.yaml_text import Document

BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
NOT_NULL = "expect_column_values_to_not_be_null"
QUANTILES = "expect_column_quantile_values_to_be_between"
MAX = "expect_column_max_to_be_between"


def read(kind: str, written: object, **parameters: object) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Return the kwargs that come of *written*, and what was said against them: path and sentence."""
    problems = Problems("orders.yaml", Document(None, {}, {}))
    kwargs = Kwargs(problems, parameters).read(expectation_types()[kind], written, ("kwargs",))
    return kwargs, [(problem.path, f"{problem.what}; {problem.remedy}") for problem in problems.listed]


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (NOT_NULL, {"column": "id"}),
        (NOT_NULL, {"column": "id", "mostly": 0.01, "row_condition": "status = 'paid'"}),
        (BETWEEN, {"column": "n", "min_value": 0}),
        (BETWEEN, {"column": "n", "min_value": 3, "max_value": 3}),
        (IN_SET, {"column": "n", "value_set": ["a", 0, False]}),
        (NOT_NULL, {"column": "id", "condition_parser": "great_expectations", "row_condition": "a = 1"}),
        (
            QUANTILES,
            {"column": "n", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[None, 4]]}},
        ),
    ],
)
def test_kwargs_that_judge_something_are_kept_as_they_stand(kind: str, written: dict[str, object]) -> None:
    assert read(kind, written) == (written, [])


@pytest.mark.parametrize(
    ("kind", "written", "path", "sentence"),
    [
        (NOT_NULL, ["id"], "kwargs", "kwargs is no mapping"),
        (NOT_NULL, {"colum": "id", "column": "id"}, "kwargs.colum", "did you mean column?"),
        (NOT_NULL, {"mostly": 0.9}, "kwargs", 'needs the kwarg "column"; add column:'),
        (NOT_NULL, {"column": "id", "mostly": 0}, "kwargs.mostly", "no row has to comply"),
        (NOT_NULL, {"column": "id", "row_condition": " "}, "kwargs.row_condition", "is no condition"),
        (NOT_NULL, {"column": "id", "row_condition": 1}, "kwargs.row_condition", "is no condition"),
        (NOT_NULL, {"column": "id", "condition_parser": "pandas"}, "kwargs.condition_parser", "PostgreSQL"),
        (BETWEEN, {"column": "n"}, "kwargs", "has no bound; give min_value, max_value or both"),
        (BETWEEN, {"column": "n", "min_value": 4, "max_value": 3}, "kwargs", "min_value is above max_value"),
        (IN_SET, {"column": "n", "value_set": [math.inf]}, "kwargs.value_set[0]", "no number that bounds"),
        (IN_SET, {"column": "n", "value_set": []}, "kwargs.value_set", "nothing is compared"),
        (IN_SET, {"column": "n", "value_set": ["a", None]}, "kwargs.value_set[1]", "equals nothing"),
        (
            QUANTILES,
            {"column": "n", "quantile_ranges": {"quantiles": [], "value_ranges": []}},
            "kwargs.quantile_ranges",
            "quantile_ranges is empty",
        ),
        (
            QUANTILES,
            {"column": "n", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[None, None]]}},
            "kwargs.quantile_ranges",
            "do not fit",
        ),
        (
            QUANTILES,
            {"column": "n", "quantile_ranges": {"quantiles": [0.5, 0.9], "value_ranges": [[1, 2]]}},
            "kwargs.quantile_ranges",
            "do not fit",
        ),
        (NOT_NULL, {"column": "id", "mostly": {"as_of": "-1h"}}, "kwargs.mostly", "takes no relative value"),
        (MAX, {"column": "at", "min_value": {"asof": "-1h"}}, "kwargs.min_value", "{as_of: ...}?"),
        (MAX, {"column": "at", "min_value": {"as_of": "26"}}, "kwargs.min_value", "26"),
    ],
)
def test_what_holds_for_every_table_or_says_nothing_is_refused_with_its_place(
    kind: str, written: object, path: str, sentence: str
) -> None:
    _, told = read(kind, written)
    ((place, said),) = told
    assert place == path
    assert sentence in said


def test_relative_times_and_figures_of_earlier_drills_stay_open_until_the_run() -> None:
    written: dict[str, Any] = {"column": "at", "min_value": {"as_of": "-26h"}, "max_value": {"as_of": "1h"}}
    kwargs, told = read(MAX, written)
    assert (kwargs["min_value"], told) == (RelativeTime(-93_600.0, "-26h"), [])
    kwargs, told = read(MAX, {"column": "at", "min_value": {"param": "newest_row"}})
    assert (kwargs["min_value"], told) == (Parameter("newest_row"), [])


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"min_value": {"param": "newest_row"}, "row_condition": "a = 1", "column": "at"}, "of all rows"),
        ({"min_value": {"param": "newest_row"}, "column": None}, "none is named"),
    ],
)
def test_the_newest_row_is_of_a_column_and_of_all_rows(written: dict[str, object], sentence: str) -> None:
    assert any(sentence in said for _, said in read(MAX, written)[1])


def test_a_parameter_of_gx_takes_what_the_suite_sets_or_stands_beside_it() -> None:
    low = {"$PARAMETER": "low"}
    assert read(BETWEEN, {"column": "n", "min_value": low}, low=3) == ({"column": "n", "min_value": 3}, [])
    inline = {"$PARAMETER": "low", "$PARAMETER.low": 4}
    assert read(BETWEEN, {"column": "n", "min_value": inline})[0]["min_value"] == 4


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("lo", "did you mean low?"),
        ("zzz", "give it under suite_parameters"),
        ("last_rows * 0.9", "write {param: last_rows, times: 0.9}"),
        ("now() - 1", "{as_of: -26h}"),
        ("a + b", "write the value itself"),
    ],
)
def test_a_parameter_that_nothing_sets_is_named_with_what_was_meant(name: str, sentence: str) -> None:
    kwargs, told = read(BETWEEN, {"column": "n", "min_value": {"$PARAMETER": name}, "max_value": 9}, low=3)
    assert kwargs["min_value"] is None
    ((path, said),) = told
    assert path == "kwargs.min_value"
    assert sentence in said
