"""Recoverable windows: held against a walk from segment to segment, and against PostgreSQL's own choices."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.model.backup import StoredObject
from tasks.wal.archive import list_wal
from tasks.wal.history import History, Switch
from tasks.wal.names import Segment, segment_name
from tasks.wal.windows import Archive, BaseBackup, newest_timeline, window, windows
from tests.unit.wal.listings import LONG_AGO, SIZE, archive, base, branch, stored


def name(timeline: int, number: int) -> str:
    return segment_name(Segment(timeline, number), SIZE)


def test_without_a_gap_the_window_reaches_the_newest_segment() -> None:
    along = window(archive({1: range(3, 20)}), base(5, 6))
    assert (along.usable, along.last, along.segments) == (True, name(1, 19), 15)
    assert along.start_lsn == base(5, 6).stop_lsn
    assert along.end_lsn == 20 * SIZE
    assert along.gaps == ()
    assert along.why == "the archive ends there"


def test_a_gap_ends_the_window_of_older_bases_alone() -> None:
    listing = archive({1: [*range(3, 10), *range(12, 20)]})
    before, after = windows(listing, [base(5, 6), base(13, 13)])
    assert (before.last, before.missing) == (name(1, 9), name(1, 10))
    assert [(gap.first, gap.last, gap.count, gap.newer) for gap in before.gaps] == [
        (name(1, 10), name(1, 11), 2, 8)
    ]
    assert (after.last, after.gaps) == (name(1, 19), ())


@pytest.mark.parametrize("absent", [5, 6, 7])
def test_a_base_without_its_own_wal_is_not_usable(absent: int) -> None:
    listing = archive({1: [number for number in range(3, 20) if number != absent]})
    along = window(listing, base(5, 7))
    assert not along.usable
    assert along.missing == name(1, absent)
    assert "not consistent" in along.why
    assert along.end_lsn == along.start_lsn


def test_a_base_that_brings_its_wal_is_usable_whatever_the_archive_lacks() -> None:
    along = window(archive({1: [8, 9]}), base(5, 7, own=True))
    assert (along.usable, along.last, along.missing) == (True, None, name(1, 7))
    alone = window(archive({}), base(5, 7, own=True))
    assert (alone.usable, alone.end_lsn, alone.gaps) == (True, alone.start_lsn, ())


def test_a_stop_at_a_segments_end_does_not_need_the_next() -> None:
    exact = BaseBackup("base", 1, 5 * SIZE + 40, 6 * SIZE)
    assert window(archive({1: [5]}), exact).usable


def test_wal_older_than_the_base_is_nobodys_gap() -> None:
    assert window(archive({1: [1, 3, *range(5, 9)]}), base(5, 5)).gaps == ()


class TestTimelines:
    def test_latest_is_probed_until_a_history_is_absent(self) -> None:
        assert newest_timeline(1, []) == 1
        assert newest_timeline(1, [2, 3]) == 3
        assert newest_timeline(1, [2, 4]) == 2  # as findNewestTimeLine does
        assert newest_timeline(2, [2, 3]) == 3

    def test_a_failover_leads_on_to_the_new_timeline(self) -> None:
        listing = archive({1: range(3, 8), 2: range(8, 15)}, [branch(2, (1, 8))])
        along = window(listing, base(5, 5))
        assert (along.timeline, along.last, along.segments) == (2, name(2, 14), 10)
        assert [(fork.parent, fork.child, fork.left_behind) for fork in along.forks] == [(1, 2, 0)]

    def test_a_stray_branch_leaves_newer_wal_behind(self) -> None:
        times = {name(1, number): LONG_AGO + timedelta(hours=number) for number in range(3, 15)}
        times["00000002.history"] = LONG_AGO + timedelta(hours=8)
        listing = archive({1: range(3, 15), 2: [8]}, [branch(2, (1, 8))], times)
        along = window(listing, base(5, 5))
        (fork,) = along.forks
        assert (along.last, fork.left_behind, fork.newest_left, fork.alive) == (
            name(2, 8),
            6,
            name(1, 14),
            True,
        )
        assert window(listing, base(5, 5), "current").last == name(1, 14)
        assert window(listing, base(5, 5), 1).forks == ()

    @pytest.mark.parametrize(
        ("offset", "finished_h", "left_behind", "alive"),
        [(0, 9, 1, True), (1, 9, 1, True), (0, 7, 1, False), (1, 7, 0, False)],
    )
    def test_the_segment_in_which_they_part_is_left_behind_if_it_is_the_parents_own(
        self, offset: int, finished_h: int, left_behind: int, alive: bool
    ) -> None:
        times = {name(1, 8): LONG_AGO + timedelta(hours=finished_h)}
        times["00000002.history"] = LONG_AGO + timedelta(hours=8)
        parted = History(2, (Switch(1, 8 * SIZE + offset),))
        listing = archive({1: range(3, 9), 2: [8]}, [parted], times)
        (fork,) = window(listing, base(5, 5)).forks
        assert (fork.left_behind, fork.alive) == (left_behind, alive)

    def test_what_the_old_primary_archived_before_a_failover_is_not_alive(self) -> None:
        times = {"00000002.history": LONG_AGO + timedelta(hours=1)}
        listing = archive({1: range(3, 11), 2: range(8, 15)}, [branch(2, (1, 8))], times)
        (fork,) = window(listing, base(5, 5)).forks
        assert (fork.left_behind, fork.alive) == (2, False)

    def test_a_gap_before_the_fork_stops_it_though_the_parent_has_nothing_newer(self) -> None:
        listing = archive({1: range(3, 6), 2: range(8, 15)}, [branch(2, (1, 8))])
        along = window(listing, base(4, 4))
        assert (along.last, along.missing) == (name(1, 5), name(1, 6))
        assert along.gaps[0].newer == 7

    def test_the_childs_first_segment_is_needed_where_the_parent_has_one_too(self) -> None:
        listing = archive({1: range(3, 12), 2: range(9, 15)}, [branch(2, (1, 8))])
        along = window(listing, base(5, 5))
        assert (along.last, along.missing) == (name(1, 7), name(2, 8))

    def test_a_base_taken_after_the_fork_cannot_follow_it(self) -> None:
        listing = archive({1: range(3, 15), 2: range(8, 9)}, [branch(2, (1, 8))])
        along = window(listing, base(10, 10))
        assert not along.usable
        assert "left timeline 1 before" in along.why
        assert window(listing, base(10, 10), "current").usable

    def test_a_timeline_without_a_history_is_not_usable(self) -> None:
        assert "not in the archive" in window(archive({1: range(9)}), base(5, 5), 4).why

    def test_a_history_that_cannot_be_read_is_not_usable(self) -> None:
        listing = archive({1: range(9)})
        listing = type(listing)(
            {"00000002.history": stored("00000002.history"), name(1, 5): stored(name(1, 5))}, SIZE
        )
        assert "cannot be read" in window(listing, base(5, 5)).why

    def test_three_timelines_in_a_row(self) -> None:
        histories = [branch(2, (1, 6)), branch(3, (1, 6), (2, 9))]
        listing = archive({1: range(3, 6), 2: range(6, 9), 3: range(9, 12)}, histories)
        assert window(listing, base(4, 4)).last == name(3, 11)
        assert window(listing, base(7, 7, timeline=2)).last == name(3, 11)
        assert window(listing, base(4, 4), 2).last == name(2, 8)


def walked(present: set[tuple[int, int]], history: History, backup: BaseBackup) -> tuple[int, int] | None:
    """The same by asking for one segment after the other, from the newest timeline that has begun."""
    reached, number = None, backup.start_lsn // SIZE
    while True:
        begun = [
            1,
            *(
                child
                for s, child in zip(history.switches, history.timelines[1:], strict=True)
                if s.lsn // SIZE <= number
            ),
        ]
        at = (max(begun), number)
        if at not in present:
            return reached
        reached, number = at, number + 1


@given(
    st.lists(st.sets(st.integers(0, 40), max_size=30), min_size=3, max_size=3),
    st.integers(5, 30),
    st.integers(0, 10),
    st.integers(0, 4),
)
def test_a_window_ends_where_a_walk_does(numbers: list[set[int]], first: int, more: int, start: int) -> None:
    history = History(3, (Switch(1, first * SIZE + 8), Switch(2, (first + more) * SIZE + 16)))
    segments = {timeline + 1: sorted(of_it) for timeline, of_it in enumerate(numbers)}
    listing = archive(segments, [branch(2, (1, first)), history])
    along = window(listing, base(start, start), 3)
    present = {(timeline, number) for timeline, of_it in segments.items() for number in of_it}
    reached = walked(present, history, base(start, start))
    assert along.last == (None if reached is None else name(*reached))
    assert along.usable == (reached is not None and reached[1] >= start)
    if along.gaps:
        assert along.gaps[0].first == along.missing
        assert all(gap.newer > 0 for gap in along.gaps)


class Listed:
    """A store that lists what it is given."""

    def __init__(self, objects: Iterable[StoredObject]) -> None:
        self._objects = list(objects)

    def list(self, _: str) -> Iterator[StoredObject]:
        return iter(self._objects)


def test_a_hundred_thousand_segments_take_no_three_seconds() -> None:
    store: Any = Listed(
        stored(f"{name(1, number)}.gz") for number in range(100_000) if number not in {40_000, 70_000}
    )
    bases = [base(number, number + 1) for number in range(500, 100_000, 1000)]
    begun = time.process_time()
    found = windows(Archive(list_wal(store, "s3://acme/wal"), SIZE), bases)
    assert time.process_time() - begun < 3
    assert {along.last for along in found} == {name(1, 39_999), name(1, 69_999), name(1, 99_999)}


def test_many_gaps_are_bounded() -> None:
    along = window(archive({1: range(1, 20_001, 2)}), base(1, 1))
    assert len(along.gaps) == 100
    assert along.gaps[0].newer == 9_999
