"""Against each kind of damage there is something to try, and nothing that shows a sensitive value."""

from __future__ import annotations

from typing import Any

import pytest

from expectations.draft_history import rounded_down, rounded_up, significant
from expectations.native import modern
from expectations.problems import Problems, short
from expectations.profile_catalogue import Kind
from expectations.remedy_kinds import closer
from expectations.yaml_text import read_yaml
from tasks.mutants.operators import KINDS, STRUCTURE
from tests.unit.expectations.test_draft import AS_OF, column, profile

YESTERDAY = AS_OF.timestamp() - 86400
COLUMNS = {
    Kind.TEXT: column(Kind.TEXT, shortest=2, longest=9),
    Kind.NUMBER: column(Kind.NUMBER, low=1.0, high=90.0, mean=40.0, deviation=5.0),
    Kind.TIME: column(Kind.TIME, low=0.0, high=YESTERDAY),
}
OF_KIND = {
    "text-scrambled": Kind.TEXT,
    "encoding-damaged": Kind.TEXT,
    "values-shifted": Kind.TEXT,
    "wrong-unit": Kind.NUMBER,
    "times-moved-day": Kind.TIME,
    "times-moved-far": Kind.TIME,
}


def tried(kind: str, damaged: Kind, *, sensitive: bool = False) -> list[str]:
    figures: dict[str, Any] = {"low": 1.0, "high": 90.0, "mean": 40.0, "deviation": 5.0} if sensitive else {}
    field = column(damaged, sensitive=True, **figures) if sensitive else COLUMNS[damaged]
    table = profile(field).tables["public.orders"]
    return [draft.type for draft in closer(kind, table, "c", AS_OF)]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - STRUCTURE - {"partition-lost", "orphans"}))
def test_every_damage_to_rows_and_values_has_something_to_try(kind: str) -> None:
    assert tried(kind, OF_KIND.get(kind, Kind.NUMBER))


def test_what_was_decoded_wrongly_is_looked_for_by_its_letters() -> None:
    assert tried("encoding-damaged", Kind.TEXT)[0] == "expect_column_values_to_not_match_regex"


def test_rows_without_a_parent_are_looked_for_in_the_table_that_the_column_names() -> None:
    table = profile(COLUMNS[Kind.NUMBER]).tables["public.orders"]
    queries = [str(draft.kwargs) for draft in closer("orphans", table, "category_id", AS_OF)]
    assert [name for name in ("categorys", "category", "categories") if f'"{name}"' in "".join(queries)] == [
        "categorys",
        "category",
        "categories",
    ]
    assert all("IS NOT NULL AND p.id IS NULL" in query for query in queries)


@pytest.mark.parametrize("kind", ["wrong-unit", "times-moved-far"])
def test_a_sensitive_column_gets_no_bound_drawn_from_its_values(kind: str) -> None:
    assert tried(kind, OF_KIND[kind], sensitive=True) == []


def test_figures_are_rounded_so_that_nobodys_amount_stands_in_a_file() -> None:
    assert [rounded_up(value) for value in (0, -5, 1, 1234.5, 0.013)] == [0, 0, 1, 2000, 0.02]
    assert [rounded_down(value) for value in (7, 99, 12345)] == [7, 99, 12000]
    assert [significant(value) for value in (1234.5, 0.123456, 40.0)] == [1230, 0.123, 40]


OLD = """
expectation_suite_name: orders
data_asset_type:
ge_cloud_id: x
expectations:
  - expectation_type: expect_column_values_to_be_between
    kwargs: {column: a, min_value: 1, result_format: BASIC, auto: false, profiler_config: {}}
"""


def read(text: str) -> tuple[dict[str, object], Problems]:
    document = read_yaml(text)
    problems = Problems("x.yaml", document)
    return modern(document.data, problems), problems


def test_a_suite_of_gx_0_has_the_names_of_gx_1() -> None:
    suite, problems = read(OLD)
    assert problems.listed == []
    assert suite == {
        "name": "orders",
        "id": "x",
        "expectations": [
            {"type": "expect_column_values_to_be_between", "kwargs": {"column": "a", "min_value": 1}}
        ],
    }


def test_bounds_that_hold_for_any_data_and_unknown_keys_are_told_with_their_line() -> None:
    _, problems = read(OLD.replace("auto: false", "auto: true") + "colour: red\n")
    told = [(problem.line, problem.path) for problem in problems.listed]
    assert sorted(told, key=str) == [(7, "expectations[0].kwargs.auto"), (8, "colour")]


def test_a_long_value_is_shortened_for_a_message() -> None:
    assert short("x" * 200) == "x" * 80 + "..."
    assert short(AS_OF.date()) == "2026-03-04"
