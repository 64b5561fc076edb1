"""The repositories of pgBackRest: its catalogue, its restores, its WAL, each by the tool itself.

Decided here: what can be known without the tool (an encrypted repository without a passphrase, a backup whose
prior is gone) is said before the tool is asked, which tries for long and says little. Absence of WAL is
believed to the tool only where a listing shows it too.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import datetime

from tasks.discovery.catalogued import from_catalogue
from tasks.model.backup import Discovery, Format
from tasks.model.base_point import BasePoint
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError
from tasks.model.findings import Finding, FindingClass, Severity
from tasks.model.rules import RULES, finding
from tasks.model.sandbox import Workspace
from tasks.model.target import PgBackRestBackup, Selection, Target
from tasks.physical.bring_up import Copy
from tasks.physical.pgbackrest.access import Access, access_to, options_by_hand, verification
from tasks.physical.pgbackrest.catalogue import StanzaPoint, read_catalogue
from tasks.physical.pgbackrest.failures import chain_broken
from tasks.physical.pgbackrest.program import Program, find_program, require_knows
from tasks.physical.pgbackrest.restoring import restore
from tasks.physical.pgbackrest.run import temporary_workspace
from tasks.physical.pgbackrest.wal import Tool as WalTool
from tasks.physical.pgbackrest.wal import ToolWal
from tasks.physical.target import RecoveryTarget
from tasks.recovery.repository import Tool, start_commands
from tasks.stores import Store, open_store
from tasks.stores.uris import normalised
from tasks.wal.archive import list_wal
from tasks.wal.listed import ListedWal

_ASK_S = 300.0
"""How long the tool may take to tell what there is."""
_ENCRYPTED = b"Salted__"
_LOUDLY = "[ $code -le 1 ] || code=255; exit $code"
"""PostgreSQL takes every other error for the end of the WAL."""
_GONE = frozenset({"object-gone", "path-missing"})
_INFO_FILES = ("backup.info", "backup.info.copy")


class PgBackRestRepository:
    """See `tasks.recovery.repository.Repository`."""

    format = Format.PGBACKREST
    proof = "manifest"

    def reach(self, target: Target, *, stranger: bool = False) -> Store:
        """Open the store of the repository."""
        return _store(target, stranger=stranger)

    def points(
        self, target: Target, store: Store, now: datetime, selection: Selection
    ) -> Discovery[BasePoint]:
        """Ask the tool for its catalogue and choose."""
        return from_catalogue(_catalogue(target, store), target, store, now, selection)

    def look_closer(self, point: BasePoint, store: Store, target: Target) -> BasePoint:  # noqa: ARG002
        """Return *point* itself: the tool's catalogue told all of it."""
        return point

    def preflight(self, point: BasePoint, store: Store, target: Target) -> tuple[Finding, ...]:
        """Refuse what the tool would refuse late: another major, a prior that is gone."""
        require_knows(_program(target), point.major)
        backup = target.backup_as(PgBackRestBackup)
        place = f"{normalised(backup.at)}/backup/{backup.stanza}/"
        present = {folder.rstrip("/").rpartition("/")[2] for folder in store.folders(place)}
        for label in (*point.chain, point.label):
            if label not in present:
                raise chain_broken(point.label, label, point.uri)
        return _doubts(point)

    def bring(
        self,
        point: BasePoint,
        store: Store,  # noqa: ARG002  the tool reads for itself
        target: Target,
        workspace: Workspace,
        deadline: Deadline,
        progress: Callable[[int, int], None],
    ) -> Copy:
        """Let the tool restore it."""
        program = _program(target)
        copy = restore(program, _access(target, program), point, workspace, deadline)
        progress(point.bytes, point.bytes)
        return copy

    def wal_place(self, point: BasePoint, target: Target) -> str | None:
        """Return the folder of the WAL of *point*'s cluster, as the repository names it."""
        backup = target.backup_as(PgBackRestBackup)
        return f"{normalised(backup.at)}/archive/{backup.stanza}/{_of_stanza(point).archive}"

    def wal(
        self,
        place: str,
        target: Target,
        segment_bytes: int,
        deadline: Deadline,
        workspace: Workspace | None = None,
    ) -> ListedWal:
        """List the WAL, to be had through the tool.

        Raises:
            PermanentError: `wal-denied`: base backups are read and their WAL is not.
        """
        program, store = _program(target), _store(target)
        tool = WalTool(program, _access(target, program), target.backup_as(PgBackRestBackup).stanza)
        try:
            listing = list_wal(store, place)
        except DrillError as error:
            raise _denied(error, place) from error
        return ListedWal(ToolWal(tool, store, place, listing, segment_bytes, deadline, workspace), listing)

    def commands(self, point: BasePoint, target: Target, aim: RecoveryTarget) -> tuple[str, ...]:
        """Return what a person would type."""
        tool = shlex.join(("pgbackrest", *options_by_hand(target.backup_as(PgBackRestBackup), target.store)))
        get = f"{tool} --pg1-path=DATA archive-get %f %p; code=$?; {_LOUDLY}"
        return (
            f"{tool} --pg1-path=DATA --tablespace-map-all=SPACES --set={point.label} --type=none restore",
            *start_commands(aim, get),
        )

    def tool(self, point: BasePoint, target: Target) -> Tool:  # noqa: ARG002  one for all of them
        """Return the tool of this worker."""
        return Tool("pgbackrest", _program(target).release)


def _catalogue(target: Target, store: Store) -> tuple[BasePoint, ...]:
    backup = target.backup_as(PgBackRestBackup)
    program = _program(target)
    _require_passphrase(backup, store)
    access, deadline = _access(target, program), Deadline.within(_ASK_S)
    with temporary_workspace() as workspace:
        return read_catalogue(program, access, workspace, normalised(backup.at), backup.stanza, deadline)


def _doubts(point: BasePoint) -> tuple[Finding, ...]:
    """Return what pgBackRest itself said of the backup's pages when it made it."""
    if not _of_stanza(point).faulty:
        return ()
    return (
        finding(
            "page-checksum-failed",
            "pgBackRest met pages with wrong checksums while it made this backup, and says so in its "
            "catalogue. Whether WAL makes them whole is seen after the recovery.",
            where=point.uri,
            severity=Severity.WARNING,
        ),
    )


def _of_stanza(point: BasePoint) -> StanzaPoint:
    """Return *point* as what this repository found.

    Raises:
        PermanentError: `drill-crashed`: it is another kind's.
    """
    if isinstance(point, StanzaPoint):
        return point
    raise PermanentError("pgBackRest's code was given another kind's point", point.uri, rule="drill-crashed")


def _program(target: Target) -> Program:
    return find_program(target.backup_as(PgBackRestBackup).tool)


def _access(target: Target, program: Program) -> Access:
    return access_to(target.backup_as(PgBackRestBackup), target.store, program)


def _store(target: Target, *, stranger: bool = False) -> Store:
    backup = target.backup_as(PgBackRestBackup)
    return open_store(target.store, f"{backup.at}/*", stranger=stranger, verify=verification(backup))


def _require_passphrase(backup: PgBackRestBackup, store: Store) -> None:
    """Say that a repository is encrypted, or is not, before the tool calls both a damaged file.

    Raises:
        PermanentError: `cipher-missing`, `cipher-wrong`; as `_head`.
    """
    head = _head(backup, store)
    if head is None:
        return
    if head == _ENCRYPTED and backup.cipher is None:
        raise PermanentError(
            "The repository is encrypted, and no passphrase is configured: in a disaster nobody opens it.",
            backup.at,
            rule="cipher-missing",
        )
    if head != _ENCRYPTED and head.startswith(b"[") and backup.cipher is not None:
        raise PermanentError(
            "The repository is not encrypted, and a passphrase is configured: pgBackRest configured so "
            "reads nothing of it.",
            backup.at,
            "Remove `backup.cipher`, or find out why the repository is not encrypted any more.",
            rule="cipher-wrong",
        )


def _head(backup: PgBackRestBackup, store: Store) -> bytes | None:
    """Return how the catalogue begins; None where it is not there: the tool says what that means.

    Raises:
        DrillError: it may not be read, or the store cannot be reached.
    """
    for name in _INFO_FILES:
        try:
            stored = store.head(f"{normalised(backup.at)}/backup/{backup.stanza}/{name}")
            return store.source(stored).read(0, len(_ENCRYPTED))
        except DrillError as error:
            if error.rule not in _GONE:
                raise
    return None


def _denied(error: DrillError, place: str) -> DrillError:
    """Return *error* as what it means where base backups could be read."""
    if RULES[error.rule].klass is not FindingClass.PATH:
        return error
    return PermanentError(
        f"The base backup was read, and its WAL cannot be listed: {error.what} The database comes back as of "
        "the backup at most.",
        place,
        rule="wal-denied",
    )
