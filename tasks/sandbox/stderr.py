"""What may be kept of a tool's error stream: the tool's own sentences, and the server's in our words.

A value may itself hold line ends, so the lines that only continue what the server said, or the command that
met it, are dropped.
"""

from __future__ import annotations

import re

from tasks.model.redact import redact
from tasks.model.server_words import Refusal

LINE_CHARS = 500
_TOOL = re.compile(r"(?:pg_\w+|psql|initdb|postgres|createdb|gpg|gpgsm|age)(?:\.exe)?:")
_SERVER = re.compile(
    r"(?P<lead>[\w .:<>/-]{0,100}?(?:\"[^\"]{0,100}\"[\w .:-]{0,20}?)?)\b(?:ERROR|FATAL|PANIC): +"
)
_WORDS = re.compile(
    r"(?P<kind>(?:psql:[^\s]{0,200} )?"
    r"(?:WARNING|NOTICE|INFO|LOG|DEBUG\d?|DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION|Command was"
    r"|LINE \d{1,9})):"
)
_RESUMES = re.compile(r"SSL |\s*\^\s*$")
_MASK = "***"


class Masker:
    """Masks one stream, line after line; call it with each line as it arrives."""

    def __init__(self) -> None:
        self._hiding = False

    def __call__(self, line: str) -> str | None:
        """Return *line* fit to be kept; None for a line that only continues what is masked."""
        line = line[: 4 * LINE_CHARS]
        if (words := _WORDS.match(line)) is not None:
            self._hiding = True
            return f"{words['kind']}: {_MASK}"
        if (server := _SERVER.match(line)) is not None:
            self._hiding = True
            return f"{line[: server.end()]}{Refusal(line[server.end() :]).told()}"
        if _TOOL.match(line) or _RESUMES.match(line):
            self._hiding = False
        return None if self._hiding else redact(line)[:LINE_CHARS]


def masked(text: str) -> str:
    """Return what may be kept of all that a tool said."""
    mask = Masker()
    return "\n".join(line for raw in text.splitlines() if (line := mask(raw)) is not None)
