"""`restore-drill check`: everything that can be known of a fleet without downloading or restoring."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from deployments.commands.draft import warn_of
from deployments.terminal import say
from tasks.checks.preflight import major_to_use
from tasks.checks.suites import read_suite
from tasks.config import read_fleet
from tasks.discovery import least_privilege_policy
from tasks.model.backup import Discovery, RecoveryPoint
from tasks.model.canonical_json import to_json
from tasks.model.clock import utc_now
from tasks.model.errors import DrillError, StageFailed
from tasks.model.findings import Finding, FindingClass, Severity, Stage
from tasks.model.printable import printable
from tasks.model.reach import RecoverableWindow
from tasks.model.target import Target
from tasks.model.units import format_bytes
from tasks.recovery.kinds import recovery_of

_STYLES = {Severity.FAILURE: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


def check_fleet(fleet: Path, databases: tuple[str, ...], *, as_json: bool) -> int:
    """Check the databases of *fleet* and print what was seen; return the exit code.

    Raises:
        ConfigInvalid: the fleet file or a suite cannot be used.
    """
    plan = read_fleet(str(fleet))
    targets = plan.chosen(databases)
    for target in targets:
        suite = read_suite(target)
        if suite is not None:
            warn_of(suite)
    console = Console(stderr=as_json, highlight=False)
    findings: list[Finding] = []
    for target in targets:
        of_target, lines = check_target(target)
        findings += of_target
        if as_json:
            row = {"database": target.name, "findings": [f.as_dict() for f in of_target]}
            sys.stdout.write(to_json(row))
        else:
            _print(console, target, lines, of_target)
    if not as_json:
        _print_policy(console, targets)
    return _exit_code(findings)


def check_target(target: Target) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return what discovery and preflight of one database find, and what is good about it in lines."""
    lines: list[str] = []
    try:
        recovery = recovery_of(target)
        store = recovery.reach(target)
        discovery = recovery.points(target, store, utc_now(), target.backup.select)
        point = discovery.points[0]
        lines += [_found(discovery), *_reach_of(discovery.windows)]
        ready = recovery.preflight(point, store, target, None)
    except DrillError as error:
        stopped_by = error.findings if isinstance(error, StageFailed) else (error.finding(Stage.PREFLIGHT),)
        return stopped_by, tuple(lines)
    if ready.head is not None:
        layers = (ready.head.format.value, *reversed(ready.head.wrappers))
        lines.append(f"format {' in '.join(layers)}, PostgreSQL {major_to_use(ready.head, target)}")
    return (*store.findings(), *discovery.findings, *ready.standing, *ready.seen.findings), tuple(lines)


def _found(discovery: Discovery[RecoveryPoint]) -> str:
    point, count = discovery.points[0], len(discovery.points_at)
    plural = "" if count == 1 else "s"
    return (
        f"{count} recovery point{plural}; newest {printable(point.label)} of {point.at:%Y-%m-%d %H:%M} UTC, "
        f"{format_bytes(point.bytes)}"
    )


def _reach_of(windows: Sequence[RecoverableWindow]) -> Iterator[str]:
    """Yield the newest moment that base backups and WAL bring back, by a listing."""
    window = max((item for item in windows if item.usable), key=lambda item: item.end_at, default=None)
    if window is not None:
        yield (
            f"recoverable to {window.end_at:%Y-%m-%d %H:%M} UTC, from {printable(window.base)} through "
            f"{window.segments:,} segments of WAL"
        )


def _print(console: Console, target: Target, lines: Sequence[str], findings: Sequence[Finding]) -> None:
    bad = any(finding.severity is Severity.FAILURE for finding in findings)
    say(console, f"{'x' if bad else '+'} {target.name}", "bold red" if bad else "green")
    for line in lines:
        say(console, f"    {line}")
    for finding in findings:
        where = f" ({finding.where})" if finding.where else ""
        sentence = f"    {finding.severity.value} {finding.rule}: {finding.message}{where}"
        say(console, sentence, _STYLES[finding.severity])
        if finding.severity is not Severity.INFO:
            say(console, f"      {finding.hint}", style="dim")


def _print_policy(console: Console, targets: Sequence[Target]) -> None:
    policy = least_privilege_policy(targets)
    if policy["Statement"]:
        console.print("\nThe recovery role needs this policy and no more:")
        console.print_json(data=policy)


def _exit_code(findings: Sequence[Finding]) -> int:
    classes = {finding.klass for finding in findings if finding.severity is Severity.FAILURE}
    if classes - {FindingClass.DRILL}:
        return 1
    return 2 if classes else 0
