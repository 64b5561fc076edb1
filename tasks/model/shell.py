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


def file_argument(name: str) -> str:
    """Return a file's name such that no program takes it for an option."""
    return f"./{name}" if name.startswith("-") else name


def database_argument(name: str) -> str:
    """Return a database's name for `-d`: one with `=` or a scheme in it is a connection string to libpq."""
    if "=" not in name and not name.startswith(_URLS):
        return name
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"
