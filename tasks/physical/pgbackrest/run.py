"""pgBackRest run behind a wall: as the sandbox's user, with nothing to write but what it is given.

Whoever writes the repository decides what the tool reads, so it gets what every tool of a drill gets, less
what it cannot do without: it may start itself again, read its repository, and reach the network where that
is a bucket. No configuration of the host is read; secrets travel by the environment.
"""

from __future__ import annotations

import contextlib
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from tasks.model.clock import utc_now
from tasks.model.deadline import Deadline
from tasks.model.errors import DrillError, PermanentError
from tasks.model.sandbox import Workspace
from tasks.physical.pgbackrest.access import Access
from tasks.physical.pgbackrest.program import Program
from tasks.sandbox.isolation import choose_os_user, host_parts, ids
from tasks.sandbox.launch import Orders
from tasks.sandbox.runner import Role, jail_orders, run_orders

_LARGEST_OUTPUT_BYTES = 64 << 20
_LINES_KEPT, _LINE_CHARS = 200, 2000
_LONGEST_HELPER = 63  # the doorkeeper reads so much of a path
_OFFLINE = {"network", "tcp", "seccomp"}
_TRUST = ("/etc/ssl", "/etc/pki", "/etc/ca-certificates")
_RESOLVING = ("/etc/hosts", "/etc/resolv.conf")
_TEMPORARY_FOR = timedelta(hours=6)
_COMMON = (
    "--config=/dev/null",
    "--log-level-console=off",
    "--log-level-stderr=warn",
    "--log-level-file=off",
    "--no-log-timestamp",
)


@dataclass(frozen=True, slots=True)
class Done:
    """What a call of the tool came to.

    Attributes:
        exit_code: its own error's number; negative: the signal that ended it.
        lines: of stderr, undecodable bytes replaced, secrets masked; they may quote bytes of the repository.
    """

    exit_code: int
    output: bytes
    lines: tuple[str, ...]


def run(
    program: Program,
    access: Access,
    workspace: Workspace,
    deadline: Deadline,
    command: str,
    arguments: Sequence[str] = (),
    options: Sequence[str] = (),
    writable: Sequence[Path] = (),
) -> Done:
    """Run *command* of the tool in *workspace*.

    Args:
        program: the tool.
        access: of the repository.
        workspace: whose user it becomes; it may write where a server of it may.
        deadline: it is ended then.
        command: such as `info`.
        arguments: of the command.
        options: of this command alone.
        writable: folders that it may write besides.

    Raises:
        PermanentError: `stage-deadline`; `postgres-failed`: it could not be started.
    """
    argv = (str(program.path), *_COMMON, *access.options, *options, command, *arguments)
    orders = jail_orders(
        workspace, argv, env=access.env, cwd=workspace.scratch_dir, install_dir=None, role=Role.TOOL
    )
    output, lines = _Output(), _Lines(access.secrets)
    result = run_orders(
        _opened(orders, program, access, workspace, writable),
        deadline_s=deadline.check(f"pgbackrest {command} was to run"),
        on_stdout=output.take,
        on_stderr=lines.take,
    )
    if result.timed_out:
        deadline.check(f"pgbackrest {command} ran")
    return Done(result.exit_code, bytes(output.data), tuple(lines.kept))


@contextlib.contextmanager
def temporary_workspace() -> Iterator[Workspace]:
    """Give a place for a tool that only tells: there is no drill yet, and nothing of it is kept.

    Raises:
        PermanentError: `workspace-unusable`.
    """
    os_user, now = choose_os_user(), utc_now()
    root = Path(tempfile.mkdtemp(prefix="restore-drill-"))
    parts = host_parts() | ({"user"} if os_user is not None else set())
    workspace = Workspace(root.name, root, os_user, frozenset(parts), now, now + _TEMPORARY_FOR)
    try:
        root.chmod(0o755)
        for folder in (workspace.data_dir, workspace.scratch_dir, workspace.socket_dir, workspace.backup_dir):
            folder.mkdir(0o700)
            give(folder, workspace)
        yield workspace
    finally:
        shutil.rmtree(root, ignore_errors=True)


def give(path: Path, workspace: Workspace) -> None:
    """Make *path* the property of the sandbox's user."""
    owner = ids(workspace.os_user)
    if owner is not None:
        shutil.chown(path, *owner)


def readable(access: Access, workspace: Workspace, error: DrillError) -> DrillError:
    """Return *error* as what it means: who recovers as root may read what the drill's own user may not."""
    if error.rule != "get-denied" or access.folder is None or ids(workspace.os_user) is None:
        return error
    return PermanentError(
        "The repository may not be read by the unprivileged user that the tool runs as, nor by the "
        "repository's group. Nothing is said about the backup.",
        str(access.folder),
        "Let its group read it, as pgBackRest leaves it (0640), or run the worker as a user who may.",
        "tool-failed",
    )


def _opened(
    orders: Orders, program: Program, access: Access, workspace: Workspace, writable: Sequence[Path]
) -> Orders:
    """Return *orders* with what the tool cannot do without."""
    remote = access.folder is None
    shut_out = _OFFLINE if remote else set()
    if len(str(program.path)) > _LONGEST_HELPER:
        shut_out = shut_out | {"seccomp"}
    read = [program.path, *_existing(access.folder, access.ca_file)]
    if remote:
        read += _existing(*(Path(name) for name in _TRUST))
    view = dict(orders.view)
    cover = {str(folder) for folder in _strings(view["cover"])}
    hidden = [str(path) for path in read if cover.intersection(map(str, (path, *path.parents)))]
    view["read"] = [*_strings(view["read"]), *hidden]
    if remote and view["made"]:
        view["made"] = {**_made(view["made"]), **_name_service()}
    names = _RESOLVING if remote else ()
    return replace(
        orders,
        parts=orders.parts - shut_out,
        also_in=_group_of(access.folder, workspace),
        view=view,
        readable=(*orders.readable, *map(str, read), *names),
        writable=(*orders.writable, *map(str, writable)),
        helpers=(str(program.path),),
    )


def _group_of(folder: Path | None, workspace: Workspace) -> int | None:
    """Return the group of a repository in *folder*, where that may read it: pgBackRest lets nobody else.

    The tool reads with it what its user could not; behind the wall that is the repository and no more.
    """
    if ids(workspace.os_user) is None or folder is None:
        return None
    for path in (folder / "backup", folder):
        with contextlib.suppress(OSError):
            status = path.stat()
            readable = status.st_mode & stat.S_IRGRP and not status.st_mode & stat.S_IROTH
            return status.st_gid if readable else None
    return None


def _name_service() -> dict[str, str]:
    """Return what finds a store by its name, as the host has it."""
    made = {"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n"}
    for name in _RESOLVING:
        with contextlib.suppress(OSError):
            made[name] = Path(name).read_text(errors="replace")
    return made


def _existing(*paths: Path | None) -> list[Path]:
    return [path for path in paths if path is not None and path.exists()]


def _strings(value: object) -> list[str]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _made(value: object) -> dict[str, str]:
    return dict(value) if isinstance(value, dict) else {}


class _Output:
    """What the tool said on stdout, bounded."""

    def __init__(self) -> None:
        self.data = bytearray()

    def take(self, chunk: bytes) -> None:
        self.data += chunk
        if len(self.data) > _LARGEST_OUTPUT_BYTES:
            raise PermanentError(
                f"pgBackRest tells more than {_LARGEST_OUTPUT_BYTES >> 20} MiB of one repository. "
                "It was stopped.",
                rule="listing-too-large",
            )


class _Lines:
    """The tool's own lines, the first few, without secrets."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret for secret in secrets if secret]
        self.kept: list[str] = []

    def take(self, line: str) -> None:
        if len(self.kept) < _LINES_KEPT:
            for secret in self._secrets:
                line = line.replace(secret, "***")
            self.kept.append(line[:_LINE_CHARS])
