"""Can this database be recovered? From a listing and from evidence alone, in seconds, nothing restored.

Decisions:
- *Proven* is a backup that is still stored as it was when a drill brought it back: same place, time and size.
- *Unproven* is one that no drill could judge or has tried: it may be fine, nobody knows. A backup whose last
  drill showed it broken is never offered.
- The newest proven backup is the answer; a newer one without a proof is named besides, since it loses less.
- How long it takes is what the last verified drill took, by the sizes where another backup is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tasks.evidence.drilled import DrilledBackup
from tasks.model.backup import Candidate, Discovery, RecoveryPoint
from tasks.model.base_point import BasePoint
from tasks.model.clock import iso
from tasks.model.findings import Finding, FindingClass, Verdict
from tasks.model.printable import printable
from tasks.model.reach import Foreseen, RecoverableWindow
from tasks.model.rules import finding
from tasks.model.target import Target

_TENTH = 0.1
"""A restore has costs that no size changes: no forecast goes below so much of what was measured."""


class Recoverable(StrEnum):
    """What the person on call is told."""

    PROVEN = "proven"
    UNPROVEN = "unproven"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What can be recovered of one database.

    Attributes:
        asked_for: the moment that is to be brought back, aware UTC.
        backup: what to restore; None where there is nothing.
        proof: the drill that brought it back; None where none did.
        newer: a newer backup that no drill has tried.
        distrusted: the drills that showed newer backups broken, newest first.
        about_s: how long the recovery takes, by the last verified drill; None while there is none.
        newer_about_s: the same for `newer`.
        why: where there is no backup: the findings that say so.
        window: of a physical backup, what it brings back through its WAL; None where there is no listing.
        warnings: what a listing shows against recovering from it.
    """

    target: Target
    asked_for: datetime
    recoverable: Recoverable
    backup: Candidate | None = None
    proof: DrilledBackup | None = None
    newer: Candidate | None = None
    distrusted: tuple[DrilledBackup, ...] = ()
    about_s: float | None = None
    newer_about_s: float | None = None
    why: tuple[Finding, ...] = ()
    window: RecoverableWindow | None = None
    warnings: tuple[Finding, ...] = ()

    @property
    def back_to(self) -> datetime | None:
        """The moment that comes back, aware UTC."""
        if self.window is not None:
            return min(self.window.end_at, self.asked_for)
        return None if self.backup is None else _moment(self.backup)

    @property
    def lost_s(self) -> float | None:
        """Seconds before the moment asked for that do not come back."""
        return None if self.back_to is None else max(0.0, (self.asked_for - self.back_to).total_seconds())

    @property
    def within_rpo(self) -> bool | None:
        """Whether no more is lost than was promised; None where nothing was promised or comes back.

        None too where WAL brings back what was written since, and no listing of it shows how far.
        """
        if self.target.rpo is None or self.lost_s is None:
            return None
        if self.target.backup.goes_by_wal and self.window is None:
            return None
        return self.lost_s <= self.target.rpo

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as `--json` prints it."""
        return {
            "schema": "restore-drill/can-i-recover/v1",
            "fleet": self.target.fleet,
            "database": self.target.name,
            "asked_for": iso(self.asked_for),
            "recoverable": self.recoverable.value,
            "backup": _backup(self.backup),
            "back_to": None if self.back_to is None else iso(self.back_to),
            "window": None if self.window is None else self.window.as_dict(),
            "warnings": [item.as_dict() for item in self.warnings],
            "lost_s": self.lost_s,
            "within_rpo": self.within_rpo,
            "about_s": self.about_s,
            "proof": None if self.proof is None else _proof(self.proof),
            "commands": [] if self.proof is None else list(self.proof.commands),
            "newer_unproven": _backup(self.newer),
            "newer_about_s": self.newer_about_s,
            "distrusted": [_proof(drill) for drill in self.distrusted],
            "why": [item.as_dict() for item in self.why],
        }


def answer(
    target: Target,
    discovery: Discovery[RecoveryPoint],
    drills: Sequence[DrilledBackup],
    asked_for: datetime,
) -> Answer:
    """Say what of the backups that discovery took can be restored.

    Args:
        discovery: one that takes all; candidates not taken are left out.
        drills: newest first.
        asked_for: aware UTC; nothing in *discovery* is later.
    """
    sight = _Sight.of(discovery, asked_for)
    taken = sorted((item for item in discovery.candidates if item.taken), key=_moment, reverse=True)
    stored = [item for item in taken if not sight.against(item)]
    if taken and not stored:
        return nothing_to_restore(target, sight.against(taken[0]), asked_for)
    last = {(item.uri, item.at): _last_word(item, drills) for item in stored}
    proven = next((item for item in stored if _came_back(last[item.uri, item.at])), None)
    ahead = stored if proven is None else stored[: stored.index(proven)]
    broken = [drill for item in ahead if (drill := last[item.uri, item.at]) and _is_broken(drill)]
    untried = [item for item in ahead if not _is_broken(last[item.uri, item.at])]
    measured = next((drill for drill in drills if drill.came_back), None)
    newest = untried[0] if untried else None
    chosen = proven or newest
    window, warnings = sight.of_chosen(chosen)
    return Answer(
        target=target,
        asked_for=asked_for,
        recoverable=_word(proven, newest),
        backup=chosen,
        proof=None if proven is None else last[proven.uri, proven.at],
        newer=newest if proven is not None else None,
        distrusted=tuple(broken),
        about_s=_about_s(chosen, measured if proven is None else last[proven.uri, proven.at]),
        newer_about_s=_about_s(newest, measured) if proven is not None else None,
        window=window,
        warnings=warnings,
    )


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a listing of WAL shows of base backups; nothing of dumps."""

    asked_for: datetime
    windows: Mapping[str, RecoverableWindow]
    foreseen: Mapping[str, Foreseen]

    @classmethod
    def of(cls, discovery: Discovery[RecoveryPoint], asked_for: datetime) -> _Sight:
        bases = (point for point in discovery.points if isinstance(point, BasePoint))
        windows = {printable(window.uri): window for window in discovery.windows}
        return cls(asked_for, windows, {printable(point.uri): point.foreseen for point in bases})

    def against(self, item: Candidate) -> tuple[Finding, ...]:
        """Return why *item* cannot bring back the moment asked for."""
        foreseen, window = self.foreseen.get(item.uri), self.windows.get(item.uri)
        if foreseen is not None and foreseen.blocking:
            return foreseen.blocking
        if window is None or window.start_at <= self.asked_for:
            return ()
        message = (
            f"Base backup {window.base} is consistent from {iso(window.start_at)} on only, and "
            f"{iso(self.asked_for)} was asked for. Nothing older is there."
        )
        return (finding("pitr-target-before-backup", message, where=item.uri),)

    def of_chosen(self, item: Candidate | None) -> tuple[RecoverableWindow | None, tuple[Finding, ...]]:
        """Return the window of *item*, and what stands against it without keeping it from coming back."""
        if item is None:
            return None, ()
        foreseen = self.foreseen.get(item.uri)
        return self.windows.get(item.uri), () if foreseen is None else foreseen.standing


def nothing_to_restore(target: Target, findings: Iterable[Finding], asked_for: datetime) -> Answer:
    """Return the answer where discovery found nothing, or could not look."""
    why = tuple(findings)
    lost = any(item.klass is not FindingClass.DRILL for item in why)
    return Answer(target, asked_for, Recoverable.NO if lost else Recoverable.UNKNOWN, why=why)


def _word(proven: Candidate | None, untried: Candidate | None) -> Recoverable:
    if proven is not None:
        return Recoverable.PROVEN
    return Recoverable.NO if untried is None else Recoverable.UNPROVEN


def _last_word(item: Candidate, drills: Iterable[DrilledBackup]) -> DrilledBackup | None:
    """Return the last drill that could judge *item* as it is stored now."""
    of_item = (
        drill for drill in drills if (drill.uri, drill.at, drill.bytes) == (item.uri, item.at, item.bytes)
    )
    return next((drill for drill in of_item if drill.verdict is not Verdict.INCONCLUSIVE), None)


def _came_back(drill: DrilledBackup | None) -> bool:
    return drill is not None and drill.came_back


def _is_broken(drill: DrilledBackup | None) -> bool:
    return drill is not None and not drill.came_back


def _about_s(item: Candidate | None, drill: DrilledBackup | None) -> float | None:
    if item is None or drill is None or drill.achieved_rto_s is None:
        return None
    if not drill.bytes:
        return drill.achieved_rto_s
    measured_s = max(0.0, drill.achieved_rto_s - drill.overhead_s)
    return round(drill.overhead_s + measured_s * max(_TENTH, item.bytes / drill.bytes), 1)


def _moment(item: Candidate) -> datetime:
    if item.at is None:
        raise ValueError("a recovery point without a time")
    return item.at


def _backup(item: Candidate | None) -> dict[str, Any] | None:
    return None if item is None else {"uri": item.uri, "at": iso(_moment(item)), "bytes": item.bytes}


def _proof(drill: DrilledBackup) -> dict[str, Any]:
    return {
        "drill_id": drill.drill_id,
        "verdict": drill.verdict.value,
        "finished_at": iso(drill.finished_at),
        "uri": drill.uri,
        "at": iso(drill.at),
        "achieved_rto_s": drill.achieved_rto_s,
        "cause": drill.cause,
        "evidence": drill.evidence,
    }
