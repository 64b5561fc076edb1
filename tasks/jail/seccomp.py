"""The filter over a sandbox's system calls: sockets, namespaces, and what else nobody needs for a restore.

A list of what is forbidden, not of what is allowed: PostgreSQL's extensions are many, and a restore that
fails for a call that we did not think of would be called a broken backup. Calls newer than this list are
unknown to the sandbox (ENOSYS), which every libc takes as an old kernel.

`execve` is not forbidden but asked about: the kernel stops the caller and the jail answers. It lets its own
child become the program, whoever was forked since become one of the named helpers (none but for a server
that recovers), and nothing else ever.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterable

from tasks.jail.kernel import LIBC, MACHINE, MACHINES, call

Instruction = tuple[int, int, int, int]

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_X32_BIT = 0x40000000
_NEWEST = 466  # removexattrat; both machines number alike from 424 on
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_TYPE_MASK = 0xF  # of a socket's type; the rest are flags

# The numbers on x86_64 and on aarch64; None where there is no such call.
FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "sysfs": (139, None),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # wide doors of the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "lookup_dcookie": (212, 18),
    "uselib": (134, None),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "syslog": (103, 116),
    # the machine
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "iopl": (172, None),
    "ioperm": (173, None),
    "vhangup": (153, 58),
    "nfsservctl": (180, 42),
}
_EXECVE = {"execve": (59, 221), "execveat": (322, 281)}
_SOCKETS = {"socket": (41, 198), "socketpair": (53, 199)}
_CONNECT, _CLONE, _CLONE3 = (42, 203), (56, 220), (435, 435)

_LOAD, _EQUAL, _AT_LEAST, _ABOVE, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x25, 0x45, 0x54, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _ASK, _ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000

_SET_MODE_FILTER, _SPEC_ALLOW, _NEW_LISTENER = 1, 4, 8
_RECV, _SEND, _STILL_VALID = 0xC0502100, 0xC0182101, 0x40082102
_NOTICE, _ANSWER = struct.Struct("=QII64s"), struct.Struct("=QqiI")
_CONTINUE = 1
_CALL, _CALL_ARGUMENTS = struct.Struct("=I"), struct.Struct("=6Q")  # of struct seccomp_data
_LONGEST_PATH = 64


def build(machine: str, *, ask_exec: bool, connect: bool) -> list[Instruction]:
    """Return the filter's program.

    Args:
        machine: one of `MACHINES`.
        ask_exec: leave every execve to who holds the listener; otherwise they are allowed.
        connect: whether a socket may be connected to another.
    """
    at = MACHINES.index(machine)
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _AUDIT[machine]),
        _refuse(errno.ENOSYS),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        _refuse(errno.ENOSYS),
        (_ABOVE, 0, 1, _NEWEST),
        _refuse(errno.ENOSYS),
    ]
    for number in (numbers[at] for numbers in FORBIDDEN.values()):
        program += [] if number is None else _on(number, [_refuse(errno.EPERM)])
    program += _on(_CLONE3[at], [_refuse(errno.ENOSYS)])  # its flags lie in memory, out of a filter's sight
    program += _on(_CLONE[at], _if_bits(0, _NEW_NAMESPACES, errno.EPERM))
    for numbers in _SOCKETS.values():
        program += _on(numbers[at], _only_streams_of_the_host())
    if not connect:
        program += _on(_CONNECT[at], [_refuse(errno.EACCES)])
    if ask_exec:
        for numbers in _EXECVE.values():
            program += _on(numbers[at], [(_RETURN, 0, 0, _ASK)])
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def install(*, ask_exec: bool, connect: bool) -> int:
    """Put the filter over this process and its children; return the listener's descriptor, or -1 without.

    Raises:
        OSError: the kernel, or a filter that lies over us already, allows none.
    """
    program = build(MACHINE, ask_exec=ask_exec, connect=connect)
    packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    code = ctypes.create_string_buffer(packed, len(packed))
    argument = struct.pack("@HP", len(program), ctypes.addressof(code))
    flags = _SPEC_ALLOW | (_NEW_LISTENER if ask_exec else 0)
    handle = call("seccomp", _SECCOMP[MACHINE], _SET_MODE_FILTER, flags, ctypes.c_char_p(argument))
    return handle if ask_exec else -1


class Doorkeeper:
    """Answers who asks to execute something: the child, as often as it takes to become its program.

    Args:
        helpers: paths that everybody else may execute, exactly as written here. Whoever shares his memory
            with another could change the path after it was read: Landlock, where it is had, holds him to
            the same list.
    """

    def __init__(self, listener: int, child: int, times: int, helpers: Iterable[str] = ()) -> None:
        self._listener = listener
        self._child = child
        self._times = times
        self._helpers = frozenset(map(os.fsencode, helpers))

    def fileno(self) -> int:
        """Return the descriptor that is readable when somebody asks."""
        return self._listener

    def answer(self) -> None:
        """Take one question and answer it; one whose asker is gone meanwhile is forgotten."""
        try:
            notice = fcntl.ioctl(self._listener, _RECV, bytes(_NOTICE.size))
            cookie, pid, _, call_data = _NOTICE.unpack(notice)
            fcntl.ioctl(self._listener, _SEND, self._verdict(cookie, pid, call_data))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                raise

    def _verdict(self, cookie: int, pid: int, call_data: bytes) -> bytes:
        if pid == self._child and self._times > 0:
            self._times -= 1
            return _ANSWER.pack(cookie, 0, 0, _CONTINUE)
        if self._helpers and pid != self._child and self._asks_for_helper(cookie, pid, call_data):
            return _ANSWER.pack(cookie, 0, 0, _CONTINUE)
        return _ANSWER.pack(cookie, 0, -errno.EACCES, 0)

    def _asks_for_helper(self, cookie: int, pid: int, call_data: bytes) -> bool:
        """Say whether *pid*, who is stopped in execve and still the one who asked, names a helper."""
        if _CALL.unpack_from(call_data)[0] != _EXECVE["execve"][MACHINES.index(MACHINE)]:
            return False
        path = _text_of(pid, _CALL_ARGUMENTS.unpack_from(call_data, _ARGUMENTS)[0])
        fcntl.ioctl(self._listener, _STILL_VALID, struct.pack("=Q", cookie))
        return path in self._helpers


def _text_of(pid: int, address: int) -> bytes:
    """Return the short text at *address* in the memory of *pid*; nothing where it cannot be read."""
    buffer = ctypes.create_string_buffer(_LONGEST_PATH)
    room = _LONGEST_PATH
    while room:
        local = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), room)
        remote = (ctypes.c_uint64 * 2)(address, room)
        if (
            LIBC.process_vm_readv(pid, local, ctypes.c_ulong(1), remote, ctypes.c_ulong(1), ctypes.c_ulong(0))
            > 0
        ):
            return buffer.raw.partition(b"\0")[0]
        room //= 2  # the text may lie at the end of its page
    return b""


def _on(number: int, body: list[Instruction]) -> list[Instruction]:
    """Return *body*, which must end by returning, for the call *number* alone."""
    return [(_EQUAL, 0, len(body), number), *body]


def _refuse(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)


def _argument(at: int) -> Instruction:
    """Return the load of an argument's lower half; all that are looked at are ints or flags below 2^32."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * at)


def _if_bits(at: int, bits: int, number: int) -> list[Instruction]:
    return [_argument(at), (_ANY_BIT, 0, 1, bits), _refuse(number), (_RETURN, 0, 0, _ALLOW)]


def _only_streams_of_the_host() -> list[Instruction]:
    """Let only AF_UNIX streams be made: a datagram could be sent to any path without connecting first."""
    return [
        _argument(0),
        (_EQUAL, 1, 0, socket.AF_UNIX),
        _refuse(errno.EAFNOSUPPORT),
        _argument(1),
        (_AND, 0, 0, _TYPE_MASK),
        (_EQUAL, 1, 0, socket.SOCK_STREAM),
        _refuse(errno.EACCES),
        (_RETURN, 0, 0, _ALLOW),
    ]
