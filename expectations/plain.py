"""An expectation in plain words, for people who read a report and not a vocabulary.

Decision: our own sentences, from a table, and not GX's rendering: they are there without importing GX, which
takes seconds; GX's put the bound values in, so that a limit of 26 hours reads as a moment of last Tuesday and
a sensitive column's bounds are shown; and GX says "greater than or equal to" of times too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from expectations.suite import Expectation, Parameter, RelativeTime
from expectations.times import TIME_PARAMETERS, say_dynamic

MASK = "***"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHOWN = 8  # members of a list that a sentence names
# {c} is the column, {between} the bounds, {name} a kwarg.
_SENTENCES: Mapping[str, str] = {
    "expect_column_distinct_values_to_be_in_set": "{c} holds no other values than {value_set}",
    "expect_column_distinct_values_to_contain_set": "{c} holds each of {value_set} at least once",
    "expect_column_distinct_values_to_equal_set": "{c} holds exactly the values {value_set}",
    "expect_column_kl_divergence_to_be_less_than": "{c} is distributed as given, within {threshold}",
    "expect_column_max_to_be_between": "the {largest} {c} is {between}",
    "expect_column_mean_to_be_between": "the mean of {c} is {between}",
    "expect_column_median_to_be_between": "the median of {c} is {between}",
    "expect_column_min_to_be_between": "the {smallest} {c} is {between}",
    "expect_column_most_common_value_to_be_in_set": "the most common {c} is one of {value_set}",
    "expect_column_pair_values_a_to_be_greater_than_b": "{column_A} is greater than {or_equal}{column_B}",
    "expect_column_pair_values_to_be_equal": "{column_A} equals {column_B}",
    "expect_column_pair_values_to_be_in_set": "{column_A} and {column_B} form one of {value_pairs_set}",
    "expect_column_proportion_of_non_null_values_to_be_between": "the filled share of {c} is {between}",
    "expect_column_proportion_of_unique_values_to_be_between": "the distinct share of {c} is {between}",
    "expect_column_quantile_values_to_be_between": "the quantiles of {c} lie within their bounds",
    "expect_column_stdev_to_be_between": "the standard deviation of {c} is {between}",
    "expect_column_sum_to_be_between": "the sum of {c} is {between}",
    "expect_column_to_exist": "there is a column {c}",
    "expect_column_type_to_be": "{c} is of type {type_}",
    "expect_column_unique_value_count_to_be_between": "the number of distinct values in {c} is {between}",
    "expect_column_value_lengths_to_be_between": "each {c} is {length}",
    "expect_column_value_lengths_to_equal": "each {c} is {value} characters long",
    "expect_column_value_z_scores_to_be_less_than": "each {c} is within {threshold} deviations of the mean",
    "expect_column_values_to_be_between": "each {c} is {between}",
    "expect_column_values_to_be_in_set": "each {c} is one of {value_set}",
    "expect_column_values_to_be_in_type_list": "{c} is of one of the types {type_list}",
    "expect_column_values_to_be_null": "each {c} is empty",
    "expect_column_values_to_be_of_type": "{c} is of type {type_}",
    "expect_column_values_to_be_unique": "no {c} occurs twice",
    "expect_column_values_to_match_like_pattern": "each {c} is like {like_pattern}",
    "expect_column_values_to_match_like_pattern_list": "each {c} is like {match_on}of {like_pattern_list}",
    "expect_column_values_to_match_regex": "each {c} matches {regex}",
    "expect_column_values_to_match_regex_list": "each {c} matches {match_on}of {regex_list}",
    "expect_column_values_to_not_be_in_set": "no {c} is one of {value_set}",
    "expect_column_values_to_not_be_null": "each {c} is filled",
    "expect_column_values_to_not_be_outliers": "no {c} is an outlier",
    "expect_column_values_to_not_match_like_pattern": "no {c} is like {like_pattern}",
    "expect_column_values_to_not_match_like_pattern_list": "no {c} is like one of {like_pattern_list}",
    "expect_column_values_to_not_match_regex": "no {c} matches {regex}",
    "expect_column_values_to_not_match_regex_list": "no {c} matches one of {regex_list}",
    "expect_compound_columns_to_be_unique": "no combination of {column_list} occurs twice",
    "expect_multicolumn_sum_to_equal": "{column_list} add up to {sum_total}",
    "expect_multicolumn_values_to_be_equal": "{column_list} are equal",
    "expect_select_column_values_to_be_unique_within_record": "{column_list} differ within each row",
    "expect_table_column_count_to_be_between": "the number of columns is {between}",
    "expect_table_column_count_to_equal": "there are {value} columns",
    "expect_table_columns_to_match_ordered_list": "the columns are, in this order, {column_list}",
    "expect_table_columns_to_match_set": "the columns are {column_set}",
    "expect_table_row_count_to_be_between": "the number of rows is {between}",
    "expect_table_row_count_to_equal": "there are {value} rows",
    "expect_table_row_count_to_equal_other_table": "there are as many rows as in {other_table_name}",
    "unexpected_rows_expectation": "a query for rows that break the rule finds none",
}


def say(expectation: Expectation) -> str:
    """Return *expectation* as one sentence without its table: `each email matches ^.+@.+$ (at least 99%)`."""
    if expectation.description:
        return expectation.description
    template = _SENTENCES.get(expectation.type)
    sentence = template.format_map(_Words(expectation)) if template else _fallback(expectation.type)
    return sentence + _mostly(expectation.kwargs) + _condition(expectation.kwargs)


def say_value(value: object) -> str:
    """Return one bound or one member of a set as a person reads it."""
    if isinstance(value, (RelativeTime, Parameter)):
        return say_dynamic(value)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e15 else f"{value:g}"  # noqa: PLR2004  beyond, commas blur
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _listed(value)
    return str(value)


class _Words(dict[str, str]):
    """The words that a sentence asks for, made when it asks."""

    def __init__(self, expectation: Expectation) -> None:
        super().__init__()
        self._kwargs = expectation.kwargs
        self._masked = expectation.sensitive

    def __missing__(self, key: str) -> str:
        if key == "c":
            return str(self._kwargs.get("column", "column"))
        if key in _PHRASES:
            return _PHRASES[key](self._kwargs, self._masked)
        special = _SPECIAL.get(key)
        if special is not None:
            return special(self._kwargs.get(key))
        if self._masked and key in {"value_set", "value_pairs_set", "value"}:
            return MASK
        return say_value(self._kwargs.get(key))


def _between(kwargs: Mapping[str, object], masked: bool) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if masked:
        return "within its bounds"
    if low is not None and low == high:
        return f"exactly {say_value(low)}"
    floors, ceilings = _BOUNDS[_about_times(kwargs)]
    floor, ceiling = floors[bool(kwargs.get("strict_min"))], ceilings[bool(kwargs.get("strict_max"))]
    parts = [f"{floor} {say_value(low)}"] if low is not None else []
    parts += [f"{ceiling} {say_value(high)}"] if high is not None else []
    return " and ".join(parts) or "anything"


def _length(kwargs: Mapping[str, object], masked: bool) -> str:
    if masked:
        return "of a length within its bounds"
    return f"{_between(kwargs, masked)} characters long"


def _about_times(kwargs: Mapping[str, object]) -> bool:
    """Say whether the bounds are times: these are early and late, not small and large."""
    return any(_is_time(kwargs.get(key)) for key in ("min_value", "max_value"))


def _is_time(value: object) -> bool:
    if isinstance(value, Parameter):
        return value.name in TIME_PARAMETERS
    if isinstance(value, str):
        return _DATE.match(value) is not None
    return isinstance(value, (RelativeTime, date))


_PHRASES: Mapping[str, Callable[[Mapping[str, object], bool], str]] = {
    "between": _between,
    "length": _length,
    "largest": lambda kwargs, _: "newest" if _about_times(kwargs) else "largest",
    "smallest": lambda kwargs, _: "oldest" if _about_times(kwargs) else "smallest",
}
# of numbers and of times; each inclusive and strict
_BOUNDS = (
    (("at least", "more than"), ("at most", "less than")),
    (("no earlier than", "later than"), ("no later than", "earlier than")),
)
_SPECIAL: Mapping[str, Callable[[object], str]] = {
    "column_list": lambda value: _joined(value),  # noqa: PLW0108  it stands below
    "or_equal": lambda value: "or equal to " if value else "",
    "match_on": lambda value: "all " if value == "all" else "one ",
}


def _mostly(kwargs: Mapping[str, object]) -> str:
    share = kwargs.get("mostly")
    if not isinstance(share, (int, float)) or share >= 1:
        return ""
    return f", in at least {share * 100:.6g}% of the rows"


def _condition(kwargs: Mapping[str, object]) -> str:
    condition = kwargs.get("row_condition")
    if condition is None:
        return ""
    return (
        f", where {condition}" if isinstance(condition, str) else ", for the rows that its condition selects"
    )


def _listed(values: Sequence[object]) -> str:
    shown = ", ".join(
        f"({say_value(value)})" if isinstance(value, (list, tuple)) else say_value(value)
        for value in values[:_SHOWN]
    )
    more = len(values) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _joined(columns: object) -> str:
    names = [str(column) for column in columns] if isinstance(columns, (list, tuple)) else [str(columns)]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _fallback(kind: str) -> str:
    return kind.removeprefix("expect_").replace("_", " ")
