"""What a listing holds of a base backup: pg_basebackup's tars, or a plain data folder.

Decided by names alone, so that nothing is read for it: the archive of the data folder, one per tablespace,
one of the WAL, the manifest; or the files of a data folder, known by its control file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tasks.catalog.compression import SUFFIXES
from tasks.model.backup import StoredObject

CONTROL_FILE = "global/pg_control"
MANIFEST = "backup_manifest"
LABEL = "backup_label"
_TAR = re.compile(r"(?P<stem>base|pg_wal|[1-9]\d{0,9})\.tar(?P<suffix>\.gz|\.zst|\.lz4|\.bz2|\.xz)?")
_INCREMENTAL = re.compile(r"(^|/)INCREMENTAL\.\d+(\.\d+)?$")


class Form(StrEnum):
    """How a base backup is stored."""

    TAR = "tar"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class StoredTar:
    """One tar of a base backup.

    Attributes:
        object: as it is stored.
        wrapper: its compression by its name, one that `unwrap` knows; None where it has none.
        rooted: its names may begin with a slash, which means the data folder.
    """

    object: StoredObject
    wrapper: str | None
    rooted: bool = False


@dataclass(frozen=True, slots=True)
class BaseBackup:
    """The parts of one base backup.

    Attributes:
        base: the data folder's tar; None in a plain one.
        tablespaces: their tars, by OID.
        wal: the tar of the WAL that `-X stream` puts beside the base.
        manifest: None for one that was made without.
        files: a plain data folder's, by their names in it.
        incremental: names alone show that it holds changes only; a tar's do not.
        further: tars that pg_basebackup does not write, with the folder that each fills.
        spaces: OIDs of tablespaces that are there even where they hold no file.
    """

    form: Form
    base: StoredTar | None = None
    tablespaces: Mapping[str, StoredTar] = field(default_factory=dict)
    wal: StoredTar | None = None
    manifest: StoredObject | None = None
    files: Mapping[str, StoredObject] = field(default_factory=dict)
    incremental: bool = False
    further: tuple[tuple[str, StoredTar], ...] = ()
    spaces: tuple[str, ...] = ()

    @property
    def tars(self) -> tuple[tuple[str, StoredTar], ...]:
        """The tars with the folder that each fills, in the data folder; the base first."""
        places = [("", self.base), *((f"pg_tblspc/{oid}", tar) for oid, tar in self.tablespaces.items())]
        known = ((place, tar) for place, tar in [*places, ("pg_wal", self.wal)] if tar is not None)
        return (*known, *self.further)

    @property
    def bytes(self) -> int:
        """What of it is stored."""
        objects = (*(tar.object for _, tar in self.tars), *self.files.values())
        return sum(obj.bytes for obj in objects)

    @property
    def place(self) -> str:
        """Where it is stored: its folder."""
        if self.base is not None:
            return self.base.object.uri.rpartition("/")[0]
        return self.files[CONTROL_FILE].uri.removesuffix(f"/{CONTROL_FILE}")

    def without_wal(self) -> BaseBackup:
        """Return the same without its WAL: of a chain, only the last backup's counts."""
        files = {name: obj for name, obj in self.files.items() if not name.startswith("pg_wal/")}
        return replace(self, wal=None, files=files)


def recognise(objects: Mapping[str, StoredObject]) -> BaseBackup | None:
    """Return the base backup that a folder holds, or None where it holds none.

    Args:
        objects: what is stored in it, by the names below it, `/` between parts.
    """
    if CONTROL_FILE in objects:
        return BaseBackup(
            form=Form.PLAIN,
            manifest=objects.get(MANIFEST),
            files={name: obj for name, obj in objects.items() if name != MANIFEST},
            incremental=any(map(_INCREMENTAL.search, objects)),
        )
    tars = {match["stem"]: _stored(objects[match.string], match) for match in map(_match, objects) if match}
    base = tars.pop("base", None)
    if base is None:
        return None
    wal = tars.pop("pg_wal", None)
    return BaseBackup(Form.TAR, base, dict(sorted(tars.items())), wal, objects.get(MANIFEST))


def _match(name: str) -> re.Match[str] | None:
    return _TAR.fullmatch(name)


def _stored(obj: StoredObject, match: re.Match[str]) -> StoredTar:
    return StoredTar(obj, SUFFIXES[match["suffix"]] if match["suffix"] else None)
