"""Which foreign keys this very restore has proven, so that no check need join their tables again.

PostgreSQL proves a key when it is added and keeps it by triggers from then on. What that is worth:
- The triggers sleep while `session_replication_role` is replica, and a role that may set it may do so in any
  function. So the restoring role may not, unless the backup speaks of it: then no key is proven. The same
  holds for `track_counts`, by which the next point is known, and where triggers are switched off.
- A trigger or rule of the backup's own can keep a cascade from what it should delete. So a key is proven only
  if no row of the table that it points to was deleted or changed in this restore. A dump does neither; a
  script by hand may, and then its keys are joined.
- A trigger that is still switched off proves nothing, and neither does a restore by a superuser.
- PostgreSQL 14 cannot be asked for its counts here. There an archive's text tells: without a function that
  could write, nothing changes a row after it was loaded, for triggers and rules need something that writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from tasks.engines.context import Connection, Job
from tasks.engines.definitions import language_of, type_returned
from tasks.model.backup import Toc

UNTRUSTED_SETTINGS = ("session_replication_role", "track_counts")
"""What a backup may set only if every foreign key is joined afterwards."""
_SWITCHES = re.compile(rb"session_replication_role|track_counts|\bDISABLE\s{1,100}TRIGGER\b", re.IGNORECASE)
_SETS_ROLE = re.compile(
    rb"(?i)(?:RESET|SET(?:\s{1,9}(?:SESSION|(?P<local>LOCAL)))?)\s{1,9}session_replication_role"
    rb"(?:\s{0,9}(?:=|TO\b)\s{0,9}'?(?P<value>replica|origin|local|default)'?)?\s{0,9};?\s{0,9}"
)
_PARAMETER_GRANTS_SINCE = 15
_FUNCTION = "pg_catalog.drill_session_replication_role()"
_LEND_FUNCTION = """
CREATE FUNCTION {function} RETURNS text LANGUAGE sql SECURITY DEFINER AS
    $$ SELECT pg_catalog.set_config('session_replication_role', '{value}', {local}) $$;
REVOKE ALL ON FUNCTION {function} FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {function} TO {owner}
"""
_COUNTS_WITHOUT_NETWORK_SINCE = 15
"""Before, a server counts through a socket of the network, which the sandbox has not: asking waits 10 s."""
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY|EXECUTE|DO|CALL)\b", re.IGNORECASE)
"""A body in SQL or PL/pgSQL that writes, or runs what it does not spell, has one of these words."""
_BY_TRIGGERS_ONLY = frozenset({"trigger", "event_trigger"})
_READABLE = frozenset({"sql", "plpgsql"})
_ASLEEP = "EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled NOT IN ('O', 'A'))"
_UNPROVEN = """
WITH RECURSIVE below(root, leaf) AS (
    SELECT confrelid, confrelid FROM pg_constraint WHERE contype = 'f'
    UNION SELECT b.root, i.inhrelid FROM below b
        JOIN pg_class c ON c.oid = b.leaf AND c.relkind = 'p' JOIN pg_inherits i ON i.inhparent = b.leaf
)
SELECT n.nspname || '.' || c.relname || '.' || k.conname
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.convalidated AND (
    {asleep} OR ({counts} AND EXISTS (
        SELECT FROM below b JOIN pg_class l ON l.oid = b.leaf AND l.relkind = 'r'
        WHERE b.root = k.confrelid AND (pg_stat_get_tuples_deleted(l.oid) > 0
            OR pg_stat_get_tuples_updated(l.oid) > 0
            OR (pg_stat_get_tuples_inserted(l.oid) = 0 AND pg_relation_size(l.oid) > 0)))))
"""
"""Keys whose referenced rows were changed, by the server's counts; without any, nobody can tell."""


def lend_if_spoken_of(job: Job, session: Connection, text: bytes) -> None:
    """Let the restoring role put triggers to sleep if the backup's *text* speaks of it, and note that."""
    if job.keys_doubted or _SWITCHES.search(text) is None:
        return
    job.keys_doubted = True
    if job.sandbox.postgres.major >= _PARAMETER_GRANTS_SINCE:
        for name in UNTRUSTED_SETTINGS:
            session.execute(
                sql.SQL("GRANT SET ON PARAMETER {} TO {}").format(
                    sql.Identifier(name), sql.Identifier(job.sandbox.owner)
                )
            )


@contextmanager
def lent_call(job: Job, session: Connection, statement: bytes) -> Iterator[bytes]:
    """Give what to run in the place of *statement*: itself, unless it sets what PostgreSQL 14 cannot grant.

    A function of our superuser's, which is there for this one call, then sets `session_replication_role`.
    """
    match = _SETS_ROLE.fullmatch(statement)
    if match is None or not job.is_owner or job.sandbox.postgres.major >= _PARAMETER_GRANTS_SINCE:
        yield statement
        return
    value = (match["value"] or b"default").decode().lower().replace("default", "origin")
    local = "false" if match["local"] is None else "true"
    owner = sql.Identifier(job.sandbox.owner).as_string(session)
    session.execute(_LEND_FUNCTION.format(function=_FUNCTION, value=value, local=local, owner=owner).encode())
    try:
        yield f"SELECT {_FUNCTION}".encode()
    finally:
        session.execute(f"DROP FUNCTION {_FUNCTION}".encode())


def lend_for(job: Job, session: Connection, toc: Toc) -> None:
    """Do as `lend_if_spoken_of` for every entry of an archive."""
    for entry in toc.entries:
        for text in (entry.defn, entry.copy_stmt):
            lend_if_spoken_of(job, session, text.encode("utf-8", "surrogateescape"))


def unproven_keys(job: Job, session: Connection) -> frozenset[str] | None:
    """Return the valid foreign keys, `schema.table.name`, that have to be joined; None for every one."""
    counts = job.sandbox.postgres.major >= _COUNTS_WITHOUT_NETWORK_SINCE
    if job.keys_doubted or not job.is_owner or not (counts or _cannot_write(job.toc)):
        return None
    query = _UNPROVEN.format(asleep=_ASLEEP, counts="true" if counts else "false")
    return frozenset(name for (name,) in session.execute(query.encode()).fetchall())


def _cannot_write(toc: Toc) -> bool:
    """Tell whether no function of an archive that a restore could call may change a row."""
    if toc.archive_version is None:
        return False
    functions = (entry.defn for entry in toc.of("FUNCTION", "PROCEDURE"))
    return all(type_returned(text) in _BY_TRIGGERS_ONLY or _only_reads(text) for text in functions)


def _only_reads(definition: str) -> bool:
    return language_of(definition) in _READABLE and _WRITES.search(definition) is None
