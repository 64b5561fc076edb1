"""The one way to a terminal: what others wrote is shown, never obeyed.

Names in backups, keys in stores and paths may hold escape sequences, line ends and rich's own markup.
"""

from __future__ import annotations

import typer
from rich.console import Console
from rich.text import Text

from tasks.model.printable import printable_lines


def echo(text: str | None, *, err: bool = False) -> None:
    """Print *text* of ours; what it quotes is made printable."""
    typer.echo(printable_lines(text or ""), err=err)


def shown(text: str, style: str = "") -> Text:
    """Return *text* for rich: no markup in it counts, and what it quotes is made printable."""
    return Text(printable_lines(text), style=style)


def say(console: Console, text: str, style: str = "") -> None:
    """Print *text* on *console* as one paragraph that the terminal wraps."""
    console.print(shown(text, style), soft_wrap=True)
