"""A drill of a tiny database, the first and the second in one process."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.source import make_backup, write_fleet
from bench.timing import seconds, timed, watched_memory
from bench.whole import _drill
from deployments.prefect_api import prefect_api


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print the seconds of a cold and of warm tiny drills."""
    dumps = folder / "tiny"
    make_backup(dumps, 1)
    fleet = write_fleet(dumps)
    with watched_memory(450), prefect_api():
        cold = timed(lambda: _drill(fleet))
        warm = [timed(lambda: _drill(fleet)) for _ in range(options.rounds)]
    seconds("tiny drill, first in the process", [cold], 12)
    seconds("tiny drill, second in the process", warm, 3)
