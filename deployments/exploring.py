"""A first look round a bucket: a few listings, the newest of what is dated, all of what is named."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from deployments.layouts import PARTIAL, SIDECARS, is_dated, template
from tasks.catalog.physical import recognise_layout
from tasks.model.backup import Format, StoredObject
from tasks.stores.base import Store

MAX_LISTINGS = 250
MAX_KEYS = 2000
"""Of one folder without folders in it."""
NEWEST = 5
"""So many folders of one dated kind tell the cadence."""
_BASES = Format.BASEBACKUP
_BASE = re.compile(r"(?P<folder>.*/)(?:base\.tar(?:\.\w+)?|global/pg_control)", re.DOTALL)
_WAL = re.compile(
    r".*/(?:[0-9A-F]{24}|[0-9A-F]{8}\.history|[0-9A-F]{24}\.[0-9A-F]{8}\.backup)(?:\.[a-z0-9]{1,8}){0,3}",
    re.DOTALL,
)
_DATA_FOLDER = ("base/", "global/", "pg_wal/")
_SIBLING = re.compile(r"(?:^|/)(?P<folder>(?:archive|backup|base|wals|meta|(?:wal|basebackups)_005)/)")
_BESIDE = re.compile(r"(?:incoming|streaming|errors)/|identity\.json$")
"""What a Barman server keeps beside its backups."""


@dataclass
class Explored:
    """What a look round a store showed.

    Attributes:
        objects: URI to what the listing said; None where only the name is known.
        directories: folders of directory dumps, with `/` at the end.
        unseen: folders not looked into, because there are too many.
        cut: folders of which only the first keys were read.
    """

    objects: dict[str, StoredObject | None] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    listings: int = 0

    @property
    def bases(self) -> list[str]:
        """The folders that hold a base backup: the tar of a data folder, or a control file."""
        matches = (_BASE.fullmatch(uri) for uri in self.objects)
        return sorted({match["folder"] for match in matches if match})

    @property
    def directories(self) -> list[str]:
        """The folders that hold a directory dump."""
        return sorted(uri.removesuffix("toc.dat") for uri in self.objects if uri.endswith("/toc.dat"))

    def modified_at(self, uri: str) -> datetime | None:
        """Return when *uri* was written, if the listing said it."""
        stored = self.objects.get(uri)
        return stored.modified_at if stored else None


@dataclass
class Sorted:
    """The names of a look round, by what they are.

    Attributes:
        backups: files and folders that may be backups.
        sidecars, partial: what belongs to backups, and what is not finished.
        bases: folders of base backups.
        wal: folders that WAL is archived in.
        repositories: of other tools: folder to the tool's layout.
    """

    backups: list[str] = field(default_factory=list)
    sidecars: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    wal: set[str] = field(default_factory=set)
    repositories: dict[str, Format] = field(default_factory=dict)


def explore(store: Store, uri: str) -> Explored:
    """Look round below the prefix *uri*.

    Raises:
        PermanentError, TransientError: the store cannot be listed.
    """
    explored = Explored()
    _look(store, uri, explored)
    return explored


def sort_names(explored: Explored, root: str) -> Sorted:
    """Return what the names below *root* are."""
    sorted_names = Sorted()
    folders = explored.directories
    left = [uri for uri in explored.objects if not uri.endswith("/") and not _inside(uri, folders)]
    foreign = {folder: layout for folder, layout in _repositories(left, root).items() if layout is not _BASES}
    sorted_names.bases = [folder for folder in explored.bases if not _in_repository(folder, foreign)]
    left = [uri for uri in left if not _inside(uri, sorted_names.bases)]
    sorted_names.repositories = foreign | _repositories(left, root)
    for uri in left:
        if recognise_layout([uri[len(root) :]]) or _in_repository(uri, sorted_names.repositories):
            continue
        if _WAL.fullmatch(uri):
            sorted_names.wal.add(uri.rpartition("/")[0] + "/")
            continue
        lower = uri.lower()
        kind = (
            sorted_names.sidecars
            if lower.endswith(SIDECARS)
            else sorted_names.partial
            if lower.endswith(PARTIAL)
            else sorted_names.backups
        )
        kind.append(uri)
    sorted_names.backups += folders
    return sorted_names


def _look(store: Store, prefix: str, explored: Explored) -> int:
    """Note what lies below *prefix*; return how many folders with keys were looked into."""
    if explored.listings >= MAX_LISTINGS:
        explored.unseen.append(prefix)
        return 0
    explored.listings += 1
    folders = store.folders(prefix)
    if not folders:
        _note(store, prefix, explored)
        return 1
    explored.objects.update(dict.fromkeys(uri for uri in store.files(prefix) if uri not in explored.objects))
    if all(prefix + name in folders for name in _DATA_FOLDER):  # what is in it is not looked into
        explored.objects.update(dict.fromkeys(store.files(f"{prefix}global/")))
        return 1
    return sum(_look_into(store, group, explored) for group in _kinds(folders))


def _look_into(store: Store, folders: list[str], explored: Explored) -> int:
    """Look into folders of one kind, newest first; of dated ones only so many as tell the cadence."""
    folders_seen = 0
    for folder in sorted(folders, reverse=True):
        folders_seen += _look(store, folder, explored)
        if is_dated(folder) and folders_seen >= NEWEST:
            return folders_seen
    return folders_seen


def _kinds(folders: Iterable[str]) -> Iterator[list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        name = folder.rstrip("/").rsplit("/", 1)[-1]
        kind = "%" if name.isdigit() and is_dated(folder) else template(f"x://b/{name}")
        grouped[kind].append(folder)
    yield from grouped.values()


def _note(store: Store, prefix: str, explored: Explored) -> None:
    objects = list(store.list(prefix, limit=MAX_KEYS + 1))
    if len(objects) > MAX_KEYS:
        explored.cut.append(prefix)
    explored.objects.update((obj.uri, obj) for obj in objects[:MAX_KEYS])


def _in_repository(uri: str, repositories: dict[str, Format]) -> bool:
    names = (uri[len(folder) :] for folder in repositories if uri.startswith(folder))
    return any(_SIBLING.match(name) or _BESIDE.match(name) for name in names)


def _inside(uri: str, folders: list[str]) -> bool:
    return any(uri.startswith(folder) for folder in folders)


def _repositories(uris: list[str], root: str) -> dict[str, Format]:
    """Return the folders that hold another tool's repository."""
    layouts: dict[str, Format] = {}
    for uri in uris:
        name = uri[len(root) :]
        layout = recognise_layout([name])
        if layout:
            inner = _SIBLING.search(name)
            end = inner.start("folder") if inner else name.rfind("/") + 1
            if layouts.get(root + name[:end], _BASES) is _BASES:  # a tool's repository may hold base backups
                layouts[root + name[:end]] = layout
    return layouts
