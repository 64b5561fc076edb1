"""What only a superuser may do for a restore, done by us: from names in entries, never with a dump's text.

Before the data: extensions that the fleet file allows, foreign-data wrappers, rights on what extensions
own. After the data: event triggers (disabled), publications of all tables, owners. Nothing here runs code
of the dump: no statement evaluates its functions, and what is called (a wrapper's validator) is what an
extension's script made, by the list that was taken right after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import psycopg
from psycopg import sql

from tasks.engines.context import Connection, Job
from tasks.engines.errors.causes import Omission
from tasks.engines.keys import UNTRUSTED_SETTINGS
from tasks.engines.sql.tokens import (
    is_name,
    name_of,
    names_listed,
    qualified_names,
    quoted,
    string_of,
    tokens,
)
from tasks.model.backup import TocEntry
from tasks.model.server_words import Refusal, of_error

SETTINGS = (
    "lc_messages", "log_statement", "log_min_duration_statement", "log_duration", "log_min_messages",
    "track_functions", "track_activities", "track_io_timing", "deadlock_timeout", "temp_file_limit",
    "commit_delay", "update_process_title",
)  # fmt: skip
"""Superuser's settings that functions of applications carry and that reach nothing outside the database.

Two more are lent by `keys`, where the backup speaks of them."""
_PARAMETER_GRANTS_SINCE = 15
_PUBLISH_WORDS = re.compile(r"[a-z_]+")
_PUBLISH_VALUES = re.compile(r"'[a-z, ]*'|true|false|[a-z]+")
_FILE_WRAPPERS = ("file_fdw",)
_READERS = """
SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND pronargs = 0 AND proname IN (
    'pg_config', 'pg_get_backend_memory_contexts', 'pg_get_shmem_allocations',
    'pg_hba_file_rules', 'pg_ident_file_mappings', 'pg_show_all_file_settings')
"""
"""What stands behind views of the system's that only a superuser reads: they tell of the sandbox alone."""
_WRAPPER_FUNCTIONS = """
SELECT w.tableoid::bigint, w.oid::bigint, h.tableoid::bigint, h.oid::bigint, v.tableoid::bigint,
       v.oid::bigint, hs.nspname::text, h.proname::text, vs.nspname::text, v.proname::text
FROM pg_foreign_data_wrapper w
JOIN pg_proc h ON h.oid = w.fdwhandler JOIN pg_namespace hs ON hs.oid = h.pronamespace
JOIN pg_proc v ON v.oid = w.fdwvalidator JOIN pg_namespace vs ON vs.oid = v.pronamespace
WHERE w.fdwname <> ALL (%s)
"""


def prepare(job: Job, session: Connection) -> None:
    """Let the restoring role use the fresh database as its owner would: public, settings, views to read."""
    owner = sql.Identifier(job.sandbox.owner)
    (readers,) = session.execute(_READERS).fetchone() or ("",)
    session.execute(f"GRANT EXECUTE ON FUNCTION {readers} TO {quoted(job.sandbox.owner)}".encode())
    if job.sandbox.postgres.major < _PARAMETER_GRANTS_SINCE:
        session.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(owner))
        return
    for name in SETTINGS:
        session.execute(sql.SQL("GRANT SET ON PARAMETER {} TO {}").format(sql.Identifier(name), owner))


def lent_settings(job: Job) -> frozenset[str]:
    """Return the superuser's settings that the restoring role may set all the same, or will as it asks."""
    lent = (*SETTINGS, *UNTRUSTED_SETTINGS)
    return frozenset(lent if job.sandbox.postgres.major >= _PARAMETER_GRANTS_SINCE else ())


def lend_extension_objects(job: Job, session: Connection) -> None:
    """Let the restoring role load the tables of extensions and use their foreign-data wrappers."""
    owner = sql.Literal(job.sandbox.owner)
    rows = session.execute(
        sql.SQL(
            """
            WITH members AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
            SELECT format(CASE relkind WHEN 'S' THEN 'GRANT SELECT, UPDATE, USAGE ON SEQUENCE %s TO %I'
                   ELSE 'GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLE %s TO %I' END,
                   c.oid::regclass, {0})
                FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
                WHERE relkind IN ('r', 'p', 'S')
            UNION ALL SELECT format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', nspname, {0})
                FROM pg_namespace n JOIN members m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
            UNION ALL SELECT format('GRANT USAGE ON FOREIGN DATA WRAPPER %I TO %I WITH GRANT OPTION',
            fdwname, {0})
                FROM pg_foreign_data_wrapper WHERE fdwname <> ALL ({1})
            """
        ).format(owner, sql.Literal(list(_FILE_WRAPPERS)))
    ).fetchall()
    run_batches(session, [statement for (statement,) in rows])


def create_wrapper(job: Job, session: Connection, entry: TocEntry) -> bool:
    """Create a foreign-data wrapper that no extension brings, with the functions of an extension's own.

    A handler without its validator would read what the validator forbids, and a validator is called: so both
    must be those of one wrapper that an extension made, or the new one gets neither.

    Returns:
        False where something of the entry was not done.
    """
    parts = list(tokens(entry.defn))
    upper = [token.upper() for token in parts]
    if upper[:4] != ["CREATE", "FOREIGN", "DATA", "WRAPPER"] or len(parts) < 5:  # noqa: PLR2004
        return False
    create = sql.SQL("CREATE FOREIGN DATA WRAPPER {}").format(sql.Identifier(name_of(parts[4])))
    functions = [_function_after(word, parts, upper) for word in ("HANDLER", "VALIDATOR")]
    if not any(functions):
        return _try(session, create) is None and "OPTIONS" not in upper
    of_extension = next((pair for pair in _wrapper_functions(job, session) if _names(pair, functions)), None)
    if of_extension is None:
        _try(session, create)
        return False
    handler, validator = (sql.Identifier(*name) for name in of_extension)
    with_code = sql.SQL("{} HANDLER {} VALIDATOR {}").format(create, handler, validator)
    return _try(session, with_code) is None and "OPTIONS" not in upper


def _function_after(word: str, parts: list[str], upper: list[str]) -> tuple[str, ...]:
    """Return the function behind *word*, () where there is none."""
    if word not in upper or upper[upper.index(word) - 1] == "NO":
        return ()
    return qualified_names(parts[upper.index(word) + 1 :])


_Pair = tuple[tuple[str, str], tuple[str, str]]


def _names(pair: _Pair, functions: list[tuple[str, ...]]) -> bool:
    """Tell whether a handler and a validator are those that are asked for, whatever schema they are in."""
    return all(name[1] == other[-1] for name, other in zip(pair, functions, strict=True) if other) and all(
        functions
    )


def _wrapper_functions(job: Job, session: Connection) -> list[_Pair]:
    """Return handler and validator of each wrapper that an extension made and that reads no files."""
    rows = session.execute(_WRAPPER_FUNCTIONS, (list(_FILE_WRAPPERS),)).fetchall()
    return [
        ((handler_schema, handler), (validator_schema, validator))
        for *members, handler_schema, handler, validator_schema, validator in rows
        if job.members.issuperset(zip(members[::2], members[1::2], strict=True))
    ]


def create_privileged(job: Job, session: Connection) -> None:
    """Create publications of everything and event triggers, disabled; list those of unknown shape."""
    for entry in job.toc.entries:
        if publishes_by_superuser(entry):
            is_created = create_publication(session, entry)
        elif entry.desc == "EVENT TRIGGER":
            is_created = create_event_trigger(session, entry)
        else:
            continue
        if not is_created:
            job.omissions.append(Omission(entry))


def create_event_trigger(session: Connection, entry: TocEntry) -> bool:
    """Create an event trigger, disabled; False where the entry has an unknown shape or cannot be created."""
    parts = list(tokens(entry.defn))
    upper = [token.upper() for token in parts]
    if upper[:3] != ["CREATE", "EVENT", "TRIGGER"] or "EXECUTE" not in upper or upper[4:5] != ["ON"]:
        return False
    execute = upper.index("EXECUTE")
    function = qualified_names(parts[execute + 2 :])
    tags = [string_of(token) for token in parts[6:execute] if token.startswith("'")]
    if not is_name(parts[5]) or len(function) not in (1, 2):
        return False
    when = (
        sql.SQL(" WHEN TAG IN ({})").format(sql.SQL(", ").join(map(sql.Literal, tags)))
        if tags
        else sql.SQL("")
    )
    name = sql.Identifier(name_of(parts[3]))
    statement = sql.SQL(
        "CREATE EVENT TRIGGER {} ON {}{} EXECUTE FUNCTION {}(); ALTER EVENT TRIGGER {} DISABLE"
    ).format(name, sql.Identifier(name_of(parts[5])), when, sql.Identifier(*function), name)
    return _try(session, statement) is None


def publishes_by_superuser(entry: TocEntry) -> bool:
    """Tell whether a publication entry needs a superuser: all tables, or all of a schema."""
    if entry.desc == "PUBLICATION TABLES IN SCHEMA":
        return True
    upper = [token.upper() for token in tokens(entry.defn)]
    return entry.desc == "PUBLICATION" and upper[3:6] == ["FOR", "ALL", "TABLES"]


def create_publication(session: Connection, entry: TocEntry) -> bool:
    """Create a publication of all tables or add a schema to one; False where the entry says another thing."""
    parts = list(tokens(entry.defn))
    upper = [token.upper() for token in parts]
    if len(parts) < 7:  # noqa: PLR2004  the shortest that pg_dump writes
        return False
    name = sql.Identifier(name_of(parts[2]))
    if upper[:2] == ["CREATE", "PUBLICATION"] and upper[3:6] == ["FOR", "ALL", "TABLES"]:
        options = _publication_options(parts[6:])
        return options is not None and _try(
            session, sql.SQL("CREATE PUBLICATION {} FOR ALL TABLES{}").format(name, options)
        ) is None  # fmt: skip
    if upper[:2] == ["ALTER", "PUBLICATION"] and upper[3:7] == ["ADD", "TABLES", "IN", "SCHEMA"]:
        schemas = [sql.Identifier(schema) for schema in names_listed(parts, 7)[0]]
        add = sql.SQL("ALTER PUBLICATION {} ADD TABLES IN SCHEMA {}").format(
            name, sql.SQL(", ").join(schemas)
        )
        return bool(schemas) and _try(session, add) is None
    return False


def _publication_options(parts: list[str]) -> sql.Composable | None:
    """Return the `WITH (name = value, ...)` of a publication, built anew; None for another shape."""
    if not parts or parts[0] == ";":
        return sql.SQL("")
    if parts[0].upper() != "WITH" or ")" not in parts:
        return None
    inside = [part for part in parts[2 : parts.index(")")] if part != ","]
    names, signs, values = inside[0::3], inside[1::3], inside[2::3]
    fits = all(map(_PUBLISH_WORDS.fullmatch, names)) and all(map(_PUBLISH_VALUES.fullmatch, values))
    if not fits or set(signs) != {"="} or not len(names) == len(signs) == len(values):
        return None
    options = ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))
    return sql.SQL(f" WITH ({options})")


def _try(session: Connection, statement: sql.Composed) -> str | None:
    """Run a statement of ours; its error, in our words, or None."""
    try:
        session.execute(statement)
    except psycopg.Error as error:
        return of_error(error)
    return None


def run_batches(session: Connection, statements: list[str], size: int = 200) -> list[tuple[str, Refusal]]:
    """Run statements that the catalogue wrote, many at a time; return those that failed and why."""
    failed: list[tuple[str, Refusal]] = []
    for start in range(0, len(statements), size):
        batch = statements[start : start + size]
        try:
            session.execute(";".join(batch).encode())
        except psycopg.Error:
            failed += _one_by_one(session, batch)
    return failed


def _one_by_one(session: Connection, statements: Iterable[str]) -> list[tuple[str, Refusal]]:
    failed: list[tuple[str, Refusal]] = []
    for statement in statements:
        try:
            session.execute(statement.encode())
        except psycopg.OperationalError as error:
            if session.broken or session.closed:
                raise
            failed.append((statement, Refusal.of(error)))
        except psycopg.Error as error:
            failed.append((statement, Refusal.of(error)))
    return failed
