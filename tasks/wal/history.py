"""Timeline histories: which timelines a timeline came from, and where it left them.

Read as PostgreSQL reads them (readTimeLineHistory): a number, the LSN, whatever else; comments and blank
lines between; each parent with a higher number than the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.wal.names import parse_lsn

LARGEST_HISTORY_BYTES = 1 << 20
_FIELDS = 2


class HistoryUnreadableError(ValueError):
    """A history that PostgreSQL would refuse."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Where a timeline was left for the next one: *lsn* is the first byte that is the next one's."""

    timeline: int
    lsn: int


@dataclass(frozen=True, slots=True)
class History:
    """A timeline and its ancestors, the oldest first."""

    timeline: int
    switches: tuple[Switch, ...] = ()

    @property
    def parent(self) -> Switch | None:
        """The timeline that this one left, and where; None for one without ancestors."""
        return self.switches[-1] if self.switches else None

    @property
    def timelines(self) -> tuple[int, ...]:
        """All of its timelines, the oldest first."""
        return (*(switch.timeline for switch in self.switches), self.timeline)

    def timeline_at(self, lsn: int) -> int:
        """Return the timeline to which the byte at *lsn* belongs."""
        return next((switch.timeline for switch in self.switches if lsn < switch.lsn), self.timeline)


def parse(timeline: int, text: bytes) -> History:
    """Return the history of *timeline* that the file's *text* holds.

    Raises:
        HistoryUnreadableError: it is damaged, or another timeline's.
    """
    switches: list[Switch] = []
    for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
        fields = line.split("#", 1)[0].split()
        if not fields:
            continue
        switch = _switch(fields, number)
        if switches and switch.timeline <= switches[-1].timeline:
            raise HistoryUnreadableError(f"its timelines are out of order in line {number}")
        switches.append(switch)
    if not switches or switches[-1].timeline >= timeline:
        raise HistoryUnreadableError("it names no parent" if not switches else "it is another timeline's")
    return History(timeline, tuple(switches))


def _switch(fields: list[str], line: int) -> Switch:
    if len(fields) < _FIELDS or not fields[0].isascii() or not fields[0].isdigit() or not int(fields[0]):
        raise HistoryUnreadableError(f"line {line} names no timeline and place")
    try:
        return Switch(int(fields[0]), parse_lsn(fields[1]))
    except ValueError as error:
        raise HistoryUnreadableError(f"line {line} names no place in the WAL") from error
