"""The relay: how a jailed server without network and credentials gets its WAL, and never an error as an end.

PostgreSQL takes every exit code of restore_command from 1 to 125 for the end of the WAL and promotes; only
above it stops. The server's side therefore is one shell that ends with 0 or 1 if, and only if, the drill has
told it so, and with 255 whatever else happens to it. It runs no program, and reads no WAL: it asks through
one FIFO and reads the answer from another. The drill's side puts the segment where PostgreSQL looks for it,
by a rename, and says Y; N means proven absence; X is everything else.

Docs: docs/decisions/0018-wal-relay.md.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import select
import shlex
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tasks.model.errors import PermanentError
from tasks.model.sandbox import Workspace
from tasks.sandbox.isolation import ids
from tasks.wal import history
from tasks.wal.answers import Answers, Trouble
from tasks.wal.archive import Absent, Answer, Broken, Denied, Present, WalArchive
from tasks.wal.names import Segment, is_wal_name, parse_history, parse_segment, segment_name
from tasks.wal.page_header import HEADER_BYTES, Cluster, fault_of

READ_AHEAD = 8
READ_AHEAD_BYTES = 512 << 20
ANSWER_S = 900.0
"""By then the server has its answer, if it is X: nothing here waits for ever."""
_FETCHERS = 3
_LONGEST_REQUEST = 256
_POLL_S = 0.2
_CLOSING_S = 10.0
_PLACE_OF_SEGMENTS, _PLACE_OF_HISTORIES = "RECOVERYXLOG", "RECOVERYHISTORY"
_YES, _NO, _STOP = "Y", "N", "X"
_log = logging.getLogger(__name__)

_SCRIPT = (
    "code=255; trap 'exit $code' 0; cd {folder} && [ -p ask ] && [ -p answer ] && exec 3<>ask 4<>answer && "
    'exec 5<answer 4>&- && echo "{name}" >&3 && exec 3>&- && read -r verdict name <&5 && '
    '[ "$name" = "{name}" ] && case $verdict in (Y) code=0 ;; (N) code=1 ;; esac'
)
"""POSIX shell, builtins only. Opened for both, a FIFO never blocks; read by an end that is only read by, it
ends when the drill's end is closed, so that a relay that is gone is an answer too."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    answer: Answer
    path: Path
    seconds: float


class Relay:
    """Hands WAL to the server of one workspace, as long as it is open.

    Open it before the server starts (`with Relay(...) as relay`), give the server `restore_command`, and
    start it in the role `RECOVERING`. It may be started again behind the same relay.

    Args:
        workspace: its data folder must be there, with a pg_wal that is a folder.
        archive: asked from several threads.
        cluster: whose WAL is wanted.
        read_ahead: segments fetched before they are asked for; fewer where they are large.
        answer_s: see `ANSWER_S`.
    """

    def __init__(
        self,
        workspace: Workspace,
        archive: WalArchive,
        cluster: Cluster,
        read_ahead: int = READ_AHEAD,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.answers = Answers()
        self._workspace, self._cluster = workspace, cluster
        name = secrets.token_hex(6)
        self._pipes = workspace.scratch_dir / f"relay-{name}"
        self._answer_s = answer_s
        room = max(1, READ_AHEAD_BYTES // cluster.segment_bytes)
        self._stage = _Stage(archive, workspace.root / f"wal-{name}", cluster, min(read_ahead, room))
        self._ask = self._answer = -1
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wal relay", daemon=True)

    @property
    def restore_command(self) -> str:
        """The setting, as PostgreSQL takes it; its own %p is not used: the drill knows where it looks."""
        folder = shlex.quote(str(self._pipes)).replace("%", "%%")
        return _SCRIPT.format(folder=folder, name="%f")

    def __enter__(self) -> Self:
        """Make the FIFOs and begin to listen.

        Raises:
            PermanentError: `workspace-unusable`.
        """
        try:
            self._stage.folder.mkdir(mode=0o700)
            self._pipes.mkdir(mode=0o755)
            self._pipes.chmod(0o755)
            self._ask, self._answer = (self._make_pipe(name) for name in ("ask", "answer"))
        except OSError as error:
            self._hang_up()
            raise PermanentError(
                f"The way for the WAL cannot be made: {error.strerror}.",
                str(error.filename or self._pipes),
                rule="workspace-unusable",
            ) from error
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop answering: a server that still asks stops with an error."""
        self._closed.set()
        self._thread.join(_CLOSING_S)
        self._stage.close()
        shutil.rmtree(self._pipes, ignore_errors=True)

    def alive(self) -> bool:
        """Say whether it still answers."""
        return self._thread.is_alive()

    def _make_pipe(self, name: str) -> int:
        path, owner = self._pipes / name, ids(self._workspace.os_user)
        os.mkfifo(path, 0o600)
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        if owner is not None:
            os.fchown(handle, *owner)
        return handle

    def _run(self) -> None:
        try:
            for request in self._requests():
                begun = time.monotonic()
                verdict = self._serve(request)
                self.answers.waited_s += time.monotonic() - begun
                self._tell(verdict, request)
        except BaseException as error:  # noqa: BLE001  whatever it is, the server must stop
            name = type(error).__name__
            _log.error("the WAL relay died of %s; the server will stop", name)
            self._trouble("", "drill-crashed", f"The relay that hands over the WAL died of {name}.")
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        """Take the FIFOs away, then let go: who opens them now fails, who reads them sees their end."""
        for name in ("ask", "answer"):
            with contextlib.suppress(OSError):
                (self._pipes / name).unlink()
        for handle in (self._ask, self._answer):
            if handle >= 0:
                os.close(handle)
        self._ask = self._answer = -1

    def _requests(self) -> Iterator[str]:
        received = b""
        while not self._closed.is_set():
            if not select.select([self._ask], [], [], _POLL_S)[0]:
                continue
            with contextlib.suppress(BlockingIOError):
                received += os.read(self._ask, _LONGEST_REQUEST)
            *lines, received = received.split(b"\n")
            received = received[:_LONGEST_REQUEST]
            yield from (line.decode("ascii", "replace") for line in lines)

    def _tell(self, verdict: str, request: str) -> None:
        """Answer; an answer that nobody fetched, for a server that has died since, is taken away first."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._answer, _LONGEST_REQUEST):
                pass
        os.write(self._answer, f"{verdict} {request}\n".encode("ascii", "replace"))

    def _serve(self, request: str) -> str:
        if not is_wal_name(request):
            self._trouble(request, "hostile-content", "The sandbox asked for a file that is no WAL.")
            return _STOP
        begun = time.monotonic()
        try:
            fetched = self._stage.get(request, self._answer_s)
        except NotInTime:
            waited = time.monotonic() - begun
            self._trouble(request, "stage-deadline", f"The WAL did not arrive within {waited:.0f} s.")
            return _STOP
        self.answers.fetch_s += fetched.seconds
        return self._judge(request, fetched)

    def _judge(self, name: str, fetched: _Fetched) -> str:
        answer = fetched.answer
        if isinstance(answer, Absent):
            self.answers.add_absent(name)
            return _NO
        if isinstance(answer, Denied):
            self._trouble(name, answer.error.rule, answer.error.what, answer.error.where)
            return _STOP
        if isinstance(answer, Broken):
            self._trouble(name, "wal-corrupt", f"{name} {answer.why}.", answer.uri)
            return _STOP
        return self._place(name, answer, fetched.path)

    def _place(self, name: str, answer: Present, path: Path) -> str:
        is_segment = parse_history(name) is None
        try:
            self._move(path, _PLACE_OF_SEGMENTS if is_segment else _PLACE_OF_HISTORIES)
        except OSError as error:
            self._trouble(name, "workspace-unusable", f"The WAL cannot be placed: {error.strerror}.")
            return _STOP
        self.answers.bytes += answer.bytes
        if is_segment:
            self.answers.add_segment(name)
            self._stage.read_ahead(name)
        else:
            self.answers.histories += 1
        return _YES

    def _move(self, path: Path, name: str) -> None:
        """Rename *path* into pg_wal, which the sandbox can change at any moment: no link is followed."""
        owner = ids(self._workspace.os_user)
        flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        data = os.open(self._workspace.data_dir, flags)
        try:
            wal = os.open("pg_wal", flags, dir_fd=data)
            try:
                if owner is not None:
                    os.chown(path, *owner, follow_symlinks=False)
                os.rename(path, name, dst_dir_fd=wal)
            finally:
                os.close(wal)
        finally:
            os.close(data)

    def _trouble(self, name: str, rule: str, message: str, uri: str | None = None) -> None:
        self.answers.add_trouble(Trouble(name[:_LONGEST_REQUEST], rule, message, uri))


class _Stage:
    """The folder of the drill's own in which files wait for the server, and who fetches them."""

    def __init__(self, archive: WalArchive, folder: Path, cluster: Cluster, read_ahead: int) -> None:
        self.folder = folder
        self._archive, self._cluster = archive, cluster
        self._ahead = read_ahead
        self._fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="wal fetch")
        self._waiting: dict[str, Future[_Fetched]] = {}
        self._counter = 0

    def get(self, name: str, timeout_s: float) -> _Fetched:
        """Return *name*, fetched before or now. What was fetched before counts only where it was had.

        Raises:
            NotInTime: it took longer than *timeout_s*.
        """
        ends_at = time.monotonic() + timeout_s
        early = self._waiting.pop(name, None)
        fetched = None if early is None else early.result(timeout_s)
        if fetched is None or not isinstance(fetched.answer, Present):
            fetched = self._fetch_soon(name).result(max(0.0, ends_at - time.monotonic()))
        return fetched

    def read_ahead(self, name: str) -> None:
        """Fetch what follows *name* on its timeline, and drop whatever else waits."""
        segment = parse_segment(name, self._cluster.segment_bytes)
        if segment is None:
            return
        following = [
            segment_name(Segment(segment.timeline, segment.number + ahead), self._cluster.segment_bytes)
            for ahead in range(1, self._ahead + 1)
        ]
        for stale in self._waiting.keys() - set(following):
            self._drop(self._waiting.pop(stale))
        for name_ahead in following:
            early = self._waiting.get(name_ahead)
            if early is None:
                self._waiting[name_ahead] = self._fetch_soon(name_ahead)
            elif early.done() and not isinstance(early.result().answer, Present):
                break  # the end, or something in the way: asked again when the server gets there

    def close(self) -> None:
        """Stop fetching and remove what waits."""
        self._fetchers.shutdown(wait=False, cancel_futures=True)
        wait(self._waiting.values(), _CLOSING_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fetch_soon(self, name: str) -> Future[_Fetched]:
        self._counter += 1
        return self._fetchers.submit(self._fetch, name, self.folder / f"{self._counter}-{name}")

    def _fetch(self, name: str, path: Path) -> _Fetched:
        begun = time.monotonic()
        answer = self._archive.open(name, path)
        if isinstance(answer, Present):
            answer = self._checked(name, answer, path)
        if not isinstance(answer, Present):
            path.unlink(missing_ok=True)
        return _Fetched(answer, path, time.monotonic() - begun)

    def _checked(self, name: str, answer: Present, path: Path) -> Present | Broken:
        """Return *answer* where the file is what it is called."""
        segment = parse_segment(name, self._cluster.segment_bytes)
        if segment is None:
            return _checked_history(name, answer, path)
        with path.open("rb") as file:
            head, size = file.read(HEADER_BYTES), os.fstat(file.fileno()).st_size
        fault = fault_of(segment, head, size, self._cluster)
        return answer if fault is None else Broken(fault, answer.uri)

    @staticmethod
    def _drop(future: Future[_Fetched]) -> None:
        future.cancel()
        future.add_done_callback(_remove_file)


def _remove_file(future: Future[_Fetched]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().path.unlink(missing_ok=True)


def _checked_history(name: str, answer: Present, path: Path) -> Present | Broken:
    timeline = parse_history(name)
    if timeline is None:
        return Broken("names no segment of this cluster's size", answer.uri)
    try:
        history.parse(timeline, path.read_bytes())
    except history.HistoryUnreadableError as error:
        return Broken(f"cannot be read: {error}", answer.uri)
    return answer
