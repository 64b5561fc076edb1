"""What a recovered copy holds that must be known before it is judged: its databases, and what of them counts.

Whatever cannot be opened on this worker says nothing against the backup, and is named as what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from tasks.model.bounded_list import beyond, listing
from tasks.model.findings import Finding
from tasks.model.rules import finding
from tasks.model.sandbox import Sandbox
from tasks.physical.locales import Locales
from tasks.physical.start import connect_any, failed, icu_unsupported
from tasks.sandbox.cluster import connect

_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"
_CLOSED = "SELECT datname FROM pg_database WHERE NOT datallowconn AND NOT datistemplate ORDER BY datname"
_OWN = frozenset({"postgres"})
_BARRED = r"^(session_preload_libraries|event_triggers)="
_BARRING = """
SELECT DISTINCT coalesce('database ' || d.datname, 'all databases') || ', '
       || coalesce('role ' || r.rolname, 'all roles') || ': ' || split_part(c.setting, '=', 1)
  FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS c(setting)
  LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
 WHERE c.setting ~* %s ORDER BY 1
"""
_UNBAR = """
UPDATE pg_db_role_setting SET setconfig = ARRAY(SELECT c FROM unnest(setconfig) AS c WHERE c !~* %(barred)s)
 WHERE EXISTS (SELECT FROM unnest(setconfig) AS c WHERE c ~* %(barred)s)
"""
_SUBSCRIPTIONS = "SELECT subname FROM pg_subscription WHERE subenabled ORDER BY subname"
_LOGIN_TRIGGERS = (
    "SELECT evtname FROM pg_event_trigger WHERE evtevent = 'login' AND evtenabled <> 'D' ORDER BY evtname"
)
_LOGIN_TRIGGERS_SINCE = 17
_PREPARED = "SELECT count(*), extract(epoch FROM max(now() - prepared)) FROM pg_prepared_xacts"
_UNLOGGED = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relpersistence = 'u' AND c.relkind = 'r' ORDER BY 1
"""
_COLLATIONS = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname)
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE c.collversion IS NOT NULL AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
   AND (c.collprovider <> 'i' OR pg_collation_actual_version(c.oid) IS NOT NULL) ORDER BY 1
"""
_DATABASE_COLLATION = """
SELECT datcollversion FROM pg_database
 WHERE datname = current_database() AND datcollversion IS NOT NULL
   AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)
"""
_DATABASE_COLLATION_SINCE = 15
_FILES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), pg_relation_filepath(c.oid)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE pg_relation_filepath(c.oid) IS NOT NULL
"""
Session = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What a recovered copy holds.

    Attributes:
        databases: those that a drill judges: open, no template, not `postgres`.
        closed: databases that let nobody in.
        neutralised: what was switched off in it, by names.
        unlogged: unlogged tables, `database:schema.table`; they are empty, as they must be.
        collations: what has another version here, `database:collation`, or the database's own.
    """

    databases: tuple[str, ...]
    closed: tuple[str, ...]
    neutralised: tuple[str, ...]
    unlogged: tuple[str, ...]
    collations: tuple[str, ...]
    findings: tuple[Finding, ...]


def look(sandbox: Sandbox, locales: Locales) -> CopyFacts:
    """Open every database of the copy and return what it holds; what would bar our sessions is taken away.

    Raises:
        PermanentError: `icu-unsupported`, `locale-unavailable`, `postgres-failed`.
    """
    with connect_any(sandbox) as session:
        neutralised = _unbar(session)
        neutralised += [f"subscription {name}" for name in _names(session, _SUBSCRIPTIONS)]
        databases, closed = _names(session, _DATABASES), _names(session, _CLOSED)
        left = _prepared(session)
    unlogged: list[str] = []
    collations: list[str] = []
    for database in databases:
        with open_database(sandbox, database, locales) as session:
            unlogged += [f"{database}:{name}" for name in _names(session, _UNLOGGED)]
            collations += [f"{database}:{name}" for name in _other_collations(session, database, sandbox)]
            if sandbox.postgres.major >= _LOGIN_TRIGGERS_SINCE:
                neutralised += [
                    f"{database}: login trigger {name}" for name in _names(session, _LOGIN_TRIGGERS)
                ]
    return CopyFacts(
        databases=tuple(name for name in databases if name not in _OWN),
        closed=tuple(closed),
        neutralised=tuple(neutralised),
        unlogged=tuple(unlogged),
        collations=tuple(collations),
        findings=(*left, *_of_unlogged(unlogged), *_of_collations(collations)),
    )


def open_database(sandbox: Sandbox, database: str, locales: Locales) -> Session:
    """Connect as our superuser; a locale that is not here is built first.

    Raises:
        PermanentError: `icu-unsupported`, `locale-unavailable`, `postgres-failed`.
    """
    while True:
        try:
            return connect(sandbox, database)
        except psycopg.OperationalError as error:
            text = str(error)
            absent = locales.absent_in(text.splitlines())
            if "ICU is not supported" in text:
                raise icu_unsupported(database) from error
            if absent is None:
                raise failed(sandbox, f"The database {database} cannot be opened", [text]) from error
            locales.build(absent)


def files_of(session: Session) -> dict[str, str]:
    """Return the files of the database's tables and indexes, below the data folder, with their names."""
    return {str(path): str(name) for name, path in session.execute(_FILES).fetchall()}


def settings_finding(neutralised: tuple[str, ...]) -> tuple[Finding, ...]:
    """Return what was switched off, as one info; nothing where nothing was."""
    if not neutralised:
        return ()
    what = (
        "1 setting of the copy was"
        if len(neutralised) == 1
        else f"{len(neutralised)} settings of the copy were"
    )
    return (
        finding(
            "settings-neutralised",
            f"{what} switched off before it started: "
            f"{listing(neutralised)}. Started by hand, it would obey them.",
            names=beyond(neutralised),
        ),
    )


def _unbar(session: Session) -> list[str]:
    """Remove what would load libraries into our sessions or run triggers at login; return the names."""
    names = [str(name) for (name,) in session.execute(_BARRING, (_BARRED,)).fetchall()]
    if names:
        session.execute(_UNBAR, {"barred": _BARRED})
        session.execute("DELETE FROM pg_db_role_setting WHERE setconfig = '{}'")
    return names


def _names(session: Session, query: str) -> list[str]:
    return [str(name) for (name,) in session.execute(query).fetchall()]


def _other_collations(session: Session, database: str, sandbox: Sandbox) -> list[str]:
    names = _names(session, _COLLATIONS)
    if sandbox.postgres.major >= _DATABASE_COLLATION_SINCE and _names(session, _DATABASE_COLLATION):
        names.append(f"database {database}")
    return names


def _prepared(session: Session) -> tuple[Finding, ...]:
    row = session.execute(_PREPARED).fetchone()
    if row is None or not row[0]:
        return ()
    return (
        finding(
            "prepared-transactions-left",
            f"{row[0]} prepared transactions are in doubt, the oldest for {float(row[1]) / 3600:.0f} hours: "
            "what they wrote is invisible, and what they locked stays locked.",
        ),
    )


def _of_unlogged(names: list[str]) -> tuple[Finding, ...]:
    if not names:
        return ()
    said = f"{len(names)} unlogged tables came back empty: {listing(names)}. Every crash empties them too."
    return (finding("unlogged-emptied", said, names=beyond(names)),)


def _of_collations(names: list[str]) -> tuple[Finding, ...]:
    if not names:
        return ()
    said = (
        f"{len(names)} collations have another version here than at the source: {listing(names)}. Indexes on "
        "text may be out of order on this worker, while the backup is whole."
    )
    return (finding("collation-mismatch", said, names=beyond(names)),)
