"""Discovery among many keys against few: the cost grows with the window, not with the bucket."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bench.timing import timed
from tasks.config import load_fleet
from tasks.discovery import discover
from tasks.model.clock import utc_now
from tasks.stores import open_store

DAYS_FEW = 100
KEYS_MANY = 100_000
WINDOW_DAYS = 30


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Print the seconds of a discovery among 100 and among 100,000 files, one file a day and many a day."""
    few = _fill(folder / "few", DAYS_FEW, 1)
    many = _fill(folder / "many", DAYS_FEW * 10, KEYS_MANY // (DAYS_FEW * 10))
    taken = {
        name: min(timed(partial(_discover, fleet)) for _ in range(options.rounds))
        for name, fleet in (("few", few), ("many", many))
    }
    print(
        f"discovery of {WINDOW_DAYS} days: {taken['many']:.2f} s among {KEYS_MANY} keys, "
        f"{taken['few']:.2f} s among {DAYS_FEW}; {taken['many'] - taken['few']:.2f} s more (goal 2 s)",
        flush=True,
    )


def _fill(folder: Path, days: int, a_day: int) -> Path:
    """Make a folder per day, one backup of the database and others' beside it; return the fleet file."""
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in (now - timedelta(days=ago) for ago in range(days)):
        place = folder / f"{day:%Y/%m/%d}"
        place.mkdir(parents=True)
        (place / f"shop_{day:%Y%m%dT%H%M%SZ}.dump").write_bytes(b"x")
        for other in range(a_day - 1):
            (place / f"other{other}_{day:%Y%m%dT%H%M%SZ}.dump").write_bytes(b"x")
    fleet = folder.with_suffix(".yaml")
    fleet.write_text(
        "version: 1\nfleet: bench\nevidence: evidence\ndatabases:\n  - name: shop\n"
        f"    backup: {{at: '{folder}/%Y/%m/%d/shop_%Y%m%dT%H%M%SZ.dump', window: {WINDOW_DAYS}d}}\n"
    )
    return fleet


def _discover(fleet: Path) -> None:
    target = load_fleet(fleet).target("shop")
    found = discover(target, open_store(target.store, target.backup.at), utc_now())
    if not found.points:
        raise RuntimeError("nothing was found")
