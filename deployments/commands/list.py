"""`restore-drill list`: what discovery sees, chosen and rejected, with reasons."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deployments.failures import exit_code_of
from deployments.terminal import say, shown
from tasks.config import choose_selection, read_target
from tasks.model.backup import RecoveryPoint
from tasks.model.base_point import BasePoint
from tasks.model.canonical_json import to_json
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError
from tasks.model.findings import Finding
from tasks.model.printable import printable
from tasks.model.reach import RecoverableWindow
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
        discovery = recovery.points(
            target, recovery.reach(target), utc_now(), choose_selection(target, select)
        )
    except DrillError as error:
        say(console, str(error), style="red")
        return exit_code_of(error)
    windows = {printable(window.uri): window for window in discovery.windows}
    if as_json:
        for candidate in discovery.candidates:
            window = windows.get(candidate.uri)
            reach = {} if window is None else {"window": window.as_dict()}
            sys.stdout.write(to_json({**candidate.as_dict(), **reach}))
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", "recovery point", "size", "key", "why"):
        table.add_column(title, overflow="fold")
    for row in sorted(
        discovery.candidates, key=lambda c: (c.at is not None, c.at or utc_now(), c.uri), reverse=True
    ):
        at = "" if row.at is None else f"{row.at:%Y-%m-%d %H:%M:%S} UTC"
        table.add_row(
            "*" if row.taken else "", at, format_bytes(row.bytes), shown(row.uri), shown(row.reason)
        )
    console.print(table)
    if discovery.windows:
        console.print(_windows_table(discovery.windows))
    for line in _aims(discovery.points):
        say(console, line)
    for finding in (*discovery.findings, *_foreseen(discovery.points)):
        say(console, f"{finding.severity.value}: {finding.message}")
    return 0


def _windows_table(windows: Sequence[RecoverableWindow]) -> Table:
    """Return from which base backup what moments come back, by the WAL that is archived."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("base backup", "recoverable from", "to", "segments", "why it ends there"):
        table.add_column(title, overflow="fold")
    for window in windows:
        usable = window.usable is not False
        why = f"{window.why}; if it holds its own WAL" if window.usable is None else window.why
        table.add_row(
            shown(window.base),
            f"{window.start_at:%Y-%m-%d %H:%M:%S} UTC" if usable else "nothing",
            f"{window.end_at:%Y-%m-%d %H:%M:%S} UTC" if usable else "",
            f"{window.segments:,}",
            shown(why),
        )
    return table


def _aims(points: Sequence[RecoveryPoint]) -> list[str]:
    """Return to which moments a drill of *points* would recover, where one is asked for."""
    bases = [point for point in points if isinstance(point, BasePoint)]
    return [
        f"a drill would recover {shown(point.label)} to {point.recover_to:%Y-%m-%d %H:%M:%S} UTC: with WAL, "
        "a time is the moment to recover to"
        for point in bases
        if point.recover_to is not None
    ]


def _foreseen(points: Sequence[RecoveryPoint]) -> list[Finding]:
    """Return what a drill of *points* would say before it moves anything."""
    bases = [point.foreseen for point in points if isinstance(point, BasePoint)]
    return [item for foreseen in bases for item in (*foreseen.blocking, *foreseen.standing)]
