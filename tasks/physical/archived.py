"""Recovery through an archive of WAL: what can be reached by its listing, and whether it was reached.

The server is given WAL by the relay alone. What kept the relay from handing it over explains the end of a
recovery before anything that the server says about it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError, StageFailed
from tasks.model.findings import Finding, Severity
from tasks.model.sandbox import Sandbox
from tasks.physical.backup_label import BackupLabel
from tasks.physical.control import ControlFile
from tasks.physical.locales import Locales
from tasks.physical.recover import Recovered, recover
from tasks.physical.target import Aim, RecoveryTarget
from tasks.wal import history
from tasks.wal.answers import Answers
from tasks.wal.archive import Present, WalArchive
from tasks.wal.findings import end_findings, relay_findings, window_findings
from tasks.wal.history import History
from tasks.wal.listed import ListedWal
from tasks.wal.names import history_name
from tasks.wal.page_header import Cluster
from tasks.wal.relay import Relay
from tasks.wal.windows import Archive, BaseBackup, Timeline, Window, window


@dataclass(frozen=True, slots=True)
class Reach:
    """What a base backup can reach through an archive.

    Attributes:
        window: by the listing, along the target's timeline.
        archive: the listing itself.
        wal: what the files are read with.
        findings: what is wrong with it, before anything is restored.
    """

    window: Window
    archive: Archive
    wal: WalArchive
    findings: tuple[Finding, ...]


def reach(wal: ListedWal, base: BaseBackup, segment_bytes: int, timeline: str, now: datetime) -> Reach:
    """Return what *base* can reach through *wal*."""
    archive = archive_of(wal, segment_bytes)
    reached = window(archive, base, timeline_of(timeline))
    return Reach(reached, archive, wal.archive, window_findings(reached, now))


def archive_of(wal: ListedWal, segment_bytes: int) -> Archive:
    """Return the listing of *wal* in order, with the histories that can be read."""
    archive = Archive(wal.listing, segment_bytes)
    archive.histories.update(_histories(wal.archive, archive.listed_histories))
    return archive


def timeline_of(text: str) -> Timeline:
    """Return the timeline that a target names."""
    return int(text) if text.isdecimal() else text


def recover_through(
    reached: Reach,
    sandbox: Sandbox,
    control: ControlFile,
    label: BackupLabel,
    target: RecoveryTarget,
    locales: Locales,
    deadline: Deadline,
) -> tuple[Recovered, Answers]:
    """Recover through the archive and hold where it ended against the archive's own end.

    Raises:
        StageFailed: what kept the WAL from the server, or why recovery ended before the archive does.
        PermanentError: as `recover`.
    """
    cluster = Cluster(control.system_identifier, control.segment_bytes, sandbox.postgres.major)
    with Relay(sandbox.workspace, reached.wal, cluster) as relay:
        try:
            recovered = recover(
                sandbox,
                control,
                label,
                target,
                locales,
                deadline,
                relay.restore_command,
                reached.window.last_at,
            )
        except PermanentError as error:
            if relay.answers.troubles:
                raise StageFailed(relay_findings(relay.answers)) from error
            raise
    if target.aim is Aim.LATEST or (target.aim is Aim.TIME and not recovered.stopped):
        _require_end(recovered, relay.answers, reached.window, control.segment_bytes)
    return recovered, relay.answers


def _require_end(recovered: Recovered, answers: Answers, reached: Window, segment_bytes: int) -> None:
    findings = end_findings(answers, recovered.end_lsn, reached, segment_bytes)
    if any(item.severity is Severity.FAILURE for item in findings):
        raise StageFailed(findings)


def _histories(wal: WalArchive, timelines: Iterable[int]) -> dict[int, History]:
    """Return the histories that can be read."""
    histories: dict[int, History] = {}
    with tempfile.TemporaryDirectory(prefix="restore-drill-") as folder:
        for timeline in timelines:
            path = Path(folder) / history_name(timeline)
            if isinstance(wal.open(path.name, path), Present):
                try:
                    histories[timeline] = history.parse(timeline, path.read_bytes())
                except history.HistoryUnreadableError:
                    continue
    return histories
