"""`restore-drill can-i-recover`: what the person on call asks first; from listings and evidence alone.

Exit codes: 0 every database asked for has a backup that a drill has brought back, 1 one has none that could
be restored, 2 one has only what no drill has proven, or the store or the evidence could not be asked.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from rich.console import Console

from deployments.failures import findings_of
from deployments.terminal import say
from tasks.config import read_fleet
from tasks.config.selecting import parse_time
from tasks.evidence.drilled import drilled_backups
from tasks.model.backup import Candidate
from tasks.model.canonical_json import to_json
from tasks.model.clock import utc_now
from tasks.model.errors import ConfigInvalid, DrillError
from tasks.model.target import Selection, Target
from tasks.model.units import format_bytes, format_duration
from tasks.recovery.answer import Answer, Recoverable, answer, nothing_to_restore
from tasks.recovery.kinds import recovery_of

_AT_ONCE = 8
_EXIT = {Recoverable.PROVEN: 0, Recoverable.UNPROVEN: 2, Recoverable.UNKNOWN: 2, Recoverable.NO: 1}
_WORDS = {
    Recoverable.PROVEN: ("yes", "bold green"),
    Recoverable.UNPROVEN: ("perhaps: no drill has proven it", "bold yellow"),
    Recoverable.UNKNOWN: ("could not be told", "bold yellow"),
    Recoverable.NO: ("no", "bold red"),
}
_SHOWN = 3


def can_i_recover(fleet: Path, databases: tuple[str, ...], to: str, *, as_json: bool) -> int:
    """Print for each database what can be restored, from what, how long it takes; return the exit code.

    Args:
        to: the moment that is to be brought back; empty is now.

    Raises:
        ConfigInvalid: the fleet file or the time cannot be used.
    """
    plan = read_fleet(str(fleet))
    now = utc_now()
    targets = [(target, moment_of(to, target, now)) for target in plan.chosen(databases)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda asked: look_up(asked[0], asked[1], now), targets))
    console = Console(highlight=False)
    for row in answers:
        if as_json:
            sys.stdout.write(to_json(row.as_dict()))
        else:
            _print(console, row, fleet)
    codes = {_EXIT[row.recoverable] for row in answers}
    return 1 if 1 in codes else max(codes, default=0)


def look_up(target: Target, asked_for: datetime, now: datetime) -> Answer:
    """List the backups of *target* up to *asked_for*, read what drills said of them, and answer."""
    until = None if asked_for >= now else asked_for
    try:
        recovery = recovery_of(target)
        discovery = recovery.points(target, recovery.reach(target), now, Selection(kind="all", at=until))
        return answer(target, discovery, drilled_backups(target), asked_for)
    except DrillError as error:
        return nothing_to_restore(target, findings_of(error), asked_for)


def moment_of(text: str, target: Target, now: datetime) -> datetime:
    """Return the moment that *text* names, now where it is empty.

    Raises:
        ConfigInvalid: it is no time, or lies in the future.
    """
    if not text:
        return now
    try:
        moment = parse_time(text, target.backup.timezone)
    except ValueError as error:
        raise ConfigInvalid(f"--to {text}: {error}") from error
    if moment > now:
        raise ConfigInvalid(f"--to {text} lies in the future", hint="No backup holds what is yet to come.")
    return moment


def _print(console: Console, answer: Answer, fleet: Path) -> None:
    word, style = _WORDS[answer.recoverable]
    say(console, f"{answer.target.name}: {word}", style)
    for line in lines_of(answer, fleet):
        say(console, f"  {line}")


def lines_of(item: Answer, fleet: Path) -> Iterator[str]:
    """Yield what a person needs to know, in the order in which it is needed."""
    for reason in item.why:
        yield f"{reason.rule}: {reason.message}"
        yield f"  {reason.hint}"
    if item.backup is not None:
        yield f"back to {_back_to(item, item.backup)}: {_loss(item)}"
    yield from _reach_lines(item)
    if item.about_s is not None:
        yield f"takes about {format_duration(item.about_s)}, by the last drill"
    if item.proof is not None:
        when = f"{item.proof.finished_at:%Y-%m-%d %H:%M} UTC"
        yield f"proven by drill {item.proof.drill_id} on {when} ({item.proof.evidence})"
    if item.newer is not None:
        about = "" if item.newer_about_s is None else f", about {format_duration(item.newer_about_s)}"
        yield f"newer, and proven by no drill: {_told(item.newer)}{about}"
    for drill in item.distrusted[:_SHOWN]:
        yield f"not from {drill.uri} of {drill.at:%Y-%m-%d %H:%M} UTC: {drill.cause}"
    if len(item.distrusted) > _SHOWN:
        yield f"nor from {len(item.distrusted) - _SHOWN} more that drills showed broken (--json lists them)"
    if item.proof is not None and item.proof.commands:
        yield "the commands that worked in that drill:"
        yield from (f"  {command}" for command in item.proof.commands)
    elif item.backup is not None:
        select = shlex.quote(f"key:{item.backup.uri}")
        name = shlex.quote(item.target.name)
        yield f"prove it: restore-drill run {shlex.quote(str(fleet))} -d {name} --select {select}"


def _reach_lines(answer: Answer) -> Iterator[str]:
    """Yield how a base backup comes to its moment, and what stands against that."""
    if answer.window is not None:
        yield f"through {answer.window.segments:,} segments of WAL: {answer.window.why}"
    for warning in answer.warnings:
        yield f"{warning.rule}: {warning.message}"


def _back_to(item: Answer, backup: Candidate) -> str:
    if item.window is None or item.back_to is None:
        return _told(backup)
    return f"{item.back_to:%Y-%m-%d %H:%M:%S} UTC, from base backup {_told(backup)}"


def _told(candidate: Candidate) -> str:
    at = "" if candidate.at is None else f"{candidate.at:%Y-%m-%d %H:%M:%S} UTC, "
    return f"{at}{candidate.uri} ({format_bytes(candidate.bytes)})"


def _loss(answer: Answer) -> str:
    if answer.target.backup.goes_by_wal and answer.window is None:
        return (
            f"{format_duration(answer.lost_s)} before the moment asked for; WAL brings back what lies between"
        )
    loss = f"{format_duration(answer.lost_s)} before the moment asked for is lost"
    if answer.within_rpo is None:
        return loss
    inside = "within" if answer.within_rpo else "beyond"
    return f"{loss}, {inside} the RPO of {format_duration(answer.target.rpo)}"
