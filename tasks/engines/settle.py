"""What follows the data, whatever the format: statistics, owners, grants, what only a superuser may create.

Order matters. ANALYZE comes first, since it runs index expressions as the table's owner. Owners come before
grants, since a grant is made by the owner's role; both after all data, since the restoring role gives its
objects away.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable

import psycopg
from psycopg import sql

from tasks.engines.catalogue import DatabaseObject, key, list_objects
from tasks.engines.failure import Failure
from tasks.engines.findings import Omission
from tasks.engines.job import Connection, Job
from tasks.engines.sqltext import names_listed, split_statements, tokens
from tasks.engines.trusted import (
    create_event_trigger,
    create_publication,
    publishes_by_superuser,
    run_batches,
)
from tasks.model.backup import Toc, TocEntry
from tasks.model.encodings import is_text
from tasks.model.findings import Check, Outcome, Severity, Stage
from tasks.model.rules import finding
from tasks.model.server_words import Refusal
from tasks.model.shell import database_argument

_SYSTEM_TABLES = (
    "pg_class", "pg_attribute", "pg_type", "pg_proc", "pg_constraint", "pg_depend", "pg_index", "pg_attrdef",
    "pg_trigger", "pg_inherits", "pg_namespace",
)  # fmt: skip
_TABLES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND pg_get_userbyid(c.relowner) = %s AND n.nspname !~ '^pg_'
ORDER BY pg_relation_size(c.oid) DESC
"""
_BATCH = 100
_RELATIONS = ("TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE")
OWNED_WITH_TABLE = frozenset({"PUBLICATION"})


def analyze(job: Job) -> None:
    """Gather statistics of every table as its owner, several at a time: a recovery is slow without them."""
    started = time.monotonic()
    job.progress("gathering statistics")
    with job.superuser() as session:
        names = [name for (name,) in session.execute(_TABLES, (job.sandbox.owner,)).fetchall()]
        for name in _SYSTEM_TABLES:
            session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier("pg_catalog", name)))
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)
    workers = [
        threading.Thread(target=_analyze_some, args=(job, waiting), daemon=True)
        for _ in range(min(job.sandbox.jobs, len(names)))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    job.analyze_s = time.monotonic() - started
    jobs, name = str(job.sandbox.jobs), database_argument(job.database)
    job.command(started, ["vacuumdb", "--analyze-only", "-j", jobs, "-d", name])


def _analyze_some(job: Job, waiting: queue.SimpleQueue[str]) -> None:
    try:
        with job.owner() as session:
            session.execute(f"SET statement_timeout = {max(1, round(job.remaining_s * 1000))}".encode())
            while job.remaining_s > 0:
                try:
                    name = waiting.get_nowait()
                except queue.Empty:
                    return
                _analyze_one(job, session, name)
    except psycopg.OperationalError:
        return  # the server is gone, which the next step meets and names


def _analyze_one(job: Job, session: Connection, name: str) -> None:
    try:
        session.execute(f"ANALYZE {name}".encode())
    except psycopg.OperationalError:
        if session.broken:
            raise
    except psycopg.Error as error:
        entry = TocEntry(-1, "STATISTICS DATA", name, "", "", "none")
        job.failures.append(Failure.of(entry, Refusal.of(error)))


def create_privileged(job: Job, session: Connection) -> None:
    """Create publications of everything and event triggers, disabled; list those of unknown shape."""
    for entry in job.toc.entries:
        if publishes_by_superuser(entry):
            done = create_publication(session, entry)
        elif entry.desc == "EVENT TRIGGER":
            done = create_event_trigger(session, entry)
        else:
            continue
        if not done:
            job.omissions.append(Omission(entry))


def set_owners(job: Job, session: Connection) -> int:
    """Give every object to the owner that the archive names; return how many changed hands."""
    roles = {name for (name,) in session.execute("SELECT rolname FROM pg_roles")}
    wanted = {
        key(entry.desc, entry.namespace, entry.tag): entry
        for entry in job.toc.entries
        if entry.owner in roles and entry.owner != job.sandbox.superuser
    }
    _note_unreadable_owners(job)
    objects = list_objects(session)
    wanted |= _owned_by_hand(job, objects, roles)
    statements: dict[str, TocEntry] = {}
    for thing in objects:
        entry = wanted.get(key(thing.desc, thing.namespace, thing.tag))
        if entry is not None and _changes(thing, entry):
            statements[_alter(session, thing.target or "", entry.owner)] = entry
    statements |= _large_object_owners(job, session, roles)
    for statement, refusal in run_batches(session, list(statements), _BATCH):
        if statements[statement].desc not in OWNED_WITH_TABLE:
            job.failures.append(Failure.of(_owner_entry(statements[statement]), refusal))
    return len(statements)


def _note_unreadable_owners(job: Job) -> None:
    """Say whose owners are no text in the dump's encoding: PostgreSQL would refuse to set them."""
    spoiled = [entry for entry in job.toc.entries if not is_text(entry.owner)]
    if not spoiled:
        return
    named = f"{spoiled[0].desc} {spoiled[0].tag}"
    unchecked = job.toc.encoding in ("", "SQL_ASCII")
    job.findings.append(
        finding(
            "invalid-encoding",
            f"The owner of {len(spoiled)} objects, {named} the first, is named in bytes that are no text in "
            f"the dump's encoding{'' if unchecked else ' ' + job.toc.encoding}. They belong to nobody.",
            where=named,
            severity=Severity.WARNING if unchecked else None,
        )
    )


def _owned_by_hand(
    job: Job, objects: list[DatabaseObject], roles: set[str]
) -> dict[tuple[str, str, str], TocEntry]:
    """Find what a script by hand gives to its owners, through the search_path where it names no schema."""
    there = {(thing.desc, thing.namespace, thing.tag) for thing in objects}
    path = names_listed(list(tokens(job.search_path)), 0)[0]
    found: dict[tuple[str, str, str], TocEntry] = {}
    for entry in job.owned:
        places = [entry.namespace] if entry.namespace or entry.desc == "SCHEMA" else path
        kinds = _RELATIONS if entry.desc == "TABLE" else (entry.desc,)
        for place in (*places, ""):
            kind = next((kind for kind in kinds if (kind, place, entry.tag) in there), None)
            if kind is not None and entry.owner in roles:
                found[key(kind, place, entry.tag)] = entry
                break
    return found


def _changes(thing: DatabaseObject, entry: TocEntry) -> bool:
    return thing.target is not None and thing.owner is not None and thing.owner != entry.owner


def _alter(session: Connection, target: str, owner: str) -> str:
    return f"ALTER {target} OWNER TO {sql.Identifier(owner).as_string(session)}"


def _owner_entry(entry: TocEntry) -> TocEntry:
    """Return an entry of a minor kind for an object whose owner could not be set."""
    return TocEntry(-1, "ACL", f"{entry.desc} {entry.tag}", entry.namespace, entry.owner, "none")


def _large_object_owners(job: Job, session: Connection, roles: set[str]) -> dict[str, TocEntry]:
    found: dict[str, TocEntry] = {}
    for entry in job.toc.of("BLOB", "BLOB METADATA"):
        if entry.owner not in roles:
            continue
        numbers = [entry.tag] if entry.desc == "BLOB" else entry.defn.split()
        for number in numbers:
            if number.isdigit():
                found[_alter(session, f"LARGE OBJECT {number}", entry.owner)] = entry
    return found


def run_grants(job: Job, session: Connection, entries: Iterable[TocEntry]) -> None:
    """Run grants and default privileges as the restoring role, a member of every role that they speak of.

    A dump's `SET SESSION AUTHORIZATION`, which names the grantor, becomes SET ROLE.
    """
    listed = [entry for entry in entries if entry.defn.strip()]
    if job.search_path:
        session.execute("SELECT set_config('search_path', %s, false)", (job.search_path,))
    for start in range(0, len(listed), _BATCH):
        batch = listed[start : start + _BATCH]
        if _run(session, [statement for entry in batch for statement in _grants(entry)]) is None:
            continue
        for entry in batch:
            refusal = _run(session, _grants(entry))
            if refusal is not None:
                job.failures.append(Failure.of(entry, refusal))


def _grants(entry: TocEntry) -> list[str]:
    found: list[str] = []
    for statement in split_statements(entry.defn):
        upper = statement.upper()
        if upper.startswith("SET SESSION AUTHORIZATION"):
            found.append("SET ROLE" + statement[len("SET SESSION AUTHORIZATION") :])
        elif upper.startswith("RESET SESSION AUTHORIZATION"):
            found.append("RESET ROLE")
        else:
            found.append(statement)
    return found


def _run(session: Connection, statements: list[str]) -> Refusal | None:
    """Run *statements* in one transaction; what was said against them, or None."""
    try:
        # Bytes that are no text go to the server as they are, which says so.
        session.execute(("; ".join(statements)).encode("utf-8", "surrogateescape"))
    except psycopg.Error as error:
        if session.broken:
            raise
        return Refusal.of(error)
    finally:
        if not session.broken:
            session.execute("RESET ROLE")
    return None


def grant_entries(toc: Toc) -> list[TocEntry]:
    """Return the grants of *toc* that concern the database's content; the database itself is ours."""
    return [entry for entry in toc.of("ACL", "DEFAULT ACL") if not entry.tag.startswith("DATABASE ")]


def check(name: str, failed: int, observed: str) -> Check:
    """Return a check of the restore step."""
    outcome = Outcome.FAILED if failed else Outcome.PASSED
    return Check(name, Stage.RESTORE, outcome, observed=observed, expected="all")
