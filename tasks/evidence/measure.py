"""What the drill measured against its objectives: how much would be lost, how long recovery takes.

The RPO is judged by the older of two ages, the backup's name and its newest row. The RTO is judged by what
the person on call would wait for; under fast settings that is a lower bound: missed is missed, met is not
disproved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from tasks.evidence.forecast import judge_forecast, worst_rto_s
from tasks.model.drill import Drill
from tasks.model.findings import Check, Finding, FindingClass, Outcome, Severity, Stage
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.units import format_duration

RTO_PHASES = ("fetch", "decrypt", "provision", "restore", "analyze")
"""What the person on call waits for; looking and validating are beside it."""
LOWER_BOUND = "lower_bound"
MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class Objectives:
    """Objectives and measurements, seconds; None where something does not apply.

    Attributes:
        age_s: from the recovery point to now.
        content_age_s: from the newest row to `as_of`.
        worst_gap_s: the largest interval between neighbouring recovery points in the window.
        rpo_basis: what the achieved RPO rests on: `name`, `modified`, `content` or `wal`.
        rto_basis: `measured`, or `lower_bound` under settings unlike production's.
        worst_rto_s: with the most WAL between two base backups; None without WAL, or without a rate.
    """

    rpo_s: float | None
    age_s: float | None
    content_age_s: float | None
    worst_gap_s: float | None
    achieved_rpo_s: float | None
    rpo_basis: str | None
    rto_s: float | None
    overhead_s: float | None
    achieved_rto_s: float | None
    rto_basis: str | None
    worst_rto_s: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the objectives as the evidence holds them."""
        return {
            name: round(value, 3) if isinstance(value, float) else value
            for name in self.__slots__
            for value in [getattr(self, name)]
        }


def objectives_of(facts: Drill) -> Objectives:
    """Return what *facts* say of RPO and RTO."""
    rto = facts.target.rto
    achieved_rpo_s, rpo_basis = _achieved_rpo(facts)
    achieved_rto_s = _achieved_rto_s(facts)
    return Objectives(
        rpo_s=facts.target.rpo,
        age_s=_age_s(facts),
        content_age_s=facts.content_age_s,
        worst_gap_s=_worst_gap(facts)[0],
        achieved_rpo_s=achieved_rpo_s,
        rpo_basis=rpo_basis,
        rto_s=None if rto is None else rto.objective,
        overhead_s=None if rto is None else rto.overhead,
        achieved_rto_s=achieved_rto_s,
        rto_basis=None if achieved_rto_s is None else _rto_basis(facts),
        worst_rto_s=worst_rto_s(facts, achieved_rto_s),
    )


def measure(facts: Drill) -> Checked:
    """Return the checks `rpo` and `rto`, with the findings of what was missed.

    *facts* are those known once the restored database has been looked at; teardown comes later.
    """
    objectives = objectives_of(facts)
    forecast = judge_forecast(facts, objectives.achieved_rto_s)
    return _judge_rpo(facts, objectives) + _judge_rto(objectives) + forecast + _judge_cadence(facts)


# --- RPO


def _age_s(facts: Drill) -> float | None:
    if facts.point is None:
        return None
    now = facts.judged_at if facts.is_newest and facts.recovers_to is None else facts.started_at
    return max(0.0, (now - facts.point.at).total_seconds())


def _achieved_rpo(facts: Drill) -> tuple[float | None, str | None]:
    age_s = _age_s(facts)
    if facts.point is None or age_s is None or not facts.is_newest:
        return None, None
    basis = facts.point.dated_by
    if facts.target.backup.goes_by_wal:
        moment = None if facts.restored is None else facts.restored.recoverable_to
        if moment is None:
            return None, None
        age_s, basis = max(0.0, (facts.judged_at - moment).total_seconds()), "wal"
    if facts.content_age_s is not None and facts.content_age_s > age_s:
        return facts.content_age_s, "content"
    return age_s, basis


def _judge_rpo(facts: Drill, objectives: Objectives) -> Checked:
    rpo_s, achieved_s = objectives.rpo_s, objectives.achieved_rpo_s
    unasked = _why_no_rpo(facts)
    if unasked is not None or rpo_s is None:
        return _idle("rpo", Outcome.NOT_CONFIGURED, unasked or "no RPO is set")
    if achieved_s is None:
        return _idle("rpo", Outcome.NOT_RUN, "there is no recovery point to measure from", rpo_s)
    if achieved_s > rpo_s:
        return _missed_rpo(facts, objectives)
    if facts.target.asks_freshness and facts.content_age_s is None:
        return _idle("rpo", Outcome.NOT_RUN, "the age of the newest row was not measured", rpo_s)
    return Checked((_check("rpo", Outcome.PASSED, format_duration(achieved_s), rpo_s),))


def _why_no_rpo(facts: Drill) -> str | None:
    """Return why this drill does not judge the RPO; None where it does."""
    if facts.target.rpo is None:
        return "no RPO is set"
    if not facts.is_newest:
        return "the RPO is judged for the newest backup only"
    return "the RPO is judged where recovery goes to the latest" if facts.target.backup.stops_early else None


def _missed_rpo(facts: Drill, objectives: Objectives) -> Checked:
    achieved = format_duration(objectives.achieved_rpo_s)
    if objectives.rpo_basis == "wal":
        return _archiving_stopped(facts, objectives, achieved)
    old_itself = (objectives.age_s or 0.0) > (objectives.rpo_s or 0.0)  # then its rows are no news
    what = "The newest backup is" if old_itself else "The newest row is"
    message = (
        f"{what} {achieved} old and the RPO is {format_duration(objectives.rpo_s)}. "
        f"A loss now would cost the last {achieved} of writes."
    )
    uri = None if facts.point is None else facts.point.uri
    return Checked(
        (_check("rpo", Outcome.FAILED, achieved, objectives.rpo_s),),
        (finding("rpo-missed", message, where=uri),),
    )


def _archiving_stopped(facts: Drill, objectives: Objectives, achieved: str) -> Checked:
    check = _check("rpo", Outcome.FAILED, achieved, objectives.rpo_s)
    if any(item.rule == "archiving-stopped" for item in facts.findings):  # the preflight has said it
        return Checked((check,))
    message = (
        f"The newest moment that base backup and archived WAL bring back is {achieved} old and the RPO is "
        f"{format_duration(objectives.rpo_s)}. What was written since then is lost with the server."
    )
    return Checked((check,), (finding("archiving-stopped", message),))


# --- RTO


def _achieved_rto_s(facts: Drill) -> float | None:
    if not restore_completed(facts):
        return None
    overhead_s = 0.0 if facts.target.rto is None else facts.target.rto.overhead
    return _recovery_s(facts) + overhead_s


def restore_completed(facts: Drill) -> bool:
    """Return whether the restore ran to its end with nothing lost: only then is its time the recovery's."""
    return facts.restored is not None and not any(_broke_restore(item) for item in facts.findings)


def _broke_restore(item: Finding) -> bool:
    return (
        item.stage is Stage.RESTORE
        and item.severity is Severity.FAILURE
        and item.klass is not FindingClass.PATH  # a missing role is missed after the restore, not by it
    )


def _recovery_s(facts: Drill) -> float:
    timed = dict(facts.phases_s)
    if "fetch" not in timed and facts.backup is not None:
        timed |= {"fetch": facts.backup.fetch_s, "decrypt": facts.backup.decrypt_s}
    if "restore" not in timed and facts.restored is not None:
        timed |= {"restore": facts.restored.restore_s, "analyze": facts.restored.analyze_s}
    return sum(timed.get(phase, 0.0) for phase in RTO_PHASES)


def _rto_basis(facts: Drill) -> str:
    profile = facts.target.sandbox.profile if facts.sandbox is None else facts.sandbox.profile
    return MEASURED if profile == "production" else LOWER_BOUND


def _judge_rto(objectives: Objectives) -> Checked:
    rto_s, achieved_s = objectives.rto_s, objectives.achieved_rto_s
    if rto_s is None:
        return _idle("rto", Outcome.NOT_CONFIGURED, "no RTO is set")
    if achieved_s is None:
        return _idle("rto", Outcome.NOT_RUN, "the restore did not complete", rto_s)
    sign = ">= " if objectives.rto_basis == LOWER_BOUND else ""
    if achieved_s > rto_s:
        return _missed_rto(objectives, f"{sign}{format_duration(achieved_s)}")
    why = "not disproved: fast settings give a lower bound" if sign else None
    return Checked((_check("rto", Outcome.PASSED, f"{sign}{format_duration(achieved_s)}", rto_s, why),))


def _missed_rto(objectives: Objectives, achieved: str) -> Checked:
    overhead = format_duration(objectives.overhead_s)
    share = f", of which {overhead} is declared overhead" if objectives.overhead_s else ""
    message = (
        f"Recovery takes {achieved}{share}, and the RTO is {format_duration(objectives.rto_s)}. "
        "The promised time cannot be kept."
    )
    return Checked(
        (_check("rto", Outcome.FAILED, achieved, objectives.rto_s),), (finding("rto-missed", message),)
    )


# --- cadence


def _worst_gap(facts: Drill) -> tuple[float | None, tuple[datetime, datetime] | None]:
    points: Sequence[datetime] = () if facts.discovery is None else sorted(facts.discovery.points_at)
    gaps = [((later - earlier).total_seconds(), (earlier, later)) for earlier, later in pairwise(points)]
    return max(gaps, key=lambda gap: gap[0]) if gaps else (None, None)


def _judge_cadence(facts: Drill) -> Checked:
    gap_s, ends = _worst_gap(facts)
    rpo_s = facts.target.rpo
    if gap_s is None or ends is None or rpo_s is None or gap_s <= rpo_s or facts.target.backup.goes_by_wal:
        return Checked()
    if any(item.rule == "cadence-gap" for item in facts.findings):  # discovery has said it
        return Checked()
    earlier, later = (f"{end:%Y-%m-%d %H:%M}" for end in ends)
    message = (
        f"Between {earlier} and {later} UTC there is no recovery point: {format_duration(gap_s)}, "
        f"and the RPO is {format_duration(rpo_s)}. A loss in that time would have cost more than promised."
    )
    return Checked(findings=(finding("cadence-gap", message, where=facts.target.backup.place),))


# --- checks


def _idle(name: str, outcome: Outcome, why: str, limit_s: float | None = None) -> Checked:
    return Checked((_check(name, outcome, None, limit_s, why),))


def _check(
    name: str, outcome: Outcome, observed: str | None, limit_s: float | None, why: str | None = None
) -> Check:
    expected = None if limit_s is None else f"<= {format_duration(limit_s)}"
    return Check(name, Stage.MEASURE, outcome, observed, expected, why)
