"""Physical backups as `init` finds them: base backups with their WAL, and other tools' repositories.

`RECOGNISERS` is where a tool's own recogniser plugs in: it is given the folder of a repository and returns
entries for the fleet file. A repository without one is named, and left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from os.path import commonpath

from deployments.exploring import Explored, Sorted
from deployments.fleet_text import DraftDatabase
from deployments.layouts import Family, families, name_in, round_up_rpo_s
from deployments.stanzas import stanzas
from tasks.catalog.physical import TOOLS
from tasks.model.backup import Format, StoredObject
from tasks.model.errors import DrillError
from tasks.model.printable import printable
from tasks.model.units import format_duration
from tasks.physical.layout import BaseBackup, recognise
from tasks.stores.base import Store

_DAY_S = 86400.0
_SAY_NOTHING = frozenset({"base", "full", "basebackup", "physical", "repository", "repo"})
_BARMAN_ID = re.compile(r"/(?:base|meta)/(\d{8}T\d{6})[/-]")
_WALG_SENTINEL = "_backup_stop_sentinel.json"
_WHICH_DATABASE = "# databases: all   # where the cluster has several; or database: NAME for one of them"
_JUDGED_BY_WAL = "judged by the WAL: write what was promised"
_INSIDE = 20_000  # files of one data folder; more are not read for a first look


@dataclass(frozen=True)
class Recognised:
    """What one look at repositories gave.

    Attributes:
        drafts: entries for the fleet file.
        left: what was not understood, one line each with its reason.
    """

    drafts: tuple[DraftDatabase, ...] = ()
    left: tuple[str, ...] = ()


Recogniser = Callable[[Store, str, Explored], Recognised]
"""Takes the store, the folder of a repository and what was seen; raises `DrillError` where it cannot read."""


def barman(store: Store, folder: str, explored: Explored) -> Recognised:  # noqa: ARG001  names tell
    """Return the entry of the server of Barman whose folder this is."""
    above, _, server = folder.rstrip("/").rpartition("/")
    if above.endswith("/"):
        return Recognised(left=(f"{folder}: a repository of Barman without a folder of the server's own",))
    taken = {
        match[1] for uri in explored.objects if uri.startswith(folder) and (match := _BARMAN_ID.search(uri))
    }
    about = f"Barman, {len(taken)} seen"
    return Recognised((_of_cluster(server, f"{above}/", "barman", (("server", server),), about),))


def walg(store: Store, folder: str, explored: Explored) -> Recognised:  # noqa: ARG001  names tell
    """Return the entry of the prefix of WAL-G."""
    seen = sum(uri.startswith(folder) and uri.endswith(_WALG_SENTINEL) for uri in explored.objects)
    about = f"WAL-G, {seen} seen, the layout by its source alone"
    return Recognised((_of_cluster(name_in(folder), folder, "walg", (), about),))


RECOGNISERS: Mapping[Format, Recogniser] = {
    Format.PGBACKREST: lambda store, folder, _: Recognised(stanzas(store, folder)),
    Format.BARMAN: barman,
    Format.WALG: walg,
}
"""By the tool's layout; a further one is a further line."""


def repositories(store: Store, names: Sorted, explored: Explored) -> Recognised:
    """Return the entries of all physical backups that a look round showed."""
    recognised = [base_backups(store, names, explored)]
    for folder, layout in names.repositories.items():
        try:
            recognised.append(_of_tool(store, folder, layout, explored))
        except DrillError as error:
            recognised.append(Recognised(left=(f"{folder}: a repository of {TOOLS[layout]}: {error.what}",)))
    drafts = [draft for part in recognised for draft in part.drafts]
    return Recognised(tuple(drafts), tuple(line for part in recognised for line in part.left))


def base_backups(store: Store, names: Sorted, explored: Explored) -> Recognised:
    """Return the entries of what pg_basebackup wrote, each with the archive of WAL that lies nearest."""
    bases = families(names.bases)
    archives = _nearest(bases, names.wal)
    drafts: list[DraftDatabase] = []
    left: list[str] = []
    for family in bases:
        left += [f"{uri}: a base backup whose folder names no time that is one" for uri in family.astray]
        drafts.append(_draft(store, family, archives.get(family.at, ""), explored))
    left += [
        f"{folder}: an archive of WAL, and whose it is could not be told; name it as backup.wal"
        for folder in sorted(names.wal)
        if folder not in archives.values()
    ]
    return Recognised(tuple(drafts), tuple(left))


def _of_tool(store: Store, folder: str, layout: Format, explored: Explored) -> Recognised:
    recogniser = RECOGNISERS.get(layout)
    if recogniser is not None:
        return recogniser(store, folder, explored)
    if layout is Format.BASEBACKUP:
        return Recognised(
            left=(f"{folder}: parts of a base backup, and neither base.tar nor global/pg_control",)
        )
    return Recognised(left=(f"{folder}: a repository of {TOOLS[layout]}; write its entry by hand",))


def _of_cluster(
    name: str, at: str, kind: str, keys: tuple[tuple[str, str], ...], about: str
) -> DraftDatabase:
    """Return the entry of a tool's repository: its catalogue tells times, its WAL the RPO."""
    return DraftDatabase(
        name=_as_name(name),
        at=at,
        kind=kind,
        keys=keys,
        notes=(_WHICH_DATABASE,),
        rpo_note=_JUDGED_BY_WAL,
        window_s=30 * _DAY_S,
        about=about,
    )


def _nearest(bases: Iterable[Family], archives: Iterable[str]) -> dict[str, str]:
    """Return the archive that lies nearest to each family, where one does and no other family is as near."""
    nearest: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for family in bases:
        shared = {folder: len(_shared(family.at, folder)) for folder in archives}
        best = [folder for folder, length in shared.items() if length == max(shared.values())]
        if len(best) == 1:
            nearest[best[0]].append((shared[best[0]], family.at))
    nearest_of: dict[str, str] = {}
    for folder, names in nearest.items():
        closest = [at for length, at in names if length == max(names)[0]]
        if len(closest) == 1:
            nearest_of[closest[0]] = folder
    return nearest_of


def _shared(one: str, other: str) -> str:
    return commonpath([one.partition("://")[2], other.partition("://")[2]])


def _draft(store: Store, family: Family, wal: str, explored: Explored) -> DraftDatabase:
    try:
        backup, trouble = _opened(store, family.newest), ""
    except DrillError as error:
        backup, trouble = None, error.what
    notes = [_WHICH_DATABASE]
    if backup is not None and not wal and not _brings_wal(backup):
        notes.append("# wal: it brings none, and none was found: name the folder of its archive")
    return DraftDatabase(
        name=_name(family),
        at=family.at,
        kind="basebackup",
        keys=(("wal", wal),) if wal else (),
        notes=tuple(notes),
        rpo_s=round_up_rpo_s(family.cadence_s) if family.cadence_s and not wal else None,
        rpo_note=_JUDGED_BY_WAL if wal else "",
        window_s=max(30 * _DAY_S, 3 * family.cadence_s) if family.cadence_s else 30 * _DAY_S,
        about=", ".join(_about(family, backup, wal)),
        newest_at=family.times[-1] if family.times else explored.modified_at(family.newest),
        trouble=trouble,
    )


def _opened(store: Store, folder: str) -> BaseBackup | None:
    """Return what the base backup in *folder* is made of; nothing of it is read but names."""
    members: dict[str, StoredObject] = {}
    for obj in store.list(folder, limit=_INSIDE):
        members[obj.uri.removeprefix(folder)] = obj
    return recognise(members)


def _brings_wal(backup: BaseBackup) -> bool:
    return backup.wal is not None or any(re.fullmatch(r"pg_wal/[0-9A-F]{24}", name) for name in backup.files)


def _about(family: Family, backup: BaseBackup | None, wal: str) -> Iterator[str]:
    form = "" if backup is None else f" ({backup.form.value})"
    yield f"pg_basebackup{form}"
    if backup is not None and backup.incremental:
        yield "incremental"
    if backup is not None and backup.manifest is None:
        yield "without a manifest"
    yield f"{len(family.keys)} seen"
    if family.cadence_s:
        yield f"one every {format_duration(family.cadence_s)}"
    elif not family.times:
        yield "no time in the name: the time of upload counts"
    yield "with an archive of WAL" if wal else "without an archive of WAL"


def _name(family: Family) -> str:
    """Return the word of the pattern that tells the cluster, as a fleet file takes it."""
    telling_part = "/".join(part for part in family.at.split("/") if not _says_nothing(part))
    return _as_name(name_in(telling_part))


def _as_name(word: str) -> str:
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip("._-")[:63].strip("._-")
    return printable(words) or "cluster"


def _says_nothing(folder: str) -> bool:
    """Return whether *folder* is called what such folders are called everywhere."""
    return re.sub(r"[-_]", "", folder.lower()).removesuffix("s") in _SAY_NOTHING
