"""Folders as a store: backups on a mounted disk, listed and copied as S3 would.

Files are copied, never linked: whoever writes the backups could change a linked file while it is being
judged.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tasks.model.backup import StoredObject
from tasks.model.errors import PermanentError, TransientError
from tasks.model.findings import Finding
from tasks.stores.base import Deadline, Progress
from tasks.stores.checksums import Digests
from tasks.stores.reading import BlockSource
from tasks.stores.transfer import disk_full
from tasks.stores.translate import Action, translated
from tasks.stores.uris import file_uri, local_path

_CHUNK = 8 << 20
_FICLONE = 0x40049409
_MANY = 1000


class LocalStore:
    """The worker's own file system."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[int, Sequence[str]]] = {}

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
        """See `Store`. Links are followed, once each; what is no regular file is left out."""
        path = str(local_path(prefix)) + ("/" if prefix.endswith("/") else "")
        folder, _, part = path.rpartition("/")
        after = None if start_after is None else str(local_path(start_after))
        given = 0
        for found in self._walk(folder or "/", part, frozenset()):
            if after is not None and found <= after:
                continue
            obj = _file(found)
            if obj is not None:
                yield obj
                given += 1
            if given == limit:
                return

    def folders(self, prefix: str) -> tuple[str, ...]:
        """See `Store`."""
        return tuple(f"{file_uri(path)}/" for path in self._level(prefix) if Path(path).is_dir())[:_MANY]

    def files(self, prefix: str) -> tuple[str, ...]:
        """See `Store`."""
        return tuple(file_uri(path) for path in self._level(prefix) if not Path(path).is_dir())[:_MANY]

    def head(self, uri: str) -> StoredObject:
        """See `Store`."""
        path = str(local_path(uri))
        try:
            return _stored(path, Path(path).stat())
        except OSError as exc:
            raise translated(exc, Action.READ, uri) from exc

    def source(self, obj: StoredObject) -> BlockSource:
        """See `Store`."""
        path = local_path(obj.uri)

        def read(offset: int, length: int) -> bytes:
            try:
                with path.open("rb", buffering=0) as file:
                    return os.pread(file.fileno(), length, offset)
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
        copy = _Copy(obj.uri, progress, Deadline(deadline_s), digests)
        try:
            with local_path(obj.uri).open("rb", buffering=0) as source:
                before = os.fstat(source.fileno())
                handle = os.open(dest, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
                try:
                    copy(source.fileno(), handle, before.st_size)
                finally:
                    os.close(handle)
                _require_unchanged(before, os.fstat(source.fileno()), obj)
        except OSError as exc:
            raise translated(exc, Action.READ, obj.uri) from exc

    def deleted(self, prefix: str) -> Iterator[StoredObject]:  # noqa: ARG002  `Store`'s
        """See `Store`. Folders keep no versions."""
        return iter(())

    def _level(self, prefix: str) -> Sequence[str]:
        path = str(local_path(prefix)) + ("/" if prefix.endswith("/") else "")
        folder, _, part = path.rpartition("/")
        return [f"{folder}/{name}" for name in self._entries(folder or "/") if name.startswith(part)]

    def _walk(self, folder: str, part: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
        """Yield the files below *folder* whose first name begins with *part*, in order."""
        for name in self._entries(folder):
            if not name.startswith(part):
                continue
            path = f"{folder.rstrip('/')}/{name}"
            if not os.path.isdir(path):  # noqa: PTH112  a hundred thousand of them: Path costs ten times as much
                yield path
                continue
            here = _identity(path)
            if here not in above:
                yield from self._walk(path, "", above | {here})

    def _entries(self, folder: str) -> Sequence[str]:
        """Return the names in *folder*, sorted; remembered until the folder changes."""
        try:
            changed = os.stat(folder).st_mtime_ns  # noqa: PTH116
            known = self._names.get(folder)
            if known is None or known[0] != changed:
                known = (changed, sorted(os.listdir(folder)))  # noqa: PTH208
                self._names[folder] = known
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise translated(exc, Action.LIST, file_uri(folder)) from exc
        return known[1]


def _identity(path: str) -> tuple[int, int]:
    seen = os.stat(path)  # noqa: PTH116
    return seen.st_dev, seen.st_ino


def _file(path: str) -> StoredObject | None:
    """Return the regular file *path*; None for pipes, devices, dangling links and what has just gone."""
    try:
        seen = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return _stored(path, seen) if stat.S_ISREG(seen.st_mode) else None


def _stored(path: str, seen: os.stat_result) -> StoredObject:
    modified = datetime.fromtimestamp(seen.st_mtime, UTC)
    return StoredObject(uri=file_uri(path), bytes=seen.st_size, modified_at=modified)


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
        done = 0
        while True:
            self.deadline.check(self.where)
            chunk = os.pread(dest if cloned else source, _CHUNK, done)
            if not chunk:
                break
            if not cloned:
                _write(dest, chunk, self.where)
            if self.digests is not None:
                self.digests.update(chunk)
            done += len(chunk)
            self.progress(done, max(size, done))


def _clone(source: int, dest: int) -> bool:
    """Share the blocks where the file system can: a copy in no time, and still a copy."""
    try:
        fcntl.ioctl(dest, _FICLONE, source)
    except OSError:
        return False
    return True


def _write(dest: int, chunk: bytes, where: str) -> None:
    view = memoryview(chunk)
    while view:
        try:
            view = view[os.write(dest, view) :]
        except OSError as exc:
            raise disk_full(where, len(chunk)) from exc


def _require_unchanged(before: os.stat_result, after: os.stat_result, obj: StoredObject) -> None:
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise TransientError(
            "The file changed while it was being copied: it is still being written, or was overwritten.",
            obj.uri,
            rule="object-changed",
        )
    if after.st_nlink == 0:
        raise PermanentError("The file was deleted while it was being copied.", obj.uri, rule="object-gone")
