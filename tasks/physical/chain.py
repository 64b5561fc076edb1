"""Incremental backups: which backups one builds on, down to the full one.

Each names the place in the WAL where the one before it begins, and each says where it begins itself: names
and times of folders decide nothing. Read from the first bytes of each, so that a chain that is broken costs
no download.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from tasks.catalog.compression import unwrap
from tasks.catalog.tar import walk
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.physical.backup_label import LARGEST_BYTES, BackupLabel, parse_label
from tasks.physical.extract import Reader, read_pieces, read_small
from tasks.physical.layout import LABEL, BaseBackup
from tasks.stores.base import Store
from tasks.wal.names import format_lsn

_PIECE_BYTES = 64 << 10
_FIRST_MEMBERS = 8
_FIRST_BYTES = 1 << 20
"""pg_basebackup writes backup_label first of all; what lies further behind is not looked for."""
_UNREADABLE = frozenset({"archive-truncated", "archive-corrupt", "archive-hostile", "backup-label-missing"})
_NAMED = 3

Place = tuple[int, int]
"""Where a backup begins: timeline and LSN."""


@dataclass(frozen=True, slots=True)
class NamedBackup:
    """A stored base backup, by the name that people know it by."""

    name: str
    backup: BaseBackup


def chain_of(newest: NamedBackup, others: Iterable[NamedBackup], store: Store) -> tuple[NamedBackup, ...]:
    """Return the backups that *newest* is put together of, the full one first; itself alone where it is full.

    Args:
        newest: what is to be restored.
        others: where to look for those that it builds on; read only as far as needed.
        store: that holds them all.

    Raises:
        PermanentError: `chain-broken`: one of them is not there.
    """
    label = label_of(newest.backup, store)
    chain = [newest]
    search = _Search(others, store)
    while label is not None and (place := prior_place(label)) is not None:
        prior = search.find(place) if place[1] < label.start_lsn else None
        if prior is None:
            raise _broken(chain[-1], place, search)
        chain.append(prior[0])
        label = prior[1]
    return tuple(reversed(chain))


def prior_place(label: BackupLabel) -> Place | None:
    """Return where the backup begins that this one builds on; None for a full one."""
    if label.incremental_from is None:
        return None
    return label.incremental_timeline or label.timeline, label.incremental_from


def label_of(backup: BaseBackup, store: Store) -> BackupLabel | None:
    """Return the backup_label of a stored backup; None where its first bytes hold none that can be read."""
    try:
        text = _text_of(backup, store)
        return None if text is None else parse_label(text.decode("utf-8", "replace"), backup.place)
    except PermanentError as error:
        if error.rule not in _UNREADABLE:
            raise
        return None


class _Search:
    """Looks for backups by where they begin, and remembers those that it came by."""

    def __init__(self, others: Iterable[NamedBackup], store: Store) -> None:
        self._others = iter(others)
        self._store = store
        self._by_place: dict[Place, tuple[NamedBackup, BackupLabel]] = {}
        self.seen = 0
        self.unreadable: list[str] = []

    def find(self, place: Place) -> tuple[NamedBackup, BackupLabel] | None:
        """Return the backup that begins at *place*, with its label."""
        while place not in self._by_place:
            other = next(self._others, None)
            if other is None:
                return None
            self._read(other)
        return self._by_place[place]

    def _read(self, other: NamedBackup) -> None:
        self.seen += 1
        label = label_of(other.backup, self._store)
        if label is None:
            self.unreadable.append(other.name)
        else:
            self._by_place.setdefault((label.timeline, label.start_lsn), (other, label))


def _text_of(backup: BaseBackup, store: Store) -> bytes | None:
    if backup.base is None:
        label = backup.files.get(LABEL)
        return None if label is None else read_small(store.source(label), LARGEST_BYTES)
    source = store.source(backup.base.object)
    pieces: Iterator[bytes] = read_pieces(source, Deadline.within(None), _PIECE_BYTES)
    if backup.base.wrapper is not None:
        pieces = unwrap(backup.base.wrapper, pieces, source.uri)
    reader = Reader(pieces)
    for member in islice(walk(reader.read, source.uri), _FIRST_MEMBERS):
        if member.name.removeprefix("./") == LABEL:
            return b"".join(reader.portion(min(member.size, LARGEST_BYTES)))
        if member.next_at > _FIRST_BYTES:
            break
    return None


def _broken(link: NamedBackup, place: Place, search: _Search) -> PermanentError:
    timeline, lsn = place
    unread = search.unreadable[:_NAMED]
    said = f" {len(search.unreadable)} of them could not be read ({', '.join(unread)})." if unread else ""
    return PermanentError(
        f"The incremental backup {link.name} builds on the one that begins at {format_lsn(lsn)} on timeline "
        f"{timeline}, and none of the {search.seen} other base backups here begins there.{said} Nothing that "
        "builds on it can come back.",
        link.backup.place,
        rule="chain-broken",
    )
