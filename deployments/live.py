"""What a person sees while drills run and at their end: a live table on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deployments.terminal import say, shown
from tasks.config import Fleet
from tasks.drill.progress import Progress, listening
from tasks.evidence import sentence
from tasks.model.canonical_json import to_json
from tasks.model.findings import Stage, Verdict
from tasks.model.printable import printable
from tasks.model.units import format_bytes, format_duration

_STYLES = {Verdict.VERIFIED: "green", Verdict.FAILED: "bold red", Verdict.INCONCLUSIVE: "yellow"}
_MARKS = {Verdict.VERIFIED: "+", Verdict.FAILED: "x", Verdict.INCONCLUSIVE: "?"}
_REFRESH_PER_S = 4


@dataclass
class _Row:
    stage: str = "waiting"
    detail: str = ""
    started: float | None = None
    ended: float | None = None


@dataclass
class _Board:
    """The live table: one row per database."""

    rows: dict[str, _Row] = field(default_factory=dict)

    def hear(self, progress: Progress) -> None:
        row = self.rows.setdefault(progress.database, _Row())
        row.started = row.started or time.monotonic()
        row.stage, row.detail = progress.stage.value, describe(progress)
        if progress.state == "verdict":
            row.stage, row.detail, row.ended = "done", progress.text, time.monotonic()

    def __rich__(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
        for title in ("database", "step", "for", ""):
            table.add_column(title, overflow="fold")
        for name, row in self.rows.items():
            since = 0.0 if row.started is None else (row.ended or time.monotonic()) - row.started
            table.add_row(name, row.stage, format_duration(since) if row.started else "", shown(row.detail))
        return table


@contextmanager
def show_live(databases: Sequence[str], *, as_json: bool) -> Iterator[None]:
    """Show the progress of the drills that run while the block lasts."""
    console = Console(stderr=as_json)
    if console.is_terminal:
        board = _Board({name: _Row() for name in databases})
        with (
            Live(board, console=console, refresh_per_second=_REFRESH_PER_S, transient=True),
            listening(board.hear),
        ):
            yield
        return
    out = sys.stderr if as_json else sys.stdout

    def line(progress: Progress) -> None:
        if progress.state in {"verdict", "news"} or (
            progress.state == "started" and progress.stage is not Stage.RECORD
        ):
            print(f"{progress.database}: {describe(progress)}", file=out, flush=True)

    with listening(line):
        yield


def describe(progress: Progress) -> str:
    """Return one moment of a drill in a few words."""
    if progress.done is not None and progress.total:
        share = 100 * progress.done / progress.total
        return f"{format_bytes(progress.done)} of {format_bytes(progress.total)} ({share:.0f} %)"
    return printable(progress.text or progress.stage.value)


def show_result(
    documents: Sequence[dict[str, Any]], plan: Fleet, undrilled: Sequence[str], *, as_json: bool
) -> None:
    """Print the verdicts, worst first, or the documents; name the databases whose run came to nothing."""
    if as_json:
        for document in documents:
            sys.stdout.write(to_json(document))
    else:
        _print_verdicts(documents, plan)
    for name in undrilled:
        sys.stderr.write(f"{name}: inconclusive: the drill ended without evidence; see the log of its run\n")


def _print_verdicts(documents: Sequence[dict[str, Any]], plan: Fleet) -> None:
    console = Console(highlight=False)
    order = list(Verdict)
    for document in sorted(documents, key=lambda d: -order.index(Verdict(d["verdict"]))):
        verdict = Verdict(document["verdict"])
        say(console, f"{_MARKS[verdict]} {sentence(document)}", style=_STYLES[verdict])
    say(console, f"evidence: {plan.evidence}")
    if "://" not in plan.evidence:
        say(console, f"report:   {plan.evidence}/report/index.html")
