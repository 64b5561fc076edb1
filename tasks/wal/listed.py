"""An archive of WAL with what one listing of it showed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.model.backup import StoredObject
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.findings import FindingClass
from tasks.model.rules import RULES
from tasks.stores.base import Store
from tasks.wal.archive import StoredWal, WalArchive, list_wal


@dataclass(frozen=True, slots=True)
class ListedWal:
    """WAL that can be read, and what of it is there.

    Attributes:
        archive: hands out single files.
        listing: segments and histories by name; when each was stored and how long it is.
    """

    archive: WalArchive
    listing: Mapping[str, StoredObject]


def listed_wal(store: Store, place: str, segment_bytes: int, deadline: Deadline) -> ListedWal:
    """Return the WAL below *place*, read by ourselves.

    Raises:
        DrillError: it cannot be listed; `wal-denied` where nothing but the way to it is in the way.
    """
    try:
        listing = list_wal(store, place)
    except PermanentError as error:
        if RULES[error.rule].klass is not FindingClass.PATH:
            raise
        said = f"{error.what} A database comes back as of its base backup, if that."
        raise PermanentError(said, place, rule="wal-denied") from error
    return ListedWal(StoredWal(store, place, segment_bytes, listing, deadline), listing)
