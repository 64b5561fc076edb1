"""One thing that PostgreSQL refused while a backup was being restored."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.model.backup import TocEntry


@dataclass(frozen=True, slots=True)
class Failure:
    """A statement or COPY that failed.

    Attributes:
        entry: the archive entry that it belongs to; None where that cannot be told (the tool's own settings).
        message: PostgreSQL's primary message, masked.
        functions: functions in whose body it happened, as CONTEXT names them.
        line: of the COPY, where CONTEXT names it.
        count: how many statements of the entry failed with this message.
        about: tables that the statement speaks of, where no table of contents tells (scripts).
    """

    entry: TocEntry | None
    message: str
    functions: tuple[str, ...] = ()
    line: int | None = None
    count: int = 1
    about: tuple[str, ...] = ()


def label(entry: TocEntry) -> str:
    """Return an entry as findings name it: `TABLE shop.orders`, `ACL on TABLE shop.orders`."""
    about, tag = "", entry.tag
    if entry.desc in ("ACL", "COMMENT", "SECURITY LABEL") and " " in tag:
        kind, tag = tag.split(" ", 1)
        about = f"on {kind} "
    if tag.startswith((f"{entry.desc} ", "DEFAULT PRIVILEGES ")):
        return tag
    return f"{entry.desc} {about}{entry.namespace}.{tag}" if entry.namespace else f"{entry.desc} {about}{tag}"


def unquoted(text: str) -> str:
    """Return a name from a message without its quotes."""
    return text.replace('"', "")
