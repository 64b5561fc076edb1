"""`restore-drill overdue`: which databases no drill has verified lately; fleet files and evidence alone tell.

It needs no Prefect, so that it also tells when Prefect is dead: run it by cron or a timer, on another host
than the workers. Exit codes: 0 all is well, 1 something is overdue, never verified, failed, or its newest
evidence is unreadable, 2 evidence or the list of databases could not be read, 3 a fleet file cannot be used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deployments.commands.check import check_target
from deployments.terminal import say, shown
from tasks.config import read_fleet
from tasks.coverage.heartbeat import HeartbeatError, beat
from tasks.coverage.outlook import Outlook, look_at
from tasks.coverage.standing import State
from tasks.model.canonical_json import to_json
from tasks.model.clock import utc_now
from tasks.model.findings import Finding, Severity
from tasks.model.target import Target

_STYLES = {State.VERIFIED: "green", State.DUE: "yellow", State.UNTOLD: "yellow", State.EXEMPT: "dim"}


def show_overdue(fleets: Sequence[Path], *, look: bool, as_json: bool) -> int:
    """Print how the fleets stand and tell their heartbeats; return the exit code.

    Args:
        look: also list the backups, for what discovery and preflight say of the newest.

    Raises:
        ConfigInvalid: a fleet file or a list of databases cannot be used.
    """
    now = utc_now()
    outlooks = [look_at(read_fleet(str(path)), now, _look if look else None) for path in fleets]
    console = Console(stderr=as_json, highlight=False)
    for outlook in outlooks:
        if as_json:
            sys.stdout.write(to_json(outlook.as_dict()))
        else:
            _print(console, outlook)
        _tell(console, outlook)
    codes = {outlook.exit_code for outlook in outlooks}
    return 1 if 1 in codes else max(codes, default=0)


def _look(target: Target) -> Iterator[Finding]:
    return (item for item in check_target(target)[0] if item.severity is not Severity.INFO)


def _print(console: Console, outlook: Outlook) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("state", "database", ""):
        table.add_column(title, overflow="fold")
    for row in outlook.standings:
        style = _STYLES.get(row.state, "bold red")
        table.add_row(shown(row.state.value, style), shown(row.database), shown(row.said))
    console.print(table)
    for row in outlook.standings:
        for finding in row.findings:
            say(console, f"{finding.severity.value} {finding.rule}: {finding.message}")
            say(console, f"  {finding.hint}", "dim")
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
