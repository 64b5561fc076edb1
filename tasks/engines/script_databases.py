"""Which database of a script is restored, and which of its statements are that one's."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from tasks.engines.database import MAINTENANCE, DatabaseOptions, database_name, read_options
from tasks.engines.sql.classifier import database_named
from tasks.engines.sql.tokens import words
from tasks.model.backup import ArchiveHead, Format
from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.target import Target


class Move(Enum):
    """What a change of database means for what was restored."""

    NONE = auto()
    RENEW = auto()  # the same once more: a session as if nothing had been set
    LEAVE = auto()  # the restored database is left, or holds nothing: its connections close
    START_AGAIN = auto()  # the one that was asked for only comes now


class ScriptDatabases:
    """Follows a script from database to database.

    Args:
        head: of the script.
        target: says what was asked for.
        choice: the section of a script with several databases that is restored.

    Attributes:
        active: what comes now is of the restored database.
        has_content: something was put into that.
        others: databases that the script holds besides.
        is_created: the script makes a database.
    """

    def __init__(self, head: ArchiveHead, target: Target, choice: str | None) -> None:
        self.is_cluster = head.format is Format.CLUSTER
        self.active = not self.is_cluster
        self.has_content = False
        self.others: tuple[str, ...] = ()
        self.is_created = False
        self._holds_several = len(head.databases) > 1
        self._target = target
        self._choice = choice
        self._connected = ""
        self._options: dict[str, DatabaseOptions] = {}
        self._cleared: set[str] = set()
        self._lost: set[str] = set()
        self._filled: set[str] = set()
        self._emptied: set[str] = set()

    def connect(self, name: str) -> Move:
        """Take a change to the database *name*."""
        if self.has_content:
            self._filled.add(self._connected)
        was, self._connected = self._connected, name
        if self.is_cluster:
            left, self.active = self.active, name == self._choice
            return Move.LEAVE if left else Move.NONE
        if self.has_content:
            return Move.RENEW if name == was else self._leave(was, name)
        self.active = self._choice in (None, name) or not self._holds_several
        return Move.LEAVE

    def _leave(self, was: str, name: str) -> Move:
        """Go on from a database with content to another."""
        is_wanted = name == self._choice and name in (self._target.dump.database, self._target.name)
        other = was if is_wanted else name
        self.others = tuple(dict.fromkeys((*self.others, *([other] if other else []))))
        self.active = is_wanted
        self.has_content = self.has_content and not is_wanted
        return Move.START_AGAIN if is_wanted else Move.NONE

    def create(self, statement: bytes) -> None:
        """Take a CREATE DATABASE: its options are the database's, made by us at the first content."""
        name = database_named(statement)
        self.is_created = True
        self._options[name] = read_options(statement.decode("utf-8", "replace"))
        self._cleared.discard(name)
        self._lost.discard(name)

    def drop(self, statement: bytes) -> None:
        """Take a DROP DATABASE, which is never run; PostgreSQL refuses it for the one it is connected to."""
        name = database_named(statement)
        (self._cleared if self._clears(statement, name) else self._lost).add(name)
        if name in self._filled and name != self._connected:
            self._emptied.add(name)

    def _clears(self, statement: bytes, name: str) -> bool:
        """Tell whether a drop only makes room, as pg_dumpall --clean does for what it leaves out, too."""
        if name in MAINTENANCE or name in self._filled:
            return False
        return self.is_cluster or (not self.has_content and words(statement, 4)[2:] == ("IF", "EXISTS"))

    def to_make(self, named: str, encoding: str) -> tuple[str, DatabaseOptions]:
        """Return name and options of the database to make now.

        Args:
            named: by the script's comments, "" where they do not.
            encoding: that the script is in, where its CREATE DATABASE does not say.
        """
        target = self._target
        name = self._connected or self._choice or named or target.dump.database or target.name
        options = self._options.get(self._connected) or DatabaseOptions()
        return database_name(name), replace(options, encoding=(options.encoding or encoding).upper())

    def go_to_choice(self) -> None:
        """Be in the restored database, of which the script holds nothing."""
        self._connected = self._choice or ("" if self.is_cluster else self._connected)

    @property
    def is_remade(self) -> bool:
        """A later dump of the restored database would find it dropped, or does not need it to be."""
        return not self.is_cluster or (self._choice or "") in self._emptied

    def findings(self) -> tuple[Finding, ...]:
        """Return what the script would do to databases of others, or to its own in the end."""
        findings = []
        if self._lost:
            names = sorted(self._lost)
            message = (
                f"The script drops the database {listing(names)} and does not create it again. It was "
                "refused."
            )
            findings.append(finding("hostile-content", message, where=names[0], names=beyond(names)))
        if self._cleared:
            names = sorted(self._cleared)
            message = (
                f"The script drops databases that it does not hold: {listing(names)}. The drill dropped "
                "none. Whoever restores it by hand loses them."
            )
            findings.append(finding("other-database-dropped", message, names=beyond(names)))
        return tuple(findings)
