"""What follows the data, whatever the format: statistics, owners, grants, what only a superuser may create.

Order matters. ANALYZE comes first, since it runs index expressions as the table's owner. Owners come before
grants, since a grant is made by the owner's role; both after all data, since the restoring role gives its
objects away.
"""

from __future__ import annotations

import queue
import threading
import time

import psycopg
from psycopg import sql

from tasks.engines.comments import LATE, read_comment
from tasks.engines.context import Connection, Job
from tasks.engines.errors.causes import Omission
from tasks.engines.errors.failure import Failure, label
from tasks.engines.objects_present import DatabaseObject, key, list_objects
from tasks.engines.privileged import (
    create_event_trigger,
    create_publication,
    publishes_by_superuser,
    run_batches,
)
from tasks.engines.roles import DATABASE_OWNER, roles_made
from tasks.engines.sql.tokens import names_listed, quoted, tokens
from tasks.model.backup import TocEntry
from tasks.model.encodings import is_text
from tasks.model.findings import Severity
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


def forget_settings(job: Job, session: Connection) -> None:
    """Take back what the dump set for sessions of its database or of the restoring role: ours come next."""
    database, owner = sql.Identifier(job.database), sql.Identifier(job.sandbox.owner)
    session.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(database))
    session.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(owner))
    session.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(owner, database))


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
            session.execute(f"SET statement_timeout = {job.deadline.statement_ms}".encode())
            while not job.deadline.passed:
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


def comment_late(job: Job, session: Connection) -> None:
    """Comment on what our superuser owns or has just made; list comments of unknown shape."""
    statements: dict[str, TocEntry] = {}
    for entry in job.toc.of("COMMENT"):
        if entry.tag.startswith(LATE) and entry.defn:
            text = read_comment(entry.defn)
            if text is None:
                job.omissions.append(Omission(entry))
            else:
                statements[text] = entry
    for text, refusal in run_batches(session, list(statements), _BATCH):
        job.failures.append(Failure.of(statements[text], refusal))


def set_owners(job: Job, session: Connection) -> int:
    """Give every object to the owner that the archive names; return how many changed hands.

    Only roles that the drill made for the dump get anything: an object of a predefined role, or of one of
    our own, could do what its owner may. Such owners are listed.
    """
    roles = roles_made(job, session)
    objects = list_objects(session)
    wanted = {key(entry.desc, entry.namespace, entry.tag): entry for entry in job.toc.entries if entry.owner}
    _note_unreadable_owners(job)
    wanted |= _owned_by_hand(job, objects)
    statements: dict[str, TocEntry] = {}
    for thing in objects:
        entry = wanted.get(key(thing.desc, thing.namespace, thing.tag))
        if entry is None or not _changes(thing, entry):
            continue
        if entry.owner in roles:
            statements[_alter(thing.target or "", entry.owner)] = entry
        else:
            _leave_owner(job, entry)
    statements |= _large_object_owners(job, roles)
    for statement, refusal in run_batches(session, list(statements), _BATCH):
        if statements[statement].desc not in OWNED_WITH_TABLE:
            job.failures.append(Failure.of(_owner_entry(statements[statement]), refusal))
    return len(statements) + _change_by_hand(job, session, roles)


def _leave_owner(job: Job, entry: TocEntry) -> None:
    """List an object whose owner is none of the dump's roles; that of the schema public is as it is."""
    if entry.owner == DATABASE_OWNER or not is_text(entry.owner):
        return
    job.leave_out("OWNER", f"of {label(entry)}: {entry.owner}")


def _change_by_hand(job: Job, session: Connection, roles: frozenset[str]) -> int:
    """Set the owners that a script by hand gives to functions and the like, as its search_path finds them."""
    changes = {change.text: change for change in job.owner_changes if change.owner in roles}
    for change in job.owner_changes:
        if change.owner not in roles:
            job.leave_out("OWNER", f"of {change.what}: {change.owner}")
    if not changes:
        return 0
    session.execute("SELECT set_config('search_path', %s, false)", (job.search_path or "public",))
    try:
        failed = run_batches(session, list(changes), _BATCH)
    finally:
        session.execute("SET search_path TO pg_catalog")
    job.failures += [Failure.of(job.made_up("ACL", changes[text].what), refusal) for text, refusal in failed]
    return len(changes) - len(failed)


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


def _owned_by_hand(job: Job, objects: list[DatabaseObject]) -> dict[tuple[str, str, str], TocEntry]:
    """Find what a script by hand gives to its owners, through the search_path where it names no schema."""
    there = {(thing.desc, thing.namespace, thing.tag) for thing in objects}
    path = names_listed(list(tokens(job.search_path)), 0)[0]
    found: dict[tuple[str, str, str], TocEntry] = {}
    for entry in job.owned:
        places = [entry.namespace] if entry.namespace or entry.desc == "SCHEMA" else path
        kinds = _RELATIONS if entry.desc == "TABLE" else (entry.desc,)
        for place in (*places, ""):
            kind = next((kind for kind in kinds if (kind, place, entry.tag) in there), None)
            if kind is not None:
                found[key(kind, place, entry.tag)] = entry
                break
    return found


def _changes(thing: DatabaseObject, entry: TocEntry) -> bool:
    return thing.target is not None and thing.owner is not None and thing.owner != entry.owner


def _alter(target: str, owner: str) -> str:
    return f"ALTER {target} OWNER TO {quoted(owner)}"


def _owner_entry(entry: TocEntry) -> TocEntry:
    """Return an entry of a minor kind for an object whose owner could not be set."""
    return TocEntry(-1, "ACL", f"{entry.desc} {entry.tag}", entry.namespace, entry.owner, "none")


def _large_object_owners(job: Job, roles: frozenset[str]) -> dict[str, TocEntry]:
    found: dict[str, TocEntry] = {}
    for entry in job.toc.of("BLOB", "BLOB METADATA"):
        if entry.owner not in roles:
            continue
        numbers = [entry.tag] if entry.desc == "BLOB" else entry.defn.split()
        for number in numbers:
            if number.isdigit():
                found[_alter(f"LARGE OBJECT {number}", entry.owner)] = entry
    return found
