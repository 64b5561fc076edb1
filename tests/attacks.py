"""What native code in a sandbox would try: run by a bare interpreter, says of each attempt how it ended.

Writes a JSON object: the attempt's name to "done" or the name of the error. The path of a file that is there
to be read is the first argument, a listening abstract socket's name the second, a path socket the third.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import signal
import socket
import sys
from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
NUMBERS = {  # x86_64, aarch64
    "unshare": (272, 97),
    "mount": (165, 40),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "userfaultfd": (323, 282),
    "memfd_create": (319, 279),
    "open_by_handle_at": (304, 265),
    "clone3": (435, 435),
    "pidfd_getfd": (438, 438),
}
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
LOADER = "/lib/ld-linux-aarch64.so.1" if ARM else "/lib64/ld-linux-x86-64.so.2"
AF_VSOCK, AF_ALG, AF_PACKET, AF_NETLINK = 40, 38, 17, 16


def call(name: str, *arguments: object) -> None:
    """Make a system call; one that fails raises."""
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    if LIBC.syscall(ctypes.c_long(NUMBERS[name][ARM]), *wide) < 0:
        raise OSError(ctypes.get_errno(), name)


def in_child(attempt: Callable[[], object]) -> Callable[[], None]:
    """Make *attempt* in a child, whose end tells how it went; what it starts is not ours."""

    def made() -> None:
        child = os.fork()
        if child == 0:
            try:
                attempt()
            except OSError as error:
                os._exit(error.errno or 255)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status > 0:
            raise OSError(status, "in a child")

    return made


def family(number: int, kind: int = socket.SOCK_STREAM) -> Callable[[], None]:
    """Return the attempt to make a socket."""
    return lambda: socket.socket(number, kind).close()


def connect(address: str) -> None:
    """Connect to a local socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)


def clone_into(flags: int) -> None:
    """Fork by clone(2) into new namespaces."""
    number = 220 if ARM else 56
    child = LIBC.syscall(ctypes.c_long(number), ctypes.c_long(flags | signal.SIGCHLD), 0, 0, 0, 0)
    if child < 0:
        raise OSError(ctypes.get_errno(), "clone")
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def read(path: str) -> None:
    """Read a byte of a file."""
    with open(path, "rb") as file:  # noqa: PTH123  a bare interpreter
        file.read(1)


def execute(program: str, *arguments: str) -> None:
    """Become another program, if we are let."""
    os.execv(program, [program, *arguments])  # noqa: S606


def own_copy() -> str:
    """Return a program that was written by ourselves."""
    with open(sys.executable, "rb") as source, open("copy", "wb") as target:  # noqa: PTH123
        target.write(source.read())
    os.chmod("copy", 0o755)  # noqa: PTH101, S103
    return "./copy"


def attempts(secret: str, abstract: str, path: str) -> dict[str, Callable[[], object]]:
    """Return every attempt by its name."""
    return {
        "exec-shell": in_child(lambda: execute("/bin/sh", "-c", ":")),
        "exec-itself": in_child(lambda: execute(sys.executable, "-I", "-c", "")),
        "exec-loader": in_child(lambda: execute(LOADER, "/bin/true")),
        "exec-own-copy": in_child(lambda: execute(own_copy(), "-I", "-c", "")),
        "inet": family(socket.AF_INET),
        "inet-datagram": family(socket.AF_INET, socket.SOCK_DGRAM),
        "inet6": family(socket.AF_INET6),
        "vsock": family(AF_VSOCK),
        "alg": family(AF_ALG, socket.SOCK_SEQPACKET),
        "packet": family(AF_PACKET, socket.SOCK_RAW),
        "netlink": family(AF_NETLINK, socket.SOCK_RAW),
        "unix-datagram": family(socket.AF_UNIX, socket.SOCK_DGRAM),
        "unix-stream": family(socket.AF_UNIX),
        "connect-abstract": lambda: connect("\0" + abstract),
        "connect-path": lambda: connect(path),
        "unshare-user": in_child(lambda: call("unshare", CLONE_NEWUSER)),
        "clone-user": in_child(lambda: clone_into(CLONE_NEWUSER | CLONE_NEWNET)),
        "clone3": lambda: call("clone3", None, 0),
        "mount": lambda: call("mount", b"x", b"/tmp", b"tmpfs", 0, None),
        "bpf": lambda: call("bpf", 0, None, 0),
        "io_uring": lambda: call("io_uring_setup", 1, ctypes.create_string_buffer(256)),
        "perf": lambda: call("perf_event_open", None, 0, -1, -1, 0),
        "keyctl": lambda: call("keyctl", 0, -3, 1),
        "add_key": lambda: call("add_key", b"user", b"x", b"x", 1, -3),
        "ptrace": in_child(lambda: call("ptrace", 0, 0, None, None)),
        "process_vm": lambda: call("process_vm_readv", os.getpid(), None, 0, None, 0, 0),
        "userfaultfd": lambda: call("userfaultfd", 1),
        "memfd": lambda: call("memfd_create", b"x", 0),
        "handle": lambda: call("open_by_handle_at", 0, None, 0),
        "read-secret": lambda: read(secret),
        "read-parent": lambda: read(f"/proc/{os.getppid()}/environ"),
        "read-itself": lambda: read("/proc/self/environ"),
        "list-root": lambda: os.scandir("/").close(),
        "list-programs": lambda: os.scandir("/usr/bin").close(),
        "make-fifo": lambda: os.mkfifo("fifo"),
        "make-file": lambda: open("file", "w").close(),  # noqa: PTH123
        "fork": in_child(lambda: None),
        "libraries": lambda: read("/etc/ld.so.cache"),
    }


def outcome(attempt: Callable[[], object]) -> str:
    """Return how an attempt ended."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "unknown")
    return "done"


if __name__ == "__main__":
    outcomes = {name: outcome(attempt) for name, attempt in attempts(*sys.argv[1:4]).items()}
    sys.stdout.write(json.dumps(outcomes))
