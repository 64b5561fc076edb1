"""Landlock: what a sandbox may execute, read and write, without any right of ours and without namespaces.

Rights of later kernels are used where they are had (ABI 2: renaming between folders, 3: truncating, 4: TCP,
5: device ioctls, 6: abstract sockets and signals).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from tasks.jail.kernel import LIBC, LINUX, call

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = (
    1 << bit for bit in range(6, 13)
)
_REFER, _TRUNCATE, _IOCTL_DEV = (1 << bit for bit in range(13, 16))
_SINCE = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV}
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_FILES_OF_ABI_1 = (1 << 13) - 1
READ = _READ_FILE | _READ_DIR
# No FIFO and no device node: nothing in a restore needs them, and they only wait for a careless reader.
WRITE = (
    READ
    | _WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SOCK
    | _MAKE_SYM
    | _REFER
    | _TRUNCATE
)
_TCP_BIND_AND_CONNECT, _TCP_ABI = 3, 4
_ABSTRACT_SOCKETS_AND_SIGNALS, _SCOPES_ABI = 3, 6
_INTERPRETERS = 4  # of scripts, how deep they are followed; the kernel's own limit is 5
_HEAD_BYTES = 4096
_PT_INTERP, _ELF_HEADER_BYTES = 3, 64


def abi() -> int:
    """Return the kernel's version of Landlock; 0 where there is none."""
    if not LINUX:
        return 0
    return max(0, int(LIBC.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))))


def parts_of(version: int) -> set[str]:
    """Return the parts of the wall that Landlock of *version* can be."""
    parts = {1: {"exec", "files"}, _TCP_ABI: {"tcp"}, _SCOPES_ABI: {"scopes"}}
    return {name for since, names in parts.items() if version >= since for name in names}


def restrict(
    parts: Iterable[str],
    program: str | None,
    read: Iterable[str],
    write: Iterable[str],
    helpers: Iterable[str] = (),
) -> None:
    """Put this process and its children under the rules of *parts*, for good.

    Args:
        parts: of exec, files, tcp and scopes; others are ignored.
        program: the only one that may be executed, with the loader that it needs; None leaves that open.
        read: files and folders that may be read, with all below them.
        write: the same, also written.
        helpers: what may be executed besides *program*, with their loaders.

    Raises:
        OSError: the kernel refuses.
    """
    version = abi()
    had = parts_of(version).intersection(parts)
    handled = _handled(version, files="files" in had, exec_too="exec" in had and program is not None)
    attributes = struct.pack(
        "=QQQ",
        handled,
        _TCP_BIND_AND_CONNECT if "tcp" in had else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if "scopes" in had else 0,
    )
    if not any(attributes):
        return
    rules = call("landlock", _CREATE, ctypes.c_char_p(attributes), len(attributes), 0)
    for path in _executables_of(program, *helpers):
        _allow(rules, path, (_EXECUTE | READ) & handled)
    for path in read:
        _allow(rules, path, READ & handled)
    for path in write:
        _allow(rules, path, WRITE & handled)
    call("landlock", _RESTRICT, rules, 0)
    os.close(rules)


def executables(program: str) -> list[str]:
    """Return *program* with what the kernel executes to run it: a script's interpreters, and the loader."""
    paths: list[str] = []
    for _ in range(_INTERPRETERS):
        paths.append(program)
        head = _head(program)
        if not head.startswith(b"#!"):
            break
        words = head[2:].split(b"\n", 1)[0].split()
        program = os.fsdecode(words[0]) if words else "/"
    loader = _loader(paths[-1])
    return [*paths, loader] if loader else paths


def _executables_of(program: str | None, *helpers: str) -> list[str]:
    return [] if program is None else [path for name in (program, *helpers) for path in executables(name)]


def _handled(version: int, *, files: bool, exec_too: bool) -> int:
    handled = _FILES_OF_ABI_1 & ~_EXECUTE if files else 0
    for since, right in _SINCE.items():
        handled |= right if files and version >= since else 0
    return handled | (_EXECUTE if exec_too else 0)


def _allow(rules: int, path: str, rights: int) -> None:
    """Add a rule for *path*; what is not there needs none."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _ON_FILES
        if rights:
            rule = struct.pack("=Qi", rights, handle)
            call("landlock", _ADD, rules, _BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(handle)


def _head(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  pathlib would be one more import
            return file.read(_HEAD_BYTES)
    except (OSError, ValueError):  # a script may name anything
        return b""


def _loader(program: str) -> str | None:
    """Return the dynamic loader that the ELF file *program* names; it lies in the file's first page."""
    head = _head(program)
    if not head.startswith(b"\x7fELF\x02\x01") or len(head) < _ELF_HEADER_BYTES:
        return None
    (start,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    for at in range(start, min(start + size * count, len(head) - 56), max(1, size)):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", head, at)
        if kind == _PT_INTERP:
            return os.fsdecode(head[offset : offset + length].rstrip(b"\0"))
    return None
