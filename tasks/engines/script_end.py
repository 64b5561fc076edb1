"""Whether a script's own comments hold the end marker of what they began.

Before the restore only bytes are looked at, and where more than a little follows the marker, rows and strings
of a cut script may hold the same lines. The walk through the script knows what is a comment.
"""

from __future__ import annotations

from collections import deque

from tasks.catalog.script_edges import Edges
from tasks.model.backup import LocalBackup
from tasks.model.findings import Finding
from tasks.model.rules import finding


class ScriptEnd:
    """Notices the ends of dumps in comments, in order."""

    def __init__(self) -> None:
        self._edges = Edges()

    def gap(self, gap: bytes) -> None:
        """Take white space and comments."""
        if b"-- PostgreSQL database " in gap:
            deque(self._edges.follow(b"\n" + gap), maxlen=0)

    def findings(self, backup: LocalBackup, line: int) -> tuple[Finding, ...]:
        """Return what the walk to *line*, the last, shows of an end that bytes alone do not prove."""
        writer = backup.head.written_by
        is_open = any(issue.rule == "end-marker-unknown" for issue in backup.findings)
        if not writer or not is_open or self._edges.ended:
            return ()
        message = (
            f"The script ends at line {line} without the comment that {writer} writes last: what looks like "
            "it is a row or a part of a string. What it would have written after that is lost, and no tool "
            "says so."
        )
        return (finding("end-marker-missing", message, where=backup.file_name),)
