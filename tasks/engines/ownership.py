"""To whom what came back belongs: the owners that the backup names, given by `ALTER ... OWNER TO` of ours.

Owners come before grants, since a grant is made by the owner's role, and after all data, since the restoring
role gives its objects away.
"""

from __future__ import annotations

from tasks.engines.context import Connection, Job
from tasks.engines.errors.failure import Failure, label
from tasks.engines.objects_present import DatabaseObject, key, list_objects
from tasks.engines.privileged import run_batches
from tasks.engines.roles import DATABASE_OWNER, roles_made
from tasks.engines.sql.tokens import names_listed, quoted, tokens
from tasks.model.backup import TocEntry
from tasks.model.encodings import is_text
from tasks.model.findings import Severity
from tasks.model.rules import finding

_BATCH = 100
_RELATIONS = ("TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE")
_OWNED_WITH_TABLE = frozenset({"PUBLICATION"})


def set_owners(job: Job, session: Connection) -> int:
    """Give every object to the owner that the archive names; return how many changed hands.

    Only roles that the drill made for the dump get anything: an object of a predefined role, or of one of
    our own, could do what its owner may. Such owners are listed.
    """
    roles = roles_made(job, session)
    objects = list_objects(session)
    owned_entries = {
        key(entry.desc, entry.namespace, entry.tag): entry for entry in job.toc.entries if entry.owner
    }
    _note_unreadable_owners(job)
    owned_entries |= _owned_by_hand(job, objects)
    statements: dict[str, TocEntry] = {}
    for present in objects:
        entry = owned_entries.get(key(present.desc, present.namespace, present.tag))
        if entry is None or not _changes(present, entry):
            continue
        if entry.owner in roles:
            statements[_alter(present.target or "", entry.owner)] = entry
        else:
            _leave_owner(job, entry)
    statements |= _large_object_owners(job, roles)
    for statement, refusal in run_batches(session, list(statements), _BATCH):
        if statements[statement].desc not in _OWNED_WITH_TABLE:
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
    present_objects = {(present.desc, present.namespace, present.tag) for present in objects}
    path = names_listed(list(tokens(job.search_path)), 0)[0]
    owned_entries: dict[tuple[str, str, str], TocEntry] = {}
    for entry in job.owned:
        places = [entry.namespace] if entry.namespace or entry.desc == "SCHEMA" else path
        kinds = _RELATIONS if entry.desc == "TABLE" else (entry.desc,)
        for place in (*places, ""):
            kind = next((kind for kind in kinds if (kind, place, entry.tag) in present_objects), None)
            if kind is not None:
                owned_entries[key(kind, place, entry.tag)] = entry
                break
    return owned_entries


def _changes(present: DatabaseObject, entry: TocEntry) -> bool:
    return present.target is not None and present.owner is not None and present.owner != entry.owner


def _alter(target: str, owner: str) -> str:
    return f"ALTER {target} OWNER TO {quoted(owner)}"


def _owner_entry(entry: TocEntry) -> TocEntry:
    """Return an entry of a minor kind for an object whose owner could not be set."""
    return TocEntry(-1, "ACL", f"{entry.desc} {entry.tag}", entry.namespace, entry.owner, "none")


def _large_object_owners(job: Job, roles: frozenset[str]) -> dict[str, TocEntry]:
    statements: dict[str, TocEntry] = {}
    for entry in job.toc.of("BLOB", "BLOB METADATA"):
        if entry.owner not in roles:
            continue
        numbers = [entry.tag] if entry.desc == "BLOB" else entry.defn.split()
        for number in numbers:
            if number.isdigit():
                statements[_alter(f"LARGE OBJECT {number}", entry.owner)] = entry
    return statements
