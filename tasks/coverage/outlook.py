"""How whole fleets stand: every database of a fleet file, and those that only others know of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tasks.config.schema import Fleet
from tasks.coverage.past import read_past
from tasks.coverage.population import population
from tasks.coverage.standing import Standing, State, allowed_gap, standing, unknown
from tasks.model.bounded_list import listing
from tasks.model.clock import iso
from tasks.model.errors import ConfigInvalid, DrillError
from tasks.model.findings import Finding
from tasks.model.target import Target

Look = Callable[[Target], Iterable[Finding]]
_AT_ONCE = 8
_NAMED = 3
_ORDER = tuple(State)
_COUNTED_APART = frozenset({State.VERIFIED, State.DUE, State.EXEMPT})


@dataclass(frozen=True, slots=True)
class Outlook:
    """How one fleet stands.

    Attributes:
        standings: worst first.
        untold: why it could not be told which databases there are; empty where it could.
    """

    fleet: Fleet
    now: datetime
    standings: tuple[Standing, ...]
    untold: str = ""

    @property
    def exit_code(self) -> int:
        """1 where somebody has to do something, 2 where that could not be told, else 0."""
        if any(not item.is_good and item.state is not State.UNTOLD for item in self.standings):
            return 1
        return 2 if self.untold or any(item.state is State.UNTOLD for item in self.standings) else 0

    @property
    def said(self) -> str:
        """The fleet in one line, as an auditor reads it."""
        counts = Counter(item.state for item in self.standings)
        good = counts[State.VERIFIED] + counts[State.DUE]
        parts = [f"{good} of {len(self.standings)} databases verified in time"]
        parts += [
            f"{counts[state]} {state.value} ({self._names(state)})"
            for state in _ORDER
            if counts[state] and state not in _COUNTED_APART
        ]
        ends = [item.exempt.until for item in self.standings if item.state is State.EXEMPT and item.exempt]
        if ends:
            parts.append(f"{len(ends)} exempt until {min(ends)}")
        return f"{self.fleet.name}: {'; '.join(parts)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the outlook as `--json` prints it."""
        return {
            "schema": "restore-drill/overdue/v1",
            "fleet": self.fleet.name,
            "at": iso(self.now),
            "said": self.said,
            "exit_code": self.exit_code,
            "databases": [item.as_dict() for item in self.standings],
            "untold": self.untold,
        }

    def _names(self, state: State) -> str:
        return listing([item.database for item in self.standings if item.state is state], _NAMED)


def look_at(fleet: Fleet, now: datetime, look: Look | None = None) -> Outlook:
    """Return how *fleet* stands at *now*.

    Args:
        fleet: whose evidence is read.
        now: aware UTC.
        look: returns what its newest backup shows of a database, besides what drills left; None: nothing.

    Raises:
        ConfigInvalid: its list of databases cannot be used.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        standings = list(pool.map(lambda target: _stands(fleet, target, now, look), fleet.targets))
    untold = ""
    try:
        standings += _undrilled(fleet, now)
    except ConfigInvalid:
        raise
    except DrillError as error:
        untold = str(error)
    standings.sort(key=lambda item: (_ORDER.index(item.state), item.database))
    return Outlook(fleet, now, tuple(standings), untold)


def _stands(fleet: Fleet, target: Target, now: datetime, look: Look | None) -> Standing:
    try:
        stands = standing(fleet, target, read_past(target, now), now)
    except DrillError as error:
        within = allowed_gap(target, fleet.schedules, now)
        return Standing(target.name, State.UNTOLD, f"its evidence cannot be read: {error}", within)
    if look is None or stands.state is State.EXEMPT:
        return stands
    return replace(stands, findings=(*stands.findings, *look(target)))


def _undrilled(fleet: Fleet, now: datetime) -> Iterator[Standing]:
    """Yield the databases that somebody tells of, and that the fleet does not name."""
    named = {name for target in fleet.targets for name in (target.name, *target.fleet_databases)}
    told = population(fleet)
    for name in sorted(told.keys() - named):
        yield unknown(name, told[name], fleet.exempt, now)
