"""One thing that PostgreSQL refused while a backup was being restored."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from tasks.model.backup import TocEntry
from tasks.model.server_words import Refusal, all_names, names_in

_KIND = re.compile(
    r"(?:TEXT SEARCH \w+|FOREIGN DATA WRAPPER|FOREIGN (?:TABLE|SERVER)|MATERIALIZED VIEW|EVENT TRIGGER"
    r"|LARGE OBJECTS?|OPERATOR (?:CLASS|FAMILY)|ACCESS METHOD|PROCEDURAL LANGUAGE|\w+) "
)
"""The kind of object that a comment or grant is on, with which its tag begins."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A statement or COPY that failed.

    Attributes:
        entry: the archive entry that it belongs to; None where that cannot be told (the tool's own settings).
        words: PostgreSQL's primary message: to classify by, never to be shown or kept.
        functions: functions in whose body it happened, as CONTEXT names them.
        line: of the COPY, where CONTEXT names it.
        count: how many statements of the entry failed with this message.
        about: tables that the statement speaks of, where no table of contents tells (scripts).
        sqlstate: "" where the tool does not pass it on.
        raised: a function of the backup raised it, with words of its own.
        names: what the statement names, so that the message may.
        column: of the COPY, where CONTEXT names it.
        by_locale: a rule that compares text refused it, by a locale that stands in for the backup's.
    """

    entry: TocEntry | None
    words: str = field(repr=False)
    functions: tuple[str, ...] = ()
    line: int | None = None
    count: int = 1
    about: tuple[str, ...] = ()
    sqlstate: str = ""
    raised: bool = False
    names: frozenset[str] = field(default=frozenset(), repr=False)
    column: str = field(default="", repr=False)
    by_locale: bool = False

    @classmethod
    def of(cls, entry: TocEntry | None, refusal: Refusal) -> Failure:
        """Return the failure of *entry* that *refusal* is."""
        return cls(entry, refusal.words, sqlstate=refusal.sqlstate, raised=refusal.raised)

    @property
    def refusal(self) -> Refusal:
        """What the server said, without where."""
        return Refusal(self.words, self.sqlstate, self.raised)

    @property
    def message(self) -> str:
        """What the server refused, in our words."""
        return self.told()

    def told(self, names: Collection[str] = frozenset()) -> str:
        """Return the message with the *names* of the whole backup at hand."""
        known_names = frozenset(names) | self.own_names()
        column = f', column "{self.column}"' if self.column in known_names else ""
        return self.refusal.told(known_names) + column

    def own_names(self) -> frozenset[str]:
        """Return what the statement itself and its entry name."""
        entry = self.entry
        if entry is None:
            return self.names | all_names(self.about)
        defined = names_in(entry.defn) | names_in(entry.copy_stmt)
        return self.names | all_names((*self.about, entry.tag, entry.namespace, entry.owner)) | defined


def label(entry: TocEntry) -> str:
    """Return an entry as findings name it: `TABLE shop.orders`, `ACL on TABLE shop.orders`."""
    about, tag = "", entry.tag
    if entry.desc in ("ACL", "COMMENT", "SECURITY LABEL") and (kind := _KIND.match(tag)) is not None:
        about, tag = f"on {kind[0]}", tag[kind.end() :]
    if tag.startswith((f"{entry.desc} ", "DEFAULT PRIVILEGES ")):
        return tag
    place = f"{entry.namespace}.{tag}" if entry.namespace else tag
    return f"{entry.desc} {about}{place}".rstrip()


def unquoted(text: str) -> str:
    """Return a name from a message without its quotes."""
    return text.replace('"', "")
