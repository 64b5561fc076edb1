"""Standings and figures as Prometheus metrics, made from evidence: they survive restarts and agree with it.

Decisions: a value that is not known is absent, never 0; all three verdicts are always there; no owner, key,
table or address is a label. Gauges of times are Unix seconds and carry no timestamp of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tasks.coverage.outlook import Outlook
from tasks.coverage.past import PastDrill
from tasks.coverage.standing import Standing, State
from tasks.model.findings import Verdict

_PREFIX = "restore_drill_"
_HELP = {
    "last_verdict": "1 for the verdict of the drill that speaks for the database, else 0",
    "last_run_timestamp_seconds": "when that drill began",
    "last_verified_timestamp_seconds": "when the last drill that verified the database began; absent: never",
    "newest_recoverable_timestamp_seconds": "the newest moment that a drill has brought back",
    "achieved_rpo_seconds": "how much would have been lost",
    "achieved_rto_seconds": "how long the recovery took",
    "rpo_objective_seconds": "how much may be lost",
    "rto_objective_seconds": "how long a recovery may take",
    "rto_lower_bound": "1 where the recovery was measured under settings faster than production's",
    "phase_seconds": "how long each stage of that drill took",
    "backup_bytes": "the size of the backup as it is stored",
    "restored_bytes": "the size of what came back",
    "finding": "1 for each failure of that drill; gone when it is gone",
    "overdue": "1 where the last verified drill is older than is allowed, or there is none",
    "overdue_seconds": "how much older; 0 within what is allowed",
    "left_behind": "how many things outlived that drill's teardown",
    "wal_gap_segments": "how many segments of WAL are missing on the way",
    "coverage": "1 for the state that the database is in, else 0",
    "population_unknown": "how many databases are told of by others and named by no fleet file",
}
NAMES = tuple(_HELP)
"""Of all metrics, without their prefix."""
_SAMPLED = ("fleet", "database")
_EXTRA = {
    "last_verdict": ("verdict",),
    "phase_seconds": ("phase",),
    "finding": ("rule", "class"),
    "coverage": ("state",),
}
_NOT_ASKED = frozenset({State.UNTOLD, State.EXEMPT})


class DrillCollector(Collector):
    """Collects from *outlooks*, once for each time it is asked."""

    def __init__(self, outlooks: Iterable[Outlook]) -> None:
        self._outlooks = outlooks

    def collect(self) -> Iterator[Metric]:
        """Yield the families of every fleet."""
        families = {
            name: GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=labels(name))
            for name, text in _HELP.items()
        }
        for outlook in self._outlooks:
            _add_fleet(families, outlook)
        yield from families.values()


def labels(name: str) -> tuple[str, ...]:
    """Return the labels of the metric *name*, which is without its prefix."""
    if name == "population_unknown":
        return ("fleet",)
    return (*_SAMPLED, *_EXTRA.get(name, ()))


def _family(name: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", _HELP[name], labels=labels(name))


def _add_fleet(families: dict[str, GaugeMetricFamily], outlook: Outlook) -> None:
    fleet = outlook.fleet.name
    unknown = [item for item in outlook.standings if item.state is State.UNKNOWN]
    if not outlook.untold:
        families["population_unknown"].add_metric((fleet,), len(unknown))
    for item in outlook.standings:
        if item.within is None:
            continue
        for name, more, value in _samples(item, outlook):
            families[name].add_metric((fleet, item.database, *more), value)


def _samples(item: Standing, outlook: Outlook) -> Iterator[tuple[str, tuple[str, ...], float]]:
    for state in State:
        if state is not State.UNKNOWN:
            yield "coverage", (state.value,), item.state is state
    late_s = _late_s(item, outlook.now)
    if item.state not in _NOT_ASKED:
        yield "overdue", (), late_s is None or late_s > 0
    if item.verified is not None and late_s is not None:
        yield "last_verified_timestamp_seconds", (), item.verified.started_at.timestamp()
        yield "overdue_seconds", (), late_s
    if item.speaker is not None:
        yield from _of_drill(item.speaker)
    recoverable = [
        drill.figures.recoverable_at
        for drill in (item.speaker, item.verified)
        if drill is not None and drill.figures.recoverable_at is not None
    ]
    if recoverable:
        yield "newest_recoverable_timestamp_seconds", (), max(recoverable).timestamp()


def _late_s(item: Standing, now: datetime) -> float | None:
    """Return how many seconds older the last verified drill is than is allowed; None where there is none."""
    if item.verified is None or item.within is None:
        return None
    return max(0.0, (now - item.verified.started_at - item.within).total_seconds())


def _of_drill(drill: PastDrill) -> Iterator[tuple[str, tuple[str, ...], float]]:
    figures = drill.figures
    for verdict in Verdict:
        yield "last_verdict", (verdict.value,), drill.verdict is verdict
    yield "last_run_timestamp_seconds", (), drill.started_at.timestamp()
    yield "left_behind", (), figures.left_behind
    for phase, seconds in figures.phases_s.items():
        yield "phase_seconds", (phase,), seconds
    for rule, klass in figures.failures:
        yield "finding", (rule, klass), 1
    measured = {
        "achieved_rpo_seconds": figures.achieved_rpo_s,
        "achieved_rto_seconds": figures.achieved_rto_s,
        "rpo_objective_seconds": figures.rpo_s,
        "rto_objective_seconds": figures.rto_s,
        "rto_lower_bound": None if figures.achieved_rto_s is None else figures.rto_is_lower_bound,
        "backup_bytes": figures.backup_bytes,
        "restored_bytes": figures.restored_bytes,
        "wal_gap_segments": figures.wal_gaps,
    }
    yield from ((name, (), value) for name, value in measured.items() if value is not None)
