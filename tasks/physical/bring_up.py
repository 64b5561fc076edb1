"""From a base backup in a store to a running copy that harms nobody: the steps in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.sandbox import Sandbox, Workspace
from tasks.physical.archived import Reach, recover_through
from tasks.physical.backup_label import LARGEST_BYTES, BackupLabel, missing, parse_label
from tasks.physical.chain import NamedBackup
from tasks.physical.combine import make_part
from tasks.physical.control import ControlFile, read_control
from tasks.physical.extract import DataFolder, Extracted, extract, read_small
from tasks.physical.layout import LABEL, BaseBackup
from tasks.physical.locales import Locales
from tasks.physical.look import CopyFacts, files_of, look, open_database, settings_finding
from tasks.physical.manifest import LARGEST_BYTES as LARGEST_MANIFEST_BYTES
from tasks.physical.manifest import Manifest, compare, parse_manifest
from tasks.physical.neutralise import neutralise
from tasks.physical.pages import WrongPages, check_pages, wrong_pages
from tasks.physical.recover import Recovered, recover
from tasks.physical.restore_command import restore_command_findings
from tasks.physical.start import major_of, make_superuser, serve, settings_of
from tasks.physical.target import RecoveryTarget
from tasks.sandbox.removal import read_regular
from tasks.stores.base import Store
from tasks.wal.answers import Answers
from tasks.wal.windows import BaseBackup as WindowBase


@dataclass(frozen=True, slots=True)
class Copy:
    """A base backup in a data folder, read and proven as far as its own words go; nothing runs yet.

    Attributes:
        major: of the PostgreSQL that wrote it.
        bytes: of its files.
        proven: its files are what its manifest says; False where it has none.
        stop_lsn: where it is consistent; None where only its WAL tells.
        has_own_wal: it brings the WAL that it needs to become consistent.
        links_left_out: links that were in it and are no tablespace's.
        chain: the backups that an incremental one is put together with, the full one first.
    """

    label: BackupLabel
    major: int
    bytes: int
    proven: bool
    stop_lsn: int | None
    has_own_wal: bool
    links_left_out: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adopted:
    """A copy with its server's settings: neutralised, its control file read."""

    sandbox: Sandbox
    control: ControlFile
    locales: Locales
    neutralised: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class BroughtUp:
    """A running copy.

    Attributes:
        answers: what the relay handed over; None where there is no archive.
    """

    adopted: Adopted
    recovered: Recovered
    facts: CopyFacts
    neutralised: tuple[str, ...]
    findings: tuple[Finding, ...]
    answers: Answers | None = None


def bring(
    backup: BaseBackup,
    store: Store,
    workspace: Workspace,
    deadline: Deadline,
    progress: Callable[[int, int], None],
    priors: Sequence[NamedBackup] = (),
) -> Copy:
    """Unpack *backup* into the workspace's data folder and prove what came.

    Args:
        backup: its parts.
        store: that holds it.
        workspace: an empty one.
        deadline: of all of it.
        progress: is told how many bytes came, and of how many.
        priors: of an incremental backup, those that it builds on, the full one first: all are unpacked beside
            each other, and `combine` puts them together.

    Raises:
        PermanentError: as `extract`; `backup-label-missing`, `backup-manifest-mismatch`, and what an
            incremental backup without *priors* is: `format-unsupported`.
    """
    backups = [*(prior.backup.without_wal() for prior in priors), backup]
    count = _Count(sum(item.bytes for item in backups), progress)
    for number, prior in enumerate(backups[:-1]):
        _unpack(prior, store, workspace, make_part(workspace, number), deadline, count.add)
    part = make_part(workspace, len(priors)) if priors else None
    label, manifest, extracted = _unpack(backup, store, workspace, part, deadline, count.add)
    if not priors and (backup.incremental or label.incremental_from is not None):
        raise _lonely(backup.place)
    return Copy(
        label=label,
        major=major_of(part or workspace.data_dir),
        bytes=extracted.bytes,
        proven=manifest is not None,
        stop_lsn=None if manifest is None else manifest.stop_lsn,
        has_own_wal=f"pg_wal/{label.segment}" in extracted.files,
        links_left_out=tuple(extracted.links_left_out),
        chain=tuple(prior.name for prior in priors),
    )


def _unpack(
    backup: BaseBackup,
    store: Store,
    workspace: Workspace,
    part: Path | None,
    deadline: Deadline,
    progress: Callable[[int], None],
) -> tuple[BackupLabel, Manifest | None, Extracted]:
    manifest = None
    if backup.manifest is not None:
        text = read_small(store.source(backup.manifest), LARGEST_MANIFEST_BYTES)
        manifest = parse_manifest(text, backup.manifest.uri)
    extracted = extract(backup, store, DataFolder(workspace, manifest, part), deadline, progress)
    if LABEL not in extracted.files:
        raise missing(backup.place)
    label = parse_label(_text_of(part or workspace.data_dir), backup.place)
    if manifest is not None:
        compare(manifest, extracted.files, backup.place)
    return label, manifest, extracted


def _lonely(place: str) -> PermanentError:
    return PermanentError(
        "This is an incremental backup, and its first bytes do not say what it builds on: backup_label is not"
        " the first file of its tar. Nothing is said about the backup.",
        where=place,
        hint="Store the tars as pg_basebackup writes them, or what pg_combinebackup makes of the chain.",
        rule="format-unsupported",
    )


def window_base(copy: Copy, name: str) -> WindowBase:
    """Return what a window of the archive begins with for this copy."""
    label = copy.label
    stop_lsn = copy.stop_lsn or label.start_lsn + 1
    return WindowBase(name, label.timeline, label.start_lsn, stop_lsn, None, copy.has_own_wal)


def take_over(sandbox: Sandbox) -> Adopted:
    """Take over the adopted copy: its control file is read, its settings are taken away.

    Raises:
        PermanentError: `control-file-corrupt`, `architecture-differs`.
    """
    control = read_control(sandbox)
    findings = restore_command_findings(sandbox.workspace.data_dir)
    return Adopted(sandbox, control, Locales(sandbox.workspace), neutralise(sandbox), findings)


def bring_up(
    copy: Copy,
    adopted: Adopted,
    target: RecoveryTarget,
    deadline: Deadline,
    reached: Reach | None = None,
) -> BroughtUp:
    """Recover the copy, read its pages, and start it behind the whole wall.

    Args:
        copy: what was brought.
        adopted: the same, neutralised.
        target: how far recovery is to go.
        deadline: of all of it.
        reached: the archive of WAL; None for a backup that brings its own.

    Raises:
        PermanentError: as `recover`; `page-checksum-failed`, `icu-unsupported`, `locale-unavailable`.
    """
    sandbox, control, locales = adopted.sandbox, adopted.control, adopted.locales
    answers = None
    if reached is None:
        recovered = recover(sandbox, control, copy.label, target, locales, deadline)
    else:
        recovered, answers = recover_through(reached, sandbox, control, copy.label, target, locales, deadline)
    wrong = check_pages(sandbox, deadline) if control.checksum_version else WrongPages(0)
    settings = settings_of(sandbox, control, {"max_prepared_transactions": str(recovered.prepared)})
    make_superuser(sandbox, settings, locales, deadline)
    serve(sandbox, settings, locales, deadline)
    facts = look(sandbox, locales)
    if wrong.count:
        raise wrong_pages(wrong, _names_of_files(sandbox, facts, locales))
    neutralised = (*adopted.neutralised, *facts.neutralised)
    findings = (*settings_finding(neutralised), *adopted.findings, *recovered.findings, *facts.findings)
    return BroughtUp(adopted, recovered, facts, neutralised, findings, answers)


def _names_of_files(sandbox: Sandbox, facts: CopyFacts, locales: Locales) -> dict[str, str]:
    names: dict[str, str] = {}
    for database in facts.databases:
        with open_database(sandbox, database, locales) as session:
            names |= {path: f"{database}:{name}" for path, name in files_of(session).items()}
    return names


def _text_of(data_dir: Path) -> str:
    try:
        return read_regular(data_dir / LABEL, LARGEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


class _Count:
    """The progress of all of a backup's parts as one."""

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self._total, self._progress, self._done = total, progress, 0

    def add(self, piece_bytes: int) -> None:
        """Tell how much came by."""
        self._done += piece_bytes
        self._progress(self._done, self._total)
