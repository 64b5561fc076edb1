"""Bringing a backup here: the very bytes that are stored, proven as far as anything stored can prove them.

What differs from its checksum is downloaded once more: the way may have damaged it. What was overwritten
while it was read is taken as it is now, once. What is gone is looked for once more, then it is gone.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.model.backup import DumpPoint, StoredObject
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError
from tasks.model.findings import Finding
from tasks.model.printable import printable
from tasks.model.target import Target
from tasks.stores.base import Progress, Store
from tasks.stores.folders import as_folder
from tasks.stores.integrity import Expected, expected_of, expected_of_file
from tasks.stores.sidecars import is_sidecar, sidecars_of_folder

_log = logging.getLogger(__name__)
_FILES_AT_ONCE = 4
_MAX_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class Fetched:
    """A backup on this worker's disk.

    Attributes:
        path: the file, or the folder of a directory dump.
        sha256: of the stored bytes, hex; of a directory dump, of the sorted lines `digest  name`.
        integrity: what proved the bytes: `s3-sha256`, `s3-crc32`, `sidecar`, `etag-md5` or `none`.
        object: the facts of what was really read; it may have been overwritten since it was listed.
        seconds: wall time, second downloads included.
    """

    path: Path
    bytes: int
    sha256: str
    integrity: str
    findings: tuple[Finding, ...]
    seconds: float
    object: StoredObject


def fetch_backup(
    point: DumpPoint, store: Store, target: Target, dest: Path, progress: Progress, deadline_s: float
) -> Fetched:
    """Download the backup behind *point* into the folder *dest*, in at most *deadline_s* seconds.

    The folder is made if it is not there; what an earlier attempt left in it is removed. *progress* is called
    from several threads.

    Raises:
        PermanentError: `checksum-mismatch`, `checksum-missing`, `object-gone`, `object-archived`,
            `get-denied`, the KMS rules, `disk-full`, `stage-deadline`.
        TransientError: `transfer-incomplete`, `object-changed`, `store-unreachable`, `store-throttled`.
    """
    begun = time.monotonic()
    path = dest / local_name(point.label)
    job = _Job(store, target.dump.checksum, progress, Deadline.within(deadline_s))
    bring = job.folder if point.uri.endswith("/") else job.file
    dest.mkdir(parents=True, exist_ok=True)
    try:
        fetched = _settled(lambda: bring(point.stored, path), path, point.uri)
    except BaseException:
        _remove(path)
        raise
    return replace(fetched, seconds=time.monotonic() - begun)


def local_name(label: str) -> str:
    """Return a file name for *label* that the file system takes; the format is never read from it."""
    plain = printable(label.replace("\0", "_").lstrip(".-")) or "backup"
    raw = plain.encode()
    return plain if len(raw) <= _MAX_NAME_BYTES else raw[-_MAX_NAME_BYTES:].decode(errors="ignore")


def _settled(bring: Callable[[], Fetched], path: Path, uri: str) -> Fetched:
    """Call *bring*; once more each if the object was overwritten, had vanished, or bytes were wrong."""
    allowed = {"object-changed": 1, "object-gone": 1, "checksum-mismatch": 1}
    while True:
        _remove(path)
        try:
            return bring()
        except DrillError as exc:
            if not allowed.get(exc.rule):
                raise
            allowed[exc.rule] -= 1
            _log.warning("%s: once more: %s", printable(uri), printable(exc.what))


@dataclass(frozen=True, slots=True)
class _Job:
    """What one download needs to know."""

    store: Store
    policy: str
    progress: Progress
    deadline: Deadline

    def file(self, listed: StoredObject, path: Path) -> Fetched:
        """Bring a single file as it is now."""
        obj = self.store.head(listed.uri)
        expected = expected_of_file(self.store, obj, self.policy)
        sha256, integrity = self._proven(obj, path, expected, self.progress)
        return Fetched(path, obj.bytes, sha256, integrity, (), 0.0, obj)

    def folder(self, listed: StoredObject, path: Path) -> Fetched:
        """Bring a directory dump's files as they are now."""
        inside = as_folder(
            listed.uri, self.store.list(listed.uri) if self._has_any(listed.uri) else listed.members
        )
        files = [member for member in inside.members if not is_sidecar(member.uri.removeprefix(listed.uri))]
        self._require_all(listed, files)
        digests = {} if self.policy == "none" else sidecars_of_folder(self.store, inside, inside.members)
        self._require_told(digests, files, listed.uri)
        path.mkdir(parents=True)
        total = _Total(self.progress, sum(obj.bytes for obj in files))
        with ThreadPoolExecutor(_FILES_AT_ONCE, "files") as pool:
            jobs = [pool.submit(self._member, listed.uri, obj, path, digests, total) for obj in files]
            try:
                done = [job.result() for job in jobs]
            finally:
                for job in jobs:
                    job.cancel()
        lines = sorted(f"{sha256}  {name}\n" for name, sha256, _ in done)
        weakest = _weakest([integrity for _, _, integrity in done])
        digest = hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
        now = replace(inside, members=tuple(files), bytes=total.bytes)
        return Fetched(path, total.bytes, digest, weakest, (), 0.0, now)

    def _member(
        self, folder: str, listed_object: StoredObject, path: Path, digests: dict[str, str], total: _Total
    ) -> tuple[str, str, str]:
        name = listed_object.uri.removeprefix(folder)
        obj = listed_object if self.policy == "none" else self.store.head(listed_object.uri)
        expected = expected_of(obj, digests.get(name.rpartition("/")[2]), self.policy)
        to = path / name
        to.parent.mkdir(parents=True, exist_ok=True)
        sha256, integrity = self._proven(obj, to, expected, total.part(name))
        return name, sha256, integrity

    def _proven(
        self, obj: StoredObject, path: Path, expected: Expected, progress: Progress
    ) -> tuple[str, str]:
        """Download *obj* to *path*; return its SHA-256 and what proved it."""
        digests = expected.digests()
        self.store.fetch(obj, path, progress, self.deadline.left_s, digests)
        broken = expected.broken(digests)
        if broken:
            raise PermanentError(
                f"The downloaded bytes differ from the stored checksum ({broken[0].source}): "
                "the stored object is damaged, or is not what was uploaded.",
                obj.uri,
                rule="checksum-mismatch",
            )
        return digests.hex("sha256"), expected.integrity(digests)

    def _has_any(self, folder: str) -> bool:
        return next(iter(self.store.list(folder, limit=1)), None) is not None

    def _require_all(self, listed_folder: StoredObject, files: list[StoredObject]) -> None:
        uris = {obj.uri for obj in files}
        gone = [
            obj.uri
            for obj in listed_folder.members
            if obj.uri not in uris and not is_sidecar(obj.uri.rpartition("/")[2])
        ]
        if gone:
            raise PermanentError(
                f"{len(gone)} of the folder's files were listed and are gone: what is left is no backup.",
                gone[0],
                rule="object-gone",
            )

    def _require_told(self, digests: dict[str, str], files: list[StoredObject], folder: str) -> None:
        """A file that the checksums name and the folder lacks is as wrong as one that differs."""
        names = {obj.uri.rpartition("/")[2] for obj in files}
        missing = sorted(name for name in digests if name and name not in names and not is_sidecar(name))
        if missing:
            raise PermanentError(
                f"The checksum file names {len(missing)} files that are not there: the dump is incomplete.",
                folder + missing[0],
                rule="checksum-mismatch",
            )


class _Total:
    """The progress of many files as one."""

    def __init__(self, progress: Progress, size: int) -> None:
        self.bytes = size
        self._progress, self._lock = progress, threading.Lock()
        self._done: dict[str, int] = {}

    def part(self, name: str) -> Progress:
        """Return the progress of the file *name*."""

        def report(done: int, _: int) -> None:
            with self._lock:
                self._done[name] = done
                total_bytes = sum(self._done.values())
            self._progress(total_bytes, self.bytes)

        return report


def _weakest(kinds: list[str]) -> str:
    """Return what proves a folder: as much as the least proven of its files."""
    order = ("none", "etag-md5", "s3-crc32", "s3-crc32c", "s3-crc64nvme", "s3-sha1", "sidecar", "s3-sha256")
    return min(kinds, key=order.index, default="none")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
