"""Where one database stands: verified lately, overdue, failed, never tried, exempt.

Decisions: the last drill that could judge counts, so that a failure stays until a later drill verifies, and
what an older backup came to does not hide what the newest did. An inconclusive drill neither proves nor
refutes, and the database grows overdue meanwhile. Without a `verified_within`, twice the longest gap of the
schedule is allowed: one missed drill is `due`, the next one is `overdue`. Without a schedule a quarter is
allowed, the least that anybody asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from tasks.config.cron import next_run
from tasks.config.schema import Exempt, Fleet, Schedule
from tasks.coverage.past import QUARTER, Past, PastDrill, Way, wanted_ways
from tasks.model.clock import iso
from tasks.model.findings import Finding, Severity, Verdict
from tasks.model.rules import finding
from tasks.model.target import Target
from tasks.model.units import format_duration

_RUNS_LOOKED_AT = 60


class State(StrEnum):
    """Where a database stands; those that need somebody first."""

    FAILED = "failed"
    NEVER = "never"
    UNKNOWN = "unknown"
    OVERDUE = "overdue"
    UNREADABLE = "unreadable"
    UNTOLD = "untold"
    DUE = "due"
    VERIFIED = "verified"
    EXEMPT = "exempt"


GOOD = frozenset({State.VERIFIED, State.DUE, State.EXEMPT})


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one database stands.

    Attributes:
        within: how old the last verified drill may be; None for a database that no fleet file names.
        said: the state in a sentence.
        speaker: the drill that speaks for it.
    """

    database: str
    state: State
    said: str
    within: timedelta | None = None
    speaker: PastDrill | None = None
    verified: PastDrill | None = None
    ways: tuple[Way, ...] = ()
    findings: tuple[Finding, ...] = ()
    exempt: Exempt | None = None

    @property
    def is_good(self) -> bool:
        """Whether nobody has to do anything."""
        return self.state in GOOD and all(item.severity is not Severity.FAILURE for item in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the standing as `--json` prints it."""
        return {
            "database": self.database,
            "state": self.state.value,
            "said": self.said,
            "verified_within_s": None if self.within is None else self.within.total_seconds(),
            "last_drill": None if self.speaker is None else _drill(self.speaker),
            "last_verified": None if self.verified is None else _drill(self.verified),
            "ways_proven": [way.value for way in self.ways],
            "exempt_until": None if self.exempt is None else self.exempt.until.isoformat(),
            "findings": [item.as_dict() for item in self.findings],
        }


def allowed_gap(target: Target, schedules: Iterable[Schedule], now: datetime) -> timedelta:
    """Return how old the last verified drill of *target* may be."""
    if target.verified_within is not None:
        return timedelta(seconds=target.verified_within)
    gaps = [longest_gap(schedule, now) for schedule in schedules]
    return 2 * min(gaps) if gaps else QUARTER


def longest_gap(schedule: Schedule, now: datetime) -> timedelta:
    """Return the longest time between two of the next runs of *schedule*; a quarter if there is but one."""
    at = next_run(schedule.cron, now.astimezone(ZoneInfo(schedule.timezone)))
    longest = timedelta()
    for _ in range(_RUNS_LOOKED_AT):
        following = None if at is None else next_run(schedule.cron, at)
        if at is None or following is None:
            break
        longest, at = max(longest, following - at), following
    return longest or QUARTER


def standing(fleet: Fleet, target: Target, past: Past, now: datetime) -> Standing:
    """Return where *target* stands *now*, by what its drills came to."""
    exempt = next((entry for entry in fleet.exempt if entry.name == target.name), None)
    within = allowed_gap(target, fleet.schedules, now)
    if exempt is not None and exempt.until >= now.date():
        said = _exempt(exempt)
        return Standing(target.name, State.EXEMPT, said, within, past.speaker, past.verified, exempt=exempt)
    state = _state(past, within, now)
    said = _said(state, past, within, now)
    findings = (
        *_expired(exempt, target.name),
        *_state_findings(state, said, target.name),
        *_unproven(target, past, now),
    )
    ways = past.proven(now - QUARTER)
    return Standing(target.name, state, said, within, past.speaker, past.verified, ways, findings, exempt)


def unknown(name: str, told_by: str, exempt: Iterable[Exempt], now: datetime) -> Standing:
    """Return where a database stands that *told_by* names and no fleet file does."""
    entry = next((entry for entry in exempt if entry.name == name), None)
    if entry is not None and entry.until >= now.date():
        return Standing(name, State.EXEMPT, _exempt(entry), exempt=entry)
    said = f"named by {told_by} and by no fleet file: nobody drills it"
    findings = (*_expired(entry, name), finding("never-verified", f"{name} is {said}.", where=name))
    return Standing(name, State.UNKNOWN, said, findings=findings, exempt=entry)


def _state(past: Past, within: timedelta, now: datetime) -> State:
    judged = next((drill for drill in past.drills if drill.verdict is not Verdict.INCONCLUSIVE), None)
    if past.speaker is not None and past.speaker.verdict is Verdict.FAILED:
        return State.FAILED
    if past.unreadable:
        return State.UNREADABLE
    if judged is None:
        return State.NEVER
    age = now - judged.started_at
    if age > within:
        return State.OVERDUE
    return State.DUE if judged is not past.last or 2 * age > within else State.VERIFIED


def _said(state: State, past: Past, within: timedelta, now: datetime) -> str:
    last, verified = past.last, past.verified
    apart = _ahead(past, now)
    if state is State.UNREADABLE:
        return f"{len(past.unreadable)} records newer than the last verified drill cannot be read{apart}"
    if state is State.FAILED and past.speaker is not None:
        return f"failed on {past.speaker.started_at:%Y-%m-%d}: {past.speaker.cause}{apart}"
    if verified is None:
        tried = "never drilled" if last is None else f"never verified; the last drill: {last.cause}"
        return f"{tried}{apart}"
    age = format_duration((now - verified.started_at).total_seconds())
    allowed = format_duration(within.total_seconds())
    again = "" if last is verified or last is None else f"; since then inconclusive: {last.cause}"
    return f"verified {age} ago, {allowed} are allowed{again}{apart}"


def _ahead(past: Past, now: datetime) -> str:
    if not past.ahead:
        return ""
    ahead_s = (past.ahead[0].started_at - now).total_seconds()
    return f"; its newest record lies {format_duration(ahead_s)} ahead of this clock and proves nothing"


def _exempt(entry: Exempt) -> str:
    return f"exempt until {entry.until}: {entry.why} ({entry.by})"


def _expired(entry: Exempt | None, name: str) -> tuple[Finding, ...]:
    if entry is None:
        return ()
    said = f"{name} was exempt until {entry.until} ({entry.why}; {entry.by}), and is so no longer."
    return (finding("exemption-expired", said, where=name),)


def _state_findings(state: State, said: str, name: str) -> tuple[Finding, ...]:
    rule = {
        State.OVERDUE: "drill-overdue",
        State.NEVER: "never-verified",
        State.UNREADABLE: "evidence-unreadable",
    }.get(state)
    return () if rule is None else (finding(rule, f"{name}: {said}.", where=name),)


def _unproven(target: Target, past: Past, now: datetime) -> tuple[Finding, ...]:
    if past.verified is None:
        return ()
    missing = sorted(set(wanted_ways(target)) - set(past.proven(now - QUARTER)))
    if Way.MOMENT not in missing:
        return ()
    said = f"No drill has brought {target.name} back to a moment between two base backups for a quarter."
    return (finding("way-unproven", said, where=target.name),)


def _drill(drill: PastDrill) -> dict[str, Any]:
    return {
        "started_at": iso(drill.started_at),
        "verdict": drill.verdict.value,
        "way": drill.way.value,
        "evidence": drill.uri,
    }
