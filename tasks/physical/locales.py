"""Locales of libc that a copy's databases use and this worker has not: built for the one drill, without root.

glibc looks only into the folders of LOCPATH once that is set, so every locale that a copy needs is then
built, also those that the worker has in its archive.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tasks.model.errors import PermanentError
from tasks.model.sandbox import Workspace

_NAME = re.compile(
    r"(?P<language>[A-Za-z]{2,3}(?:_[A-Z]{2})?)\.(?P<charset>[A-Za-z0-9-]{1,20})(?P<modifier>@[a-z]{1,20})?"
)
_CHARSETS = {"utf8": "UTF-8", "utf-8": "UTF-8"}
_NOT_RECOGNISED = re.compile(
    r'LC_(?:COLLATE|CTYPE) "(?P<name>[^"]{1,100})", +which is not recognized by setlocale'
)
_BUILD_S = 120.0
_MOST = 20


class Locales:
    """The locales of one drill.

    Args:
        workspace: whose scratch folder holds them.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.scratch_dir / "locales"
        self._built: set[str] = set()

    @property
    def env(self) -> dict[str, str]:
        """The environment by which a server finds them."""
        return {"LOCPATH": f"{self._folder}:/usr/lib/locale"} if self._built else {}

    def absent_in(self, lines: Iterable[str]) -> str | None:
        """Return the locale that a server says is unknown here, or None."""
        matches = (_NOT_RECOGNISED.search(line) for line in lines)
        return next((match["name"] for match in matches if match is not None), None)

    def build(self, name: str) -> None:
        """Build the locale *name*, once.

        Raises:
            PermanentError: `locale-unavailable`.
        """
        match = _NAME.fullmatch(name)
        program = shutil.which("localedef")
        if match is None or program is None or name in self._built or len(self._built) >= _MOST:
            raise _unavailable(name)
        self._folder.mkdir(mode=0o755, exist_ok=True)
        charset = _CHARSETS.get(match["charset"].lower(), match["charset"])
        argv = [program, "-c", "-i", match["language"] + (match["modifier"] or ""), "-f", charset]
        try:
            subprocess.run(
                [*argv, str(self._folder / name)],
                check=False,
                capture_output=True,
                timeout=_BUILD_S,
                env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _unavailable(name) from error
        if not (self._folder / name / "LC_COLLATE").is_file():
            raise _unavailable(name)
        _share(self._folder)
        self._built.add(name)


def _share(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _unavailable(name: str) -> PermanentError:
    return PermanentError(
        f'A database of the copy uses the locale "{name}", which this worker has not and cannot build. '
        "Nothing is said about the backup.",
        where=name,
        rule="locale-unavailable",
    )
