"""A store with some of its files changed or gone, as the self test serves a damaged repository."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tasks.model.backup import ByteSource, StoredObject
from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.stores.base import Progress, Store
from tasks.stores.checksums import Digests
from tasks.stores.uris import file_uri, normalised


class OverlayStore:
    """See `Store`.

    Args:
        store: what lies beneath; it is only read.
        local: the store of the files that stand in.
        changes: URI to such a file, or None for a file that is to be gone.
    """

    def __init__(self, store: Store, local: Store, changes: Mapping[str, Path | None]) -> None:
        self._store, self._local, self._changes = store, local, dict(changes)

    def identity(self) -> str | None:
        """See `Store`."""
        return self._store.identity()

    def findings(self) -> tuple[Finding, ...]:
        """See `Store`."""
        return self._store.findings()

    def clock_skew_s(self) -> float | None:
        """See `Store`."""
        return self._store.clock_skew_s()

    def list(
        self, prefix: str, *, start_after: str | None = None, limit: int | None = None
    ) -> Iterator[StoredObject]:
        """See `Store`: those that stand in take their places."""
        mine = sorted(uri for uri in self._standing(prefix) if start_after is None or uri > start_after)
        left = -1 if limit is None else limit
        for stored in self._merged(self._store.list(prefix, start_after=start_after), mine):
            if left == 0:
                return
            left -= 1
            yield stored

    def folders(self, prefix: str) -> tuple[str, ...]:
        """See `Store`."""
        return self._store.folders(prefix)

    def files(self, prefix: str) -> tuple[str, ...]:
        """See `Store`."""
        unchanged = [uri for uri in self._store.files(prefix) if uri not in self._changes]
        below = normalised(prefix)
        mine = [uri for uri in self._standing(prefix) if "/" not in uri.removeprefix(below)]
        return tuple(sorted([*unchanged, *mine]))

    def head(self, uri: str) -> StoredObject:
        """See `Store`."""
        if uri not in self._changes:
            return self._store.head(uri)
        path = self._changes[uri]
        if path is None:
            raise PermanentError("It is not there.", uri, rule="object-gone")
        return replace(self._local.head(file_uri(path)), uri=uri)

    def source(self, obj: StoredObject) -> ByteSource:
        """See `Store`."""
        if obj.uri not in self._changes:
            return self._store.source(obj)
        return self._local.source(self._behind(obj))

    def fetch(
        self,
        obj: StoredObject,
        dest: Path,
        progress: Progress,
        deadline_s: float,
        digests: Digests | None = None,
    ) -> None:
        """See `Store`."""
        if obj.uri not in self._changes:
            self._store.fetch(obj, dest, progress, deadline_s, digests)
        else:
            self._local.fetch(self._behind(obj), dest, progress, deadline_s, digests)

    def deleted(self, prefix: str) -> Iterator[StoredObject]:
        """See `Store`."""
        return self._store.deleted(prefix)

    def _standing(self, prefix: str) -> Iterator[str]:
        prefix = normalised(prefix)  # a folder may be named by its path
        return (uri for uri, path in self._changes.items() if path is not None and uri.startswith(prefix))

    def _merged(self, stored: Iterator[StoredObject], mine: Sequence[str]) -> Iterator[StoredObject]:
        at = 0
        for obj in stored:
            while at < len(mine) and mine[at] < obj.uri:
                yield self.head(mine[at])
                at += 1
            if obj.uri not in self._changes:
                yield obj
        yield from map(self.head, mine[at:])

    def _behind(self, obj: StoredObject) -> StoredObject:
        path = self._changes[obj.uri]
        if path is None:
            raise PermanentError("It is not there.", obj.uri, rule="object-gone")
        return self._local.head(file_uri(path))
