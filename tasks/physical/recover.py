"""Recovery of an adopted copy: replayed to its target, and what was reached proven by the server's own words.

PostgreSQL promotes at the end of whatever WAL it got, and says that it is ready. So the end is held against
the target that was asked for, in `archived` also against the archive's own end, and each reason why it gave
up is told apart.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.model.units import format_duration
from tasks.physical.backup_label import BackupLabel
from tasks.physical.control import ControlFile
from tasks.physical.locales import Locales
from tasks.physical.neutralise import LEAST_PREPARED, write_owned
from tasks.physical.server_log import LogReader, RecoveryLog
from tasks.physical.start import SERVER_LOG, failed, settings_of, start_server, stop_cleanly
from tasks.physical.target import Aim, RecoveryTarget
from tasks.sandbox.cluster import alive, classify_death
from tasks.sandbox.removal import read_regular
from tasks.sandbox.runner import Role
from tasks.sandbox.servers import stop_server
from tasks.wal.names import format_lsn, parse_lsn

NO_ARCHIVE = "false"
"""The restore_command of a backup that brings its own WAL: recovery insists on one."""
RECOVERY_SIGNAL = "recovery.signal"
_MOST_PREPARED = 262_143
_POLL_S = 0.01
_LARGEST_HISTORY_BYTES = 1 << 20
_TOO_FEW_PREPARED = "maximum number of prepared transactions reached"
_ENDED_BEFORE_TARGET = "recovery ended before configured recovery target was reached"
_MISSING_WAL = re.compile(
    r"could not (?:locate|find) (?:a valid |required )?(?:checkpoint|redo)|invalid checkpoint record"
    r"|WAL ends before (?:end of online backup|consistent)"
)
_NEW_TABLESPACE = re.compile(r'directory "(?P<place>[^"]+)" does not exist')
_BEFORE_BACKUP = "requested recovery stop point is before consistent recovery point"
_HISTORY_LINE = re.compile(rb"\s*(?P<timeline>\d+)\s+(?P<lsn>[0-9A-F]+/[0-9A-F]+)")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery came to.

    Attributes:
        phases_s: seconds of `start`, `replay` and `promote`.
        end_lsn: where the old timeline ends: the end of the last record that came back.
        timeline: the new one.
        last_commit_at: of the last transaction that came back; None where none was replayed.
        next_commit_at: of the transaction before which it stopped.
        stopped: the server's words about the target.
        attempts: how often the server was started for it.
        prepared: the prepared transactions that its server must have room for, from now on.
    """

    target: RecoveryTarget
    phases_s: Mapping[str, float]
    end_lsn: int
    timeline: int
    last_commit_at: datetime | None
    next_commit_at: datetime | None
    stopped: str
    attempts: int
    prepared: int
    findings: tuple[Finding, ...] = ()


def recover(
    sandbox: Sandbox,
    control: ControlFile,
    label: BackupLabel,
    target: RecoveryTarget,
    locales: Locales,
    deadline: Deadline,
    restore_command: str = NO_ARCHIVE,
    archived_until: datetime | None = None,
) -> Recovered:
    """Replay the copy's WAL to *target*, promote it and stop it cleanly.

    Args:
        sandbox: adopted and neutralised.
        control: the copy's facts.
        label: where it begins.
        target: how far it is to go.
        locales: what a server finds locales by.
        deadline: of all attempts together.
        restore_command: brings WAL from the archive.
        archived_until: when the newest WAL that can be reached came to the archive; None where there is none.

    Raises:
        PermanentError: `wal-missing-for-backup`, `recovery-failed`,
            `pitr-target-not-reached`, `pitr-target-before-backup`, `deadline-exceeded`, `postgres-failed`.
    """
    _require_after(label, target)
    run = _Attempts(sandbox, control, target, restore_command, locales, deadline)
    log, findings = run.until_ready(archived_until)
    begun_s = run.begun_s
    stop_cleanly(sandbox)
    end_lsn = _end_of_old_timeline(sandbox, log)
    _require_reached(run.target, log, end_lsn)
    return Recovered(
        target=target,
        phases_s=_phases(log, begun_s),
        end_lsn=end_lsn,
        timeline=log.timeline or control.timeline,
        last_commit_at=log.last_commit_at,
        next_commit_at=log.next_commit_at,
        stopped=log.stopped,
        attempts=run.attempts,
        prepared=run.prepared,
        findings=findings,
    )


class _Attempts:
    """The starts that one recovery takes: some of a copy's needs only show in its WAL."""

    def __init__(
        self,
        sandbox: Sandbox,
        control: ControlFile,
        target: RecoveryTarget,
        restore_command: str,
        locales: Locales,
        deadline: Deadline,
    ) -> None:
        self._sandbox, self._control, self._deadline = sandbox, control, deadline
        self._restore_command = restore_command
        self.prepared = max(LEAST_PREPARED, control.max_prepared_transactions)
        self._locales = locales
        self.target = target
        self.begun_s = 0.0
        self.attempts = 0

    def until_ready(self, archived_until: datetime | None) -> tuple[RecoveryLog, tuple[Finding, ...]]:
        """Start the server until it is ready; return its log's facts, and what is to be said of them."""
        findings: tuple[Finding, ...] = ()
        while True:
            log = self._once()
            if log.ready_s is not None:
                return log, findings
            if _TOO_FEW_PREPARED in log.gave_up and self.prepared < _MOST_PREPARED:
                self.prepared = min(_MOST_PREPARED, 2 * self.prepared)
            elif _ENDED_BEFORE_TARGET in log.gave_up and _is_quiet(self.target, archived_until):
                self.target = replace(self.target, aim=Aim.LATEST)
                findings = (_quiet(log),)
            else:
                raise self._explained(log)

    def _once(self) -> RecoveryLog:
        data_dir = self._sandbox.workspace.data_dir
        if not (data_dir / RECOVERY_SIGNAL).exists():
            write_owned(self._sandbox, data_dir / RECOVERY_SIGNAL, "")
        extra = {
            **self.target.settings(),
            "restore_command": self._restore_command,
            "max_prepared_transactions": str(self.prepared),
        }
        self.begun_s = time.monotonic()
        self.attempts += 1
        start_server(
            self._sandbox, settings_of(self._sandbox, self._control, extra), self._locales, Role.RECOVERING
        )
        return self._followed()

    def _followed(self) -> RecoveryLog:
        """Follow the server's log until it is ready or gone."""
        log, reader = RecoveryLog(), LogReader(self._sandbox.workspace.root / SERVER_LOG)
        while log.ready_s is None:
            running = alive(self._sandbox)
            for line in reader.lines():
                log.take(line, time.monotonic())
            if not running:
                return log
            if self._deadline.passed:
                stop_server(self._sandbox.workspace.drill_id, signal.SIGQUIT)
                raise _too_slow(log, self._deadline)
            time.sleep(_POLL_S)
        return log

    def _explained(self, log: RecoveryLog) -> PermanentError:
        """Return why the server gave up, by its own words."""
        words = log.gave_up
        if _ENDED_BEFORE_TARGET in words:
            return _not_reached(self.target, log)
        if _BEFORE_BACKUP in words:
            return _before_backup(self.target, "The server says so")
        if _MISSING_WAL.search(words):
            return PermanentError(
                "WAL that the copy needs to become consistent is neither in it nor in the archive. "
                "The backup cannot be recovered at all.",
                rule="wal-missing-for-backup",
            )
        if (match := _NEW_TABLESPACE.search(words)) is not None:
            return PermanentError(
                f"The WAL makes a tablespace at {match['place']}, newer than the base backup, and no such "
                "folder is here. Recovery stops there. Nothing is said about the backup.",
                where=match["place"],
                rule="tablespace-made-later",
            )
        rule = classify_death(self._sandbox)
        if log.start_lsn is not None and words and rule in {None, "postgres-failed"}:
            at = "" if log.done_lsn is None else f" at {format_lsn(log.done_lsn)}"
            return PermanentError(
                f"PostgreSQL gave up in recovery{at}: {words}. The copy does not come back.",
                rule="recovery-failed",
            )
        return failed(self._sandbox, "The copy's server did not start")


def _require_after(label: BackupLabel, target: RecoveryTarget) -> None:
    """Refuse a target before the backup, which the server would pass by without a word."""
    if target.time is not None and label.started_at is not None and target.time < label.started_at:
        raise _before_backup(target, f"The backup began at {label.started_at:%Y-%m-%d %H:%M:%S} UTC")
    if target.aim is Aim.LSN and target.lsn < label.start_lsn:
        raise _before_backup(target, f"The backup begins at {format_lsn(label.start_lsn)}")


def _require_reached(target: RecoveryTarget, log: RecoveryLog, end_lsn: int) -> None:
    """Hold what the server reached against what was asked for."""
    moment = target.time
    if moment is not None and log.last_commit_at is not None and log.last_commit_at > moment:
        raise _before_backup(target, f"The last transaction that came back is of {log.last_commit_at}")
    if target.aim is Aim.LSN and end_lsn < target.lsn:
        raise _not_reached(target, log)
    if target.aim in {Aim.NAME, Aim.IMMEDIATE} and not log.stopped:
        raise _not_reached(target, log)


def _end_of_old_timeline(sandbox: Sandbox, log: RecoveryLog) -> int:
    """Return where the promoted server left its old timeline, by the history that it wrote."""
    history = sandbox.workspace.data_dir / "pg_wal" / f"{log.timeline or 0:08X}.history"
    try:
        lines = read_regular(history, _LARGEST_HISTORY_BYTES).splitlines()
    except OSError:
        return log.done_lsn or 0
    matches = [match for match in map(_HISTORY_LINE.match, lines) if match]
    return parse_lsn(matches[-1]["lsn"].decode()) if matches else log.done_lsn or 0


def _is_quiet(target: RecoveryTarget, archived_until: datetime | None) -> bool:
    """Say whether the archive goes on behind the target's moment, so that nothing was committed after it."""
    return target.time is not None and archived_until is not None and archived_until >= target.time


def _quiet(log: RecoveryLog) -> Finding:
    at = "the backup itself" if log.last_commit_at is None else f"{log.last_commit_at:%Y-%m-%d %H:%M:%S} UTC"
    return finding(
        "target-in-quiet-time",
        f"The last transaction before the moment that was asked for is {at}, and the archive holds none "
        "after it. Recovery came to the end of the WAL, which is the same state.",
    )


def _not_reached(target: RecoveryTarget, log: RecoveryLog) -> PermanentError:
    last = "no transaction" if log.last_commit_at is None else f"the one of {log.last_commit_at}"
    return PermanentError(
        f"Recovery ended before its target ({target}): the last transaction that came back is {last}. "
        "The WAL does not reach as far as was asked.",
        rule="pitr-target-not-reached",
    )


def _before_backup(target: RecoveryTarget, fact: str) -> PermanentError:
    return PermanentError(
        f"The target ({target}) lies before what this base backup can bring back. {fact}. "
        "PostgreSQL would bring back a later state without a word.",
        rule="pitr-target-before-backup",
    )


def _too_slow(log: RecoveryLog, deadline: Deadline) -> PermanentError:
    stage = "before replay began" if log.started_s is None else "in replay"
    return PermanentError(
        f"The deadline of {format_duration(deadline.seconds)} passed {stage}.", rule="deadline-exceeded"
    )


def _phases(log: RecoveryLog, begun_s: float) -> dict[str, float]:
    """Return the seconds of each phase; a copy that had nothing to replay has no replay."""
    ready_s = log.ready_s or begun_s
    started_s = ready_s if log.started_s is None else log.started_s
    done_s = started_s if log.done_s is None else log.done_s
    return {"start": started_s - begun_s, "replay": done_s - started_s, "promote": ready_s - done_s}
