"""Folders as a store: backups on a mounted disk, listed and copied as S3 would.

Files are copied, never linked: whoever writes the backups could change a linked file while it is being
judged. Nothing is read but what lies beneath the folders that the fleet file names (see `beneath`).
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tasks.model.backup import StoredObject
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError, TransientError
from tasks.model.findings import Finding
from tasks.stores.base import Progress
from tasks.stores.beneath import Root
from tasks.stores.checksums import Digests
from tasks.stores.errors import Action, disk_full, translated
from tasks.stores.ranged_reads import BlockSource
from tasks.stores.uris import constant_folder, file_uri, local_path

_CHUNK = 8 << 20
_FICLONE = 0x40049409
_MANY = 1000
_LATEST_S = 253_370_764_800.0  # the year 9999
_DEEPEST = 64
"""Folders below the one that is listed: no backup job nests deeper, and names end at 4,096 bytes."""


class _Entry(NamedTuple):
    name: str
    is_folder: bool
    is_link: bool


class LocalStore:
    """The worker's own file system.

    Args:
        places: patterns or paths, as fleet files name them; nothing but what lies beneath their constant
            folders is read. What lies elsewhere is held beneath its own folder.
    """

    def __init__(self, *places: str) -> None:
        self._roots = sorted((Root(constant_folder(at)) for at in places), key=lambda root: -len(root.path))
        self._entries_of: dict[str, tuple[int, Sequence[_Entry]]] = {}

    def identity(self) -> str | None:
        """See `Store`. A folder knows no ARN."""
        return None

    def findings(self) -> tuple[Finding, ...]:
        """See `Store`."""
        return ()

    def clock_skew_s(self) -> float | None:
        """See `Store`."""
        return None

    def list(
        self, prefix: str, *, start_after: str | None = None, limit: int | None = None
    ) -> Iterator[StoredObject]:
        """See `Store`. Links are followed, a folder's once; what cannot be read is listed as empty.

        A link that leads nowhere or out of the store is as much a backup's name as any: reading it says so.
        """
        path = _listed_path(prefix)
        after = None if start_after is None else str(local_path(start_after))
        count = 0
        for entry_path, entry in self._walk(path):
            if after is not None and entry_path <= after:
                continue
            obj = self._object(entry_path, entry)
            if obj is not None:
                yield obj
                count += 1
            if count == limit:
                return

    def folders(self, prefix: str) -> tuple[str, ...]:
        """See `Store`."""
        return tuple(f"{file_uri(path)}/" for path in self._level(prefix, folders=True))

    def files(self, prefix: str) -> tuple[str, ...]:
        """See `Store`."""
        return tuple(file_uri(path) for path in self._level(prefix, folders=False))

    def head(self, uri: str) -> StoredObject:
        """See `Store`."""
        path = str(local_path(uri))
        try:
            with self._root_of(path).opened(path) as file:
                return _stored(path, os.fstat(file))
        except OSError as exc:
            raise translated(exc, Action.READ, uri) from exc

    def source(self, obj: StoredObject) -> BlockSource:
        """See `Store`."""
        path = str(local_path(obj.uri))
        self.head(obj.uri)  # what is listed as empty may be no file

        def read(offset: int, length: int) -> bytes:
            try:
                with self._root_of(path).opened(path) as file:
                    return os.pread(file, length, offset)
            except OSError as exc:
                raise translated(exc, Action.READ, obj.uri) from exc

        return BlockSource(obj.uri, obj.bytes, read)

    def fetch(
        self,
        obj: StoredObject,
        dest: Path,
        progress: Progress,
        deadline_s: float,
        digests: Digests | None = None,
    ) -> None:
        """See `Store`."""
        copy = _Copy(obj.uri, progress, Deadline.within(deadline_s), digests)
        path = str(local_path(obj.uri))
        try:
            with self._root_of(path).opened(path) as source, _created(dest) as handle:
                before = os.fstat(source)
                copy(source, handle, before.st_size)
                _require_unchanged(before, os.fstat(source), obj)
        except OSError as exc:
            raise translated(exc, Action.READ, obj.uri) from exc

    def deleted(self, prefix: str) -> Iterator[StoredObject]:  # noqa: ARG002  `Store`'s
        """See `Store`. Folders keep no versions."""
        return iter(())

    def _root_of(self, path: str) -> Root:
        root_above = next((root for root in self._roots if root.holds(path)), None)
        return root_above or Root(path.rstrip("/").rpartition("/")[0] or "/")

    def _level(self, prefix: str, *, folders: bool) -> Sequence[str]:
        folder, _, part = _listed_path(prefix).rpartition("/")
        paths = (
            path
            for entry in self._entries(folder or "/")
            if entry.name.startswith(part)
            and (self._folder(path := f"{folder}/{entry.name}", entry) is not None) == folders
        )
        return [path for path, _ in zip(paths, range(_MANY), strict=False)]

    def _walk(self, prefix: str) -> Iterator[tuple[str, _Entry]]:
        """Yield what lies below *prefix* and is no folder, in the order of paths."""
        folder, _, part = prefix.rpartition("/")
        linked: set[tuple[int, int]] = set()
        first = (entry for entry in self._in_order(folder or "/") if entry.name.startswith(part))
        waiting: list[tuple[str, Iterator[_Entry]]] = [(folder.rstrip("/"), first)]
        while waiting:
            above, entries = waiting[-1]
            entry = next(entries, None)
            if entry is None:
                waiting.pop()
                continue
            path = f"{above}/{entry.name}"
            identity = self._folder(path, entry)
            if identity is None:
                yield path, entry
            elif len(waiting) <= _DEEPEST and not (entry.is_link and identity in linked):
                linked |= {identity} if entry.is_link else set()
                waiting.append((path, iter(self._in_order(path))))

    def _in_order(self, folder: str) -> Sequence[_Entry]:
        """Return what is in *folder* in the order of paths: a folder's continue with a slash."""
        entries = self._entries(folder)
        if not any(entry.is_folder or entry.is_link for entry in entries):
            return entries
        above = folder.rstrip("/")
        return sorted(
            entries,
            key=lambda entry: entry.name + "/" * (self._folder(f"{above}/{entry.name}", entry) is not None),
        )

    def _folder(self, path: str, entry: _Entry) -> tuple[int, int] | None:
        """Return the identity of the folder that *path* is or leads to; None for anything else."""
        if not entry.is_link:
            return (0, 0) if entry.is_folder else None
        try:
            state = self._root_of(path).state(path)
        except (OSError, DrillError):
            return None
        return (state.st_dev, state.st_ino) if stat.S_ISDIR(state.st_mode) else None

    def _object(self, path: str, entry: _Entry) -> StoredObject | None:
        """Return what is stored at *path*; None for what has just gone."""
        try:
            state = os.stat(path, follow_symlinks=False)  # noqa: PTH116  Path costs ten times as much
        except OSError:
            return None
        if entry.is_link:
            try:
                state = self._root_of(path).state(path)
            except (OSError, DrillError):
                return _stored(path, state, size=0)
        return _stored(path, state, size=None if stat.S_ISREG(state.st_mode) else 0)

    def _entries(self, folder: str) -> Sequence[_Entry]:
        """Return what is in *folder*, sorted; remembered until the folder changes."""
        try:
            with self._opened_folder(folder) as handle:
                changed = os.fstat(handle).st_mtime_ns
                cache_entry = self._entries_of.get(folder)
                if cache_entry is None or cache_entry[0] != changed:
                    cache_entry = (changed, _scanned(handle))
                    self._entries_of[folder] = cache_entry
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            raise translated(exc, Action.LIST, file_uri(folder)) from exc
        return cache_entry[1]

    @contextmanager
    def _opened_folder(self, folder: str) -> Iterator[int]:
        """Yield a folder open for listing: the operator's as it is, the store's own beneath their root."""
        root = next((root for root in self._roots if root.holds(folder)), None)
        if root is None:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            with root.looked_up(folder) as folder_handle:
                handle = os.open(
                    f"/proc/self/fd/{folder_handle}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
                )
        try:
            yield handle
        finally:
            os.close(handle)


def _listed_path(prefix: str) -> str:
    return str(local_path(prefix)) + ("/" if prefix.endswith("/") else "")


def _scanned(handle: int) -> Sequence[_Entry]:
    with os.scandir(handle) as entries:
        return sorted(
            _Entry(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries
        )


def _stored(path: str, state: os.stat_result, size: int | None = None) -> StoredObject:
    # a time may be set to anything: of what no clock can have shown it is held at the end of the years
    modified = datetime.fromtimestamp(min(max(state.st_mtime, 0.0), _LATEST_S), UTC)
    return StoredObject(
        uri=file_uri(path), bytes=state.st_size if size is None else size, modified_at=modified
    )


@contextmanager
def _created(dest: Path) -> Iterator[int]:
    handle = os.open(dest, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class _Copy:
    """One file's way into the drill's own folder."""

    where: str
    progress: Progress
    deadline: Deadline
    digests: Digests | None

    def __call__(self, source: int, dest: int, size: int) -> None:
        """Copy the open file *source* to the open file *dest*, sharing blocks where that is possible."""
        cloned = _clone(source, dest)
        copied = 0
        while True:
            self.deadline.check("the backup was downloaded", self.where)
            chunk = os.pread(dest if cloned else source, _CHUNK, copied)
            if not chunk:
                break
            if not cloned:
                _write(dest, chunk, self.where)
            if self.digests is not None:
                self.digests.update(chunk)
            copied += len(chunk)
            self.progress(copied, max(size, copied))


def _clone(source: int, dest: int) -> bool:
    """Share the blocks where the file system can: a copy in no time, and still a copy."""
    try:
        fcntl.ioctl(dest, _FICLONE, source)
    except OSError:
        return False
    return True


def _write(dest: int, chunk: bytes, uri: str) -> None:
    view = memoryview(chunk)
    while view:
        try:
            view = view[os.write(dest, view) :]
        except OSError as exc:
            raise disk_full(uri, len(chunk)) from exc


def _require_unchanged(before: os.stat_result, after: os.stat_result, obj: StoredObject) -> None:
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise TransientError(
            "The file changed while it was being copied: it is still being written, or was overwritten.",
            obj.uri,
            rule="object-changed",
        )
    if after.st_nlink == 0:
        raise PermanentError("The file was deleted while it was being copied.", obj.uri, rule="object-gone")
