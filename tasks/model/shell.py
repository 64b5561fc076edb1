"""Commands for a person to paste: built from argument lists, each argument quoted, whatever it holds."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from tasks.model.redact import redact

_URLS = ("postgres://", "postgresql://")


def shell_line(*commands: Sequence[str]) -> str:
    """Return the line that runs *commands*, each the next one's input; `shlex.split` gives the lists back.

    Secrets are masked here, in each argument: whoever changed the line would break its quoting.
    """
    return " | ".join(shlex.join([redact(argument) for argument in command]) for command in commands)


def redact_line(line: str) -> str:
    """Return a line of commands with secrets masked in its arguments, and its quoting whole."""
    try:
        words = shlex.split(line)
    except ValueError:  # no line of ours
        return redact(line)
    masked = [redact(word) for word in words]
    return (
        line if masked == words else " ".join(word if word == "|" else shlex.quote(word) for word in masked)
    )


def file_argument(name: str) -> str:
    """Return a file's name such that no program takes it for an option."""
    return f"./{name}" if name.startswith("-") else name


def database_argument(name: str) -> str:
    """Return a database's name for `-d`: one with `=` or a scheme in it is a connection string to libpq."""
    if "=" not in name and not name.startswith(_URLS):
        return name
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"
