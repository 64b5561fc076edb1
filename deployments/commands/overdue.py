"""`restore-drill overdue`: which databases no drill has verified lately; fleet files and evidence alone tell.

It needs no Prefect, so that it also tells when Prefect is dead: run it by cron or a timer, on another host
than the workers. Exit codes: 0 all is well, 1 something is overdue, never verified, failed, or its newest
evidence is unreadable, 2 evidence or the list of databases could not be read, 3 a fleet file cannot be used.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deployments.commands.check import check_target
from deployments.terminal import say, shown
from tasks.config import read_fleet
from tasks.config.schema import Fleet
from tasks.coverage.heartbeat import HeartbeatError, beat
from tasks.coverage.past import read_past
from tasks.coverage.population import population
from tasks.coverage.standing import Standing, State, standing, unknown
from tasks.model.bounded_list import listing
from tasks.model.canonical_json import to_json
from tasks.model.clock import iso, utc_now
from tasks.model.errors import ConfigInvalid, DrillError
from tasks.model.findings import Finding, Severity
from tasks.model.target import Target

_AT_ONCE = 8
_NAMED = 3
_ORDER = tuple(State)
_STYLES = {State.VERIFIED: "green", State.DUE: "yellow", State.UNTOLD: "yellow", State.EXEMPT: "dim"}


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
            if counts[state] and state not in {State.VERIFIED, State.DUE, State.EXEMPT}
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


def show_overdue(fleets: Sequence[Path], *, look: bool, as_json: bool) -> int:
    """Print how the fleets stand and tell their heartbeats; return the exit code.

    Args:
        look: also list the backups, for what discovery and preflight say of the newest.

    Raises:
        ConfigInvalid: a fleet file or a list of databases cannot be used.
    """
    now = utc_now()
    outlooks = [look_at(read_fleet(str(path)), now, look=look) for path in fleets]
    console = Console(stderr=as_json, highlight=False)
    for outlook in outlooks:
        if as_json:
            sys.stdout.write(to_json(outlook.as_dict()))
        else:
            _print(console, outlook)
        _tell(console, outlook)
    codes = {outlook.exit_code for outlook in outlooks}
    return 1 if 1 in codes else max(codes, default=0)


def look_at(fleet: Fleet, now: datetime, *, look: bool = False) -> Outlook:
    """Return how *fleet* stands at *now*.

    Raises:
        ConfigInvalid: its list of databases cannot be used.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        standings = list(pool.map(lambda target: _stands(fleet, target, now, look=look), fleet.targets))
    untold = ""
    try:
        standings += _undrilled(fleet, now)
    except ConfigInvalid:
        raise
    except DrillError as error:
        untold = str(error)
    standings.sort(key=lambda item: (_ORDER.index(item.state), item.database))
    return Outlook(fleet, now, tuple(standings), untold)


def _stands(fleet: Fleet, target: Target, now: datetime, *, look: bool) -> Standing:
    try:
        stands = standing(fleet, target, read_past(target, now), now)
    except DrillError as error:
        return Standing(target.name, State.UNTOLD, f"its evidence cannot be read: {error}")
    if not look or stands.state is State.EXEMPT:
        return stands
    return replace(stands, findings=(*stands.findings, *_worth_saying(check_target(target)[0])))


def _worth_saying(findings: Sequence[Finding]) -> Iterator[Finding]:
    return (item for item in findings if item.severity is not Severity.INFO)


def _undrilled(fleet: Fleet, now: datetime) -> Iterator[Standing]:
    """Yield the databases that somebody tells of, and that the fleet does not name."""
    named = {name for target in fleet.targets for name in (target.name, *target.fleet_databases)}
    told = population(fleet)
    for name in sorted(told.keys() - named):
        yield unknown(name, told[name], fleet.exempt, now)


def _print(console: Console, outlook: Outlook) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("state", "database", ""):
        table.add_column(title, overflow="fold")
    for item in outlook.standings:
        style = _STYLES.get(item.state, "bold red")
        table.add_row(shown(item.state.value, style), shown(item.database), shown(item.said))
    console.print(table)
    for item in outlook.standings:
        for seen in item.findings:
            say(console, f"{seen.severity.value} {seen.rule}: {seen.message}")
            say(console, f"  {seen.hint}", "dim")
    if outlook.untold:
        say(console, f"which databases there are could not be told: {outlook.untold}", "bold yellow")
    say(console, outlook.said, "bold")


def _tell(console: Console, outlook: Outlook) -> None:
    variable = outlook.fleet.heartbeat_url_env
    if variable is None:
        return
    try:
        beat(variable, good=outlook.exit_code == 0)
    except HeartbeatError as error:
        say(console, f"the heartbeat of {outlook.fleet.name} reached nobody: {error}", "bold yellow")
