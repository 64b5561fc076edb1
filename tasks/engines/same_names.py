"""Which of several tables of one name a failed COPY was of: pg_restore names the table without its schema.

One table for each tenant, each in a schema of its own: the rows that could not be loaded are those of a table
that came back without any.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from psycopg import errors, sql

from tasks.engines.context import Connection
from tasks.engines.errors.failure import Failure
from tasks.model.backup import Toc, TocEntry


def tell_apart(failures: Iterable[Failure], toc: Toc, session: Connection) -> list[Failure]:
    """Return *failures* with the rows that they are of, where more than one table has the name."""
    rows_of: dict[str, list[TocEntry]] = {}
    for rows in toc.of("TABLE DATA"):
        rows_of.setdefault(rows.tag, []).append(rows)
    ids_taken: set[int] = set()
    located_failures = []
    for failure in failures:
        entry = failure.entry
        if entry is not None and entry.desc == "TABLE DATA" and len(rows_of.get(entry.tag, ())) > 1:
            others = (candidate for candidate in rows_of[entry.tag] if candidate.dump_id not in ids_taken)
            lost = next((candidate for candidate in others if not _holds_rows(session, candidate)), entry)
            ids_taken.add(lost.dump_id)
            located_failures.append(replace(failure, entry=lost))
        else:
            located_failures.append(failure)
    return located_failures


def _holds_rows(session: Connection, entry: TocEntry) -> bool:
    table = sql.Identifier(entry.namespace, entry.tag)
    try:
        return session.execute(sql.SQL("SELECT FROM ONLY {} LIMIT 1").format(table)).fetchone() is not None
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return False
