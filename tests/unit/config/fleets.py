"""Fleet files for tests, written to a folder of the test's own."""

from __future__ import annotations

import json
import typing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tasks.config import Fleet, load_fleet
from tasks.model.errors import ConfigInvalid
from tasks.model.target import Database, Target

TODAY = date(2026, 11, 20)


def written(folder: Path, text: str) -> Path:
    """Write a fleet file and return its path."""
    path = folder / "fleet.yaml"
    path.write_text(text)
    return path


def fleet_of(folder: Path, *databases: dict[str, Any], **top: Any) -> Fleet:
    """Load a fleet of *databases*; what they leave out is filled in."""
    filled = [
        {"name": f"db{i}", "backup": {"at": "/b/{database}_%Y%m%d"}} | d for i, d in enumerate(databases)
    ]
    document = {"version": 1, "fleet": "shop", "databases": filled} | top
    return load_fleet(written(folder, json.dumps(document, default=str)), today=TODAY)


def target_of(folder: Path, database: dict[str, Any], **top: Any) -> Target:
    """Load a fleet of one database and return it."""
    return fleet_of(folder, database, **top).targets[0]


def refusal(folder: Path, database: dict[str, Any] | None = None, **top: Any) -> str:
    """Return the message with which a fleet is refused."""
    with pytest.raises(ConfigInvalid) as caught:
        fleet_of(folder, database or {}, **top)
    return caught.value.what


def text_refusal(folder: Path, text: str) -> str:
    """Return the message with which a fleet file's text is refused."""
    with pytest.raises(ConfigInvalid) as caught:
        load_fleet(written(folder, text), today=TODAY)
    return caught.value.what


def models_of_backup() -> tuple[type[BaseModel], ...]:
    """Return the classes that a `backup` section is read by, one a kind."""
    annotation = Database.model_fields["backup"].annotation
    return typing.get_args(annotation) or (annotation,)  # type: ignore[return-value]
