"""How a Python of our own is started: nothing in the current folder or on PYTHONPATH is imported.

`python -m` and `python -c` look into the current folder first, and that may be one that others fill: a
`click.py` among downloaded backups ran with the worker's rights.
"""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path


def child_python(*arguments: str) -> list[str]:
    """Return the argument list of a Python that imports installed modules only."""
    return [sys.executable, *_isolation(), *arguments]


def isolate_children() -> None:
    """Make Pythons that Prefect or multiprocessing start for us leave the current folder alone."""
    os.environ["PYTHONSAFEPATH"] = "1"


def _isolation() -> tuple[str, ...]:
    """Return `-I`; it also hides the user's own site-packages, so not where we were installed there."""
    if site.ENABLE_USER_SITE and Path(__file__).is_relative_to(site.getusersitepackages()):
        return ("-E", "-P")
    return ("-I",)
