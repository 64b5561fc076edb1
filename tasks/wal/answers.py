"""What the relay answered, for the evidence: handed over, proven absent, or in the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tasks.wal.names import is_history_name, parse_segment

_KEPT = 100


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that could neither be handed over nor be called absent.

    Attributes:
        rule: under which it is judged: `wal-corrupt` for what is broken, else what kept us from it.
        message: a sentence of fact, one of meaning.
    """

    name: str
    rule: str
    message: str
    uri: str | None = None


@dataclass(slots=True)
class Answers:
    """Grows while the relay runs; read it when the relay has been closed.

    Attributes:
        first, last: segments handed over: the first one, and the one farthest on, since at its end a recovery
            asks for an earlier one again.
        segments: how many, each counted as often as it was asked for.
        bytes: as stored, histories included.
        fetch_s: seconds spent on fetching, those of read-ahead included, which overlap.
        waited_s: seconds for which the server waited for its answers.
        absent: what was proven absent, the first few, in the order of asking.
        absent_count: how many of them there were.
        troubles: what recovery stopped for, the first few.
        end: the segment farthest on that was asked for and absent; of a later timeline, earlier ones are too.
    """

    first: str | None = None
    last: str | None = None
    segments: int = 0
    histories: int = 0
    bytes: int = 0
    fetch_s: float = 0.0
    waited_s: float = 0.0
    absent: list[str] = field(default_factory=list)
    absent_count: int = 0
    troubles: list[Trouble] = field(default_factory=list)
    end: str | None = None

    def ran_out(self, segment_bytes: int) -> bool:
        """Say whether the server read all that it got: it asked for the next segment, and there is none.

        Whole segments always lead to the next. A server that ends without asking for it met a record that it
        could not read, or its target.
        """
        last, end = (parse_segment(name or "", segment_bytes) for name in (self.last, self.end))
        return last is not None and end is not None and end.number == last.number + 1

    def add_segment(self, name: str) -> None:
        """Count a segment that was handed over."""
        self.first = self.first or name
        self.last = max(self.last or "", name, key=_number)
        self.segments += 1

    def add_absent(self, name: str) -> None:
        """Note what was proven absent."""
        self.absent_count += 1
        if not is_history_name(name):
            self.end = max(self.end or "", name, key=_number)
        if len(self.absent) < _KEPT:
            self.absent.append(name)

    def add_trouble(self, trouble: Trouble) -> None:
        """Note why recovery was stopped."""
        if len(self.troubles) < _KEPT and trouble not in self.troubles:
            self.troubles.append(trouble)

    def as_dict(self) -> dict[str, Any]:
        """Return the answers as the evidence holds them."""
        return {
            "first": self.first,
            "last": self.last,
            "segments": self.segments,
            "bytes": self.bytes,
            "fetch_s": round(self.fetch_s, 3),
            "waited_s": round(self.waited_s, 3),
            "absent": list(self.absent),
            "absent_count": self.absent_count,
            "troubles": [
                {"name": trouble.name, "rule": trouble.rule, "message": trouble.message}
                for trouble in self.troubles
            ],
        }


def _number(name: str) -> str:
    """Return the part of a segment's name that counts, whatever its timeline."""
    return name[8:]
