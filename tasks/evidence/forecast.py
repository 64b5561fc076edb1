"""How long a recovery takes on the worst of days: just before the next base backup, with all the WAL since.

A drill replays what happens to lie behind its base backup. What could lie there the listing of the WAL tells:
the most between two base backups. Replayed at the measured rate, that is the time to plan with.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.model.drill import Drill
from tasks.model.restored import Checked
from tasks.model.rules import finding
from tasks.model.units import format_bytes, format_duration
from tasks.wal.names import parse_lsn

LEAST_REPLAYED_BYTES = 64 << 20
"""Less is replayed in the time that a server takes to begin: no rate follows from it."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The WAL that a drill replayed.

    Attributes:
        seconds: that it took.
    """

    bytes: int
    seconds: float


def replay_of(facts: Drill) -> Replay | None:
    """Return what the drill replayed; None where too little for a rate."""
    recovery = None if facts.restored is None else facts.restored.recovery
    if not recovery or not recovery["reached"] or not recovery["base"]["start_lsn"]:
        return None
    replayed = parse_lsn(recovery["reached"]["lsn"]) - parse_lsn(recovery["base"]["start_lsn"])
    seconds = float(recovery["phases_s"].get("replay", 0.0))
    return Replay(replayed, seconds) if replayed >= LEAST_REPLAYED_BYTES and seconds > 0 else None


def worst_rto_s(facts: Drill, achieved_rto_s: float | None) -> float | None:
    """Return how long the recovery takes with the most WAL between two base backups; None where unknown.

    Args:
        facts: of the drill.
        achieved_rto_s: how long it took with the WAL that there was.
    """
    most = None if facts.discovery is None else facts.discovery.most_wal_bytes
    replay = replay_of(facts)
    if most is None or replay is None or achieved_rto_s is None:
        return None
    return achieved_rto_s + replay.seconds * max(0, most - replay.bytes) / replay.bytes


def judge_forecast(facts: Drill, achieved_rto_s: float | None) -> Checked:
    """Return a warning if only the WAL of the worst of days makes the recovery longer than promised."""
    rto, worst_s, replay = facts.target.rto, worst_rto_s(facts, achieved_rto_s), replay_of(facts)
    most = None if facts.discovery is None else facts.discovery.most_wal_bytes
    if rto is None or worst_s is None or achieved_rto_s is None or replay is None or most is None:
        return Checked()
    if achieved_rto_s > rto.objective or worst_s <= rto.objective:
        return Checked()
    message = (
        f"A failure just before the next base backup takes {format_duration(worst_s)}, not "
        f"{format_duration(achieved_rto_s)}, and the RTO is {format_duration(rto.objective)}: up to "
        f"{format_bytes(most)} of WAL lie between two base backups, and {format_bytes(replay.bytes)} took "
        f"{format_duration(replay.seconds)} to replay."
    )
    return Checked(findings=(finding("replay-forecast", message, where=facts.target.backup.place),))
