"""The process of one drill, as its flow sees it: it does what it is called for, or it is ended.

Nothing that a backup holds is touched in the flow's own process. So code that never returns, that takes all
memory or that crashes the interpreter costs one drill its process and nobody else anything: the deadline is
kept here, by a process that has nothing else to do, and what the earlier steps came to is here already.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ParamSpec, Self, TypeVar

from tasks.drill import fork_server
from tasks.drill.channel import Channel, MessageTooLarge
from tasks.drill.child import OUT_OF_MEMORY
from tasks.drill.limits import memory_limit_bytes, memory_used_bytes
from tasks.drill.messages import Call, Done, Hello, Logged, Raised, Ready, Told
from tasks.drill.progress import tell
from tasks.jail.kernel import hide_process
from tasks.model.deadline import Deadline
from tasks.model.errors import PermanentError
from tasks.model.units import format_bytes
from tasks.sandbox.extensions import known_extensions

P = ParamSpec("P")
R = TypeVar("R")

GRACE_S = 10.0
"""What a step gets beyond its deadline for ending by itself what it has started."""
START_S = 60.0
ANSWER_SHARE = 32
"""A message takes at most this part of a drill's memory; unpacked it takes several times its size here."""
_WATCH_EVERY_S = 0.1
_ENDED_WITHIN_S = 5.0
_TOLD = (
    "COVERAGE_",
    "HOME",
    "LANG",
    "LC_",
    "LD_LIBRARY_PATH",
    "PATH",
    "RESTORE_DRILL_",
    "TMPDIR",
    "TZ",
    "XDG_",
)
"""What of the environment the server gets: what it needs to see what the worker offers."""
_OURS = ("deployments", "flows", "tasks", "expectations")
_log = logging.getLogger(__name__)


class Stopped(PermanentError):  # noqa: N818  what happened, in the field's words
    """The drill was stopped from outside: what it then meets says nothing about its backup."""

    default_rule = "drill-interrupted"


class NoProcess(PermanentError):  # noqa: N818
    """The process of a drill could not be started."""

    default_rule = "drill-process-died"


class DrillProcess:
    """The process of one drill; started at the first call, and anew after one that it did not survive.

    Attributes:
        validating: it has imported Great Expectations.
    """

    def __init__(self, name: str, *, validating: bool = False) -> None:
        self.name = name
        self.validating = validating
        self._living: _Living | None = None
        self._stopped = False
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Travel without the process: elsewhere it would be a new one."""
        return vars(self) | {"_living": None}

    def call(
        self,
        work: Callable[P, R],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        deadline: Deadline,
        *,
        overdue: str = "stage-deadline",
        must: bool = False,
    ) -> R:
        """Have *work* done in the process and return what it returned.

        Args:
            work: can be pickled, as its arguments and what it returns or raises.
            args: of *work*, as *kwargs*.
            kwargs: see *args*.
            deadline: after it, and a grace, the process is killed with whatever it has started.
            overdue: the rule under which that is judged.
            must: do it although the drill was stopped: its teardown and its record.

        Raises:
            DrillError: what *work* raised; `drill-process-died`, `drill-out-of-memory` or *overdue*;
                Stopped: the drill was stopped from outside, before or meanwhile.
        """
        with nullcontext() if must else self._stoppable():
            try:
                living = self._living or self._start(deadline)
                if not must:
                    self._check_stopped()
                answer = self._ask(living, Call(work, args, kwargs), deadline, overdue)
            except BaseException:  # nobody will hear its answer any more
                self.close()
                raise
        if isinstance(answer, Raised):
            raise answer.error
        known_extensions.update(answer.extensions)
        value: R = answer.value
        return value

    def stop(self) -> None:
        """End the process from another thread; the call that waits for it raises Stopped."""
        self._stopped = True
        living = self._living
        if living is not None:
            living.channel.interrupt()

    def close(self) -> None:
        """End the process: it has done what it was for."""
        living, self._living = self._living, None
        if living is not None:
            living.end()

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Let `stop` reach the call in the block: what that then raises is that the drill was stopped."""
        with _guard:
            _running.add(self)
        try:
            self._check_stopped()
            yield
        except PermanentError:
            self._check_stopped()
            raise
        finally:
            with _guard:
                _running.discard(self)

    def _check_stopped(self) -> None:
        if self._stopped or _closing.is_set():
            raise Stopped("The drill was stopped from outside.")

    def _start(self, deadline: Deadline) -> _Living:
        timeout_s = min(START_S, max(1.0, deadline.left_s))
        for validating in (self.validating, False):
            try:
                self._living = living = _server(validating=validating).start(self.name, timeout_s)
            except (OSError, EOFError) as error:
                _log.warning("the process of %s could not be started: %s", self.name, type(error).__name__)
            else:
                return living
        raise NoProcess("The process of the drill could not be started. Nothing is said about the backup.")

    def _ask(self, living: _Living, call: Call, deadline: Deadline, overdue: str) -> Done | Raised:
        self._last = ""
        try:
            living.channel.send(call, max(1.0, deadline.left_s + GRACE_S))
            while True:
                message = living.hear()
                if isinstance(message, Done | Raised):
                    return message
                self._hear(message)
                _check_memory(living)
                if deadline.over_s > GRACE_S:
                    raise self._overdue(deadline, overdue)
        except MessageTooLarge as error:
            raise _out_of_memory(error.size_bytes) from None
        except TimeoutError:
            raise self._overdue(deadline, overdue) from None
        except (EOFError, OSError):
            raise _died(living.end()) from None

    def _hear(self, message: object) -> None:
        if isinstance(message, Logged):
            record = logging.makeLogRecord(dict(message.fields))
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
        elif isinstance(message, Told):
            self._last = message.progress.text or self._last
            tell(message.progress)

    def _overdue(self, deadline: Deadline, rule: str) -> PermanentError:
        far = f" The last that it told: {self._last}." if self._last else ""
        return PermanentError(
            f"The step did not end within its deadline of {deadline.seconds:g} s, nor by itself after it: "
            f"the drill's process was ended.{far}",
            rule=rule,
        )


@contextmanager
def stopping_drills(pool: ThreadPoolExecutor) -> Iterator[None]:
    """Stop all drills of this process when the block is interrupted, and let none of *pool* begin."""
    try:
        yield
    except BaseException:
        _closing.set()
        pool.shutdown(wait=False, cancel_futures=True)
        with _guard:
            running = tuple(_running)
        for process in running:
            process.stop()
        raise


@contextmanager
def open_again() -> Iterator[None]:
    """Let drills begin again once the block has been left, however it was."""
    try:
        yield
    finally:
        _closing.clear()


def start_server() -> None:
    """Start what processes are forked from, without waiting for it."""
    _server()


def prepare_validation() -> None:
    """Let Great Expectations be imported meanwhile, for the process that will validate."""
    with contextlib.suppress(OSError):
        _server(validating=True)


# --- the servers


@dataclass(slots=True)
class _Living:
    """A living process: its channel, and the server's word on how it ends."""

    channel: Channel
    status: socket.socket
    pid: int
    limit_bytes: int

    def hear(self) -> object:
        """Return what it says next; None if it says nothing for a while."""
        try:
            return self.channel.receive(_WATCH_EVERY_S)
        except TimeoutError:
            return None

    def end(self) -> dict[str, int]:
        """Kill it and whatever is left of it; return how it ended, as far as that is known."""
        with contextlib.suppress(OSError):
            self.status.sendall(fork_server.KILL)
        self.channel.close()
        report = b""
        with contextlib.suppress(OSError):
            self.status.settimeout(_ENDED_WITHIN_S)
            while chunk := self.status.recv(4096):
                report += chunk
        self.status.close()
        return dict(json.loads(report)) if report.endswith(b"}") else {}


class _Server:
    """A fork server of this process; with its socket it ends, and all that it has forked."""

    def __init__(self, requests: socket.socket) -> None:
        self.lives = True
        self._requests = requests
        self._asking = threading.Lock()

    @classmethod
    def run(cls) -> _Server:
        """Start the program; it is told nothing that a drill alone needs to know."""
        hide_process()  # what runs in a sandbox may be of the same user; the environment holds credentials
        ours, theirs = socket.socketpair()
        with theirs:
            program = subprocess.Popen(
                fork_server.command(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={name: value for name, value in os.environ.items() if name.startswith(_TOLD)},
                cwd="/",
                start_new_session=True,
            )
        server = cls(ours)
        threading.Thread(target=server.await_end, args=(program,), name="fork server", daemon=True).start()
        return server

    def await_end(self, program: subprocess.Popen[bytes]) -> None:
        """Wait until the program has ended."""
        program.wait()
        self._bury()

    def copy(self) -> _Server:
        """Return a server that this one forks, and that imports Great Expectations."""
        ours, theirs = socket.socketpair()
        copy = _Server(ours)
        status = self._ask(fork_server.SERVER, theirs)
        threading.Thread(target=copy.await_word, args=(status,), name="fork server", daemon=True).start()
        return copy

    def await_word(self, status: socket.socket) -> None:
        """Wait until the server that forked it says that it has ended."""
        with status, contextlib.suppress(OSError):
            status.recv(1)
        self._bury()

    def start(self, name: str, timeout_s: float) -> _Living:
        """Return a new process.

        Raises:
            OSError, EOFError: the server has gone.
        """
        ours, theirs = socket.socketpair()
        status = self._ask(fork_server.DRILL, theirs)
        limit_bytes = memory_limit_bytes()
        channel = Channel(ours)
        hello = Hello(
            name=f"drill {name}",
            environ=dict(os.environ),
            cwd=_folder(),
            levels={logger: logging.getLogger(logger).getEffectiveLevel() for logger in ("", *_OURS)},
            limit_bytes=limit_bytes // ANSWER_SHARE,
            extensions=dict(known_extensions),
        )
        living = _Living(channel, status, 0, limit_bytes)
        try:
            channel.send(hello, timeout_s)
            ready: Ready = channel.receive(timeout_s)
        except BaseException:
            living.end()
            raise
        channel.limit_bytes = hello.limit_bytes
        living.pid = ready.pid
        return living

    def _bury(self) -> None:
        self.lives = False
        with self._asking:
            self._requests.close()

    def _ask(self, kind: bytes, talk: socket.socket) -> socket.socket:
        """Send a request with the other end of *talk*; return our end of its status."""
        ours, theirs = socket.socketpair()
        with self._asking, talk, theirs:
            socket.send_fds(self._requests, [kind], [talk.fileno(), theirs.fileno()])
        return ours


_guard = threading.Lock()
_servers: dict[bool, _Server] = {}
_running: set[DrillProcess] = set()
_closing = threading.Event()


def _server(*, validating: bool = False) -> _Server:
    """Return a living server; one that has ended is started anew."""
    with _guard:
        for kind in (False, True) if validating else (False,):
            server = _servers.get(kind)
            if server is None or not server.lives:
                _servers[kind] = _servers[False].copy() if kind else _Server.run()
        return _servers[validating]


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109  a Path would be turned back
    except OSError:
        return "/"


def _check_memory(living: _Living) -> None:
    used = memory_used_bytes(living.pid)
    if used > living.limit_bytes:
        raise _out_of_memory(used)


def _out_of_memory(size: int) -> PermanentError:
    return PermanentError(f"{OUT_OF_MEMORY} It had come to {format_bytes(size)}.", rule="drill-out-of-memory")


def _died(report: Mapping[str, int]) -> PermanentError:
    code = report.get("code")
    how = "how is not known" if code is None else f"exit code {code}"
    if code is not None and code < 0:
        how = f"signal {-code}, {signal.strsignal(-code) or 'unknown'}"
    return PermanentError(
        f"The drill's own process ended in the middle of its work ({how}). Nothing is said about the backup.",
        rule="drill-process-died",
    )
