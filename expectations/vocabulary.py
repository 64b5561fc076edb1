"""Great Expectations' vocabulary as data, so that a suite is checked without importing GX (seconds of CPU).

Decision: `vocabulary.json` is generated (`python -m expectations.vocabulary`) and a test compares it with the
installed GX. What GX names and a drill cannot run is listed here, with what to write instead.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("vocabulary.json")
_SQL_INSTEAD = "write an UnexpectedRowsExpectation with a query that returns the rows that break the rule"
# GX has these for pandas and Spark only, or for a second data source; a drill has one PostgreSQL.
UNSUPPORTED: Mapping[str, str] = {
    "expect_column_values_to_be_dateutil_parseable": _SQL_INSTEAD,
    "expect_column_values_to_be_decreasing": _SQL_INSTEAD,
    "expect_column_values_to_be_increasing": _SQL_INSTEAD,
    "expect_column_values_to_be_json_parseable": "use a json column, or " + _SQL_INSTEAD,
    "expect_column_values_to_match_json_schema": _SQL_INSTEAD,
    "expect_column_values_to_match_strftime_format": "use expect_column_values_to_match_regex",
    "expect_query_results_to_match_comparison": "a drill has one database; " + _SQL_INSTEAD,
}
# Fields of GX's models that are not kwargs: ours to set, or its cloud's.
_NOT_KWARGS = (
    *("id", "meta", "notes", "description", "severity", "result_format", "catch_exceptions", "batch_id"),
    *("rendered_content", "windows", "library_metadata"),
)
# Optional in GX's models; without them an expectation is met by whatever there is, or by nothing.
_ASKED_FOR: Mapping[str, tuple[str, ...]] = {
    "expect_column_kl_divergence_to_be_less_than": ("partition_object", "threshold"),
    "expect_column_values_to_be_in_type_list": ("type_list",),
    "expect_column_values_to_match_regex": ("regex",),
    "expect_table_columns_to_match_ordered_list": ("column_list",),
    "expect_table_columns_to_match_set": ("column_set",),
}
RENAMED: Mapping[str, str] = {
    "expect_multicolumn_values_to_be_unique": "expect_select_column_values_to_be_unique_within_record",
}
"""Types of older releases of GX, by the name that they have now."""
_STRING, _LIST, _BOOL, _NUMBER = "a string", "a list", "true or false", "a number"
_SCALAR = "a number, a text or a time"
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("column", "column_A", "column_B", "regex", "like_pattern", "type_"), _STRING),
    **dict.fromkeys(("other_table_name", "unexpected_rows_query", "condition_parser", "match_on"), _STRING),
    **dict.fromkeys(("column_list", "column_set", "type_list", "regex_list", "like_pattern_list"), _LIST),
    **dict.fromkeys(("value_set", "value_pairs_set"), _LIST),
    **dict.fromkeys(("strict_min", "strict_max", "or_equal", "exact_match", "double_sided"), _BOOL),
    **dict.fromkeys(("ties_okay", "bucketize_data", "strictly"), _BOOL),
    **dict.fromkeys(("threshold", "sum_total", "column_index", "multiplier"), _NUMBER),
    **dict.fromkeys(("min_value", "max_value"), _SCALAR),
    **dict.fromkeys(("escape", "method", "ignore_row_if"), _STRING),
    "mostly": "a share between 0 and 1",
}


@dataclass(frozen=True, slots=True)
class ExpectationType:
    """One of GX's expectation types: its name and the kwargs that it knows."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def needed(self) -> tuple[str, ...]:
        """The kwargs without which nothing would be asked: GX's required ones, and more."""
        return self.required + _ASKED_FOR.get(self.name, ())

    @property
    def known(self) -> tuple[str, ...]:
        """All kwargs, the required ones first."""
        return self.required + self.optional


@cache
def expectation_types() -> Mapping[str, ExpectationType]:
    """Return GX's expectation types by name."""
    types = json.loads(_FILE.read_text(encoding="utf-8"))["types"]
    return {
        name: ExpectationType(name, tuple(kwargs["required"]), tuple(kwargs["optional"]))
        for name, kwargs in types.items()
    }


def snake_case(name: str) -> str:
    """Return GX's name of an expectation in snake case; class names are taken too."""
    name = name.strip()
    return (
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
        if re.search("[A-Z]", name)
        else name
    )


def nearest(word: str, known: list[str], cutoff: float = 0.5) -> str | None:
    """Return the known word that *word* was probably meant to be."""
    matches = difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return matches[0] if matches else None


def kind_error(key: str, value: object) -> str | None:
    """Return what *key* must be if *value* is of another kind."""
    kind = _KINDS.get(key)
    if kind is None or value is None:
        return None
    if isinstance(value, list) and not value and kind is _LIST:
        return None  # it has a sentence of its own
    return None if _CHECKS[kind](value) else kind


def describe_installed() -> dict[str, object]:
    """Return the vocabulary of the installed Great Expectations, as `vocabulary.json` holds it."""
    import great_expectations as gx  # noqa: PLC0415  seconds of CPU
    import great_expectations.expectations  # noqa: PLC0415  registers the types
    from great_expectations.expectations import registry  # noqa: PLC0415

    names = sorted(registry.list_registered_expectation_implementations())
    types = {name: _kwargs(registry.get_expectation_impl(name).__fields__) for name in names}
    return {"great_expectations": gx.__version__, "types": types}


def _kwargs(fields: Mapping[str, object]) -> dict[str, list[str]]:
    named = {name: field for name, field in fields.items() if name not in _NOT_KWARGS}
    required = [name for name, field in named.items() if getattr(field, "required", False)]
    return {"required": required, "optional": [name for name in named if name not in required]}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


_CHECKS: Mapping[str, Callable[[object], bool]] = {
    _STRING: lambda value: isinstance(value, str) and bool(value),
    _LIST: lambda value: isinstance(value, list),
    _BOOL: lambda value: isinstance(value, bool),
    _NUMBER: _is_number,
    _SCALAR: lambda value: _is_number(value) or (isinstance(value, str) and bool(value)),
    "a share between 0 and 1": _is_share,
}


if __name__ == "__main__":
    _FILE.write_text(json.dumps(describe_installed(), indent=1) + "\n", encoding="utf-8")
