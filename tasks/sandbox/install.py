"""Which PostgreSQL a drill uses: one that is configured, installed or cached before one is fetched.

An install counts only if it has server and client tools of one major: half of one fails in mid-drill.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from tasks.model.bounded_list import listing
from tasks.model.errors import PermanentError
from tasks.model.sandbox import PostgresInstall
from tasks.sandbox.builds import RELEASES, cached_bindir, fetch_build, fetchable

POSTGRES_VARIABLE = "RESTORE_DRILL_POSTGRES"
PROGRAMS = ("postgres", "initdb", "pg_restore", "psql")
_LAYOUTS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # PGDG on Red Hat
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Library/PostgreSQL/*/bin",
    "/usr/local/pgsql/bin",
    "/usr/libexec/postgresql*",  # Alpine
)
_VERSION = re.compile(r"\(PostgreSQL\) (?P<version>(?P<major>\d+)(?:\.\d+|[a-z]+\d*)?)")


def find_postgres(major: int, source: str = "auto") -> PostgresInstall:
    """Return a complete PostgreSQL of *major*, fetching one where nothing is here.

    Args:
        major: such as 17.
        source: `auto`, or `installed` to fetch nothing.

    Raises:
        PermanentError: `postgres-unavailable`, naming what was tried.
    """
    for install in list_postgres():
        if install.major == major:
            return install
    if source == "installed":
        raise _unavailable(major, "postgres_source is installed, so nothing was fetched", ())
    reason = fetchable(major)
    if reason is not None:
        raise _unavailable(major, reason, (other for other in RELEASES if fetchable(other) is None))
    return install_postgres(major)


def list_postgres() -> tuple[PostgresInstall, ...]:
    """Return every complete PostgreSQL of this worker, in the order in which they are preferred."""
    installs: dict[Path, PostgresInstall] = {}
    for bindir, source in _bindirs():
        install = inspect_install(bindir, source)
        if install is not None:
            installs.setdefault(install.bindir, install)
    return tuple(installs.values())


def install_postgres(major: int) -> PostgresInstall:
    """Return the pinned build of *major* in the cache, fetched if need be.

    Raises:
        PermanentError: `postgres-unavailable`.
    """
    bindir = fetch_build(major)
    install = inspect_install(bindir, "cache")
    if install is None:
        raise PermanentError(
            f"The build of PostgreSQL {major} in the cache does not run on this machine.",
            where=str(bindir),
            hint="Install that major from the system's packages; the pinned builds need glibc.",
            rule="postgres-unavailable",
        )
    return install


def inspect_install(bindir: Path, source: str) -> PostgresInstall | None:
    """Return the PostgreSQL in *bindir*; None if a program is missing or of another major."""
    bindir = bindir.resolve()
    versions = [_version(bindir / program) for program in PROGRAMS]
    if None in versions or len({version.partition(".")[0] for version in versions if version}) != 1:
        return None
    version = versions[0] or ""
    return PostgresInstall(int(re.match(r"\d+", version).group()), version, bindir, source)  # type: ignore[union-attr]


def _bindirs() -> Iterator[tuple[Path, str]]:
    for name in filter(None, os.environ.get(POSTGRES_VARIABLE, "").split(os.pathsep)):
        yield Path(name).expanduser(), "installed"
    for pattern in _LAYOUTS:
        for bindir in sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True):
            yield bindir, "installed"
    config = shutil.which("pg_config")
    if config is not None:
        yield Path(_run(config, "--bindir") or "/nonexistent"), "installed"
    for major in RELEASES:
        bindir_or_none = cached_bindir(major)
        if bindir_or_none is not None:
            yield bindir_or_none, "cache"


def _version(program: Path) -> str | None:
    try:
        status = program.stat()
    except OSError:
        return None
    return _asked_version(str(program), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=256)
def _asked_version(program: str, _mtime_ns: int, _size: int) -> str | None:
    """Ask a program for its version; asked again only when the file has changed."""
    match = _VERSION.search(_run(program, "--version"))
    return None if match is None else match["version"]


def _run(program: str, option: str) -> str:
    try:
        process = subprocess.run(
            [program, option], capture_output=True, text=True, timeout=30, check=False, env={"LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip() if process.returncode == 0 else ""


def _unavailable(major: int, reason: str, fetched: Iterable[int]) -> PermanentError:
    installs = list_postgres()
    present = listing([f"{install.version} in {install.bindir}" for install in installs], place="") or "none"
    return PermanentError(
        f"There is no PostgreSQL {major} on this worker: {reason}. Found: {present}.",
        where=f"looked in {POSTGRES_VARIABLE}, the usual folders, PATH and the cache",
        hint=_newer_hint(major, {install.major for install in installs} | set(fetched)),
        rule="postgres-unavailable",
    )


def _newer_hint(major: int, majors: Collection[int]) -> str | None:
    """Return what to set for a dump older than any major that can be had: a newer server reads it."""
    newer = [other for other in majors if other > major]
    if major >= min(RELEASES) or not newer:
        return None
    return (
        f"Set `sandbox.postgres: {min(newer)}`: a newer PostgreSQL restores dumps of older ones, and a real "
        f"recovery would use one too. Or install PostgreSQL {major} and name its folder in "
        f"{POSTGRES_VARIABLE}."
    )
