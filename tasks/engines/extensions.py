"""Extensions: created by us, and only what the fleet file allows, where nothing of the dump could be called.

They belong to our superuser: the role that restores cannot add to them. What their scripts made is noted
right after each, for it is all that the trusted step may call later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tasks.catalog.extensions import is_allowed
from tasks.engines.context import Connection, Job
from tasks.engines.errors.causes import Omission
from tasks.engines.errors.classes import Meaning
from tasks.engines.errors.failure import Failure
from tasks.engines.sql.tokens import is_name, name_of, string_of, tokens
from tasks.model.backup import TocEntry
from tasks.model.errors import StageFailed
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.server_words import Refusal, all_names

ALWAYS = "plpgsql"
_MEMBERS = """
SELECT x.oid::bigint, d.classid::bigint, d.objid::bigint FROM pg_extension x JOIN pg_depend d
    ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND d.deptype = 'e'
WHERE x.extowner = 10 AND x.oid <> ALL (%s::oid[])
"""
"""Those of our superuser, under the number that the first role of every cluster has."""
_CODE = """
SELECT 'pg_proc'::regclass::oid::bigint, oid::bigint FROM pg_proc WHERE oid >= 16384
UNION ALL SELECT 'pg_operator'::regclass::oid::bigint, oid::bigint FROM pg_operator WHERE oid >= 16384
UNION ALL SELECT 'pg_cast'::regclass::oid::bigint, oid::bigint FROM pg_cast WHERE oid >= 16384
UNION ALL SELECT 'pg_opclass'::regclass::oid::bigint, oid::bigint FROM pg_opclass WHERE oid >= 16384
UNION ALL SELECT 'pg_language'::regclass::oid::bigint, oid::bigint FROM pg_language WHERE oid >= 16384
"""
_AVAILABLE = """
SELECT e.name::text, v.schema::text, v.trusted, coalesce(v.requires::text[], '{}')
FROM pg_available_extensions() e
JOIN pg_available_extension_versions() v ON v.name = e.name AND v.version = e.default_version
"""
_REQUIRED = re.compile(r'required extension "([^"]*)" is not installed')
_DUPLICATES = (
    psycopg.errors.DuplicateFunction, psycopg.errors.DuplicateObject, psycopg.errors.DuplicateTable
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extension:
    """What a CREATE EXTENSION asks for.

    Attributes:
        schema: "" where it names none.
        version: "" for the newest.
        cascade: it asks for what the extension requires, too.
    """

    name: str
    schema: str = ""
    version: str = ""
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class Available:
    """What this host's PostgreSQL knows of an extension.

    Attributes:
        schema: where it always goes; None where the CREATE EXTENSION says so.
        trusted: PostgreSQL lets anybody create it: its script takes care of what is there already.
    """

    schema: str | None
    trusted: bool
    requires: tuple[str, ...]


def read_extension(definition: str, tag: str) -> Extension:
    """Return what a CREATE EXTENSION asks for, of the extension *tag* where the text cannot be read."""
    parts = [part for part in tokens(definition) if part != ";"]
    upper = [part.upper() for part in parts]
    at = 2 + 3 * (upper[2:5] == ["IF", "NOT", "EXISTS"])
    if upper[:2] != ["CREATE", "EXTENSION"] or not all(map(is_name, parts[at : at + 1])) or at >= len(parts):
        return Extension(tag)
    options = dict(zip(upper[at + 1 :], parts[at + 2 :], strict=False))
    schema, version = options.get("SCHEMA", ""), options.get("VERSION", "")
    return Extension(
        name_of(parts[at]),
        name_of(schema) if is_name(schema) else "",
        string_of(version) if "'" in version else name_of(version),
        upper[-1] == "CASCADE" and len(parts) > at + 1,
    )


def create_extensions(
    job: Job,
    session: Connection,
    entries: Iterable[TocEntry],
    own_schemas: Iterable[str] = (),
    schema: str | None = None,
) -> set[str]:
    """Create what EXTENSION *entries* name, in their schemas.

    Args:
        job: takes what is left out, what failed for the backup's own reason, and what was made.
        session: of our superuser.
        entries: of kind EXTENSION.
        own_schemas: schemas that the backup creates: an extension's own among them is made by us first.
        schema: where a CREATE EXTENSION that names none would put it; None where that is nowhere.

    Returns:
        The schemas that were made for an extension.

    Raises:
        StageFailed: `extension-not-allowed`, `extension-missing`: all that are wrong, at once.
    """
    wrong: list[Finding] = []
    created: set[str] = set()
    backup_makes = set(own_schemas)
    wanted_extensions = [(entry, read_extension(entry.defn, entry.tag)) for entry in entries]
    wanted_extensions = [
        (entry, extension) for entry, extension in wanted_extensions if extension.name != ALWAYS
    ]
    available = available_extensions(session) if wanted_extensions else {}
    for entry, extension in wanted_extensions:
        candidate = available.get(extension.name)
        if candidate is None and extension.name in job.target.sandbox.extensions.absent_ok:
            leave_out(job, entry)
            continue
        trouble = _refusal(job, extension, available)
        if trouble is None and candidate is not None:
            if extension.schema in backup_makes and extension.schema not in created:
                _make_schema(job, session, extension.schema)
                created.add(extension.schema)
            place = extension.schema or ("" if candidate.schema is not None else schema)
            trouble = _create(job, session, entry, extension, place)
        wrong += filter(None, [trouble])
    if wrong:
        raise StageFailed(tuple(wrong))
    return created


def available_extensions(session: Connection) -> dict[str, Available]:
    """Return what could be created here."""
    rows = session.execute(_AVAILABLE).fetchall()
    return {name: Available(schema, trusted, tuple(needs)) for name, schema, trusted, needs in rows}


def note_members(job: Job, session: Connection) -> None:
    """Note what extensions hold that were not there before; to be called when nothing could add to them."""
    rows = session.execute(_MEMBERS, (list(job.extensions),)).fetchall()
    job.members |= {(klass, oid) for _, klass, oid in rows}
    job.extensions |= {extension for extension, _, _ in rows}


def is_untouched(job: Job, session: Connection) -> bool:
    """Tell whether nothing is there that an extension's script, run as superuser, could call but its own.

    Whoever owns it: a dump can create as any role that it names.
    """
    return {(klass, oid) for klass, oid in session.execute(_CODE)} <= job.members


def is_trusted(session: Connection, name: str) -> bool:
    """Tell whether PostgreSQL lets anybody create the extension, whatever is in the database already."""
    candidate = available_extensions(session).get(name)
    return candidate is not None and candidate.trusted


def _refusal(job: Job, extension: Extension, available: dict[str, Available]) -> Finding | None:
    """Return why an extension, or one that comes with it, cannot be created."""
    rules = job.target.sandbox.extensions
    needed = _with_required(extension, available)
    lacking = next((name for name in needed if name not in available), None)
    if lacking is not None:
        return _unavailable(job, lacking, "it is not installed")
    refused = next((name for name in needed if not is_allowed(name, rules)), None)
    if refused is None:
        return None
    return finding(
        "extension-not-allowed",
        f"The backup needs the extension {refused}, which the fleet file does not allow. It was not "
        "restored.",
        where=refused,
    )


def _with_required(extension: Extension, available: dict[str, Available]) -> list[str]:
    """Return the extension and, where it asks for them, those that it requires, and they."""
    needed = [extension.name]
    for name in needed:
        if extension.cascade and name in available:
            needed += [other for other in available[name].requires if other not in needed]
    return needed


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


def _make_schema(job: Job, session: Connection, schema: str) -> None:
    statement = sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
    session.execute(statement.format(sql.Identifier(schema), sql.Identifier(job.sandbox.owner)))


def _create(
    job: Job, session: Connection, entry: TocEntry, extension: Extension, schema: str | None
) -> Finding | None:
    """Create an extension as a superuser's tools would: a schema that the backup lacks is not made."""
    try:
        session.execute(_statement(extension, schema))
    except (psycopg.errors.InvalidSchemaName, *_DUPLICATES) as error:
        job.failures.append(Failure.of(entry, Refusal.of(error)))
    except psycopg.Error as error:
        refusal = Refusal.of(error)
        required = _REQUIRED.search(refusal.words)
        if required is None:
            return _unavailable(job, extension.name, refusal.told(all_names((extension.name, schema or ""))))
        if any(omission.entry.tag == required[1] for omission in job.omissions):
            leave_out(job, entry)
        else:
            job.failures.append(Failure.of(entry, refusal))
    note_members(job, session)
    return None


def _statement(extension: Extension, schema: str | None) -> sql.Composed:
    parts: list[sql.Composable] = [
        sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension.name))
    ]
    if schema is None:  # nowhere: PostgreSQL says so in its own words
        parts.insert(0, sql.SQL("SET LOCAL search_path TO '';"))
    elif schema:
        parts.append(sql.SQL("SCHEMA {}").format(sql.Identifier(schema)))
    if extension.version:
        parts.append(sql.SQL("VERSION {}").format(sql.Literal(extension.version)))
    if extension.cascade:
        parts.append(sql.SQL("CASCADE"))
    return sql.SQL(" ").join(parts)


def _unavailable(job: Job, name: str, why: str) -> Finding:
    version = job.sandbox.postgres.version
    return finding(
        "extension-missing",
        f"The backup needs the extension {name}, which PostgreSQL {version} on this host cannot create: "
        f"{why}. "
        "Nothing is said about the backup.",
        where=name,
    )
