"""Self test of physical kinds: the user's repository with one file of it changed or gone, each a whole drill.

Decided here: the repository is served as it is, through a store of ours in which one file is another; so the
damage costs the copy of one file, in a bucket too, and nothing is written to it. Where a tool of its own
reads the repository, no such store stands between them: in a folder it gets a tree of hard links in which
that one file is another, of a bucket those mutants are not applicable.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tasks.model.backup import Format, StoredObject
from tasks.model.base_point import BasePoint
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.overlaid import overlaid
from tasks.model.selftest import Fate, Judged
from tasks.model.target import PgBackRestBackup, Target
from tasks.mutants.damage import Void
from tasks.mutants.repository_damage import Harmed, changes_of, file_harms, folder_harms, tar_harms
from tasks.mutants.wal_damage import wal_harms
from tasks.physical.layout import MANIFEST, BaseBackup, recognise
from tasks.recovery.kinds import recovery_of
from tasks.recovery.physical import PhysicalRecovery
from tasks.recovery.repository import Repository
from tasks.selftest.bench import Bench, PlannedBackup, denied
from tasks.stores.uris import is_s3, local_path, normalised
from tasks.wal.names import DEFAULT_SEGMENT_BYTES

_DATA = re.compile(r"/(?:pg_data|bundle)/")
"""What a backup is made of; beside it lie a manifest and its copy, each of which stands for the other."""
_READ_BY_TOOLS = frozenset({Format.PGBACKREST})


def plan_repository(bench: Bench, now: datetime) -> tuple[list[PlannedBackup], list[Judged]]:
    """Return what can be done to the repository, what matters most first, and what cannot, with the reason.

    Raises:
        DrillError: the WAL cannot be listed any more.
    """
    planned: list[PlannedBackup] = []
    impossible: list[Judged] = []
    for harmed in _harms(bench, now):
        if harmed.harm is None:
            impossible.append(Judged(harmed.mutant, Fate.NOT_APPLICABLE, why=harmed.reason))
        else:
            planned.append(PlannedBackup(harmed.mutant, harm=harmed.harm))
    stranger = denied(bench)
    if isinstance(stranger, Judged):
        impossible.append(stranger)
    else:
        planned.append(stranger)
    return planned, impossible


def serve_repository(bench: Bench, planned: PlannedBackup) -> Target | Judged:
    """Return the user's target, whose store has the one file harmed; or why there is nothing to harm."""
    own = bench.drill.target
    shutil.rmtree(bench.folder, ignore_errors=True)
    bench.folder.mkdir(parents=True)
    changes: dict[str, Path | None] = {}
    if planned.harm is not None:
        store = recovery_of(own).reach(own)
        try:
            changes = changes_of(store, planned.harm, bench.folder, Deadline.within(bench.limit_s))
        except Void as void:
            return Judged(planned.mutant, Fate.NOT_APPLICABLE, why=str(void))
    if _is_read_by_tool(_repository_of(own)):
        return mirrored(bench, changes)
    return own.model_copy(update={"store": overlaid(own.store, bench.folder, changes), **bench.apart})


def mirrored(bench: Bench, changes: Mapping[str, Path | None]) -> Target:
    """Return the user's target on a tree of hard links, with *changes* to it; the files stay his."""
    own = bench.drill.target
    backup = own.backup_as(PgBackRestBackup)
    root, mirror = local_path(normalised(backup.at)), bench.folder / "repository"
    shutil.copytree(root, mirror, symlinks=True, copy_function=_link)
    for folder, _, _ in os.walk(root):
        copy, state = mirror / Path(folder).relative_to(root), Path(folder).stat()
        if os.geteuid() == 0:
            os.chown(copy, state.st_uid, state.st_gid)
    for uri, path in changes.items():
        place = mirror / local_path(uri).relative_to(root)
        state = place.stat()
        place.unlink()
        if path is not None:
            shutil.move(path, place)
            place.chmod(state.st_mode)
            if os.geteuid() == 0:
                os.chown(place, state.st_uid, state.st_gid)
    return own.model_copy(update={"backup": backup.model_copy(update={"at": str(mirror)}), **bench.apart})


def _link(source: str, to: str) -> None:
    try:
        os.link(source, to, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, to)


def _is_read_by_tool(repository: Repository) -> bool:
    return repository.format in _READ_BY_TOOLS


def _harms(bench: Bench, now: datetime) -> Iterator[Harmed]:
    """Yield the damages to WAL and base in turn, so that the first few are of both."""
    repository = _repository_of(bench.drill.target)
    point = bench.drill.chosen_point
    if not isinstance(point, BasePoint):
        raise PermanentError("the backup is no base backup", rule="drill-crashed")
    by_tool = _is_read_by_tool(repository)
    if by_tool and is_s3(bench.drill.target.backup.place):
        yield from file_harms(())
        return
    first = list(_wal_harms(bench, repository, point, now))
    second = list(_stored_harms(bench, point) if by_tool else _base_harms(bench, repository, point))
    for at in range(max(len(first), len(second))):
        yield from first[at : at + 1]
        yield from second[at : at + 1]


def _wal_harms(bench: Bench, repository: Repository, point: BasePoint, now: datetime) -> Iterator[Harmed]:
    target, size = bench.drill.target, point.segment_bytes or DEFAULT_SEGMENT_BYTES
    place = repository.wal_place(point, target)
    replayed = (bench.drill.completed_restore.recovery or {}).get("wal")
    if place is None or not replayed:
        return wal_harms({}, None, None, size, now)
    listing = repository.wal(place, target, size, Deadline.within(bench.limit_s)).listing
    as_stored = _is_read_by_tool(repository)
    return wal_harms(listing, replayed["first"], replayed["last"], size, now, as_stored=as_stored)


def _stored_harms(bench: Bench, point: BasePoint) -> Iterator[Harmed]:
    """Return the damages to what lies below a base backup's folder, whatever its tool made of it."""
    target = bench.drill.target
    stored = recovery_of(target).reach(target).list(point.uri.rstrip("/") + "/")
    return file_harms([obj for obj in stored if _DATA.search(obj.uri)])


def _base_harms(bench: Bench, repository: Repository, point: BasePoint) -> Iterator[Harmed]:
    members = {member.uri.removeprefix(point.uri): member for member in point.members}
    backup = recognise(members)
    if backup is None:
        return file_harms(point.members)
    other = _beside(backup, members, has_archive=repository.wal_place(point, bench.drill.target) is not None)
    if backup.base is None:
        return folder_harms(backup.files, other)
    return tar_harms(backup.base.object, backup.base.wrapper, other)


def _beside(
    backup: BaseBackup, members: dict[str, StoredObject], *, has_archive: bool
) -> dict[str, StoredObject]:
    """Return what lies beside the data folder and could be lost; of WAL only what no archive has too."""
    found: dict[str, StoredObject] = {}
    if MANIFEST in members:
        found["manifest"] = members[MANIFEST]
    if backup.wal is not None and not has_archive:
        found["wal"] = backup.wal.object
    for space in backup.tablespaces.values():
        found.setdefault("tablespace", space.object)
    return found


def _repository_of(target: Target) -> Repository:
    recovery = recovery_of(target)
    if not isinstance(recovery, PhysicalRecovery):
        raise PermanentError("the backups are of no physical kind", rule="drill-crashed")
    return recovery.repository
