"""How far base backups can be recovered, as one listing of their WAL shows before anything is brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.model.clock import iso
from tasks.model.findings import Finding


@dataclass(frozen=True, slots=True)
class RecoverableWindow:
    """The moments that one base backup can bring back.

    Attributes:
        base: its label.
        uri: where it lies.
        start_at, end_at: aware UTC: from when it is consistent to when the last segment that can be reached
            without a gap was archived.
        segments: how many would be replayed.
        wal_bytes: as they are replayed.
        timeline: on which it ends.
        usable: None where it depends on WAL that the backup may bring itself, which only its bytes tell.
        why: why it is not usable, or why it ends there.
    """

    base: str
    uri: str
    start_at: datetime
    end_at: datetime
    segments: int
    wal_bytes: int
    timeline: int
    usable: bool | None
    why: str

    def holds(self, moment: datetime) -> bool:
        """Say whether *moment* lies in it, as far as a listing tells."""
        return self.usable is not False and self.start_at <= moment <= self.end_at

    def as_dict(self) -> dict[str, Any]:
        """Return the window as the evidence and `list --json` hold it."""
        return {
            "base": self.base,
            "uri": self.uri,
            "from": iso(self.start_at),
            "to": iso(self.end_at),
            "segments": self.segments,
            "wal_bytes": self.wal_bytes,
            "timeline": self.timeline,
            "usable": self.usable,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What the listing says of one base backup.

    Attributes:
        blocking: why no drill of it can succeed.
        standing: what is wrong besides: what can be recovered is still worth proving.
        recovery: the evidence's `recovery`, for a drill that never comes to recover.
    """

    blocking: tuple[Finding, ...] = ()
    standing: tuple[Finding, ...] = ()
    recovery: Mapping[str, Any] = field(default_factory=dict)
