"""Extensions: created by us, before anything of the dump exists, and only what the fleet file allows."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from tasks.catalog.extensions import is_allowed
from tasks.engines.findings import Omission
from tasks.engines.job import Connection, Job
from tasks.engines.meaning import Meaning
from tasks.engines.sqltext import is_name, name_of, tokens
from tasks.model.backup import TocEntry
from tasks.model.errors import StageFailed
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.server_words import all_names, of_error

ALWAYS = "plpgsql"


def create_extensions(
    job: Job, session: Connection, entries: Iterable[TocEntry], own_schemas: Iterable[str]
) -> set[str]:
    """Create what EXTENSION *entries* name, in their schemas.

    Args:
        job: takes what is left out.
        session: of our superuser.
        entries: of kind EXTENSION.
        own_schemas: schemas that the backup creates: an extension's own among them is made by us first.

    Returns:
        The schemas that were made for an extension.

    Raises:
        StageFailed: `extension-not-allowed`, `extension-missing`: all that are wrong, at once.
    """
    wrong: list[Finding] = []
    made: set[str] = set()
    backup_makes = set(own_schemas)
    for entry in entries:
        if entry.tag == ALWAYS:
            continue
        trouble = _refusal(job, session, entry)
        if trouble is None:
            schema = schema_of(entry.defn)
            if schema in backup_makes and schema not in made and _make_schema(job, session, schema):
                made.add(schema)
            trouble = _create(job, session, entry, schema)
        if trouble is not None:
            wrong.append(trouble)
    if wrong:
        raise StageFailed(tuple(wrong))
    return made


def schema_of(definition: str) -> str:
    """Return the schema of a CREATE EXTENSION; "" where it names none."""
    listed = list(tokens(definition))
    upper = [token.upper() for token in listed]
    at = upper.index("SCHEMA") + 1 if "SCHEMA" in upper else len(listed)
    return name_of(listed[at]) if at < len(listed) and is_name(listed[at]) else ""


def _refusal(job: Job, session: Connection, entry: TocEntry) -> Finding | None:
    rules, name = job.target.sandbox.extensions, entry.tag
    here = (
        session.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", (name,)).fetchone()
        is not None
    )
    if not here and name in rules.absent_ok:
        leave_out(job, entry)
        return None
    if not is_allowed(name, rules):
        return finding(
            "extension-not-allowed",
            f"The backup needs the extension {name}, which the fleet file does not allow. It was not "
            f"restored.",
            where=name,
        )
    if not here:
        return _unavailable(job, name, "it is not installed")
    return None


def leave_out(job: Job, entry: TocEntry) -> None:
    """Note an extension that a managed service brings itself."""
    job.omissions.append(Omission(entry, Meaning.HARMLESS))
    job.findings.append(
        finding(
            "extension-absent",
            f"The extension {entry.tag} is not here and was left out, as configured; so is what needs it.",
            where=entry.tag,
        )
    )


def _make_schema(job: Job, session: Connection, schema: str) -> bool:
    statement = sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
    session.execute(statement.format(sql.Identifier(schema), sql.Identifier(job.sandbox.owner)))
    return True


def _create(job: Job, session: Connection, entry: TocEntry, schema: str) -> Finding | None:
    if any(omission.entry is entry for omission in job.omissions):
        return None
    within = sql.SQL(" SCHEMA {}").format(sql.Identifier(schema)) if schema else sql.SQL("")
    statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {}{}").format(sql.Identifier(entry.tag), within)
    try:
        session.execute(statement)
    except psycopg.errors.InvalidSchemaName:
        _make_schema(job, session, schema)
        return _create(job, session, entry, schema)
    except psycopg.Error as error:
        return _unavailable(job, entry.tag, of_error(error, all_names((entry.tag, schema))))
    return None


def _unavailable(job: Job, name: str, why: str) -> Finding:
    version = job.sandbox.postgres.version
    return finding(
        "extension-missing",
        f"The backup needs the extension {name}, which PostgreSQL {version} on this host cannot create: "
        f"{why}. "
        "Nothing is said about the backup.",
        where=name,
    )
