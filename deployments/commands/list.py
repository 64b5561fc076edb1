"""`restore-drill list`: what discovery sees, chosen and rejected, with reasons."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deployments.failures import exit_code_of
from deployments.terminal import say, shown
from tasks.config import choose_selection, read_target
from tasks.model.canonical_json import to_json
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.model.units import format_bytes
from tasks.recovery.kinds import recovery_of


def list_recovery_points(fleet: Path, database: str, select: str, *, as_json: bool) -> int:
    """Print every candidate of *database*; return 0, or 1 or 2 where nothing can be drilled.

    Raises:
        ConfigInvalid: the fleet file cannot be used.
    """
    target = read_target(str(fleet), database)
    console = Console(highlight=False)
    try:
        recovery = recovery_of(target)
        found = recovery.points(target, recovery.reach(target), utc_now(), choose_selection(target, select))
    except DrillError as error:
        say(console, str(error), style="red")
        return exit_code_of(error)
    if as_json:
        for candidate in found.candidates:
            sys.stdout.write(to_json(candidate.as_dict()))
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", "recovery point", "size", "key", "why"):
        table.add_column(title, overflow="fold")
    for one in sorted(
        found.candidates, key=lambda c: (c.at is not None, c.at or utc_now(), c.uri), reverse=True
    ):
        at = "" if one.at is None else f"{one.at:%Y-%m-%d %H:%M:%S} UTC"
        table.add_row(
            "*" if one.taken else "", at, format_bytes(one.bytes), shown(one.uri), shown(one.reason)
        )
    console.print(table)
    for finding in found.findings:
        say(console, f"{finding.severity.value}: {finding.message}")
    return 0
