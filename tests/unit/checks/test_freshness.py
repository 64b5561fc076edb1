"""Freshness: the age of the newest row that counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from expectations.newest import Newest
from tasks.checks.freshness import judge_age
from tasks.model.findings import Outcome
from tasks.model.target import Freshness
from tests.fix_checks import NOW, check, failures, warnings

WANTED = Freshness(table="a.t", column="at", max_age="26h")


@pytest.mark.parametrize(("hours", "stale"), [(0, False), (26, False), (26.1, True), (216, True)])
def test_a_row_older_than_allowed_is_stale(hours: float, stale: bool) -> None:
    age_s, seen = judge_age(Newest(NOW - timedelta(hours=hours), 0), WANTED, NOW)
    assert age_s == hours * 3600
    assert failures(seen) == ({("content-stale", "a.t.at")} if stale else set())
    assert check(seen, "freshness").outcome is (Outcome.FAILED if stale else Outcome.PASSED)


def test_no_date_at_all_is_stale() -> None:
    age_s, seen = judge_age(Newest(None, 0), WANTED, NOW)
    assert age_s is None
    assert failures(seen) == {("content-stale", "a.t.at")}


def test_a_row_within_the_clocks_tolerance_has_no_negative_age() -> None:
    age_s, seen = judge_age(Newest(NOW + timedelta(minutes=4), 0), WANTED, NOW)
    assert age_s == 0
    assert seen.findings == ()


def test_rows_of_the_future_warn_and_do_not_hide_a_stale_table() -> None:
    age_s, seen = judge_age(Newest(NOW - timedelta(days=9), 3), WANTED, NOW)
    assert age_s == 9 * 86400
    assert failures(seen) == {("content-stale", "a.t.at")}
    assert warnings(seen) == {("content-in-future", "a.t.at")}


def test_a_table_of_nothing_but_future_rows_tells_nothing() -> None:
    age_s, seen = judge_age(Newest(None, 3), WANTED, NOW)
    assert age_s is None
    assert check(seen, "freshness").outcome is Outcome.NOT_RUN
    assert failures(seen) == {("freshness-unknown", "a.t.at")}
    assert warnings(seen) == {("content-in-future", "a.t.at")}
