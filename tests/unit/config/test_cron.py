from __future__ import annotations

import pytest

from tasks.config.cron import check_cron, check_timezone


@pytest.mark.parametrize(
    "line",
    [
        "0 3 * * *",
        "*/15 * * * *",
        "0 5 1 1,4,7,10 *",
        "0 0 * * sun",
        "0 0 * * 7",
        "5-10/2 1-3 L * MON-FRI",
        "0 3 29 2 *",
        "0 3 * * 5#2",
        "7/5 * * jan-mar *",
    ],
)
def test_lines_that_run_are_kept(line: str) -> None:
    assert check_cron(line) == line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 3 * *", "has 4 fields"),
        ("0 0 3 * * *", "has 6 fields"),
        ("60 3 * * *", 'the minute "60" is not between 0 and 59'),
        ("0 24 * * *", 'the hour "24"'),
        ("0 3 0 * *", 'the day of the month "0"'),
        ("0 3 * 13 *", 'the month "13"'),
        ("0 3 * * 8", 'the day of the week "8"'),
        ("0 3 * * fun", 'the day of the week "fun"'),
        ("0 3 * * 5#6", 'the day of the week "5#6"'),
        ("0 5-3 * * *", 'the hour "5-3"'),
        ("*/0 3 * * *", r'the minute "\*/0"'),
        ("0 3, * * *", 'the hour ""'),
        ("0 3 30 2 *", "never runs: none of its months has a day 30"),
        ("0 3 31 4,6 *", "never runs"),
    ],
)
def test_lines_that_do_not_run_name_the_field(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_cron(line)


@pytest.mark.parametrize("name", ["Mars/Base", "", "/etc/passwd", "../UTC", "CEST"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        check_timezone(name)


def test_zones_of_the_database_are_kept() -> None:
    assert check_timezone("Europe/Berlin") == "Europe/Berlin"
