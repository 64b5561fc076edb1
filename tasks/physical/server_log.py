"""What a recovering server says in its log: where it began, where it stopped, and why it gave up.

Its words are the proof of what was reached, so they are read by patterns that name each fact; which of them
belong to which major is pinned by tests with the real servers.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.sandbox.removal import open_regular
from tasks.wal.names import parse_lsn

_MOST_READ_BYTES = 1 << 20
_LONGEST_LINE = 2000
_LSN = r"[0-9A-F]{1,8}/[0-9A-F]{1,8}"
_MOMENT = r"(?P<moment>\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?[+]00)"
_STARTED = re.compile(rf"LOG:  redo starts at (?P<lsn>{_LSN})")
_DONE = re.compile(rf"LOG:  redo done at (?P<lsn>{_LSN})")
_LAST = re.compile(rf"LOG:  last completed transaction was at log time {_MOMENT}")
_STOPPED = re.compile(r"LOG:  recovery stopping (?P<what>before|after|at) (?P<rest>.*)")
_COMMIT = re.compile(rf"(?:commit|abort) of (?:prepared )?transaction \d+, time {_MOMENT}")
_STOP_LSN = re.compile(rf'WAL location \(LSN\) "(?P<lsn>{_LSN})"')
_TIMELINE = re.compile(r"LOG:  selected new timeline ID: (?P<id>\d+)")
_CONSISTENT = re.compile(r"LOG:  consistent recovery state reached")
_READY = re.compile(r"LOG:  database system is ready to accept connections")
_GAVE_UP = re.compile(r"(?P<level>FATAL|PANIC):  (?P<words>.*)")


@dataclass(slots=True)
class RecoveryLog:
    """The facts of one attempt at recovery; filled line by line.

    Attributes:
        started_s, done_s, ready_s: monotonic seconds at which redo began, ended, and the server was ready.
        start_lsn, done_lsn: of the first and of the last record that was replayed.
        last_commit_at: of the last transaction that came back; None where none did.
        next_commit_at: of the one before which recovery stopped.
        stopped: the server's words about the target that it stopped at; "" where it met none.
        gave_up: its FATAL or PANIC, the first one.
    """

    started_s: float | None = None
    done_s: float | None = None
    ready_s: float | None = None
    start_lsn: int | None = None
    done_lsn: int | None = None
    consistent: bool = False
    last_commit_at: datetime | None = None
    next_commit_at: datetime | None = None
    stopped: str = ""
    timeline: int | None = None
    gave_up: str = ""
    panicked: bool = False

    def take(self, line: str, now_s: float) -> None:
        """Learn from one line of the log, read at the monotonic time *now_s*."""
        if match := _STARTED.match(line):
            self.started_s, self.start_lsn = now_s, parse_lsn(match["lsn"])
        elif match := _DONE.match(line):
            self.done_s, self.done_lsn = now_s, parse_lsn(match["lsn"])
        elif match := _LAST.match(line):
            self.last_commit_at = moment_of(match["moment"])
        elif match := _STOPPED.match(line):
            self._take_stop(match["what"], match["rest"])
        elif match := _TIMELINE.match(line):
            self.timeline = int(match["id"])
        elif _CONSISTENT.match(line):
            self.consistent = True
        elif _READY.match(line):
            self.ready_s = now_s
        elif (match := _GAVE_UP.match(line)) and not self.gave_up:
            self.gave_up, self.panicked = match["words"], match["level"] == "PANIC"

    def _take_stop(self, what: str, rest: str) -> None:
        self.stopped = f"{what} {rest}"
        commit = _COMMIT.match(rest)
        if what == "before" and commit is not None:
            self.next_commit_at = moment_of(commit["moment"])


class LogReader:
    """Reads a server's log as it grows.

    Args:
        path: of the log; it begins anew with each start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""

    def lines(self) -> list[str]:
        """Return the lines that were finished since the last call; [] where there are none."""
        try:
            with open_regular(self._path) as handle:
                piece = os.pread(handle, _MOST_READ_BYTES, self._at)
        except OSError:
            return []
        self._at += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._rest = self._rest[-_LONGEST_LINE:]
        return [line[:_LONGEST_LINE].decode("utf-8", "replace") for line in lines]


def moment_of(text: str) -> datetime:
    """Return the moment that the server writes in UTC, such as `2026-11-25 16:15:28.5+00`."""
    return datetime.fromisoformat(f"{text.removesuffix('+00')}+00:00")
