"""Figures of a drill's suites that are drawn over many drills: shares of NULLs, ages of newest rows.

Taken from the results that lie beside the evidence, once per drill: the site remembers them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from expectations.observed import age_in

MOST_KEPT = 60
_NULLS = "expect_column_values_to_not_be_null"
_FILLED = "expect_column_proportion_of_non_null_values_to_be_between"
_NEWEST = "expect_column_max_to_be_between"
_JUDGED = ("passed", "failed")


def null_shares(stored: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the share of NULLs, per cent, of each `table.column` whose NULLs an expectation counted.

    Args:
        stored: the suites' results.
    """
    return _figures(stored, _null_share)


def newest_ages_s(stored: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the age in seconds of the newest value of each `table.column` whose age an expectation told."""
    return _figures(stored, _age_s)


def _null_share(item: Mapping[str, Any]) -> float | None:
    if item.get("type") == _NULLS:
        return _number(item.get("unexpected_percent"))
    filled = _number(item.get("observed")) if item.get("type") == _FILLED else None
    return None if filled is None else 100.0 * (1.0 - filled)


def _age_s(item: Mapping[str, Any]) -> float | None:
    return age_in(str(item.get("observed"))) if item.get("type") == _NEWEST else None


def _figures(
    stored: Iterable[Mapping[str, Any]], figure: Callable[[Mapping[str, Any]], float | None]
) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, item in _whole_columns(stored):
        value = figure(item)
        if value is not None and len(figures) < MOST_KEPT:
            figures.setdefault(name, round(value, 6))
    return figures


def _whole_columns(stored: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what was judged on all rows of a column."""
    for suite in stored:
        for item in suite.get("results", ()):
            kwargs = item.get("kwargs") or {}
            if item.get("outcome") in _JUDGED and kwargs.get("column") and not kwargs.get("row_condition"):
                yield f"{item.get('table')}.{kwargs['column']}", item


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
