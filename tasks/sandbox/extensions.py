"""Which extensions a PostgreSQL can really create, and the one that we stand in for.

A control file is a promise; the library behind it must load too. The pinned builds hold uuid-ossp linked
against a library that hardly any host has: there its script is replaced by one that needs none.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.sandbox import PostgresInstall

UUID_OSSP = "uuid-ossp"
_STAND_IN = Path(__file__).with_name("uuid_ossp.sql")
_UUID_LIBRARY = "libossp-uuid.so.16"
_MODULE = re.compile(r"^\s*module_pathname\s*=\s*'(?:\$libdir/)?(?P<name>[^']+)'", re.MULTILINE)


known_extensions: dict[PostgresInstall, frozenset[str]] = {}
"""What was found out, which takes half a second: drills, whose processes end, hand it on to the next."""


def available_extensions(install: PostgresInstall) -> frozenset[str]:
    """Return the names of the extensions that can be created in *install*."""
    if install not in known_extensions:
        known_extensions[install] = _find_extensions(install)
    return known_extensions[install]


def _find_extensions(install: PostgresInstall) -> frozenset[str]:
    controls = {path.stem: path for path in (share_dir(install.bindir) / "extension").glob("*.control")}
    if library_dir(install.bindir) is None:  # a system's own packages: the libraries came with them
        return frozenset(controls)
    usable, broken = _stood_in(install), _unloadable(install.bindir)
    return frozenset(
        name for name, path in controls.items() if name in usable or _module_of(path) not in broken
    )


def extension_findings(install: PostgresInstall, used: Iterable[str]) -> tuple[Finding, ...]:
    """Return `extension-stand-in` for each of *used* whose functions are ours in *install*."""
    return tuple(
        finding(
            "extension-stand-in",
            f"The functions of {name} were stood in for by SQL functions of the same results. "
            "Its own library was not exercised.",
            where=name,
        )
        for name in sorted(_stood_in(install).intersection(used))
    )


def stand_in(build: Path) -> None:
    """Replace what this host cannot load in a freshly unpacked *build*.

    Raises:
        OSError: the build cannot be written.
    """
    script = build / "share" / "extension" / f"{UUID_OSSP}--1.1.sql"
    if not script.exists() or _loads(_UUID_LIBRARY):
        return
    draft = script.with_suffix(".new")
    draft.write_bytes(_STAND_IN.read_bytes())
    draft.chmod(0o644)
    draft.replace(script)


def library_dir(bindir: Path) -> Path | None:
    """Return the folder with a relocatable build's own libpq; None for a system's packages.

    dblink and postgres_fdw look for libpq where the build was made, and then take the system's, of any major.
    """
    folder = bindir.parent / "lib"
    relocatable = any((folder / name).exists() for name in ("libpq.so.5", "libpq.5.dylib"))
    return folder if relocatable and not bindir.is_relative_to("/usr") else None


def library_env(install: PostgresInstall) -> dict[str, str]:
    """Return the environment by which server and tools of *install* find their own libraries."""
    folder = library_dir(install.bindir)
    return {} if folder is None else {"LD_LIBRARY_PATH": str(folder)}


def share_dir(bindir: Path) -> Path:
    """Return the folder of *bindir*'s support files."""
    try:
        process = subprocess.run(
            [str(bindir / "pg_config"), "--sharedir"], capture_output=True, text=True, timeout=30, check=False
        )
        named = process.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        named = ""
    return Path(named) if named and Path(named).is_dir() else bindir.parent / "share"


def _stood_in(install: PostgresInstall) -> frozenset[str]:
    script = share_dir(install.bindir) / "extension" / f"{UUID_OSSP}--1.1.sql"
    try:
        ours = script.read_bytes() == _STAND_IN.read_bytes()
    except OSError:
        ours = False
    return frozenset({UUID_OSSP} if ours else ())


def _module_of(control: Path) -> str | None:
    match = _MODULE.search(control.read_text(encoding="utf-8", errors="replace"))
    return match["name"] if match else None


def _unloadable(bindir: Path) -> frozenset[str]:
    """Return the names of the modules that miss a library on this host; none where ldd cannot say."""
    folder = bindir.parent / "lib"
    modules = sorted(folder.glob("*.so"))
    try:
        process = subprocess.run(
            ["ldd", *map(str, modules)],  # noqa: S607  part of every glibc; without it nothing is excluded
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"LC_ALL": "C", "PATH": os.defpath, "LD_LIBRARY_PATH": str(folder)},
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    missing, module = set(), ""
    for line in process.stdout.splitlines():
        if not line.startswith(("\t", " ")):
            module = Path(line.rstrip(":")).stem
        elif "not found" in line:
            missing.add(module)
    return frozenset(missing)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
