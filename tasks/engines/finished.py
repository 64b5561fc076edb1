"""Which tables of an archive nothing more will happen to, as the catalogue shows while pg_restore works.

Decided here: pg_restore makes what belongs to a table (indexes, keys, triggers) after the table's rows. So a
table is finished when everything that the archive lists for it behind the rows is there. One for which it
lists nothing could be empty still, and is never called finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.engines.completeness import leaves_tables_out, missing
from tasks.engines.objects_present import COMPARED, DatabaseObject
from tasks.model.backup import Toc, TocEntry

Name = tuple[str, str]
"""Schema and table."""


def behind_rows(toc: Toc, entries: Iterable[TocEntry]) -> dict[Name, set[int]]:
    """Return, by table, those of *entries* that pg_restore makes of it behind its rows.

    Dumps from before pg_dump 9.6 do not say which table a key or a trigger is of: of those, nothing.
    """
    if leaves_tables_out(toc):
        return {}
    tables = {entry.dump_id: (entry.namespace, entry.tag) for entry in toc.of("TABLE")}
    of_entry: dict[int, set[Name]] = {}
    for entry in entries:  # in archive order: what is needed comes first
        if entry.section == "post-data" and entry.desc in COMPARED:
            of_entry[entry.dump_id] = {tables[need] for need in entry.dependencies if need in tables}.union(
                *(of_entry[need] for need in entry.dependencies if need in of_entry)
            )
    behind: dict[Name, set[int]] = {}
    for dump_id, names in of_entry.items():
        for name in names:
            behind.setdefault(name, set()).add(dump_id)
    return behind


def finished(toc: Toc, behind: Mapping[Name, set[int]], objects: list[DatabaseObject]) -> list[Name]:
    """Return the tables of *behind* that lack nothing among *objects*."""
    lacking = {entry.dump_id for entry in missing(toc, objects)}
    return [name for name, ids in behind.items() if ids.isdisjoint(lacking)]
