"""What the table of contents promises against what the catalogue holds: tools exit 0 with objects missing."""

from __future__ import annotations

from typing import Any

import psycopg

from tasks.engines.objects_present import COMPARED, DatabaseObject, key, list_objects
from tasks.model.backup import Toc, TocEntry

_NEVER = frozenset(
    {("SCHEMA", "", "public"), ("EXTENSION", "", "plpgsql"), ("PROCEDURAL LANGUAGE", "", "plpgsql")}
)


def missing_entries(superuser: psycopg.Connection[tuple[Any, ...]], toc: Toc) -> list[TocEntry]:
    """Return the entries whose object is not in the database, in archive order, by one query.

    Args:
        superuser: a connection with search_path pg_catalog.
        toc: what the archive lists.
    """
    return missing(toc, list_objects(superuser))


def missing(toc: Toc, objects: list[DatabaseObject]) -> list[TocEntry]:
    """Return the entries of *toc* that *objects* lack."""
    there = {key(thing.desc, thing.namespace, thing.tag) for thing in objects} | _NEVER
    return [
        entry
        for entry in toc.entries
        if entry.desc in COMPARED and key(entry.desc, entry.namespace, entry.tag) not in there
    ]
