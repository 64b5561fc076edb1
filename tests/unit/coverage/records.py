"""Evidence as drills leave it, and fleets to hold it against."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.config import Fleet
from tasks.evidence import build_evidence, write_evidence
from tasks.model.target import Selection, StoreConfig
from tests.unit.config.fleets import fleet_of
from tests.unit.evidence import samples

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def days(count: float) -> timedelta:
    return timedelta(days=count)


def fleet(folder: Path, *names: str, **keys: Any) -> Fleet:
    """Return a fleet of these databases; *keys* of `database` go to each of them."""
    own = keys.pop("database", {})
    databases = [{"name": name, **own} for name in names]
    return fleet_of(folder, *databases, evidence=str(folder / "evidence"), **keys)


def left(
    folder: Path, name: str, kind: str, age: timedelta, selection: Selection | None = None, **recovery: Any
) -> Path:
    """Leave the evidence of a drill that ended as *kind* of the samples, *age* before now."""
    begun = NOW - age
    drill = dataclasses.replace(samples.ALL[kind](), target=samples.target(name), started_at=begun)
    drill = dataclasses.replace(
        drill, drill_id=f"d{int(age.total_seconds())}", finished_at=begun, selection=selection
    )
    document = build_evidence(drill) | recovery
    uri = write_evidence(document, str(folder / "evidence"), StoreConfig(), suite_results=drill.suite_results)
    return Path(uri.removeprefix("file://"))
