from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tasks.physical.server_log import LogReader, RecoveryLog, moment_of


def told(*lines: str) -> RecoveryLog:
    log = RecoveryLog()
    for number, line in enumerate(lines):
        log.take(line, float(number))
    return log


def test_a_recovery_is_followed_from_redo_to_ready() -> None:
    log = told(
        "LOG:  starting PostgreSQL 17.11",
        "LOG:  redo starts at 0/2000028",
        "LOG:  consistent recovery state reached at 0/2000120",
        "LOG:  redo done at 0/3000110 system usage: CPU: user: 0.00 s",
        "LOG:  last completed transaction was at log time 2026-11-25 16:15:28.25+00",
        "LOG:  selected new timeline ID: 2",
        "LOG:  database system is ready to accept connections",
    )
    assert (log.started_s, log.done_s, log.ready_s) == (1.0, 3.0, 6.0)
    assert (log.start_lsn, log.done_lsn, log.timeline) == (0x2000028, 0x3000110, 2)
    assert log.consistent
    assert log.last_commit_at == datetime(2026, 11, 25, 16, 15, 28, 250000, tzinfo=UTC)
    assert (log.stopped, log.gave_up) == ("", "")


def test_a_stop_before_a_commit_names_the_next_one() -> None:
    log = told("LOG:  recovery stopping before commit of transaction 732, time 2026-11-25 16:15:30.1+00")
    assert log.next_commit_at == datetime(2026, 11, 25, 16, 15, 30, 100000, tzinfo=UTC)
    assert log.stopped.startswith("before commit of transaction 732")


def test_a_stop_at_a_name_is_kept_in_the_servers_words() -> None:
    log = told('LOG:  recovery stopping at restore point "before", time 2026-11-25 16:15:30+00')
    assert log.stopped.startswith('at restore point "before"')
    assert log.next_commit_at is None


def test_the_first_fatal_word_counts() -> None:
    log = told("FATAL:  the cause", "FATAL:  the consequence", "LOG:  database system is shut down")
    assert (log.gave_up, log.panicked) == ("the cause", False)
    assert told("PANIC:  invalid page").panicked


def test_no_line_of_a_client_is_taken_for_the_servers() -> None:
    log = told(
        "ERROR:  LOG:  redo starts at 0/2000028", "  LOG:  database system is ready to accept connections"
    )
    assert (log.start_lsn, log.ready_s) == (None, None)


def test_lines_are_given_once_and_when_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    reader = LogReader(path)
    assert reader.lines() == []
    path.write_text("one\ntw")
    assert reader.lines() == ["one"]
    with path.open("a") as file:
        file.write("o\n")
    assert reader.lines() == ["two"]
    assert reader.lines() == []


def test_a_moment_may_have_any_number_of_digits() -> None:
    assert moment_of("2026-11-25 16:15:28.5+00").microsecond == 500000
    assert moment_of("2026-11-25 16:15:28+00") == datetime(2026, 11, 25, 16, 15, 28, tzinfo=UTC)
