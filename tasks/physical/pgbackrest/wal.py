"""Files of WAL, asked for from the tool: it decrypts and unpacks, and `absent` is believed to it only twice.

`archive-get` ends with 0 for a file that it brought, with 1 for one that is not there, and with an error's
number for everything else; a restore_command that passes all of that on to PostgreSQL makes every error the
end of the WAL. The checksum in a file's name is not compared by the tool, so it is here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.model.backup import StoredObject
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError, TransientError
from tasks.model.sandbox import Workspace
from tasks.physical.pgbackrest.access import Access
from tasks.physical.pgbackrest.failures import ABSENT, broken_wal, failure_of
from tasks.physical.pgbackrest.program import Program
from tasks.physical.pgbackrest.run import Done, give, run, temporary_workspace
from tasks.sandbox.removal import open_regular, read_regular
from tasks.stores.base import Store
from tasks.wal.archive import FETCH_S, Absent, Answer, Broken, Denied, Present, archived_file
from tasks.wal.history import LARGEST_HISTORY_BYTES
from tasks.wal.names import is_history_name, is_wal_name

_ATTEMPTS = 3
_SAME_NAME = 20
_PREFIX_DIGITS = 16
_CONTROL_BYTES = 64 << 10
_PIECE_BYTES = 1 << 20
_CHECKSUM = re.compile(r"/[0-9A-F]{24}-(?P<sha1>[0-9a-f]{40})(?:\.\w{2,4})?$")


@dataclass(frozen=True, slots=True)
class Tool:
    """The tool and the repository that it is to read."""

    program: Program
    access: Access
    stanza: str


class ToolWal:
    """WAL that the tool hands out; see `tasks.wal.archive.WalArchive`.

    Args:
        tool: and its repository.
        store: the same repository, for what is or is not there.
        place: the folder of the WAL of one cluster, such as `.../archive/orders/17-1`.
        listing: what was there a moment ago.
        segment_bytes: of the cluster.
        deadline: of the whole recovery.
        workspace: of the copy that is to recover; None where histories alone are read.
    """

    def __init__(
        self,
        tool: Tool,
        store: Store,
        place: str,
        listing: Mapping[str, StoredObject],
        segment_bytes: int,
        deadline: Deadline,
        workspace: Workspace | None = None,
    ) -> None:
        self._tool, self._store, self._place = tool, store, place.rstrip("/")
        self._listing = dict(listing)
        self._segment_bytes, self._deadline = segment_bytes, deadline
        self._desk = None if workspace is None else _Desk(workspace)

    def open(self, name: str, into: Path) -> Answer:
        """See `WalArchive`. What may pass by itself is tried again."""
        if not is_wal_name(name):
            raise ValueError(f"no name of WAL: {name[:40]!r}")
        answer = self._once(name, into)
        for _ in range(_ATTEMPTS - 1):
            if not (isinstance(answer, Denied) and isinstance(answer.error, TransientError)):
                break
            answer = self._once(name, into)
        return answer

    def _once(self, name: str, into: Path) -> Answer:
        try:
            if is_history_name(name):
                return self._history(name, into)
            return self._segment(name, into)
        except DrillError as error:
            into.unlink(missing_ok=True)
            return Denied(error)

    def _history(self, name: str, into: Path) -> Answer:
        """Read a history as it lies there: it is small, and listings want it too."""
        arguments = (f"{self._place[self._place.rindex('/archive/') + 1 :]}/{name}",)
        with contextlib.ExitStack() as stack:
            desk = self._desk
            workspace = stack.enter_context(temporary_workspace()) if desk is None else desk.workspace
            done = self._run(workspace, "repo-get", arguments)
        if done.exit_code == 0 and len(done.output) <= LARGEST_HISTORY_BYTES:
            into.write_bytes(done.output)
            return Present(f"{self._place}/{name}", len(done.output), self._archived_at(name))
        if done.exit_code == 0:
            return Broken("is much longer than it may be", f"{self._place}/{name}")
        return self._not_had(name, done, self._stored(name))

    def _segment(self, name: str, into: Path) -> Answer:
        if self._desk is None:
            raise PermanentError(
                "a segment was asked for without a copy to recover", name, rule="drill-crashed"
            )
        with self._desk.tray() as tray:
            done = self._run(
                self._desk.workspace,
                "archive-get",
                (name, str(tray / name)),
                options=(f"--pg1-path={self._desk.control}",),
                writable=(tray,),
            )
            stored = self._listing.get(name)
            if done.exit_code == 0:
                stored = stored or self._stored(name)
                return self._taken(name, tray / name, into, stored)
        if done.exit_code == ABSENT:
            stored = self._stored(name)
            return Absent() if stored is None else Denied(_unlike(name, stored.uri))
        return self._not_had(name, done, stored)

    def _run(
        self,
        workspace: Workspace,
        command: str,
        arguments: tuple[str, ...],
        options: tuple[str, ...] = (),
        writable: tuple[Path, ...] = (),
    ) -> Done:
        deadline = Deadline.within(FETCH_S).sooner(self._deadline)
        tool = self._tool
        return run(tool.program, tool.access, workspace, deadline, command, arguments, options, writable)

    def _taken(self, name: str, path: Path, into: Path, stored: StoredObject | None) -> Answer:
        """Take the tool's file, if it is what its name and the repository's say."""
        uri = f"{self._place}/{name}" if stored is None else stored.uri
        with open_regular(path) as handle:
            size, digest = os.fstat(handle).st_size, _sha1(handle, self._segment_bytes)
        expected = _CHECKSUM.search(uri)
        if size != self._segment_bytes:
            return Broken(f"holds {size} of {self._segment_bytes} bytes", uri)
        if expected is not None and digest != expected["sha1"]:
            return Broken("is not what was archived: the checksum in its name is another one", uri)
        path.rename(into)
        if stored is None:
            return Present(uri, size)
        return Present(uri, stored.bytes, stored.modified_at)

    def _not_had(self, name: str, done: Done, stored: StoredObject | None) -> Answer:
        """Return what an error of the tool means for one file."""
        uri = f"{self._place}/{name}" if stored is None else stored.uri
        missing = any("missing file" in line for line in done.lines)
        if is_history_name(name) and missing and self._stored(name) is None:
            return Absent()
        why = broken_wal(done)
        if why is not None:
            return Broken(why, uri, None if stored is None else stored.modified_at)
        return Denied(failure_of(done, f"bring {name}", uri))

    def _stored(self, name: str) -> StoredObject | None:
        """Look for *name* afresh; None where it is not listed.

        Raises:
            DrillError: nobody knows.
        """
        prefix = self._place + "/" + ("" if is_history_name(name) else f"{name[:_PREFIX_DIGITS]}/") + name
        for stored in self._store.list(prefix, limit=_SAME_NAME):
            file = archived_file(stored.uri.rpartition("/")[2])
            if file is not None and file.name == name:
                return stored
        return None

    def _archived_at(self, name: str) -> datetime | None:
        stored = self._listing.get(name)
        return None if stored is None else stored.modified_at


class _Desk:
    """Where the tool works for one copy: its control file as it was restored, and a place to put WAL.

    The server of the copy is the same user: what it can change here spoils its own recovery and nothing else.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._root = workspace.root / "archive-get"
        self.control = self._root / "control"
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(mode=0o755)
        self._root.chmod(0o755)
        self._furnish()

    def _furnish(self) -> None:
        """Copy the control file: the server writes its own while the tool reads."""
        for folder in (self.control, self.control / "global"):
            folder.mkdir(mode=0o700)
            give(folder, self.workspace)
        content = read_regular(self.workspace.data_dir / "global" / "pg_control", _CONTROL_BYTES)
        # A restored control file is taken for torn unless a label lies beside it.
        for name, body in (("global/pg_control", content), ("backup_label", b"")):
            (self.control / name).write_bytes(body)
            give(self.control / name, self.workspace)

    @contextlib.contextmanager
    def tray(self) -> Iterator[Path]:
        """Give a folder of its own for one file; it is gone afterwards."""
        folder = self._root / secrets.token_hex(6)
        folder.mkdir(mode=0o700)
        give(folder, self.workspace)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sha1(handle: int, limit: int) -> str:
    digest, read = hashlib.sha1(usedforsecurity=False), 0
    while read <= limit and (piece := os.read(handle, _PIECE_BYTES)):
        digest.update(piece)
        read += len(piece)
    return digest.hexdigest()


def _unlike(name: str, uri: str) -> PermanentError:
    return PermanentError(
        f"The repository lists {name} and pgBackRest says that it is not there. What holds is not known.",
        uri,
        rule="tool-failed",
    )
