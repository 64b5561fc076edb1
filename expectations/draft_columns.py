"""What may be expected of one column, by what it holds.

Decision: a band is wide enough for chance, for what several points moved, and for a little more; a change of
unit, a scrambled text or a flood of NULLs lies far outside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from expectations.draft_history import (
    MANY_ROWS,
    SOME_ROWS,
    ColumnHistory,
    Rule,
    TableHistory,
    rounded_up,
    significant,
)
from expectations.patterns import DAMAGED, telling
from expectations.profile_catalogue import Kind

_DAY_S = 86400.0
_LONG_QUIET_S = 30 * 86400.0
_FIRST_SAID_S = -1e9  # about 1938: what lies before is no time that a program wrote
_QUANTITY = 3.0  # room above the largest amount, before it is rounded up


def column_rules(table: TableHistory, column: ColumnHistory) -> Iterator[Rule]:
    """Yield what may be expected of *column* of *table*."""
    yield from _filled(table, column)
    kind = column.now.facts.kind
    if kind is Kind.NUMBER and not column.now.facts.sensitive:
        yield from _amounts(table, column)
    elif kind is Kind.TIME and not column.now.facts.sensitive:
        yield from _times(table, column)
    elif kind in {Kind.TEXT, Kind.ENUM}:
        yield from _categories(table, column)
        yield from _texts(column)
    yield from _distinct(column)


def _filled(table: TableHistory, column: ColumnHistory) -> Iterator[Rule]:
    rows, shares = column.rows[0], column.filled_shares
    if not rows or not shares:
        return
    observed = f"{shares[0]:.1%} filled of {rows:,} rows" if shares[0] < 1 else f"filled in all {rows:,} rows"
    if column.now.facts.not_null and min(shares) == 1:
        yield Rule("expect_column_values_to_not_be_null", {}, "it is declared NOT NULL", observed)
        return
    if rows < MANY_ROWS or table.volatile:
        return
    # Room for chance (three deviations), for what the points moved, and a little more.
    low = min(shares)
    chance = 3 * math.sqrt(low * (1 - low) / rows)
    room = max(0.05, chance, 2 * (max(shares) - low))
    mostly = math.floor((low - room) * 100) / 100
    if mostly >= 0.05:  # noqa: PLR2004  below, almost nothing is expected
        why = "a flood of NULLs is a failed load or a broken migration"
        yield Rule("expect_column_values_to_not_be_null", {"mostly": mostly}, why, observed)


def _amounts(table: TableHistory, column: ColumnHistory) -> Iterator[Rule]:
    now = column.now
    lows, highs = column.figures(lambda point: point.low), column.figures(lambda point: point.high)
    if not lows or not highs or now.facts.name in table.now.facts.keys or now.facts.name.endswith("_id"):
        return
    if min(lows) >= 0 and now.filled >= SOME_ROWS:
        bounds: dict[str, object] = {"min_value": 0}
        high = rounded_up(max(highs) * _QUANTITY)
        if high and now.filled >= MANY_ROWS and not table.volatile:
            bounds["max_value"] = high
        observed = f"none negative among {now.filled:,}; the bound is rounded and leaves room"
        yield Rule(
            "expect_column_values_to_be_between",
            {**bounds, "mostly": 0.99},
            "an amount beyond is a unit or sign error",
            observed,
        )
    yield from _mean(table, column)


def _mean(table: TableHistory, column: ColumnHistory) -> Iterator[Rule]:
    """A change of unit moves the mean by a factor; the ordinary course of things does not."""
    now = column.now
    means = column.figures(lambda point: point.mean)
    if now.filled < MANY_ROWS or table.volatile or not means or now.deviation is None or not now.mean:
        return
    error = now.deviation / (abs(now.mean) * math.sqrt(now.filled))
    if error > 0.1 or min(means) * max(means) <= 0:  # noqa: PLR2004  a mean that chance moves says nothing
        return
    factor = 1.5 if error < 0.02 else 2.0  # noqa: PLR2004
    factor *= max(map(abs, means)) / min(map(abs, means))
    low, high = sorted((significant(min(means, key=abs) / factor), significant(max(means, key=abs) * factor)))
    observed = f"mean {significant(now.mean):,g} of {now.filled:,} values"
    moved = (
        f", {significant(min(means)):,g} to {significant(max(means)):,g} over {len(means)} points"
        if len(means) > 1
        else ""
    )
    why = "a mean outside this band is a change of unit or a wrong load"
    yield Rule(
        "expect_column_mean_to_be_between",
        {"min_value": low, "max_value": high},
        why,
        observed + moved,
    )


def _times(table: TableHistory, column: ColumnHistory) -> Iterator[Rule]:
    now, as_of = column.now, column.as_of[0]
    if now.high is None or now.low is None or now.filled < SOME_ROWS:
        return
    if now.high <= as_of.timestamp() + _DAY_S:
        bounds: dict[str, object] = {"max_value": {"as_of": "2d"}, "mostly": 0.99}
        year = datetime.fromtimestamp(now.low, UTC).year - 1 if now.low > _FIRST_SAID_S else None
        if year is not None:
            bounds["min_value"] = datetime(year, 1, 1, tzinfo=UTC).date()
        why = "a time in the future or long before the first is a shifted or broken clock"
        yield Rule("expect_column_values_to_be_between", bounds, why, "none in the future")
    ages = [
        at.timestamp() - point.high
        for point, at in zip(column.points, column.as_of, strict=True)
        if point.high is not None
    ]
    oldest = max(ages)
    if table.volatile or now.filled < SOME_ROWS or oldest < 0:
        return
    if oldest > _LONG_QUIET_S:
        yield from _newest(column)
        return
    limit = max(2 * oldest, oldest + 36 * 3600)
    hours = math.ceil(limit / 3600)
    why = "newer rows should have arrived: an older newest one is a stale copy or a lost tail"
    observed = f"newest {ages[0] / 3600:.1f} h before the moment of judgement"
    yield Rule("expect_column_max_to_be_between", {"min_value": {"as_of": f"-{hours}h"}}, why, observed)


def _newest(column: ColumnHistory) -> Iterator[Rule]:
    """What has been quiet for long is no stale copy, and still its newest row must not become older."""
    highs = [point.high for point in column.points if point.high is not None]
    if column.now.facts.sensitive or min(highs) < _FIRST_SAID_S:
        return
    day = (datetime.fromtimestamp(min(highs), UTC) - timedelta(days=1)).date()
    why = "no row may become older than the newest was: the last ones are lost, or times were moved"
    yield Rule("expect_column_max_to_be_between", {"min_value": day}, why, f"newest of {day:%B %Y}")


def _categories(table: TableHistory, column: ColumnHistory) -> Iterator[Rule]:
    now = column.now
    histograms = [point.categories for point in column.points if point.categories]
    if not histograms or now.facts.sensitive:
        return
    values = sorted({value for counts in histograms for value in counts})
    observed = f"{len(now.categories)} values in {now.filled:,} rows"
    why = "an unknown value in more than a few rows is scrambled or wrongly mapped text"
    yield Rule(
        "expect_column_values_to_be_in_set",
        {"value_set": values, "mostly": 0.95},
        why,
        observed,
    )
    frequent = sorted(
        value
        for value in now.categories
        if all(counts.get(value, 0) >= max(SOME_ROWS, 0.02 * sum(counts.values())) for counts in histograms)
    )
    if len(frequent) > 1 and not table.volatile:
        why = "a value that has always been common and is gone is a lost partition or a lost tenant"
        yield Rule(
            "expect_column_distinct_values_to_contain_set",
            {"value_set": frequent},
            why,
            observed,
        )


def _texts(column: ColumnHistory) -> Iterator[Rule]:
    now = column.now
    if now.facts.kind is not Kind.TEXT or now.filled < SOME_ROWS:
        return
    shared = set.intersection(*(set(point.shapes) for point in column.points if point.filled))
    observed = f"all {now.filled:,} values"
    for pattern in telling(shared)[:2]:
        kwargs: dict[str, object] = {"regex": pattern.regex, "mostly": 0.98}
        why = f"each looks like {pattern.what}; scrambled, cut or shifted text does not"
        yield Rule("expect_column_values_to_match_regex", kwargs, why, observed)
    if all(point.damaged == 0 for point in column.points):
        # Only words beyond ASCII are damaged, and they may be few: where there are many rows, none may be.
        strict: dict[str, object] = {} if now.filled >= MANY_ROWS else {"mostly": 0.99}
        why = "these letters are text that was decoded wrongly"
        yield Rule("expect_column_values_to_not_match_regex", {"regex": DAMAGED, **strict}, why, observed)
    yield from _lengths(column)


def _lengths(column: ColumnHistory) -> Iterator[Rule]:
    shortest = column.figures(lambda point: point.shortest)
    longest = column.figures(lambda point: point.longest)
    if not shortest or not longest:
        return
    low, high = int(min(shortest)), int(max(longest))
    observed = f"{low} to {high} characters"
    if low == high and column.now.filled >= MANY_ROWS:
        why = "all are equally long; anything else was cut or padded"
        yield Rule(
            "expect_column_value_lengths_to_equal",
            {"value": low, "mostly": 0.98},
            why,
            observed,
        )
        return
    bounds: dict[str, object] = {"min_value": max(0, low // 2), "max_value": high * 2 + 10, "mostly": 0.98}
    why = "much longer or shorter text was padded, cut, joined or scrambled"
    yield Rule("expect_column_value_lengths_to_be_between", bounds, why, observed, "warning")


def _distinct(column: ColumnHistory) -> Iterator[Rule]:
    now = column.now
    if now.distinct is None or now.distinct != now.filled or now.filled < MANY_ROWS:
        return
    why = "no constraint says so, and yet none occurs twice: many duplicates are a load that ran twice"
    observed = f"{now.filled:,} values, none twice"
    yield Rule("expect_column_values_to_be_unique", {"mostly": 0.9}, why, observed, "warning")
