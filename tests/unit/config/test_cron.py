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
        "@daily",
        "@weekly",
        "@annually",
        "0 3 ? * *",
        "0 3 * * fri-mon",
        "0 22-4 * * *",
        "0 3 * nov-feb *",
        "0 3 * * L5",
        "0 3 * * * 30",
        "0 3 1 1 * 0 2060",
    ],
)
def test_lines_that_run_are_kept(line: str) -> None:
    assert check_cron(line) == line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "has 0 fields"),
        ("0 3 * *", "has 4 fields"),
        ("0 3 * * * 0 2099 1", "has 8 fields"),
        ("60 3 * * *", 'the minute "60" is not 0 to 59'),
        ("0 24 * * *", 'the hour "24"'),
        ("0 3 0 * *", 'the day of the month "0"'),
        ("0 3 * 13 *", 'the month "13"'),
        ("0 3 * * 8", 'the day of the week "8"'),
        ("0 3 * * fun", 'the day of the week "fun"'),
        ("0 3 * * 5#6", 'the day of the week "5#6"'),
        ("*/0 3 * * *", r'the minute "\*/0"'),
        ("0 3, * * *", 'the hour "3,"'),
        ("@reboot", "no name of a schedule"),
        ("@Nightly", "no name of a schedule"),
    ],
)
def test_lines_that_cannot_be_read_name_the_field(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_cron(line)


@pytest.mark.parametrize("line", ["0 3 30 2 *", "0 3 31 4,6 *", "0 3 1 1 * 0 2020", "0 3 31 2 1"])
def test_lines_that_never_run_are_no_schedule(line: str) -> None:
    """The last one would be Mondays too, were it cron's own; Prefect's scheduler makes no run of it."""
    with pytest.raises(ValueError, match="never runs"):
        check_cron(line)


@pytest.mark.parametrize("line", ["0 0 3 * * *", "0 3 * * * 0,30", "0 3 * * * */10"])
def test_a_line_of_seconds_is_a_field_too_many(line: str) -> None:
    """`0 0 3 * * *`, meant as "at three", would start sixty drills on the third of each month."""
    with pytest.raises(ValueError, match="sixth field is seconds"):
        check_cron(line)


@pytest.mark.parametrize(
    "line", ["R 3 * * *", "r(0-3) * * * *", "0 h * * *", "H(1-3) 3 * * *", "0 1,R 3 * *"]
)
def test_a_line_that_draws_its_time_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="draws its time"):
        check_cron(line)


@pytest.mark.parametrize("name", ["Mars/Base", "", "/etc/passwd", "../UTC", "CEST"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        check_timezone(name)


def test_zones_of_the_database_are_kept() -> None:
    assert check_timezone("Europe/Berlin") == "Europe/Berlin"
