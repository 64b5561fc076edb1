"""Timeline histories as PostgreSQL writes and reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.wal.history import History, HistoryUnreadableError, Switch, parse

WRITTEN = b"1\t0/3000110\tno recovery target specified\n\n2\t0/5000000\tbefore 2026-11-25 10:00:00+00\n"


def test_ancestors_and_places_are_read() -> None:
    history = parse(3, WRITTEN)
    assert history == History(3, (Switch(1, 0x3000110), Switch(2, 0x5000000)))
    assert history.timelines == (1, 2, 3)
    assert history.parent == Switch(2, 0x5000000)


def test_the_byte_at_the_switch_belongs_to_the_new_timeline() -> None:
    history = parse(3, WRITTEN)
    places = (0x300010F, 0x3000110, 0x4FFFFFF, 0x5000000)
    assert [history.timeline_at(lsn) for lsn in places] == [1, 2, 2, 3]


def test_comments_and_blank_lines_are_passed_by() -> None:
    assert parse(2, b"# by hand\n\n  \n1 0/3000110\n").parent == Switch(1, 0x3000110)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "names no parent"),
        (b"\0" * 100, "line 1"),
        (b"1\n", "line 1"),
        (b"x\t0/1\n", "line 1"),
        (b"0\t0/1\n", "line 1"),
        (b"1\tnowhere\n", "no place"),
        (b"2\t0/1\n1\t0/2\n", "out of order in line 2"),
        (b"1\t0/1\n3\t0/2\n", "another timeline's"),
    ],
)
def test_what_postgresql_would_refuse_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(HistoryUnreadableError, match=why):
        parse(3, text)


@given(st.binary(max_size=300))
def test_whatever_it_holds_is_read_or_refused(text: bytes) -> None:
    try:
        history = parse(7, text)
    except HistoryUnreadableError:
        return
    assert history.timelines[-1] == 7
    assert list(history.timelines) == sorted(set(history.timelines))
