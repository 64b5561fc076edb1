"""Our check of cron lines and Prefect's scheduler agree: on what is taken, and on when it runs."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.client.schemas.schedules import CronSchedule
from prefect.server.schemas.schedules import CronSchedule as Scheduled

from tasks.config.cron import check_cron, next_run

NUMBERS = st.integers(0, 70).map(str)
NAMES = st.sampled_from(
    ["*", "?", "L", "l", "sun", "MON", "fri", "jan", "DEC", "x", "", "W", "5W", "#", "L5", "*#2"]
)
VALUE = NUMBERS | NAMES
TERM = st.one_of(
    VALUE,
    st.tuples(VALUE, VALUE).map("-".join),
    st.tuples(VALUE, NUMBERS).map("/".join),
    st.tuples(VALUE, VALUE, NUMBERS).map(lambda t: f"{t[0]}-{t[1]}/{t[2]}"),
    st.tuples(VALUE, st.integers(0, 6).map(str)).map("#".join),
)
FIELD = st.lists(TERM, min_size=1, max_size=3).map(",".join)
LINES = st.one_of(
    st.lists(st.sampled_from(["*", "0", "3", "1-5"]) | FIELD, min_size=4, max_size=8).map(" ".join),
    st.sampled_from(["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@reboot", "@x"]),
    st.text(max_size=20),
)
OURS_ALONE = ("never runs", "sixth field is seconds", "draws its time")


def refused_by_us(line: str) -> str:
    try:
        check_cron(line)
    except ValueError as error:
        return str(error)
    return ""


def taken_by_prefect(line: str) -> bool:
    try:
        CronSchedule(cron=line, timezone="UTC")
    except ValueError:
        return False
    return True


@settings(max_examples=400)
@given(LINES)
def test_prefect_takes_what_we_take_and_we_take_what_it_takes_and_runs(line: str) -> None:
    trouble = refused_by_us(line)
    if any(reason in trouble for reason in OURS_ALONE):
        return
    assert taken_by_prefect(line) == (not trouble)


@settings(max_examples=50)
@given(LINES.filter(lambda line: not refused_by_us(line)))
def test_a_line_that_we_take_runs_when_prefect_s_scheduler_runs_it(line: str) -> None:
    after = datetime(2026, 11, 25, 17, 30, 12, tzinfo=UTC)
    planned = next(Scheduled(cron=line, timezone="UTC")._get_dates_generator(start=after))
    assert planned == next_run(line, after)
