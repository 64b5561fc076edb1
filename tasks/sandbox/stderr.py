"""What may be kept of a tool's error stream: its sentences, not the rows that they quote.

`mask_values` masks line by line; a value may itself hold line ends, so the lines that only continue a message
are dropped too. The one thing that continues with meaning is the statement after `Command was:`.
"""

from __future__ import annotations

import re

from tasks.model.redact import mask_values

_STARTS = re.compile(
    r"(?:pg_\w+|psql|initdb|postgres|gpg|gpgsm|age)(?:\.exe)?:"
    r"|(?:ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|LOG|DEBUG\d?|DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION):"
    r"|Command was:|LINE \d+:|\s*\^\s*$|SSL |PL/pgSQL function |SQL function |SQL statement "
)
_VALUES = re.compile(
    r"(?:psql:[^\n]*?:\s*)?(?:DETAIL|CONTEXT|QUERY|STATEMENT):|(?:pg_restore: |psql:[^\n]*)?.*\bERROR:"
)


class Masker:
    """Masks one stream, line after line; call it with each line as it arrives."""

    def __init__(self) -> None:
        self._hiding = False
        self._talking = False

    def __call__(self, line: str) -> str | None:
        """Return *line* fit to be kept; None for a line that only continues what is masked."""
        if _STARTS.match(line):
            self._talking = True
            self._hiding = _VALUES.match(line) is not None
            return mask_values(line)
        if self._hiding:
            return None
        return mask_values(line)
