"""Settings that Prefect would take from files in the current folder: refused, since settings can name code.

Prefect reads `.env`, `prefect.toml` and `pyproject.toml` where a command is started, and a logging
configuration named there runs what it likes. Whoever drills may stand in a folder that others fill.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from tasks.model.errors import ConfigInvalid


def refuse_settings_of(folder: Path) -> None:
    """Let nothing start in a *folder* that would configure Prefect.

    Raises:
        ConfigInvalid: it holds settings of Prefect's.
    """
    for path in _files_with_settings(folder):
        raise ConfigInvalid(
            f"the current folder holds settings of Prefect's, in {path.name}, and settings can run code",
            str(path),
            "Start restore-drill in another folder. Settings of your own belong into the environment "
            "or into a profile (`prefect config set`).",
        )


def _files_with_settings(folder: Path) -> Iterator[Path]:
    """Yield the files that Prefect would use; what cannot be read is taken for one."""
    for name, configures in (
        (".env", _sets_variables),
        ("prefect.toml", bool),
        ("pyproject.toml", _has_table),
    ):
        path = folder / name
        try:
            if path.is_file() and configures(path.read_text(encoding="utf-8")):
                yield path
        except (OSError, ValueError):
            yield path


def _sets_variables(text: str) -> bool:
    names = (line.partition("=")[0] for line in text.splitlines() if not line.lstrip().startswith("#"))
    return any("prefect" in name.lower() for name in names)


def _has_table(text: str) -> bool:
    tool = tomllib.loads(text).get("tool")
    return isinstance(tool, dict) and "prefect" in tool
