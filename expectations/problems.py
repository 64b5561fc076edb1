"""Every problem of a suite's file, gathered while it is read, each with its line."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from expectations.suite import Problem
from expectations.yaml_text import Document, KeyPath, Note, Trouble, render

_LONGEST = 80
_YAML_1_1 = "read as YAML 1.2; readers of YAML 1.1 take it for"


@dataclass(slots=True)
class Problems:
    """What is wrong with one file.

    Attributes:
        file: how messages call it.
        document: what was read of it, for the lines.
    """

    file: str
    document: Document
    listed: list[Problem] = field(default_factory=list)

    def add(self, what: str, remedy: str, path: KeyPath, value: object = None) -> None:
        """Note one more; *value* is what stands there, None where something is missing."""
        shown = None if value is None else short(value)
        what = f'{what}: "{shown}"' if shown is not None else what
        line = self.document.line(path) if self.document.lines else None
        self.listed.append(Problem(what, remedy, self.file, line, render(path), shown))


def of_trouble(trouble: Trouble, file: str) -> Problem:
    """Return a text's *trouble* as a problem of the suite *file*."""
    if trouble.first_line is not None:
        what = f'"{trouble.path[-1]}" stands twice, first in line {trouble.first_line}'
        return Problem(
            what, "correct the file; every key stands once", file, trouble.line, render(trouble.path)
        )
    what, _, remedy = trouble.message.partition("; ")
    return Problem(what, remedy or "correct the file", file, trouble.line, render(trouble.path))


def of_note(note: Note, file: str) -> Problem:
    """Return what to say of a value that others read otherwise."""
    what = f'"{note.text}" is {note.here}, {_YAML_1_1} {note.elsewhere}'
    remedy = f'write "{note.text}" in quotes for text'
    if note.elsewhere in {"true", "false"}:
        remedy += f", or {note.elsewhere}"
    return Problem(what, remedy, file, note.line, render(note.path), note.text)


def short(value: object) -> str:
    """Return *value* for a message."""
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
