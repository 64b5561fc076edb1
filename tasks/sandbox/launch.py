"""Starting a jailed process and holding on to it: the drill's end of the jail's socket.

As long as the drill holds its end, the process may live; orders and secrets travel through it, never in argv.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tasks.jail import start
from tasks.model.child_python import child_python
from tasks.model.errors import PermanentError
from tasks.model.sandbox import NAMESPACES

_JAIL = Path(start.__file__)
_START_TIMEOUT_S = 60.0
Stream = int | IO[bytes] | None

_ENGLISH = {"LC_ALL": "C", "LANGUAGE": "C"}
"""PostgreSQL drops LC_ALL for lc_messages, which a dump's functions may set; LANGUAGE it does not know, and
gettext asks that first (seen with 15: `SET lc_messages = 'de_DE.utf8'` stays English). What a server says in
another language cannot be classified."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a jailed process is and may see.

    Attributes:
        drill_id: put into its environment, by which teardown finds it.
        env: its whole environment, but for the drill's id and what makes it speak English.
        cwd: where it starts.
        parts: of its isolation, see Workspace.
        ids: uid and gid to become; None to stay.
        also_in: a further group of whom it becomes.
        view: see `tasks.jail.view.build_view`.
        readable, writable: the files and folders that Landlock lets it open.
        execs: how often it may become a program, and nothing else ever; 0: as often as it likes.
        helpers: programs that its children may become besides.
        connect: whether it may connect a socket to another.
        limits: see `tasks.jail.limits`.
        groups: control groups that it enters.
        death_signal: how it ends when its drill dies.
    """

    drill_id: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    parts: frozenset[str] = frozenset()
    ids: tuple[int, int] | None = None
    also_in: int | None = None
    userns: bool = False
    view: Mapping[str, object] = field(default_factory=dict)
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    execs: int = 0
    helpers: tuple[str, ...] = ()
    connect: bool = True
    limits: Mapping[str, int] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    death_signal: int = signal.SIGKILL

    def as_dict(self) -> dict[str, Any]:
        """Return the orders as the jail reads them."""
        uid, gid = self.ids or (None, None)
        return {
            "argv": list(self.argv),
            "env": {**self.env, **_ENGLISH, "RESTORE_DRILL_ID": self.drill_id},
            "cwd": str(self.cwd),
            "parts": sorted(self.parts),
            "uid": uid,
            "gid": gid,
            "also_in": self.also_in,
            "userns": self.userns and not self.parts.isdisjoint(NAMESPACES),
            "view": dict(self.view),
            "read": self.readable,
            "write": self.writable,
            "execs": self.execs,
            "helpers": self.helpers,
            "connect": self.connect,
            "groups": self.groups,
            "limits": dict(self.limits) if "limits" in self.parts else {},
            "death_signal": int(self.death_signal),
        }


class Jailed:
    """A process in its jail. It ends when this object's socket is closed, by us or by our death."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, pid: int) -> None:
        self.process = process
        self.pid = pid
        self._control = control

    def signal(self, number: int) -> None:
        """Send *number* to the process and its group; nothing happens when it has ended."""
        with contextlib.suppress(OSError):
            self._control.sendall(bytes([number]))

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Return the exit code (negative: the signal), or None when *timeout_s* passed first."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def alive(self) -> bool:
        """Say whether it still runs."""
        return self.process.poll() is None

    def stop(self, number: int, grace_s: float) -> int:
        """End it with *number*, after *grace_s* seconds with SIGKILL; return its exit code."""
        self.signal(number)
        code = self.wait(grace_s)
        if code is None:
            self.signal(signal.SIGKILL)
            code = self.wait(grace_s)
        self._control.close()  # the jail ends whatever is left
        if code is None:
            self.process.kill()
            code = self.process.wait()
        return code


def launch(orders: Orders, *, stdin: Stream, stdout: Stream, stderr: Stream) -> Jailed:
    """Start a jailed process.

    Args:
        orders: what it is and may see.
        stdin: as `subprocess.Popen` takes it, like the other two.
        stdout: see *stdin*.
        stderr: see *stdin*.

    Raises:
        PermanentError: `postgres-failed`: the program or its namespaces could not be had.
    """
    process, control, answer = _converse(
        orders.as_dict(), {"RESTORE_DRILL_ID": orders.drill_id}, (stdin, stdout, stderr)
    )
    if "pid" in answer:
        return Jailed(process, control, int(answer["pid"]))
    control.close()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    raise PermanentError(
        f"{Path(orders.argv[0]).name} could not be started: {answer.get('error', 'the jail died')}. "
        "Nothing is said about the backup.",
        where=answer.get("where") or orders.argv[0],
        rule="postgres-failed",
    )


def probe_host(question: dict[str, Any]) -> dict[str, Any]:
    """Let a jail try what this host allows and return its answer; {} where the probe itself fails.

    Args:
        question: see `tasks.jail.program.probe`.
    """
    quiet = (subprocess.DEVNULL, subprocess.DEVNULL, subprocess.DEVNULL)
    process, control, answer = _converse(question, {}, quiet)
    control.close()
    process.wait()
    return answer


def _converse(
    message: dict[str, Any], env: dict[str, str], streams: tuple[Stream, Stream, Stream]
) -> tuple[subprocess.Popen[bytes], socket.socket, dict[str, Any]]:
    """Start a jail, give it *message* and return its first answer; {} when it died before one."""
    ours, theirs = socket.socketpair()
    stdin, stdout, stderr = streams
    with theirs:
        process = subprocess.Popen(
            child_python("-S", str(_JAIL), str(theirs.fileno())),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd="/",
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    ours.settimeout(_START_TIMEOUT_S)
    received = b""
    with contextlib.suppress(OSError):
        ours.sendall(json.dumps(message).encode() + b"\n")
        while not received.endswith(b"\n") and (more := ours.recv(65536)):
            received += more
    ours.settimeout(None)
    return process, ours, json.loads(received) if received.endswith(b"\n") else {}
