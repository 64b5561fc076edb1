"""What a restore leaves behind, besides the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tasks.model.expected import Expected, Origin
from tasks.model.findings import Check, Finding
from tasks.model.located import located


@dataclass(frozen=True, slots=True)
class RecoveryCommand:
    """A command that worked, as a person could type it: paths and roles as words, no secret.

    Attributes:
        seconds: wall time that it took here.
    """

    command: str
    seconds: float

    def as_dict(self) -> dict[str, str | float]:
        """Return the command as the evidence holds it."""
        return {"command": self.command, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry of the backup that did not come back.

    Attributes:
        entry: `DESC schema.name`.
        rule: that says why.
        lost: entries that did not come back for want of it.
        needed_by: entries that list it as a need and are there all the same.
    """

    entry: str
    rule: str
    lost: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as the evidence holds it."""
        return {
            "entry": self.entry,
            "rule": self.rule,
            "lost": list(self.lost),
            "needed_by": list(self.needed_by),
        }


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored database.

    Attributes:
        database: its name in the sandbox.
        findings: every line of stderr that meant something, classified by archive entry.
        checks: what the restore step itself looked at (`restore-errors`, `owners-and-grants`).
        commands: see `RecoveryCommand`.
        not_restored: entries left out by policy, `DESC schema.name`.
        left_out: every entry that did not come back, whatever the reason.
        roles: the roles that the backup, with its globals, brought (not those merely referred to).
        other_databases: databases of the cluster, or of its dump, that are not verified.
        databases: of a cluster with several, those that are verified; () for one by itself.
        kept_out: what this host or policy kept out, by the catalogue's names, and the rule that says so:
            what misses it is no finding about the backup.
        unproven_keys: valid foreign keys, `schema.table.name`, that this restore did not prove; None for all.
        expected: what the backup says that should be there.
        origin: what it tells of how it came to be.
        recovery: what a physical copy's recovery came to, as the evidence holds it; None for a dump.
        recoverable_to: the newest moment that comes back through the archive of WAL, aware UTC; None where
            there is no archive, or the recovery was to end before its end.
        neutralised: the copy's own settings and files that were switched off, by name.
        restore_s, analyze_s: wall seconds.
    """

    database: str
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    commands: tuple[RecoveryCommand, ...]
    not_restored: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    roles: tuple[str, ...] = ()
    other_databases: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    kept_out: Mapping[str, str] = field(default_factory=dict)
    unproven_keys: frozenset[str] | None = frozenset()
    expected: Expected = field(default_factory=Expected)
    origin: Origin = field(default_factory=Origin)
    recovery: Mapping[str, Any] | None = None
    recoverable_to: datetime | None = None
    neutralised: tuple[str, ...] = ()
    restore_s: float = 0.0
    analyze_s: float = 0.0

    @property
    def each(self) -> tuple[str | None, ...]:
        """The databases that are verified; None stands for the only one."""
        return self.databases or (None,)

    def of(self, database: str | None) -> Restored:
        """Return the same with *database* as the one that is looked at."""
        return self if database is None else replace(self, database=database)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a group of checks saw."""

    checks: tuple[Check, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __add__(self, other: Checked) -> Checked:
        return Checked(self.checks + other.checks, self.findings + other.findings)

    def within(self, database: str | None) -> Checked:
        """Return the same as a drill of several databases calls it; None stands for the only one."""
        if database is None:
            return self
        return Checked(
            tuple(replace(check, name=located(database, check.name)) for check in self.checks),
            tuple(_within(finding, database) for finding in self.findings),
        )


def _within(finding: Finding, database: str) -> Finding:
    place = database if finding.where is None else located(database, finding.where)
    return replace(finding, where=place, names=tuple(located(database, name) for name in finding.names))
