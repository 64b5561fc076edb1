"""The jail: a small program of its own between the drill and one PostgreSQL server or tool.

It holds the decision of what a process that handles an untrusted backup may see and how it ends. Started as
`python -I -S jail.py FD`, it reads its orders from the socket FD, enters the namespaces it is told to, gives
up its privileges in the child, and then watches: a drill that dies closes the socket, and the child is ended;
a jail that dies takes the child along by its parent-death signal. It imports nothing of the project, so that
starting it costs one bare interpreter, and all that it needs is imported before the file system is hidden.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

CLONE_FLAGS = {
    "mount": 0x00020000,
    "ipc": 0x08000000,
    "userns": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
}
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
END_GRACE_S = 5.0  # how long a server may take to shut down once its drill is dead
POLL_S = 1.0
_SETUP_FAILED = 125
_LINUX = sys.platform.startswith("linux")
_LIBC = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> NoReturn:
    """Take orders from the socket whose number is the only argument; exit as the child does."""
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    orders = json.loads(_read_line(control))
    if "probe" in orders:
        _reply(control, {"parts": probe(orders["probe"], orders.get("userns", False))})
        os._exit(0)
    try:
        child = start(orders)
    except OSError as error:
        _reply(control, {"error": f"{error.strerror or error}", "where": str(error.filename or "")})
        os._exit(_SETUP_FAILED)
    _reply(control, {"pid": child})
    end_as(watch(control, child, orders))


def start(orders: dict[str, Any]) -> int:
    """Enter the namespaces, start the child in them and return its pid as the host sees it.

    Raises:
        OSError: a namespace, the view or the program could not be had.
    """
    wakeup_read, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if _LINUX else _pipe()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    orders["wakeup"] = wakeup_read
    if _LINUX:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
    isolate(orders["parts"], userns=orders["userns"])
    if "mount" in orders["parts"]:
        build_view(orders["cover"], orders["keep"], hide_proc="pid" in orders["parts"])
    return _fork(orders)


def isolate(parts: list[str], *, userns: bool) -> None:
    """Leave the host's namespaces; an ordinary user first makes a user namespace that maps only himself."""
    flags = sum(CLONE_FLAGS[part] for part in parts if part in CLONE_FLAGS)
    if userns:
        uid, gid = os.geteuid(), os.getegid()
        _check(_LIBC.unshare(flags | CLONE_FLAGS["userns"]), "user namespace")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    elif flags:
        _check(_LIBC.unshare(flags), "namespaces")


def build_view(cover: list[str], keep: list[str], *, hide_proc: bool) -> None:
    """Hide what no sandbox needs behind empty folders, and bring back *keep* at its own path.

    Paths stay what they are outside, so nobody has to translate them; parents that the sandbox's user could
    not pass are among the covered ones. The rest becomes read-only where the host allows it.
    """
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    opened = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in keep]
    for folder in cover:
        _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    for path, handle in opened:
        with contextlib.suppress(OSError):  # beside the covered ones it is there already
            os.makedirs(path, mode=0o755, exist_ok=True)  # noqa: PTH103  pathlib would be one more import
        _mount(f"/proc/self/fd/{handle}", path, None, MS_BIND)
        os.close(handle)
    for folder in cover:
        _mount(None, folder, None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)
    with contextlib.suppress(
        OSError
    ):  # refused where the host's own flags are locked; the user still protects
        _mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    if hide_proc:
        _mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, "mode=0755,size=1m")


def probe(parts: list[str], userns: bool) -> list[str]:
    """Return those of *parts* that this host allows, tried in children, each alone and then all at once."""
    allowed = [part for part in parts if _try([part], userns=userns)]
    while allowed and not _try(allowed, userns=userns):
        allowed.pop()
    return allowed


def watch(control: socket.socket, child: int, orders: dict[str, Any]) -> int:
    """Wait until the child ends, or end it when the drill is gone; return its wait status."""
    parent = os.getppid()
    while True:
        ready, _, _ = select.select([control, orders["wakeup"]], [], [], POLL_S)
        if orders["wakeup"] in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(orders["wakeup"], 512)
        status = _reap(child)
        if status is not None:
            break
        if control in ready:
            signals = control.recv(64)
            for number in signals:
                _signal_group(child, number)
            if not signals:
                status = _end(child, orders["death_signal"])
                break
        if os.getppid() != parent:
            status = _end(child, orders["death_signal"])
            break
    _end_adopted()
    return status


def end_as(status: int) -> NoReturn:
    """Exit exactly as the child did, its signal included."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        time.sleep(1)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _fork(orders: dict[str, Any]) -> int:
    """Fork and exec; one pipe tells the child that we live while it arms its death signal, one us of exec."""
    go_read, go_write = _pipe()
    error_read, error_write = _pipe()
    child = os.fork()
    if child == 0:
        os.close(go_write)
        os.close(error_read)
        try:
            _become(orders, go_read)
        except OSError as error:
            os.write(error_write, json.dumps([error.errno, error.strerror, str(error.filename)]).encode())
        os._exit(_SETUP_FAILED)
    os.close(go_read)
    os.close(error_write)
    os.write(go_write, b"1")
    with os.fdopen(error_read, "rb") as errors:
        failed = errors.read()
    if failed:
        os.waitpid(child, 0)
        raise OSError(*json.loads(failed))
    orders["go"] = go_write  # stays open: the child of a dead jail reads an end of file
    _let_go_of_streams()
    return child


def _let_go_of_streams() -> None:
    """Leave the child's pipes to the child: who feeds or reads them must see when it closes them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)


def _become(orders: dict[str, Any], go_read: int) -> NoReturn:
    """In the child: give up everything that is not needed, then become the program."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if orders["uid"] is not None:
        os.setgroups([orders["gid"]])
        os.setgid(orders["gid"])
        os.setuid(orders["uid"])
    if _LINUX:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        _prctl(PR_SET_PDEATHSIG, orders["death_signal"])  # after setuid, which clears it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    os.chdir(orders["cwd"])
    if os.read(go_read, 1) != b"1":
        os._exit(_SETUP_FAILED)
    os.execve(orders["argv"][0], orders["argv"], orders["env"])  # noqa: S606  an argument list, no shell


def _end(child: int, number: int) -> int:
    """End the child for good: its own way first, the kernel's after a grace."""
    _signal_group(child, number)
    deadline = time.monotonic() + END_GRACE_S
    while time.monotonic() < deadline:
        status = _reap(child)
        if status is not None:
            return status
        time.sleep(0.02)
    _signal_group(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _end_adopted() -> None:
    """Kill what the child left: as a subreaper we inherit every orphan, whatever session it fled to."""
    if not _LINUX:
        return
    deadline = time.monotonic() + END_GRACE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        orphans = _children()
        if not orphans:
            return
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _children() -> list[int]:
    """Return our children; with /proc hidden there is a pid namespace, which died with its first process."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
                fields = stat.read().rpartition(b")")[2].split()
                if int(fields[1]) == os.getpid():
                    found.append(int(name))
    return found


def _reap(child: int) -> int | None:
    """Reap whatever has ended; return the child's status once it has."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                return status
            if pid == 0:
                return None
    return None


def _signal_group(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, number)


def _try(parts: list[str], *, userns: bool) -> bool:
    child = os.fork()
    if child == 0:
        try:
            isolate(parts, userns=userns)
            if "mount" in parts:
                _mount(None, "/", None, MS_REC | MS_PRIVATE)
                _mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m")  # noqa: S108  in a child's own view
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    def text(value: str | None) -> bytes | None:
        return None if value is None else os.fsencode(value)

    result = _LIBC.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data))
    _check(result, target)


def _prctl(option: int, value: int) -> None:
    _check(_LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl")


def _check(result: int, where: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), where)


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:  # noqa: PTH123  pathlib would be one more import at every start
            file.write(text)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _pipe() -> tuple[int, int]:
    return os.pipe()  # not inheritable: gone with exec


def _read_line(control: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        more = control.recv(65536)
        if not more:
            os._exit(0)
        received += more
    return received


def _reply(control: socket.socket, answer: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
