"""Which databases there are, told from outside: a list that somebody keeps, and the folders of the backups.

A fleet file cannot miss what it does not name; the list of the inventory and the bucket can.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from expectations.yaml_text import read_bytes
from tasks.config.schema import Fleet
from tasks.model.errors import ConfigInvalid
from tasks.stores.open import open_store

MOST_BYTES = 16 << 20
MOST_NAMES = 100_000
COLUMN = "name"


def population(fleet: Fleet) -> dict[str, str]:
    """Return the names of the databases that there are, each with what tells of it.

    Raises:
        ConfigInvalid: the file cannot be read or names nothing, or nothing lies below a prefix.
        DrillError: a prefix cannot be listed.
    """
    told: dict[str, str] = {}
    if fleet.population.file is not None:
        path = fleet.population.file
        for name in names_in(path):
            told.setdefault(name, path.name)
    for prefix in fleet.population.prefixes:
        folders = open_store(fleet.store, prefix).folders(prefix)
        if not folders:
            raise ConfigInvalid(
                "no folder lies below a prefix of population", prefix, "Is it spelt as in the store?"
            )
        for folder in folders:
            told.setdefault(folder.rstrip("/").rpartition("/")[2], prefix)
    return told


def names_in(path: Path) -> tuple[str, ...]:
    """Return the names in the CSV file *path*: of its column `name`, else of the first.

    Raises:
        ConfigInvalid: it cannot be read, or names nothing.
    """
    try:
        lines = read_bytes(path, MOST_BYTES).decode("utf-8-sig").splitlines(keepends=True)
        names = tuple(dict.fromkeys(islice(_names(csv.reader(lines)), MOST_NAMES)))
    except (OSError, ValueError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise ConfigInvalid(
            f"the list of databases cannot be read: {why}", str(path), "population.file is a CSV in UTF-8."
        ) from error
    if not names:
        raise ConfigInvalid(
            "the list of databases names none", str(path), f"It has a column `{COLUMN}`, or a name a line."
        )
    return names


def _names(rows: Iterator[list[str]]) -> Iterator[str]:
    first = [cell.strip() for cell in next(rows, [])]
    column = first.index(COLUMN) if COLUMN in first else 0
    if COLUMN not in first:
        yield from first[:1]
    for row in rows:
        if len(row) > column and row[column].strip():
            yield row[column].strip()
