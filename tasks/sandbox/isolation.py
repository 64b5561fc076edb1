"""How far a sandbox is cut off from its host: what this host allows, and as whom the sandbox runs.

As root, namespaces are entered directly and the sandbox runs as another user. An ordinary user gets a user
namespace that maps only himself; the sandbox then keeps his uid, so hiding his files is the work of the mount
namespace and of Landlock. The parts of the second wall need no right: they are taken wherever they are had.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from tasks.model.errors import PermanentError
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.sandbox import NAMESPACES, Workspace
from tasks.sandbox.host import look_at_host
from tasks.sandbox.paths import first_closed

OS_USER_VARIABLE = "RESTORE_DRILL_OS_USER"
_GUARDS = frozenset(("user", "mount", "files"))
"""Any of these keeps code of a dump away from the worker's own files and credentials."""
_MISSED = {
    **{name: f"a {name} namespace" for name in NAMESPACES},
    "exec": "a way to keep programs from being run",
    "files": "Landlock over its files",
    "seccomp": "a filter over its system calls",
}


def choose_isolation(wanted: str, *, needs_view: bool = False) -> frozenset[str]:
    """Return the parts that are had, such as network, user, mount, exec and seccomp.

    Args:
        wanted: `required`, `preferred` or `off`: no namespaces, and nothing that must be had.
        needs_view: the sandbox's user cannot reach the drill's folder, so the mount namespace, which brings
            it to him, is wanted even with isolation off.

    Raises:
        PermanentError: `isolation-unavailable`: required, and the host allows no network namespace; or
            nothing at all would stand between a dump's code and the worker's own rights.
    """
    had = set(host_parts())
    if wanted == "off":
        had -= set(NAMESPACES) - ({"mount"} if needs_view else set())
    if os.geteuid() == 0:
        had.add("user")
    if wanted == "required" and "network" not in had:
        raise PermanentError(
            "This host allows no network namespace, and isolation is required. A dump could reach out.",
            rule="isolation-unavailable",
        )
    if wanted != "off" and had.isdisjoint(_GUARDS):
        raise PermanentError(
            "This host gives a sandbox neither another OS user nor a mount namespace nor Landlock. Code of a "
            "dump would run with the worker's own rights and could read its credentials.",
            rule="isolation-unavailable",
        )
    return frozenset(had)


def require_network_namespace(workspace: Workspace, restore_as: str) -> None:
    """Refuse to let code of a dump run as superuser where it could reach the network.

    Raises:
        PermanentError: `isolation-unavailable`.
    """
    if restore_as == "superuser" and "network" not in workspace.isolation:
        raise PermanentError(
            "restore_as: superuser needs isolation, and this host allows no network namespace. "
            "Code in a dump would run as superuser with the network in reach.",
            hint="Set restore_as: owner, or run the worker where network namespaces are allowed.",
            rule="isolation-unavailable",
        )


def host_parts() -> frozenset[str]:
    """Return the namespaces that may be entered here and the parts of the wall that stand."""
    return look_at_host().parts


def configured_os_user() -> str | None:
    """Return the user configured for sandboxes; None where none is, or where we cannot change users."""
    return (os.environ.get(OS_USER_VARIABLE) or None) if os.geteuid() == 0 else None


def choose_os_user() -> str | None:
    """Return whom the sandbox runs as: None when that is the caller himself.

    Raises:
        PermanentError: `workspace-unusable`: root, and the configured user is unknown or root again.
    """
    if os.geteuid() != 0:
        return None
    configured = configured_os_user()
    for name in (configured,) if configured else ("restore-drill", "nobody"):
        if _uid(name):
            return name
    raise PermanentError(
        f'The OS user "{configured or "nobody"}" cannot run a sandbox. PostgreSQL refuses to run as root.',
        where=OS_USER_VARIABLE if configured else None,
        hint=f"Create an unprivileged user and name it in {OS_USER_VARIABLE}.",
        rule="workspace-unusable",
    )


def ids(os_user: str | None) -> tuple[int, int] | None:
    """Return uid and gid of *os_user*, a name or a number of `users`; None for the caller himself."""
    if os_user is None:
        return None
    if os_user.isdecimal():
        return int(os_user), int(os_user)
    entry = pwd.getpwnam(os_user)
    return entry.pw_uid, entry.pw_gid


def isolation_findings(workspace: Workspace, wanted: str) -> tuple[Finding, ...]:
    """Return `isolation-off` where *wanted* is off, `isolation-reduced` where the host gives only a part."""
    if wanted == "off":
        return (finding("isolation-off", _off(workspace)),)
    missing = [words for part, words in _MISSED.items() if part not in workspace.isolation]
    if not missing:
        return ()
    return (
        finding(
            "isolation-reduced",
            f"This host does not give the sandbox {', '.join(missing)}. "
            "The restore still ran without privileges.",
        ),
    )


def _off(workspace: Workspace) -> str:
    if workspace.isolation.isdisjoint(_GUARDS):
        return (
            "Isolation was off: code of this dump ran with the worker's own rights and could read its "
            "credentials and files and reach the network. What it did there is not known."
        )
    had = ", ".join(sorted(workspace.isolation))
    return (
        "Isolation was off: code of this dump ran without namespaces of its own. "
        f"Around it stood {had} alone, and it could see more of the worker than it should."
    )


def closed_folder(path: Path, os_user: str | None) -> Path | None:
    """Return the uppermost folder on the way to *path* that the sandbox's user may not pass, if any."""
    owner = ids(os_user)
    return None if owner is None else first_closed(path, *owner)


def _uid(name: str | None) -> int:
    try:
        return pwd.getpwnam(name).pw_uid if name else 0
    except KeyError:
        return 0
