"""The pgBackRest of this worker: where it is, and whether it knows a repository's PostgreSQL."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tasks.model.errors import PermanentError

AUTO = "auto"
_NAME = "pgbackrest"
_ASK_S = 30
_VERSION = re.compile(r"pgBackRest (?P<major>\d{1,4})\.(?P<minor>\d{1,4})")
_SINCE = {14: (2, 34), 15: (2, 39), 16: (2, 46), 17: (2, 52), 18: (2, 55)}
"""The first releases that know a PostgreSQL, its betas included: one that is refused here cannot read it."""
HTTP_SINCE = (2, 58)
"""The first release that speaks to a store without TLS."""


@dataclass(frozen=True, slots=True)
class Program:
    """A pgBackRest.

    Attributes:
        version: such as (2, 55).
        release: the same as it is written, such as `2.55.1`.
    """

    path: Path
    version: tuple[int, int]
    release: str


def find_program(configured: str = AUTO) -> Program:
    """Return the pgBackRest that the fleet file names, or the one on the PATH.

    Raises:
        PermanentError: `tool-missing`.
    """
    found = shutil.which(_NAME) if configured == AUTO else configured
    path = None if found is None else Path(found)
    if path is None or not (path.is_file() and os.access(path, os.X_OK)):
        raise _missing("There is no pgBackRest on this worker", configured)
    return _asked(path.resolve(), path.stat().st_mtime_ns)


def require_knows(program: Program, major: int | None) -> None:
    """Refuse a tool that is older than the PostgreSQL of the backups: it says so only after the transfer.

    Raises:
        PermanentError: `tool-too-old`.
    """
    since = _SINCE.get(major or 0)
    if since is None or program.version >= since:
        return
    raise PermanentError(
        f"The backups are of PostgreSQL {major}, which pgBackRest knows since {since[0]}.{since[1]}; this "
        f"worker has {program.release}. Nothing is said about the backup.",
        str(program.path),
        rule="tool-too-old",
    )


@functools.lru_cache(8)
def _asked(path: Path, _written_ns: int) -> Program:
    """Ask the program for its version; one that was replaced is asked again."""
    try:
        done = subprocess.run(
            [str(path), "version"],
            capture_output=True,
            timeout=_ASK_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={"LC_ALL": "C"},
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _missing("The pgBackRest of this worker does not run", str(path)) from error
    text = done.stdout.decode("utf-8", "replace").strip()
    match = _VERSION.match(text)
    if match is None or done.returncode:
        raise _missing("The pgBackRest of this worker does not run", str(path))
    release = text.split()[1]
    return Program(path, (int(match["major"]), int(match["minor"])), release)


def _missing(what: str, where: str) -> PermanentError:
    return PermanentError(
        f"{what}, and it alone reads its repositories. Nothing is said about the backup.",
        None if where == AUTO else where,
        rule="tool-missing",
    )
