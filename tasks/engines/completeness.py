"""What the table of contents promises against what the catalogue holds: tools exit 0 with objects missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg

from tasks.engines.objects_present import COMPARED, OF_TABLES, DatabaseObject, key, list_objects
from tasks.model.backup import Toc, TocEntry

_NEVER = frozenset(
    {("SCHEMA", "", "public"), ("EXTENSION", "", "plpgsql"), ("PROCEDURAL LANGUAGE", "", "plpgsql")}
)
_TABLES_NAMED_SINCE = (9, 6)


def missing_entries(superuser: psycopg.Connection[tuple[Any, ...]], toc: Toc) -> list[TocEntry]:
    """Return the entries whose object is not in the database, in archive order, by one query.

    Args:
        superuser: a connection with search_path pg_catalog.
        toc: what the archive lists.
    """
    return missing(toc, list_objects(superuser))


def missing(toc: Toc, objects: list[DatabaseObject]) -> list[TocEntry]:
    """Return the entries of *toc* that *objects* lack."""
    present_keys = {key(present.desc, present.namespace, present.tag) for present in objects} | _NEVER
    lacking = [
        entry
        for entry in toc.entries
        if entry.desc in COMPARED and key(entry.desc, entry.namespace, entry.tag) not in present_keys
    ]
    return _unnamed(lacking, objects) if lacking and leaves_tables_out(toc) else lacking


def leaves_tables_out(toc: Toc) -> bool:
    """Tell whether the tags of keys, triggers and the like are without their table, as before pg_dump 9.6."""
    version = re.match(r"(\d{1,3})(?:\.(\d{1,3}))?", toc.dump_version)
    return version is not None and (int(version[1]), int(version[2] or 0)) < _TABLES_NAMED_SINCE


def _unnamed(lacking: list[TocEntry], objects: list[DatabaseObject]) -> list[TocEntry]:
    """Return those of *lacking* for which no object of their kind and own name is left, on whatever table."""
    counts = Counter(
        key(present.desc, present.namespace, own)
        for present in objects
        if present.desc in OF_TABLES
        for own in _own_names(present.tag)
    )
    still = []
    for entry in lacking:
        name = key(entry.desc, entry.namespace, entry.tag)
        if not counts[name]:
            still.append(entry)
        counts[name] -= 1
    return still


def _own_names(tag: str) -> Iterator[str]:
    """Yield what a tag may say behind its table's name: either may hold spaces."""
    words = tag.split(" ")
    return (" ".join(words[at:]) for at in range(1, len(words)))
