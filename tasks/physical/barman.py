"""Which files of a Barman backup fill which folder: barman-cloud's tars, or the folders of a Barman server.

Decided by names and by backup.info, so that nothing is read for it. barman-cloud cuts a long tar into parts,
`data.tar`, `data_0001.tar`, ...; a server keeps files, a tablespace's beside the data folder, or what
pg_basebackup wrote as tars.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from tasks.catalog.compression import SUFFIXES
from tasks.model.backup import StoredObject
from tasks.model.errors import PermanentError
from tasks.physical.barman_info import BackupInfo
from tasks.physical.layout import BaseBackup, Form, StoredTar, recognise

_TAR = re.compile(
    r"(?P<stem>data|[1-9]\d{0,9})(?:_(?P<part>\d{4,6}))?\.tar(?P<suffix>(?:\.[a-z0-9]{1,8}){0,2})"
)
_SPACE = re.compile(r"(?:data/pg_tblspc/)?(?P<oid>[1-9]\d{0,9})/(?P<rest>.+)")
_LINK = re.compile(r"data/pg_tblspc/[1-9]\d{0,9}")
_DATA = "data/"
_BASE = "data"


def parts_of(
    objects: Mapping[str, StoredObject], folders: Collection[str], info: BackupInfo, where: str
) -> BaseBackup:
    """Return the parts of the backup whose folder holds *objects*, by their names below it.

    Args:
        objects: what is stored below it.
        folders: the names of the folders in it, which may be empty.
        info: Barman's record of it.
        where: its URI, for messages.

    Raises:
        PermanentError: `not-a-backup`, `tablespace-missing`, `archive-truncated`, `format-unsupported`.
    """
    tars = {match: objects[match.string] for match in map(_TAR.fullmatch, objects) if match}
    if tars:
        _require_spaces({match["stem"] for match in tars}, info, where)
        return _of_tars(tars, where)
    backup = _of_folders(objects, where)
    _require_spaces({*folders, *backup.tablespaces}, info, where)
    return replace(backup, spaces=info.spaces if backup.form is Form.PLAIN else ())


def _of_tars(tars: Mapping[re.Match[str], StoredObject], where: str) -> BaseBackup:
    """Return barman-cloud's: each tar with the folder that it fills, parts in their order."""
    stems: dict[str, dict[int, StoredTar]] = {_BASE: {}}
    for match, stored in tars.items():
        tar = StoredTar(stored, _wrapper(match["suffix"], stored.uri))
        stems.setdefault(match["stem"], {})[int(match["part"] or 0)] = tar
    for stem, parts in stems.items():
        missing = next((number for number in range(max(parts, default=0) + 1) if number not in parts), None)
        if missing is not None:
            raise _part_missing(stem, missing, where)
    base = stems.pop(_BASE)
    further = [("", base[number]) for number in sorted(base) if number]
    for oid, parts in sorted(stems.items()):
        further += [(f"pg_tblspc/{oid}", parts[number]) for number in sorted(parts)]
    return BaseBackup(Form.TAR, base[0], further=tuple(further))


def _of_folders(objects: Mapping[str, StoredObject], where: str) -> BaseBackup:
    """Return a Barman server's: files, or the tars of pg_basebackup in their folder."""
    backup = recognise(dict(_named(objects)))
    if backup is None:
        raise PermanentError(
            "The folder holds no backup of Barman: neither a data.tar nor a data folder.",
            where,
            "Is backup.at the folder that holds the server's, and backup.server its name in Barman?",
            rule="not-a-backup",
        )
    return backup


def _named(objects: Mapping[str, StoredObject]) -> Iterator[tuple[str, StoredObject]]:
    """Yield the files by their names in the data folder.

    A tablespace's may be listed through its link, or the link itself, where the folder was moved since.
    """
    for name, stored in objects.items():
        space = _SPACE.fullmatch(name)
        if space is not None:
            yield f"pg_tblspc/{space['oid']}/{space['rest']}", stored
        elif name.startswith(_DATA) and not _LINK.fullmatch(name):
            yield name.removeprefix(_DATA), stored


def _wrapper(suffix: str, uri: str) -> str | None:
    if not suffix:
        return None
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    raise PermanentError(
        f"The backup lies there as {suffix.removeprefix('.')}, which is not read here. Nothing is said about "
        "the backup.",
        uri,
        f"Take backups plain or as {', '.join(SUFFIXES)}.",
        rule="format-unsupported",
    )


def _require_spaces(there: Collection[str], info: BackupInfo, where: str) -> None:
    """Hold the tablespaces that Barman's record names against those that lie there."""
    for oid in info.spaces:
        if oid not in there:
            raise PermanentError(
                f"The backup has a tablespace {oid}, and neither its tar nor its folder is there. The tables "
                "in it cannot come back.",
                where,
                rule="tablespace-missing",
            )


def _part_missing(stem: str, number: int, where: str) -> PermanentError:
    name = f"{stem}_{number:04d}.tar" if number else f"{stem}.tar"
    return PermanentError(
        f"The backup was cut into several tars, and {name} is not there while later ones are. What it held "
        "is lost.",
        where,
        rule="archive-truncated",
    )
