"""What archives and recoveries mean: each rule fires, and stays silent on what is healthy."""

from __future__ import annotations

from datetime import timedelta

from tasks.model.findings import Finding, Severity
from tasks.wal.answers import Answers, Trouble
from tasks.wal.findings import end_findings, window_findings
from tasks.wal.names import Segment, segment_name
from tasks.wal.windows import Archive, window
from tests.unit.wal.listings import LONG_AGO, NOW, SIZE, archive, base, branch


def name(timeline: int, number: int) -> str:
    return segment_name(Segment(timeline, number), SIZE)


def rules(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


def failures(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings if finding.severity is Severity.FAILURE]


def of_window(listing: Archive) -> tuple[Finding, ...]:
    return window_findings(window(listing, base(5, 5)), NOW)


def test_a_healthy_archive_has_no_finding() -> None:
    assert of_window(archive({1: range(3, 20)})) == ()
    assert of_window(archive({1: range(3, 8), 2: range(8, 20)}, [branch(2, (1, 8))])) == ()


def test_a_gap_is_named_with_what_it_costs() -> None:
    (finding,) = of_window(archive({1: [*range(3, 10), 11, 12]}))
    assert finding.rule == "wal-gap"
    assert finding.message.startswith(f"Segment {name(1, 10)} is not in the archive; 2 newer ones are.")
    assert "nothing after 0/A000000 (2026-11-24 12:00:00 UTC)" in finding.message


def test_a_gap_of_this_minute_may_still_close() -> None:
    late = {name(1, 11): NOW - timedelta(minutes=2)}
    assert of_window(archive({1: [*range(3, 10), 11]}, at=late)) == ()
    late = {name(1, 11): NOW - timedelta(minutes=20)}
    assert rules(of_window(archive({1: [*range(3, 10), 11]}, at=late))) == ["wal-gap"]


def test_wal_that_the_backup_needs_is_another_thing() -> None:
    assert rules(of_window(archive({1: [3, 4, *range(6, 20)]}))) == ["wal-missing-for-backup"]
    assert rules(of_window(archive({}))) == ["wal-missing-for-backup"]


def test_a_stray_branch_fails_and_a_failover_does_not() -> None:
    parents = {name(1, number): LONG_AGO + timedelta(hours=number) for number in range(3, 15)}
    stray = parents | {"00000002.history": LONG_AGO + timedelta(hours=9)}
    findings = of_window(archive({1: range(3, 15), 2: [8]}, [branch(2, (1, 8))], stray))
    assert failures(findings) == ["timeline-fork"]
    assert "6 segments of timeline 1" in findings[0].message
    failover = parents | {"00000002.history": LONG_AGO + timedelta(hours=15)}
    findings = of_window(archive({1: range(3, 15), 2: range(8, 20)}, [branch(2, (1, 8))], failover))
    assert rules(findings) == ["timeline-fork"]
    assert failures(findings) == []


def test_a_backup_that_the_newest_timeline_left_behind_cannot_be_recovered_along_it() -> None:
    listing = archive({1: range(3, 15), 2: [4]}, [branch(2, (1, 4))])
    assert failures(of_window(listing)) == ["timeline-fork"]


def answered(last: int, end: int | None) -> Answers:
    answers = Answers()
    for number in range(5, last + 1):
        answers.add_segment(name(1, number))
    answers.add_absent("00000002.history")
    if end is not None:
        answers.add_absent(name(1, end))
    answers.add_segment(name(1, last - 1))  # as at the end of every recovery
    answers.add_absent("00000002.history")
    return answers


class TestEnd:
    ALONG = window(archive({1: range(3, 20)}), base(5, 5))

    def judged(self, answers: Answers, reached: int) -> list[str]:
        return rules(end_findings(answers, reached, self.ALONG, SIZE))

    def test_the_archives_end_is_as_it_should_be(self) -> None:
        assert self.judged(answered(19, 20), 19 * SIZE + 800) == []
        assert self.judged(answered(19, 20), 20 * SIZE) == []

    def test_a_newer_timeline_that_has_no_segment_yet_changes_no_end(self) -> None:
        answers = answered(19, 20)
        answers.add_absent(name(2, 20))
        answers.add_absent(name(2, 19))  # the last segment is looked for again, the newest timeline first
        assert self.judged(answers, 20 * SIZE) == []

    def test_what_was_archived_meanwhile_is_no_fault(self) -> None:
        assert self.judged(answered(22, 23), 22 * SIZE + 800) == []

    def test_an_end_before_the_archives_is_early(self) -> None:
        assert self.judged(answered(12, 13), 12 * SIZE + 800) == ["recovery-ended-early"]

    def test_an_end_inside_a_segment_is_a_record_that_cannot_be_read(self) -> None:
        assert self.judged(answered(12, None), 12 * SIZE + 800) == ["wal-corrupt"]
        assert self.judged(answered(19, None), 19 * SIZE + 800) == ["wal-corrupt"]

    def test_what_the_relay_met_explains_the_end(self) -> None:
        answers = answered(12, None)
        answers.add_trouble(Trouble(name(1, 13), "get-denied", "No."))
        assert self.judged(answers, 12 * SIZE) == ["wal-denied"]

    def test_a_backup_alone_without_an_archive_ends_where_it_is_complete(self) -> None:
        alone = window(archive({}), base(5, 5, own=True))
        assert end_findings(Answers(), alone.end_lsn, alone, SIZE) == ()


def test_answers_are_bounded() -> None:
    answers = Answers()
    for number in range(1000):
        answers.add_absent(name(1, number))
        answers.add_trouble(Trouble(name(1, number), "wal-corrupt", "So."))
    assert (len(answers.absent), answers.absent_count, len(answers.troubles)) == (100, 1000, 100)
    assert answers.as_dict()["absent_count"] == 1000
