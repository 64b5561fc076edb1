"""The moment that a recovery is asked for, in the server's words; never in ISO's, which it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from tasks.wal.names import format_lsn


class Aim(StrEnum):
    """The kinds of target."""

    LATEST = "latest"
    IMMEDIATE = "immediate"
    TIME = "time"
    NAME = "name"
    LSN = "lsn"


@dataclass(frozen=True, slots=True)
class RecoveryTarget:
    """How far a recovery is to go.

    Attributes:
        time: aware; of `Aim.TIME`.
        name: of a restore point; of `Aim.NAME`.
        lsn: of `Aim.LSN`.
        timeline: `latest`, `current` or a number.
    """

    aim: Aim = Aim.LATEST
    time: datetime | None = None
    name: str = ""
    lsn: int = 0
    timeline: str = "latest"

    def settings(self) -> dict[str, str]:
        """Return the server's settings for it; it knows `2026-11-25 16:15:28+00`, no `T` and no `Z`."""
        settings = {"recovery_target_timeline": self.timeline, "recovery_target_action": "promote"}
        if self.aim is Aim.IMMEDIATE:
            settings["recovery_target"] = "immediate"
        elif self.aim is Aim.NAME:
            settings["recovery_target_name"] = self.name
        elif self.aim is Aim.LSN:
            settings["recovery_target_lsn"] = format_lsn(self.lsn)
        elif self.aim is Aim.TIME and self.time is not None:
            settings["recovery_target_time"] = f"{self.time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00"
        return settings

    def __str__(self) -> str:
        texts = {
            Aim.TIME: f"time {self.time}",
            Aim.NAME: f"name {self.name}",
            Aim.LSN: f"LSN {format_lsn(self.lsn)}",
        }
        return texts.get(self.aim, self.aim.value)
