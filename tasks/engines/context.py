"""One restore on its way: what every step of it needs to know."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tasks.engines.errors.causes import Omission
from tasks.engines.errors.failure import Failure
from tasks.engines.owners import OwnerChange
from tasks.model.backup import Toc, TocEntry
from tasks.model.deadline import Deadline
from tasks.model.findings import Finding
from tasks.model.restored import RecoveryCommand
from tasks.model.sandbox import Sandbox
from tasks.model.shell import shell_line
from tasks.model.target import Target
from tasks.sandbox import connect

_MADE_UP_IDS = -1_000_000
"""Below the numbers of entries, and of those that a script by hand is given."""
Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(slots=True)
class Job:
    """A restore: its inputs, and what it has come to so far.

    Attributes:
        deadline: by which the restore has to end.
        database: the restored database's name, once chosen.
        failures, omissions, findings, commands: collected as the restore goes on.
        roles: roles that the backup brought.
        superusers: those of them that are superusers, by what it says.
        referred: roles that it only speaks of.
        other_databases: of the same dump, not restored.
        analyze_s: wall seconds of ANALYZE after the restore.
        analyzed: tables whose statistics were gathered while others were still restored, with the seconds.
        serial: tables are loaded one after the other, whatever the sandbox has.
        keys_doubted: the backup may have put the triggers to sleep that keep foreign keys: none is proven.
        owned: what ALTER ... OWNER TO of a script by hand names, its namespace "" where it names none.
        owner_changes: what it gives away besides, such as functions.
        search_path: that a script left behind; grants of scripts written by hand rely on it.
        members: class and oid of what extensions made, seen before the dump could add to it.
        by_superuser: labels of the entries that our superuser created behind the wall.
        extensions: oids of the extensions that we made, and of plpgsql.
        stand_ins: collations, `schema.name`, that C stands in for.
    """

    sandbox: Sandbox
    target: Target
    deadline: Deadline
    progress: Callable[[str], None]
    toc: Toc = field(default_factory=lambda: Toc(()))
    database: str = ""
    failures: list[Failure] = field(default_factory=list)
    omissions: list[Omission] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    commands: list[RecoveryCommand] = field(default_factory=list)
    roles: set[str] = field(default_factory=set)
    superusers: set[str] = field(default_factory=set)
    referred: set[str] = field(default_factory=set)
    other_databases: tuple[str, ...] = ()
    analyze_s: float = 0.0
    analyzed: dict[str, float] = field(default_factory=dict)
    serial: bool = False
    search_path: str = ""
    keys_doubted: bool = False
    owned: list[TocEntry] = field(default_factory=list)
    owner_changes: list[OwnerChange] = field(default_factory=list)
    members: set[tuple[int, int]] = field(default_factory=set)
    extensions: set[int] = field(default_factory=set)
    by_superuser: list[str] = field(default_factory=list)
    stand_ins: set[str] = field(default_factory=set)
    _made_up: int = _MADE_UP_IDS

    @property
    def is_owner(self) -> bool:
        """Tell whether the restore runs without superuser rights, as it should."""
        return self.sandbox.restored_as != "superuser"

    @property
    def is_walled(self) -> bool:
        """Tell whether single statements may run as superuser: the restore does not, and the wall stands."""
        return self.is_owner and self.sandbox.workspace.walled

    @property
    def jobs(self) -> int:
        """How many of the tool's jobs load at once."""
        return 1 if self.serial else self.sandbox.jobs

    def made_up(self, desc: str, tag: str) -> TocEntry:
        """Return an entry for something that the backup does not list as one, under a number of its own."""
        self._made_up -= 1
        return TocEntry(self._made_up, desc, tag, "", "", "none")

    def leave_out(self, desc: str, tag: str) -> None:
        """Note something that only a superuser would have restored, and that no entry stands for."""
        self.omissions.append(Omission(self.made_up(desc, tag)))

    def superuser(self, database: str | None = None) -> Connection:
        """Open a connection of ours with search_path pg_catalog, bounded by the deadline."""
        name = self.database if database is None else database
        return connect(self.sandbox, name, statement_timeout_s=self.deadline.left_s + 1)

    def owner(self, database: str | None = None) -> Connection:
        """Open a connection of the role that restores."""
        return connect(self.sandbox, self.database if database is None else database, self.sandbox.owner)

    def command(self, started: float, *commands: Sequence[str]) -> None:
        """Record commands that worked, piped, as a person would type them; *started* in monotonic seconds."""
        self.commands.append(RecoveryCommand(shell_line(*commands), time.monotonic() - started))
