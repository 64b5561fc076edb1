"""What of the host a sandbox may see: the files that PostgreSQL, its extensions and the loader read.

The same lists serve the mount namespace, which shows nothing else, and Landlock, which lets nothing else be
opened: where a host gives only one of them, that one holds.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tasks.model.sandbox import Workspace
from tasks.sandbox.isolation import closed_folder, ids

# Every other folder at the top may hold others' data, secrets or sockets, and is hidden.
_SYSTEM = frozenset(("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "proc", "nix", "gnu"))
_PROGRAMS = frozenset(("bin", "sbin", "games"))
_DEVICES = ("null", "zero", "full", "random", "urandom")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  a small one of its own
_ETC = (
    "alternatives",  # Debian's libraries are links through it
    "crypto-policies",
    "java-*",
    "ld-musl-*.path",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "perl",
    "pki/tls/openssl*",
    "protocols",
    "python3*",
    "services",
    "ssl/openssl.cnf",
    "timezone",
)
_NAMES = ("passwd", "group", "nsswitch.conf", "hosts")
_DICTIONARIES = Path("/var/cache/postgresql/dicts")  # where Debian's text search dictionaries lead
_LIBRARY_OF_OPT = re.compile(rb"/opt/([^/\0]+)/")
CONFIG_FILE = "postgresql.conf"
"""What an adopted cluster's server reads in place of the copy's own configuration."""
_SERVER_FILES = ("pg_hba.conf", "pg_ident.conf", CONFIG_FILE)


@dataclass(frozen=True, slots=True)
class View:
    """What a sandbox sees, as paths.

    Attributes:
        cover: folders to hide.
        devices, read, write: what is brought back.
        made: files of ours and their content.
        readable, writable: the same for Landlock, which needs the whole list.
    """

    cover: tuple[str, ...]
    devices: tuple[str, ...]
    read: tuple[str, ...]
    write: tuple[str, ...]
    made: dict[str, str]
    readable: tuple[str, ...]
    writable: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return what `tasks.jail.view.build_view` takes."""
        names = ("cover", "devices", "read", "write", "made")
        return {name: getattr(self, name) for name in names} | {"shared_memory": [str(_SHARED_MEMORY)]}


def view_of(workspace: Workspace, install_dir: Path | None, *, server: bool) -> View:
    """Return what a process of *workspace* may see.

    Args:
        workspace: whose folders it may write.
        install_dir: holds its PostgreSQL.
        server: the server itself, which needs nothing of the downloaded backup.
    """
    host = host_files()
    own = (workspace.root, *filter(None, (workspace.sockets,)))
    installs = tuple(filter(None, (install_dir,)))
    readable = (*host, *installs)
    cover = covered_folders((*own, *readable), workspace.os_user)
    theirs = [workspace.data_dir, workspace.scratch_dir, workspace.socket_dir]
    theirs += [_SHARED_MEMORY] if "mount" in workspace.isolation else []
    devices = tuple(Path("/dev") / name for name in _DEVICES)
    root = tuple(workspace.root / name for name in _SERVER_FILES) if server else (workspace.root,)
    names = tuple(Path("/etc") / name for name in _NAMES)
    return View(
        cover=cover,
        devices=_strings(path for path in devices if path.exists()),
        read=_strings(path for path in readable if _is_below(path, cover)),
        write=_strings(own),
        made=_names(workspace) if "/etc" in cover else {},
        readable=_strings(
            (*_system_files(), *readable, *names, *root, Path("/dev/random"), Path("/dev/urandom"))
        ),
        writable=_strings((*theirs, Path("/dev/null"), Path("/dev/zero"))),
    )


def covered_folders(keep: tuple[Path, ...], os_user: str | None) -> tuple[str, ...]:
    """Return the folders that the mount namespace hides, given those that must *keep* their place."""
    closed = [folder for path in keep if (folder := closed_folder(path.parent, os_user)) is not None]
    top = [path for path in Path("/").iterdir() if path.name not in _SYSTEM]
    usable = {folder for folder in (*top, Path.home(), *closed) if _may_cover(folder, keep)}
    return tuple(str(folder) for folder in sorted(usable) if not usable.intersection(folder.parents))


def kept_install(bindir: Path) -> Path:
    """Return the folder that holds a PostgreSQL with the libraries beside it, to be kept in view."""
    for folder in bindir.parents:
        if folder.name == "Cellar":  # Homebrew links its packages to one another
            return folder.parent
    return bindir.parent


@functools.cache
def host_files() -> tuple[Path, ...]:
    """Return the files and folders outside /usr that a PostgreSQL of this host may read."""
    etc = [path for pattern in _ETC for path in sorted(Path("/etc").glob(pattern))]
    return tuple(path for path in (*etc, *_opt_libraries(), _DICTIONARIES) if path.exists())


def needs_name_service(workspace: Workspace) -> bool:
    """Say whether only a name service, asked through a socket, knows the drill's own user.

    In a view of its own the server has our list of users.
    """
    if "mount" in workspace.isolation:
        return False
    try:
        lines = Path("/etc/passwd").read_text(errors="replace").splitlines()
    except OSError:
        return True
    return not any(line.split(":")[2:3] == [str(os.geteuid())] for line in lines)


def user_names(workspace: Workspace) -> tuple[str | None, str | None]:
    """Return what the server calls the drill's user and the sandbox's; None for whom it has no name."""
    if "mount" in workspace.isolation:
        lines = _names(workspace)["/etc/passwd"].splitlines()
        return lines[0].partition(":")[0], lines[-1].partition(":")[0]
    owner = ids(workspace.os_user)
    return _name_of(os.geteuid()), _name_of(os.geteuid() if owner is None else owner[0])


def _names(workspace: Workspace) -> dict[str, str]:
    """Return the host's users as the sandbox knows them: the drill's and its own."""
    users = {os.geteuid(): ("drill", os.getegid())}
    owner = ids(workspace.os_user)
    if owner is not None:
        users[owner[0]] = ("sandbox", owner[1])
    lines = [f"{name}:x:{uid}:{gid}::/:/nonexistent\n" for uid, (name, gid) in users.items()]
    groups = [f"{name}:x:{gid}:\n" for name, gid in users.values()]
    return {
        "/etc/passwd": "".join(lines),
        "/etc/group": "".join(groups),
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    }


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


@functools.cache
def _system_files() -> tuple[Path, ...]:
    """Return the system's folders of libraries and data; programs are not read either."""
    inner = [
        child
        for folder in (Path("/usr"), Path("/usr/local"))
        for child in _entries(folder)
        if child.name not in _PROGRAMS and child != Path("/usr/local")
    ]
    outer = [path for path in _entries(Path("/")) if path.name in _SYSTEM - _PROGRAMS - {"usr", "proc"}]
    return tuple(sorted((*inner, *outer)))


def _opt_libraries() -> list[Path]:
    """Return the folders in /opt that the loader looks for libraries in."""
    try:
        cache = Path("/etc/ld.so.cache").read_bytes()
    except OSError:
        return []
    return [Path("/opt") / os.fsdecode(name) for name in sorted(set(_LIBRARY_OF_OPT.findall(cache)))]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _may_cover(folder: Path, keep: tuple[Path, ...]) -> bool:
    holds_kept = any(folder == path or path in folder.parents for path in keep)
    return folder != Path("/") and not holds_kept and folder.is_dir() and not folder.is_symlink()


def _is_below(path: Path, cover: tuple[str, ...]) -> bool:
    return any(str(folder) in cover for folder in path.parents)


def _strings(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(str(path) for path in paths)
