"""Folders in folders, deeper than what walks them by calling itself can go."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEPTH = 1100


@contextmanager
def nested(top: Path) -> Iterator[Path]:
    """Make `top/d/d/d...`, give the innermost folder, and remove all: pytest's own removal could not."""
    bottom = top
    top.mkdir()
    for _ in range(DEPTH):
        bottom = bottom / "d"
        bottom.mkdir()
    try:
        yield bottom
    finally:
        subprocess.run(["rm", "-rf", str(top)], check=True)  # noqa: S607  its own, and not by recursion
