"""Writing what was unwrapped: bounded by the disk that is left, never by what a stream claims to hold.

A few kilobytes of a hostile or broken stream can unfold to terabytes.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.units import format_bytes

RESERVE_BYTES = 128 << 20
"""Left free for the server's log and for everybody else on the worker."""
_LOOK_EVERY_BYTES = 64 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskWriter:
    """Writes pieces to a file, looking at the free disk now and then.

    Args:
        file: open for writing.
        path: of the file.
        deadline: by which writing has to end.
        where: the backup, for messages.
    """

    def __init__(self, file: BinaryIO, path: Path, deadline: Deadline, where: str) -> None:
        self._file = file
        self._path = path
        self._deadline = deadline
        self._where = where
        self._until_look = _LOOK_EVERY_BYTES

    def write(self, piece: bytes) -> int:
        """Write *piece*; return its length.

        Raises:
            PermanentError: `disk-full`, `stage-deadline`.
        """
        self._until_look -= len(piece)
        if self._until_look < 0:
            self._look()
        try:
            return self._file.write(piece)
        except OSError as exc:
            raise self._translated(exc) from exc

    def flush(self) -> None:
        """Hand everything to the operating system; as `write`."""
        try:
            self._file.flush()
        except OSError as exc:
            raise self._translated(exc) from exc

    def _look(self) -> None:
        self._until_look = _LOOK_EVERY_BYTES
        self._deadline.check("the backup was unwrapped", self._where)
        if shutil.disk_usage(self._path.parent).free < RESERVE_BYTES:
            raise self._full()

    def _translated(self, exc: OSError) -> OSError | PermanentError:
        return self._full() if exc.errno in _FULL else exc

    def _full(self) -> PermanentError:
        return PermanentError(
            f"The disk ran full after {format_bytes(self._file.tell())} of the backup were unwrapped. It "
            "says "
            "nothing about the backup.",
            self._where,
            rule="disk-full",
        )


def write_pieces(pieces: Iterable[bytes], path: Path, deadline: Deadline, where: str) -> None:
    """Write *pieces* to *path*, readable by the sandbox's user; what a failure left is removed.

    Raises:
        PermanentError: `disk-full`, `stage-deadline`, and whatever *pieces* raises.
    """
    try:
        with path.open("wb") as file:
            path.chmod(0o644)
            writer = DiskWriter(file, path, deadline, where)
            for piece in pieces:
                writer.write(piece)
            writer.flush()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
