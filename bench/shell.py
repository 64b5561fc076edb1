"""A tiny drill from the shell: against a running Prefect server, and with a server of its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from bench.source import make_backup, write_fleet
from bench.timing import seconds, timed
from deployments.prefect_api import prefect_api


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print the seconds of `restore-drill run` as a whole process."""
    dumps = folder / "shell"
    make_backup(dumps, 1)
    fleet = write_fleet(dumps)
    with prefect_api() as url:
        running = [timed(lambda: _run(fleet, {"PREFECT_API_URL": url})) for _ in range(options.rounds)]
    seconds("tiny drill from the shell, server running", running, 12)
    seconds("tiny drill from the shell, server of its own", [timed(lambda: _run(fleet, {}))], 25)


def _run(fleet: Path, env: dict[str, str]) -> None:
    command = [str(Path(sys.executable).parent / "restore-drill"), "run", str(fleet)]
    subprocess.run(command, check=True, env=os.environ | env, stdout=subprocess.DEVNULL)
