"""`restore-drill suite try`: a suite on a kept restored backup, in seconds, while it is being written.

Exit codes: 0 every expectation holds, 1 one does not, 2 one could not be evaluated, 3 the suite or the fleet
file cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console

from deployments.commands.draft import load_checked, warn_of
from deployments.commands.run import at_work
from deployments.terminal import say
from expectations.results import ExpectationResult, Outcome, SuiteResult
from expectations.suite import Suite
from tasks.config import read_target, suite_file
from tasks.drill.kept_backup import KeptBackup, drop_backup, kept_backups, newer_backup, try_suite
from tasks.model.clock import utc_now
from tasks.model.errors import ConfigInvalid, DrillError, PermanentError
from tasks.model.printable import printable
from tasks.model.target import Target
from tasks.model.units import format_duration, parse_duration_s
from tasks.sandbox import sweep

_MARKS = {
    Outcome.PASSED: ("pass ", "green"),
    Outcome.FAILED: ("FAIL ", "bold red"),
    Outcome.ERRORED: ("ERROR", "bold yellow"),
    Outcome.TABLE_MISSING: ("ERROR", "bold yellow"),
    Outcome.NO_HISTORY: ("wait ", "dim"),
}
_UNJUDGED = (Outcome.ERRORED, Outcome.TABLE_MISSING)
_INDENT = " " * 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for.

    Attributes:
        keep: how long the sandbox stays after this try, such as `4h`.
        fresh: restore anew.
    """

    suite: Path | None
    keep: str
    fresh: bool


def try_on_kept(fleet: Path, database: str, wish: Wish) -> int:
    """Run a suite on the kept restored backup of *database*, made first where there is none.

    Raises:
        ConfigInvalid: the fleet file or the suite cannot be used; nothing was restored.
        DrillError: the backup cannot be restored, or the sandbox cannot be used.
    """
    target = read_target(str(fleet), database)
    keep_s = _seconds(wish.keep)
    file = wish.suite or suite_file(target, fleet)
    suite = _load(file, fleet, database)
    sweep(utc_now())
    console = Console(highlight=False)
    held = kept_backups(target, utc_now())
    backup = _restore(fleet, target, keep_s, held) if wish.fresh or not held else held[-1]
    until = utc_now() + timedelta(seconds=keep_s)
    _say_sandbox(console, backup, target, until)
    result = try_suite(backup, suite, target, until)
    _say_result(console, suite, result)
    return exit_code(result)


def drop_kept_backups(fleet: Path, database: str) -> int:
    """Remove what is kept of *database* at once; return 0, or 2 where something of it is left.

    Raises:
        ConfigInvalid: the fleet file cannot be used.
        PermanentError: another command uses it.
    """
    target = read_target(str(fleet), database)
    held = kept_backups(target, utc_now())
    left = [path for backup in held for path in drop_backup(backup)]
    console = Console(highlight=False)
    for path in left:
        say(console, f"could not be removed: {path}")
    if not held:
        say(console, f"nothing is kept of {database}")
    elif not left:
        say(console, f"removed: the kept sandbox of {database}")
    return 2 if left else 0


def exit_code(result: SuiteResult) -> int:
    """Return 1 if an expectation fails, 2 if one could not be evaluated or none is there, else 0."""
    if result.count(Outcome.FAILED):
        return 1
    return 2 if not result.results or any(result.count(outcome) for outcome in _UNJUDGED) else 0


def report_lines(suite: Suite, result: SuiteResult) -> Iterator[tuple[str, str]]:
    """Yield the lines that a try prints, each with its style: by table, in the suite's order."""
    for table in dict.fromkeys(judged.table for judged in result.results):
        mine = [judged for judged in result.results if judged.table == table]
        yield f"{table}  {_took(result.table_seconds.get(table))}", "bold"
        for judged in mine:
            yield from _lines(judged, suite)
    yield _total(result), ""
    if result.count(Outcome.FAILED):
        yield "The data came out of a backup, so production may hold the same: look there too.", "dim"


def _restore(fleet: Path, target: Target, keep_s: float, old: Sequence[KeptBackup]) -> KeptBackup:
    """Restore the newest backup through the flow, then remove what was kept before."""
    with at_work([target.name]):
        from flows.keep import keep  # noqa: PLC0415  imports Prefect

        keep(str(fleet), target.name, keep_s, return_state=True).result()
    held = kept_backups(target, utc_now())
    for backup in old:
        drop_backup(backup)
    if not held:
        raise PermanentError(
            f"The restored backup of {target.name} was not kept.",
            rule="workspace-unusable",
            hint="Try again.",
        )
    return held[-1]


def _load(file: Path, fleet: Path, database: str) -> Suite:
    if not file.is_file():
        raise ConfigInvalid(
            "there is no such suite",
            str(file),
            f"Draft one: restore-drill draft {fleet} -d {database} -o {file}",
        )
    suite = load_checked(file)
    warn_of(suite)
    return suite


def _seconds(text: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise ConfigInvalid(f"--keep: {error}") from error


def _say_sandbox(console: Console, backup: KeptBackup, target: Target, until: datetime) -> None:
    name = printable(backup.uri.rstrip("/").rpartition("/")[2])
    say(
        console,
        f"sandbox: {target.name} as of {_time(backup.at)} ({name}), restored {_time(backup.restored_at)}, "
        f"kept until {_time(until)}",
    )
    try:
        newer = newer_backup(backup, target, utc_now())
    except DrillError as error:
        say(console, f"         whether a newer backup is there could not be seen: {error.what}")
        return
    if newer is not None:
        say(console, f"         a newer backup is there, of {_time(newer.at)}: --fresh restores it")


def _say_result(console: Console, suite: Suite, result: SuiteResult) -> None:
    for line, style in report_lines(suite, result):
        say(console, line, style=style)


def _lines(judged: ExpectationResult, suite: Suite) -> Iterator[tuple[str, str]]:
    mark, style = _MARKS[judged.outcome]
    observed = "" if judged.observed is None else f": {_observed(judged)}"
    weight = "" if judged.severity.value == "critical" else f" ({judged.severity.value})"
    yield f"  {mark} {judged.expected}{weight}{observed}{_took(judged.seconds, ' ')}", style
    if judged.message:
        yield f"{_INDENT}{judged.message}", style
    if judged.outcome in (Outcome.FAILED, *_UNJUDGED):
        where = f"{suite.path or suite.name}:{judged.line}" if judged.line else str(suite.path or suite.name)
        yield f"{_INDENT}{where}" + (f"; why: {judged.why}" if judged.why else ""), "dim"


def _observed(judged: ExpectationResult) -> str:
    return f"{judged.observed:,}" if isinstance(judged.observed, int) else str(judged.observed)


def _total(result: SuiteResult) -> str:
    words = {
        Outcome.PASSED: "hold",
        Outcome.FAILED: "do not hold",
        Outcome.ERRORED: "could not be evaluated",
        Outcome.TABLE_MISSING: "name a table that is not there",
        Outcome.NO_HISTORY: "wait for an earlier drill",
    }
    counted = [
        f"{result.count(outcome)} {phrase}" for outcome, phrase in words.items() if result.count(outcome)
    ]
    return f"{len(result.results)} expectations in {format_duration(result.seconds)}: {', '.join(counted)}"


def _took(seconds: float | None, before: str = "") -> str:
    return "" if seconds is None else f"{before}({seconds:.2f} s)"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
