"""The one runner of PostgreSQL's tools: jailed, with a deadline, streams drained, no rows kept."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from tasks.model.errors import PermanentError
from tasks.model.sandbox import Sandbox, Workspace
from tasks.sandbox.extensions import library_env
from tasks.sandbox.isolation import ids
from tasks.sandbox.launch import Jailed, Orders, launch
from tasks.sandbox.limits import process_limits
from tasks.sandbox.stderr import Masker
from tasks.sandbox.view import kept_install, needs_name_service, view_of
from tasks.sandbox.workspace import share_backup

STDERR_LINES_KEPT = 20_000
TERM_GRACE_S = 3.0
_LINE_BYTES = 1 << 16
_CHUNK = 1 << 16
_QUIET_ENV = {
    "PGPASSFILE": "/nonexistent/passfile",
    "PGSERVICEFILE": "/nonexistent/service",
    "PGSYSCONFDIR": "/nonexistent",
}
"""What keeps a tool from reading the caller's own PostgreSQL settings."""


class Role(Enum):
    """What a jailed process is there for, which decides what it may do.

    MAKER: a program of ours that meets nothing of a backup (initdb) and may run others. TOOL: reads a backup
    and talks to the server. SERVER: runs what the backup brought; it answers and never asks anybody.
    RECOVERING: a server that replays WAL and lets nobody in, so that no code of a backup runs; it may run the
    shell, by which PostgreSQL runs restore_command (tasks/wal/relay.py), and nothing else.
    """

    MAKER = "maker"
    TOOL = "tool"
    SERVER = "server"
    RECOVERING = "recovering"

    @property
    def serves(self) -> bool:
        """Whether it is a server."""
        return self in {Role.SERVER, Role.RECOVERING}


_NOT_FOR_MAKERS = {"exec", "files"}  # initdb runs `postgres` by a shell
_EXECS = {Role.MAKER: 0, Role.TOOL: 1, Role.SERVER: 3, Role.RECOVERING: 3}  # some wrap `postgres` in scripts
SHELL = "/bin/sh"
"""What PostgreSQL runs a restore_command by."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool did.

    Attributes:
        exit_code: negative: the signal that ended it.
        stderr_lines: masked, the last `STDERR_LINES_KEPT`.
        timed_out: it was ended because its deadline passed.
        dropped_lines: how many earlier lines of stderr are not in *stderr_lines*.
        stdin_taken: the tool read all that it was fed.
    """

    exit_code: int
    stderr_lines: tuple[str, ...]
    timed_out: bool
    seconds: float
    dropped_lines: int = 0
    stdin_taken: bool = True


def run_tool(
    place: Sandbox | Workspace,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    stdin: Iterable[bytes] | None = None,
    deadline_s: float,
    on_stderr: Callable[[str], None] | None = None,
    on_stdout: Callable[[bytes], None] | None = None,
    cwd: Path | None = None,
    role: Role = Role.TOOL,
) -> ToolResult:
    """Run a tool in the sandbox's jail until it ends or its deadline passes.

    Args:
        place: a sandbox, or a workspace for tools that need no server.
        argv: the program first: a path, or the name of one of the sandbox's PostgreSQL programs.
        env: its whole environment, but for the drill's id, `LC_ALL=C` and paths that silence user settings.
        stdin: chunks, pulled as fast as the tool reads them; a tool that stops reading is no error.
        deadline_s: seconds, then SIGTERM, then SIGKILL to its process group.
        on_stderr: gets every line as it arrives, on another thread: to classify by, not to keep.
        on_stdout: gets stdout's chunks as they arrive, on another thread; without it they are discarded.
        cwd: where it starts; the workspace's scratch folder when None.
        role: what it may do.

    Raises:
        PermanentError: `postgres-failed`: it could not be started. What *stdin* or a callback raises is
            raised again.
    """
    workspace = place.workspace if isinstance(place, Sandbox) else place
    share_backup(workspace)
    orders = jail_orders(
        workspace,
        (_program(place, argv[0]), *argv[1:]),
        env={**_QUIET_ENV, **(library_env(place.postgres) if isinstance(place, Sandbox) else {}), **env},
        cwd=cwd or workspace.scratch_dir,
        install_dir=kept_install(place.postgres.bindir) if isinstance(place, Sandbox) else None,
        role=role,
    )
    return run_orders(orders, stdin=stdin, deadline_s=deadline_s, on_stderr=on_stderr, on_stdout=on_stdout)


def run_orders(
    orders: Orders,
    *,
    stdin: Iterable[bytes] | None = None,
    deadline_s: float,
    on_stderr: Callable[[str], None] | None = None,
    on_stdout: Callable[[bytes], None] | None = None,
) -> ToolResult:
    """Run what *orders* say until it ends or its deadline passes; the arguments are those of `run_tool`.

    Raises:
        PermanentError: as `run_tool`.
    """
    started = time.monotonic()
    jailed = launch(
        orders,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.DEVNULL if on_stdout is None else subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    streams = _Streams(jailed, stdin, on_stdout, on_stderr)
    try:
        code = jailed.wait(max(0.0, deadline_s - (time.monotonic() - started)))
        timed_out = code is None
    except BaseException:
        jailed.stop(signal.SIGKILL, TERM_GRACE_S)
        streams.close()
        raise
    code = jailed.stop(signal.SIGTERM, TERM_GRACE_S)
    streams.close()
    streams.raise_trouble()
    return ToolResult(
        exit_code=code,
        stderr_lines=tuple(streams.kept),
        timed_out=timed_out,
        seconds=time.monotonic() - started,
        dropped_lines=streams.seen - len(streams.kept),
        stdin_taken=streams.stdin_taken,
    )


def jail_orders(
    workspace: Workspace,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    install_dir: Path | None,
    role: Role,
) -> Orders:
    """Return the orders for a process that works in *workspace* under its isolation."""
    view = view_of(workspace, install_dir, server=role.serves)
    return Orders(
        drill_id=workspace.drill_id,
        argv=tuple(argv),
        env=env,
        cwd=cwd,
        parts=workspace.isolation - _NOT_FOR_MAKERS if role is Role.MAKER else workspace.isolation,
        ids=ids(workspace.os_user),
        userns=workspace.os_user is None,
        view=view.as_dict(),
        readable=view.readable,
        writable=view.writable,
        execs=_EXECS[role],
        helpers=(SHELL,) if role is Role.RECOVERING else (),
        connect=not role.serves or needs_name_service(workspace),
        limits=process_limits(workspace, server=role.serves),
        # Entering one waits for the kernel, 20 ms; of a tool the limits of its one process are enough.
        groups=tuple(map(str, workspace.groups)) if role.serves else (),
        death_signal=signal.SIGQUIT if role.serves else signal.SIGKILL,
    )


class _Streams:
    """The threads that feed and drain one tool."""

    def __init__(
        self,
        jailed: Jailed,
        stdin: Iterable[bytes] | None,
        on_stdout: Callable[[bytes], None] | None,
        on_stderr: Callable[[str], None] | None,
    ) -> None:
        self.kept: deque[str] = deque(maxlen=STDERR_LINES_KEPT)
        self.seen = 0
        self.stdin_taken = True
        self._jailed = jailed
        self._trouble: list[BaseException] = []
        process = jailed.process
        self._threads = [
            threading.Thread(target=self._drain_stderr, args=(process.stderr, on_stderr), daemon=True)
        ]
        if stdin is not None:
            self._threads.append(
                threading.Thread(target=self._feed, args=(process.stdin, stdin), daemon=True)
            )
        if on_stdout is not None:
            self._threads.append(
                threading.Thread(target=self._drain_stdout, args=(process.stdout, on_stdout), daemon=True)
            )
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Wait for the threads; the tool is gone, so its pipes end."""
        for thread in self._threads:
            thread.join(TERM_GRACE_S)
        for stream in (self._jailed.process.stdin, self._jailed.process.stdout, self._jailed.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def raise_trouble(self) -> None:
        """Raise again what the feeding iterable or a callback raised."""
        if self._trouble:
            raise self._trouble[0]

    def _feed(self, pipe: IO[bytes], chunks: Iterable[bytes]) -> None:
        try:
            for chunk in chunks:
                pipe.write(chunk)
            pipe.close()
        except BrokenPipeError:
            self.stdin_taken = False
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            self._give_up(error)
        finally:
            with contextlib.suppress(OSError):
                pipe.close()

    def _drain_stdout(self, pipe: IO[bytes], take: Callable[[bytes], None]) -> None:
        try:
            while chunk := pipe.read1(_CHUNK):  # type: ignore[attr-defined]
                take(chunk)
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            self._give_up(error)

    def _drain_stderr(self, pipe: IO[bytes], tell: Callable[[str], None] | None) -> None:
        mask = Masker()
        try:
            while raw := pipe.readline(_LINE_BYTES):
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                if tell is not None:
                    tell(line)
                masked = mask(line)
                if masked is not None:
                    self.seen += 1
                    self.kept.append(masked)
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        self._trouble.append(error)
        self._jailed.signal(signal.SIGKILL)


def _program(place: Sandbox | Workspace, name: str) -> str:
    if "/" in name:
        return name
    ours = place.postgres.bindir / name if isinstance(place, Sandbox) else None
    program = str(ours) if ours is not None and ours.exists() else shutil.which(name)
    if program is None:
        raise PermanentError(f"The program {name} is not on this worker.", where=name, rule="postgres-failed")
    return program
