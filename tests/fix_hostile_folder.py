"""A current folder that others fill: a module of every name that a program of ours could import."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

TRAP = """
with open({canary!r}, "a") as canary:
    canary.write(__name__ + "\\n")
"""
HOOKS = frozenset({"sitecustomize", "usercustomize"})


@dataclass(frozen=True)
class HostileFolder:
    """A folder full of modules that tell when they are run.

    Attributes:
        canary: where they tell it.
    """

    path: Path
    canary: Path

    def sprung(self) -> set[str]:
        """Return the names of the modules that were run."""
        return set(self.canary.read_text().split()) if self.canary.exists() else set()


def make_hostile_folder(path: Path) -> HostileFolder:
    """Fill the new folder *path*."""
    path.mkdir()
    folder = HostileFolder(path, path.with_suffix(".canary"))
    for name in filter(
        str.isidentifier, sys.stdlib_module_names | set(metadata.packages_distributions()) | HOOKS
    ):
        (path / f"{name}.py").write_text(TRAP.format(canary=str(folder.canary)))
    return folder


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Iterator[Path]:
    """Where a test may start programs of ours: none of the folder's modules may have run at its end."""
    folder = make_hostile_folder(tmp_path / "hostile")
    yield folder.path
    assert folder.sprung() == set()
