"""Trying a suite while it is written: one restore is kept, and every try runs on it in seconds.

Decisions: a try is judged as of the moment when the backup was restored, so that a copy that is some hours
old does not begin to fail for its age; what earlier drills found is read anew for each try, as a drill would.
This module needs no Prefect: importing it takes longer than a try.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from expectations.results import SuiteResult
from expectations.runner import run_suite
from expectations.suite import Suite
from tasks.checks.suites import parameters_of
from tasks.config.rights import own_rights
from tasks.evidence import load_history
from tasks.model.backup import RecoveryPoint
from tasks.model.drill import Drill
from tasks.model.errors import DrillError, PermanentError, StageFailed
from tasks.model.history import History
from tasks.model.target import Selection, Target
from tasks.recovery.kinds import recovery_of
from tasks.sandbox import Kept, drop_kept, find_kept, keep_for_later, started_again, url

START_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """A restored backup that waits to be tried on.

    Attributes:
        uri, at: the recovery point it holds.
        restored_at: aware UTC; tries are judged as of it.
        database: its name inside the cluster.
    """

    kept: Kept
    uri: str
    at: datetime
    restored_at: datetime
    database: str

    @property
    def until(self) -> datetime:
        """When `sweep` may remove it."""
        return self.kept.keep_until


def keep_backup(drill: Drill, until: datetime) -> None:
    """Stop the sandbox of *drill* and keep it, with what a try has to know of it.

    Raises:
        PermanentError: `workspace-unusable`: its folder cannot be written.
    """
    note = {
        "fleet_file": str(drill.target.fleet_file),
        "uri": drill.chosen_point.uri,
        "at": drill.chosen_point.at.isoformat(),
        "restored_at": drill.judged_at.isoformat(),
        "database": drill.completed_restore.database,
    }
    keep_for_later(drill.running_sandbox, until, note)


def kept_backups(target: Target, now: datetime) -> tuple[KeptBackup, ...]:
    """Return what is kept of *target* as its fleet file names it, the newest last."""
    sandboxes = find_kept(target.fleet, target.name, now)
    return tuple(_told(kept) for kept in sandboxes if kept.note.get("fleet_file") == str(target.fleet_file))


def drop_backup(one: KeptBackup) -> tuple[str, ...]:
    """Remove it at once; return what is left.

    Raises:
        PermanentError: `already-running`: another command uses it.
    """
    return drop_kept(one.kept)


def try_suite(one: KeptBackup, suite: Suite, target: Target, until: datetime) -> SuiteResult:
    """Start the kept server, judge *suite*, stop the server.

    Raises:
        PermanentError: the sandbox is in use or cannot be started or read.
    """
    history = recall_drills(target, one.restored_at)
    parameters = parameters_of(history, one.restored_at, suite.tables)
    with started_again(one.kept, until, START_DEADLINE_S) as sandbox:
        try:
            return run_suite(
                suite,
                url(sandbox, one.database, sandbox.reader),
                as_of=one.restored_at,
                parameters=parameters,
                deadline_s=target.deadline,
            )
        except psycopg.Error as exc:
            raise PermanentError(
                "The kept database could not be read.",
                where=str(one.kept.root),
                hint="Restore it anew with --fresh.",
                rule="postgres-failed",
            ) from exc


def recall_drills(target: Target, before: datetime) -> History:
    """Return what earlier drills found; nothing where that cannot be read: the expectations wait then."""
    try:
        return load_history(target.model_copy(update={"store": own_rights(target.store)}), before)
    except DrillError:
        return History()


def newer_backup(one: KeptBackup, target: Target, now: datetime) -> RecoveryPoint | None:
    """Return the newest backup in the store if it is newer than the kept one.

    Raises:
        DrillError: the store cannot be asked.
    """
    try:
        recovery = recovery_of(target)
        discovery = recovery.points(target, recovery.reach(target), now, Selection(kind="newest"))
    except StageFailed:
        return None
    newest: RecoveryPoint = discovery.points[0]
    return newest if newest.at > one.at else None


def _told(kept: Kept) -> KeptBackup:
    note = kept.note
    return KeptBackup(
        kept=kept,
        uri=note.get("uri", ""),
        at=datetime.fromisoformat(note.get("at", kept.stamp.created_at)),
        restored_at=datetime.fromisoformat(note.get("restored_at", kept.stamp.created_at)),
        database=note.get("database", kept.stamp.database),
    )
