"""Moving many bytes: ranges in parallel into one file, hashed in order behind the writers.

Four workers and parts of 8 MiB: more of either gained nothing on two cores (a download in one process is
bound by Python, not by the network). A part that fails is asked for again, `ATTEMPTS` times in all, with
growing pauses; the bytes of the others are kept. Nobody below asks again, and the step above begins anew
twice: MOST_ASKS of tasks/fetch.py is the product.
"""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError, TransientError
from tasks.model.units import format_bytes
from tasks.stores.base import Progress
from tasks.stores.checksums import Digests
from tasks.stores.errors import Action, disk_full, translated

PART_BYTES = 8 << 20
WORKERS = 4
ATTEMPTS = 4
STALL_S = 30.0
STALL_BYTES_PER_S = 1024.0
_CHUNK = 1 << 20
_FIRST_PAUSE_S = 0.5

ReadRange = Callable[[int, int], Iterator[bytes]]
"""Called with offset and length; yields the bytes. Its errors are translated here."""


def download(
    read_range: ReadRange,
    where: str,
    size: int,
    dest: Path,
    *,
    progress: Progress,
    deadline: Deadline,
    digests: Digests | None = None,
) -> None:
    """Write *size* bytes to *dest*, which must not be there.

    Raises:
        DrillError: the first part's error that repeating did not cure; *dest* is then incomplete.
    """
    with _file(dest, size, where) as handle:
        work = _Download(read_range, where, size, handle, progress=progress, deadline=deadline)
        if digests is None:
            work.run()
        else:
            with _Follower(work, digests):
                work.run()


def require_pace(got: int, begun: float, where: str) -> None:
    """Raise where a transfer hardly moves any more: each byte resets the connection's own time limit.

    Args:
        got: bytes so far.
        begun: monotonic seconds.
        where: for the message.

    Raises:
        TransientError: rule `transfer-incomplete`.
    """
    elapsed = time.monotonic() - begun
    if elapsed > STALL_S and got / elapsed < STALL_BYTES_PER_S:
        raise TransientError(
            f"The download stalls ({format_bytes(got)} in {elapsed:.0f} s): "
            "nothing is said about the backup.",
            where,
            rule="transfer-incomplete",
        )


class _Download:
    """One object's parts: which are asked for, which are there."""

    def __init__(
        self,
        read_range: ReadRange,
        where: str,
        size: int,
        handle: int,
        *,
        progress: Progress,
        deadline: Deadline,
    ) -> None:
        self.read_range, self.where, self.size, self.handle = read_range, where, size, handle
        self.progress, self.deadline = progress, deadline
        self.changed = threading.Condition()
        self.contiguous = 0
        self.stopped = False
        self._done = 0
        self._complete: set[int] = set()

    def run(self) -> None:
        offsets = range(0, self.size, PART_BYTES)
        with ThreadPoolExecutor(min(WORKERS, max(1, len(offsets))), "fetch") as pool:
            parts = [pool.submit(self._part, offset) for offset in offsets]
            try:
                _first_error(parts)
            finally:
                self.stopped = True
                for part in parts:
                    part.cancel()

    def _part(self, offset: int) -> None:
        length = min(PART_BYTES, self.size - offset)
        for attempt in range(1, ATTEMPTS + 1):
            self._require_others_well()
            try:
                self._once(offset, length)
                break
            except TransientError as exc:
                if attempt == ATTEMPTS or exc.rule == "object-changed":
                    raise
                self._pause(attempt)
        self._arrived(offset)

    def _once(self, offset: int, length: int) -> None:
        got, begun = 0, time.monotonic()
        try:
            for chunk in self._chunks(offset, length):
                self._check(got, begun)
                _write(self.handle, chunk, offset + got, self.where)
                got += len(chunk)
                self._report(len(chunk))
            self._require_whole(got, length)
        except BaseException:
            self._report(-got)
            raise

    def _require_whole(self, got: int, length: int) -> None:
        if got != length:
            raise TransientError(
                f"The store sent {format_bytes(got)} of {format_bytes(length)} that were asked for: "
                "nothing is said about the backup.",
                self.where,
                rule="transfer-incomplete",
            )

    def _chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield the range's chunks; what goes wrong in between is the way's fault, in our words."""
        try:
            yield from self.read_range(offset, length)
        except DrillError:
            raise
        except Exception as exc:
            raise translated(exc, Action.READ, self.where) from exc

    def _check(self, got: int, begun: float) -> None:
        self.deadline.check("the backup was downloaded", self.where)
        self._require_others_well()
        require_pace(got, begun, self.where)

    def _require_others_well(self) -> None:
        if self.stopped:
            raise PermanentError("Another part failed.", self.where, rule="transfer-incomplete")

    def _pause(self, attempt: int) -> None:
        self.deadline.check("the backup was downloaded", self.where)
        time.sleep(_FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311  jitter

    def _report(self, more: int) -> None:
        with self.changed:
            self._done += more
            received = self._done
        self.progress(received, self.size)

    def _arrived(self, offset: int) -> None:
        with self.changed:
            self._complete.add(offset)
            while self.contiguous in self._complete:
                self.contiguous = min(self.contiguous + PART_BYTES, self.size)
            self.changed.notify_all()


class _Follower:
    """Hashes the file in order, right behind the last contiguous part, while later parts still arrive."""

    def __init__(self, work: _Download, digests: Digests) -> None:
        self._work, self._digests = work, digests
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="hash", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._work.changed:
            self._work.stopped = True
            self._work.changed.notify_all()
        self._thread.join()
        if kind is None and self._failed:
            raise translated(OSError(errno.EIO, str(self._failed[0])), Action.READ, self._work.where)

    def _run(self) -> None:
        hashed = 0
        try:
            while hashed < self._work.size:
                upto = self._next(hashed)
                if upto == hashed:
                    return
                hashed = _hash(self._work.handle, hashed, upto, self._digests)
        except OSError as exc:
            self._failed.append(exc)

    def _next(self, hashed: int) -> int:
        with self._work.changed:
            self._work.changed.wait_for(lambda: self._work.contiguous > hashed or self._work.stopped)
            return self._work.contiguous


def _hash(handle: int, start: int, end: int, digests: Digests) -> int:
    while start < end:
        chunk = os.pread(handle, min(_CHUNK, end - start), start)
        if not chunk:
            raise OSError(errno.EIO, "the download is shorter than what was written")
        digests.update(chunk)
        start += len(chunk)
    return end


def _first_error(parts: list[Future[None]]) -> None:
    ended, _ = wait(parts, return_when="FIRST_EXCEPTION")
    for part in ended:
        error = part.exception()
        if error is not None:
            raise error


@contextmanager
def _file(dest: Path, size: int, uri: str) -> Iterator[int]:
    """Open *dest* anew with its bytes reserved: a full disk is known before the first byte travels."""
    handle = os.open(dest, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        _reserve(handle, size, uri)
        yield handle
    finally:
        os.close(handle)


def _reserve(handle: int, size: int, uri: str) -> None:
    try:
        if size:
            os.posix_fallocate(handle, 0, size)
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise disk_full(uri, size) from exc
        os.ftruncate(handle, size)  # a file system that cannot reserve


def _write(handle: int, chunk: bytes, offset: int, uri: str) -> None:
    try:
        view = memoryview(chunk)
        while view:
            written = os.pwrite(handle, view, offset)
            view, offset = view[written:], offset + written
    except OSError as exc:
        raise disk_full(uri, len(chunk)) from exc
