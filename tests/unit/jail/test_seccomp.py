"""The filter of both machines, run by an interpreter of its few instructions: one machine is not this one."""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.jail.kernel import MACHINES
from tasks.jail.seccomp import FORBIDDEN, Instruction, build

ALLOW, ASK, ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003
NUMBERS = {
    "read": (0, 63),
    "openat": (257, 56),
    "mmap": (9, 222),
    "futex": (202, 98),
    "kill": (62, 129),
    "accept4": (288, 242),
    "sendmsg": (46, 211),
    "getrandom": (318, 278),
    "epoll_wait_or_pwait": (281, 22),
    "set_robust_list": (273, 99),
    "shmget": (29, 194),
    "copy_file_range": (326, 285),
    "rseq": (334, 293),
    "faccessat2": (439, 439),
}
CONNECT, CLONE, SOCKET, EXECVE = (42, 203), (56, 220), (41, 198), (59, 221)
SOCKETPAIR, CLONE3, EXECVEAT = (53, 199), (435, 435), (322, 281)


def run(program: list[Instruction], number: int, arguments: tuple[int, ...] = (), arch: int = 0) -> int:
    """Return what the filter says of a call; a jump out of the program or a missing return fails."""
    wide = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=iIQ6Q", number - (1 << 32) if number >> 31 else number, arch, 0, *wide)
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        if code == 0x06:
            return k
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, k)
        elif code == 0x54:
            accumulator &= k
        else:
            holds = {
                0x15: accumulator == k,
                0x35: accumulator >= k,
                0x25: accumulator > k,
                0x45: bool(accumulator & k),
            }
            at += if_true if holds[code] else if_false


def refused(number: int) -> int:
    return ERRNO | number


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("ask_exec", [True, False])
@pytest.mark.parametrize("connect", [True, False])
def test_the_filter_says_what_it_is_meant_to(machine: str, ask_exec: bool, connect: bool) -> None:
    program, at, arch = (
        build(machine, ask_exec=ask_exec, connect=connect),
        MACHINES.index(machine),
        ARCH[machine],
    )

    def says(number: int, *arguments: int) -> int:
        return run(program, number, arguments, arch)

    assert len(program) < 4096
    for name, numbers in FORBIDDEN.items():
        if numbers[at] is not None:
            assert says(numbers[at] or 0) == refused(errno.EPERM), name
    for name, numbers_of in NUMBERS.items():
        assert says(numbers_of[at]) == ALLOW, name
    assert says(CONNECT[at]) == (ALLOW if connect else refused(errno.EACCES))
    assert says(EXECVE[at]) == (ASK if ask_exec else ALLOW)
    assert says(435) == refused(errno.ENOSYS)
    assert says(CLONE[at], 0x01200011) == ALLOW  # fork
    assert says(CLONE[at], 0x003D0F00) == ALLOW  # a thread
    assert says(CLONE[at], 0x4111) == ALLOW  # posix_spawn
    for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert says(CLONE[at], flag | 17) == refused(errno.EPERM)
    assert says(SOCKET[at], socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) == ALLOW
    assert says(SOCKET[at], socket.AF_UNIX, socket.SOCK_DGRAM) == refused(errno.EACCES)


@given(
    st.sampled_from(MACHINES),
    st.integers(0, 60).filter(lambda family: family != socket.AF_UNIX),
    st.integers(0),
)
def test_no_other_family_of_sockets_is_made(machine: str, family: int, kind: int) -> None:
    program = build(machine, ask_exec=True, connect=False)
    number = SOCKET[MACHINES.index(machine)]
    said = run(program, number, (family, kind % (1 << 32)), ARCH[machine])
    assert said == refused(errno.EAFNOSUPPORT)


@given(st.sampled_from(MACHINES), st.integers(467, (1 << 32) - 1))
def test_calls_newer_than_the_filter_are_unknown(machine: str, number: int) -> None:
    said = run(build(machine, ask_exec=True, connect=False), number, (), ARCH[machine])
    assert said == refused(errno.ENOSYS)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_that_the_filter_does_not_name_is_allowed(machine: str) -> None:
    at = MACHINES.index(machine)
    others = (CONNECT, SOCKET, SOCKETPAIR, CLONE3, EXECVE, EXECVEAT)
    named = {numbers[at] for numbers in (*FORBIDDEN.values(), *others)}
    program = build(machine, ask_exec=True, connect=False)
    for number in range(467):
        allowed = run(program, number, (), ARCH[machine]) == ALLOW
        assert allowed == (number not in named), number


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_are_unknown(machine: str) -> None:
    program = build(machine, ask_exec=True, connect=True)
    for arch in (I386, *(other for name, other in ARCH.items() if name != machine)):
        assert run(program, 0, (), arch) == refused(errno.ENOSYS)
    assert run(program, 0x40000000 | 41, (2, 1), ARCH[machine]) == refused(errno.ENOSYS)  # x32
