"""A self test of 100 MB: all kinds of damage, and the ten that matter most; the restore included."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.source import make_backup, write_fleet
from bench.timing import seconds, timed, watched_memory
from deployments.commands.selftest import document_of
from deployments.prefect_api import prefect_api

_MIB = 87
"""What makes 100 MB with an empty database's own 8 MB."""
_MUTANTS = 100


def measure(folder: Path, options: argparse.Namespace) -> None:  # noqa: ARG001  one round: minutes each
    """Print the seconds of a quick self test and of a whole one."""
    dumps = folder / "selftest"
    make_backup(dumps, _MIB)
    fleet = write_fleet(dumps)
    with watched_memory(450), prefect_api():
        quick = timed(lambda: _selftest(fleet, quick=True))
        whole = timed(lambda: _selftest(fleet, quick=False))
    seconds("quick self test of 100 MB", [quick], 60)
    seconds(f"self test of 100 MB, {_MUTANTS} mutants", [whole], 300)


def _selftest(fleet: Path, *, quick: bool) -> None:
    from flows.selftest import selftest  # noqa: PLC0415  after the API is there

    document = document_of(selftest(str(fleet), "shop", 1, _MUTANTS, quick, return_state=True))
    score = document["score"]
    if score["errored"]:
        raise RuntimeError(f"{score['errored']} mutants could not be judged")
    print(f"  {score['judged']} mutants judged, {score['caught']} caught", flush=True)
