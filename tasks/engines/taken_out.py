"""What somebody took out of a script and left the comment of: `sed` over the output of pg_dump.

Managed services tell people to comment extensions out, or to delete their lines. psql meets no error there,
and a restore makes no more than it would. Whatever needs what is gone fails by itself. Of other kinds than
extensions only a statement that stands there as a comment was taken out: one that is not there is lost.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks.engines.errors.failure import label
from tasks.engines.sql.classifier import commented_out
from tasks.model.backup import TocEntry
from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import Finding
from tasks.model.rules import finding


class TakenOut:
    """Notices which of the announced entries have no statement."""

    def __init__(self) -> None:
        self._may_lack: set[int] = set()

    def announced(self, entries: Iterable[TocEntry], gap: bytes) -> None:
        """Take *entries* that the comments in *gap* announce, in order."""
        commented = commented_out(gap) if b"CREATE" in gap or b"ALTER" in gap else []
        for at, entry in enumerate(entries):
            if entry.desc == "EXTENSION" or (commented and commented[at]):
                self._may_lack.add(entry.dump_id)

    def stated(self, entry: TocEntry | None) -> None:
        """Take a statement of *entry*."""
        if entry is not None:
            self._may_lack.discard(entry.dump_id)

    def part(self, entries: Iterable[TocEntry]) -> tuple[list[TocEntry], list[TocEntry]]:
        """Part *entries* into those that the script holds, and those that were taken out."""
        held: list[TocEntry] = []
        gone: list[TocEntry] = []
        for entry in entries:
            (gone if entry.dump_id in self._may_lack else held).append(entry)
        return held, gone


def taken_out_findings(gone: Iterable[TocEntry]) -> list[Finding]:
    """Return the warning that names what was taken out."""
    names = [label(entry) for entry in gone]
    if not names:
        return []
    statements = "the statement of 1 entry" if len(names) == 1 else f"the statements of {len(names)} entries"
    message = (
        f"Somebody took {statements} out of the script and left the comments: {listing(names)}. No restore "
        "brings that back."
    )
    return [finding("statement-taken-out", message, where=names[0], names=beyond(names))]
